"""What the measuring loop asks of a device, and what a device is handed. Plain types only: it runs in a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol


class Layer(NamedTuple):
    """One layer that pass L tells apart."""

    name: str
    marked: str
    """How it is marked: a key of ``Subject.costs()``."""
    alone: Callable[[], tuple[Callable[[], Any], Callable[[], None], list[Any]]] | None = None
    """Prepares the layer by itself: what runs it once, what touches its input, and its weights. None: it cannot."""


class Network(NamedTuple):
    """A network that is ready to run on a device, whatever made it. A step is its phases, one after the other."""

    layers: tuple[Layer, ...]
    phases: tuple[tuple[str, Callable[[], Any]], ...]
    """``("forward", …)``, in training also ``("backward", …)`` and ``("optimizer", …)``."""
    marked: Callable[[Callable[[], None]], Any] | None
    """The forward with a mark before and after each layer. None: layers cannot be told apart (compiled)."""
    calibrations: dict[str, Callable[[Callable[[], None]], Callable[[bool], int]]]
    """Per kind of mark: given the mark, a function that runs layers that do nothing, marked or not, and says how many."""
    peak_bytes: Callable[[], tuple[int, str]] | None = None
    """Pass M: the most bytes at once in a step, and who counted them."""


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
