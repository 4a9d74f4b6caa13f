"""What everything here is measured with: torch, the host's two clocks, and events of the device."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from time import perf_counter_ns, thread_time_ns
from typing import Any, NamedTuple

_NS_PER_MS = 1_000_000
FEWEST = 3
"""Samples of what takes long."""


class Toolkit(NamedTuple):
    """torch and clocks; a test hands in others, whose answers are known."""

    torch: Any
    wall_ns: Callable[[], int] = perf_counter_ns
    cpu_ns: Callable[[], int] = thread_time_ns
    """CPU time of the calling thread."""

    @property
    def cuda(self) -> Any:
        return self.torch.cuda

    def event(self) -> Any:
        """Return an event that can be asked for times."""
        return self.torch.cuda.Event(enable_timing=True)

    def finish(self) -> None:
        """Wait until the device has done all that it was given, in every stream."""
        self.torch.cuda.synchronize()

    def wall_of(self, work: Callable[[], Any]) -> int:
        """Return the nanoseconds until the device has done some work that it has to itself."""
        self.finish()
        began = self.wall_ns()
        work()
        self.finish()
        return self.wall_ns() - began


def sampled(toolkit: Toolkit, take: Callable[[], Any], samples: int, longest_ns: float = math.inf) -> list[Any]:
    """Return samples of something: fewer where they take long, and none after one that cannot be taken.

    Args:
        toolkit: whose clock is the host's.
        take: takes one; None: it cannot be, which takes long to find out, and would be so the next time.
        samples: at most so many.
        longest_ns: after so much time no more than the fewest that do.
    """
    began, found = toolkit.wall_ns(), list[Any]()
    while len(found) < samples and (len(found) < FEWEST or toolkit.wall_ns() - began < longest_ns):
        taken = take()
        if taken is None:
            break
        found.append(taken)
    return found


def elapsed_ns(before: Any, after: Any) -> int:
    """Return the device's time between two events that have finished."""
    time_ms: float = before.elapsed_time(after)
    return round(time_ms * _NS_PER_MS)


def intervals_ns(events: Sequence[Any]) -> list[int]:
    """Return the times from each event to the next. Of neighbours: what torch hands on is a float of 24 bits."""
    return [elapsed_ns(before, after) for before, after in pairwise(events)]
