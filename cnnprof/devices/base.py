"""What the measuring loop asks of a device, and what a device is handed. Plain types only: it runs in a worker."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol

Mark = Callable[[], None]
"""Called at the edge of a layer; it reads the clocks."""


class Dressed(NamedTuple):
    """Something to run that calls marks."""

    run: Callable[[], Any]
    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    """Entered before it is timed and left afterwards: what puts marks where they are not written into the code."""


Marking = Callable[[Mark, Mark], Dressed]
"""Given what to call before a layer and after it."""


class Alone(NamedTuple):
    """A layer by itself."""

    run: Callable[[], Any]
    """Runs it once."""
    twin: Callable[[], Any]
    """Runs a copy of it, whose weights lie elsewhere, on the same input."""
    touch: Callable[[], Any]
    """Reads its input."""


class Layer(NamedTuple):
    """One layer that pass L tells apart."""

    name: str
    kind: str
    """How it is marked: a key of ``Network.idle``."""
    alone: Callable[[], Alone] | None = None
    """Prepares the layer to run by itself. None: it cannot."""


class Idle(NamedTuple):
    """Layers that do little, called as real ones are: what marks cost is measured on them."""

    layers: int
    plain: Callable[[], Any]
    marked: Marking


class Network(NamedTuple):
    """A network that is ready to run, whatever made it. One step is its phases, one after the other."""

    layers: tuple[Layer, ...]
    phases: tuple[tuple[str, Callable[[], Any]], ...]
    """``("forward", …)``, in training also ``("backward", …)`` and ``("optimizer", …)``."""
    marked: Marking | None
    """The first phase with marks. None: layers cannot be told apart."""
    idle: dict[str, Idle]
    peak_bytes: Callable[[], int]
    """Pass M: the most bytes that are there at once in a step."""
    counter: str
    """What counts those bytes."""
    output_std: Callable[[], float]


class Subject(Protocol):
    """A network on a device, as the loop sees it. Times are whole nanoseconds of the device's own clock."""

    layers: tuple[str, ...]
    marks: tuple[str, ...]
    phases: tuple[str, ...]

    def now_ns(self) -> int:
        """Return the time by which budgets are kept."""

    def environment(self) -> dict[str, Any]:
        """Return what the times depend on; what is not known is None. ``threads`` is the number that torch uses."""

    def costs(self) -> dict[str, dict[str, float]]:
        """Return the cost of each kind of mark, as the fields of ``MarkCost``."""

    def run(self, kind: str) -> dict[str, Any]:
        """Run one forward or step of pass E or L; return the fields of ``Forward``."""

    def others(self) -> float | None:
        """Return the CPUs that other processes kept busy since the last call; None where nobody says."""

    def alone(self, index: int, samples: int) -> dict[str, Any] | None:
        """Run one layer by itself; return the fields of ``Temperature``, or None where it cannot run alone."""

    def memory(self) -> dict[str, Any] | None:
        """Return the fields of ``MeasuredMemory``, or None where nothing counts it."""

    def output_std(self) -> float | None:
        """Return the standard deviation of the main output."""
