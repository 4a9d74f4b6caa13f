"""What the measuring loop asks of a device, and what a device is handed. Plain types only: it runs in a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol

from cnnprof.errors import WorkerError

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
    inputs: tuple[Any, ...] = ()
    """The tensors that it reads."""
    weights: tuple[Any, ...] = ()
    """Weights and buffers, each once."""
    state: Callable[[], list[Any]] = list
    """The tensors that an optimizer keeps from one step to the next."""
    fresh: bool = True
    """Whether nothing of it has run yet: the first forward takes longer."""


def failed_device(said: str) -> WorkerError:
    """Return the error for a device that refuses everything from now on, in this process: a sticky error."""
    return WorkerError(
        f"the device failed, and takes nothing more from this process: {said}",
        hint="what was measured before is kept; every other part has a process of its own",
        code="device-failed",
    )


def lost_device(said: str) -> WorkerError:
    """Return the error for a device that is gone, for every process."""
    return WorkerError(
        f"the device is gone: {said}",
        hint="the system's log says why (dmesg); cnnprof profile --resume goes on once it is back",
        code="device-lost",
    )


class Subject(Protocol):
    """A network on a device, as the loop sees it. Times are whole nanoseconds of the device's own clock.

    An accelerator computes while its host goes on. There a forward has ``device_ns`` in every pass, which tells such a
    part from one of a CPU, and its marks are events: none of them waits, and they have no CPU time.
    """

    layers: tuple[str, ...]
    marks: tuple[str, ...]
    phases: tuple[str, ...]
    passes: tuple[str, ...]
    """What ``run`` is asked for, in turns: E first. Without layers to tell apart neither L nor Q; Q only where what
    runs can be queued ahead, G only where it can be replayed, F only of an accelerator."""

    def now_ns(self) -> int:
        """Return the time by which budgets are kept."""

    def environment(self) -> dict[str, Any]:
        """Return what the times depend on; what is not known is None. ``threads`` is the number that torch uses."""

    def costs(self) -> dict[str, dict[str, float]]:
        """Return the cost of each kind of mark, as the fields of ``MarkCost``; of any mark of pass Q under ``Q``."""

    def run(self, kind: str) -> dict[str, Any]:
        """Run one forward or step of a pass; return the fields of ``Forward``.

        ``wall_ns`` is the host's clock, from the call until all of it has finished. Of a forward of pass Q that was not
        wholly queued before it began, ``marks_ns`` are empty: it is left out, and said.
        """

    def others(self) -> float | None:
        """Return the CPUs that other processes kept busy since the last call; None where nobody says."""

    def alone(self, index: int, samples: int) -> dict[str, Any] | None:
        """Run one layer by itself; return the fields of ``Temperature``, or None where it cannot run alone."""

    def memory(self) -> dict[str, Any] | None:
        """Return the fields of ``MeasuredMemory``, or None where nothing counts it."""

    def kernels(self) -> list[dict[str, Any]] | None:
        """Run pass K; return the fields of an ``Attribution`` per layer, or None where nothing tells."""

    def output_std(self) -> float | None:
        """Return the standard deviation of the main output."""

    def load(self) -> dict[str, Any] | None:
        """Return the fields of ``Load``: what was paid before the first forward; None of a CPU."""

    def copies(self, sizes: Sequence[int], samples: int) -> Iterator[dict[str, Any]]:
        """Yield the fields of ``Copy``, one for each size in bytes, direction and memory; nothing of a CPU."""

    def overlap(self, samples: int) -> dict[str, Any] | None:
        """Return the fields of ``Overlap``; None of a CPU, or where copying and computing cannot be done at once."""

    def telemetry(self, when: str) -> dict[str, Any] | None:
        """Return the fields of ``Telemetry``; None where nobody says anything. ``before`` and ``after`` the passes."""
