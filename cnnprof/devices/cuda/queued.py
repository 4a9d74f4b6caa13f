"""Pass Q: the device is kept busy until the host has launched all that is timed, so that it never waits for the host.

What keeps it busy is torch's kernel that counts cycles. It ends by itself, so that work in which the host waits for the
device cannot hang; such work is only never queued ahead, and neither is more than the driver's queue holds, about a
thousand launches. So a deep network is queued in chunks of layers. Whether the device had to wait after all is asked of
the first event: it must not have been passed yet when the host has launched everything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from cnnprof.devices.base import Dressed, Marking
from cnnprof.devices.cuda.marks import Marks
from cnnprof.devices.cuda.toolkit import Toolkit, elapsed_ns, intervals_ns

LAUNCHES = 1_000
"""That the driver's queue is taken to hold."""
LAUNCHES_PER_LAYER = 6
"""Two marks, and kernels: a convolution may have some for its layout."""
LEAST_NS, MOST_NS = 100_000, 1_000_000_000
DOUBLINGS = 3
"""Of twice the time that the host takes; what is not queued ahead then will not be, unless it is less."""
_CYCLES = 1_000_000
_TRIALS = 5


class Blocker:
    """Work that keeps the device busy for about a time."""

    def __init__(self, toolkit: Toolkit) -> None:
        self.time_ns = LEAST_NS
        self._toolkit = toolkit
        # The fastest: an idle GPU's clock rises while it is tried, to several times what it was.
        self._cycles_per_ns = _CYCLES / min(self._trial_ns() for _ in range(_TRIALS))

    def _trial_ns(self) -> int:
        before, after = self._toolkit.event(), self._toolkit.event()
        before.record()
        self._toolkit.cuda._sleep(_CYCLES)  # noqa: SLF001 torch's only name for it
        after.record()
        self._toolkit.finish()
        return max(1, elapsed_ns(before, after))

    def block(self) -> None:
        """Keep the current stream busy from now on."""
        self._toolkit.cuda._sleep(round(self.time_ns * self._cycles_per_ns))  # noqa: SLF001 torch's only name for it

    def lengthen(self) -> bool:
        """Block twice as long from now on; return False where that would be too long."""
        if self.time_ns * 2 > MOST_NS:
            return False
        self.time_ns *= 2
        return True


def time_queued(
    toolkit: Toolkit, blocker: Blocker, work: Callable[[], Any], before: Callable[[], Any] = lambda: None
) -> int | None:
    """Return the device's time for some work in the current stream; None where it cannot be queued ahead.

    Args:
        toolkit: with what it is measured.
        blocker: lengthened where it was too short.
        work: what is timed.
        before: what is launched right before it and not timed.
    """
    first, last = toolkit.event(), toolkit.event()
    while True:
        toolkit.finish()
        blocker.block()
        before()
        first.record()
        work()
        last.record()
        ahead = not first.query()
        toolkit.finish()
        if ahead:
            return elapsed_ns(first, last)
        if not blocker.lengthen():
            return None


class Queued(NamedTuple):
    """What a queued forward said."""

    marks_ns: list[int]
    """As ``Forward.marks_ns``."""
    ahead: bool
    """Whether the device never waited for the host."""
    seen: int
    """Marks of layers."""


class Queue:
    """A forward with marks, queued ahead in chunks of layers that are found to fit."""

    def __init__(self, toolkit: Toolkit, marking: Marking, layers: int) -> None:
        self.blocker = Blocker(toolkit)
        self.at_once = min(layers, LAUNCHES // LAUNCHES_PER_LAYER)
        """Layers that are queued at once."""
        self._toolkit = toolkit
        self._layers = layers
        self._marks = Marks(toolkit, 2 * layers + 2)
        self._dressed: Dressed = marking(self._enter, self._marks.mark)
        self._seams: dict[int, tuple[Any, Any]] = {}
        """By the number of a chunk's first layer: the end of the chunk before, and its own beginning."""
        self._entered = 0
        self._first: Any = None
        self._ahead = True
        self._host_ns: int | None = None
        self._doublings = 0

    def forward(self) -> Queued:
        """Run a forward, several times where it was not queued ahead, with more time or fewer layers at once."""
        if self._host_ns is None:
            self._host_ns = self._unqueued_ns()
            self._restart()
        found = self._attempt()
        while not found.ahead and self._ease():
            found = self._attempt()
        return found

    def _unqueued_ns(self) -> int:
        """Return how long the host takes to launch a forward with marks."""
        self._marks.begin()
        self._entered = -self._layers - 1  # no seams
        with self._dressed.around():
            self._toolkit.finish()
            began = self._toolkit.wall_ns()
            self._dressed.run()
            return self._toolkit.wall_ns() - began

    def _restart(self) -> None:
        self._doublings = 0
        share = self.at_once / self._layers
        self.blocker.time_ns = min(MOST_NS, max(LEAST_NS, round(2 * share * (self._host_ns or 0))))

    def _ease(self) -> bool:
        """Have the device wait longer, or less launched at once; return False where both are at their end."""
        if self._doublings < DOUBLINGS and self.blocker.lengthen():
            self._doublings += 1
            return True
        if self.at_once == 1:
            return False
        self.at_once = -(-self.at_once // 2)
        self._restart()
        return True

    def _attempt(self) -> Queued:
        self._marks.begin()
        self._seams.clear()
        self._entered, self._ahead = 0, True
        with self._dressed.around():
            self._toolkit.finish()
            self._block(self._marks.events[0])
            self._marks.mark()
            self._dressed.run()
            self._marks.mark()
            self._judge()
            self._toolkit.finish()
        seen = self._marks.seen() - 2
        return Queued(self._intervals() if seen == 2 * self._layers else [], self._ahead, seen)

    def _block(self, first: Any) -> None:
        self.blocker.block()
        self._first = first

    def _judge(self) -> None:
        self._ahead = self._ahead and not self._first.query()

    def _enter(self) -> None:
        if self._entered > 0 and self._entered % self.at_once == 0:
            self._split()
        self._entered += 1
        self._marks.mark()

    def _split(self) -> None:
        """Let the device do what it was given, and block it anew. What lies between is no time of the network."""
        end, beginning = self._seams[self._entered] = self._toolkit.event(), self._toolkit.event()
        end.record()
        self._judge()
        self._toolkit.finish()
        self._block(beginning)
        beginning.record()

    def _intervals(self) -> list[int]:
        events = self._marks.events
        found = intervals_ns(events)
        for layer, (end, beginning) in self._seams.items():
            left, entered = events[2 * layer], events[2 * layer + 1]
            found[2 * layer] = elapsed_ns(left, end) + elapsed_ns(beginning, entered)
        return found
