"""Marks of one forward: events that the device passes, made before and recorded without ever waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from cnnprof.devices.cuda.toolkit import Toolkit


class Marks:
    """So many events, recorded one after the other by calling ``mark``."""

    def __init__(self, toolkit: Toolkit, count: int) -> None:
        stream = toolkit.cuda.current_stream()  # which an event would otherwise look up each time
        self.events = [toolkit.event() for _ in range(count)]
        self._records: list[Callable[[], Any]] = [partial(event.record, stream) for event in self.events]
        self._left: Iterator[Callable[[], Any]] = iter(())
        self._surplus = 0
        for record in self._records:  # torch makes an event where it is recorded first
            record()
        toolkit.finish()

    def begin(self) -> None:
        """Start anew from the first event."""
        self._surplus = 0
        self._left = iter(self._records)

    def mark(self) -> None:
        """Record the next event."""
        next(self._left, self._count)()

    def _count(self) -> None:
        self._surplus += 1

    def seen(self) -> int:
        """Return how many marks there were since ``begin``; asked once."""
        return len(self.events) - sum(1 for _ in self._left) + self._surplus
