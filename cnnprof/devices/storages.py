"""The bytes of all storages that are there at once, added up by torch's own tracker while a network runs."""

from __future__ import annotations

from functools import cache
from typing import Any


def tracker(*known: Any) -> Any:
    """Return torch's ``MemTracker``, which is told of modules, optimizers and tensors that are there already."""
    found = _tracker_class()()
    found.track_external(*known)
    return found


@cache
def _tracker_class() -> Any:
    from torch.distributed._tools.mem_tracker import MemTracker

    class Tracker(MemTracker):  # type: ignore[misc] # torch is not followed
        """The tracker without its statistics per module, whose time grows with the square of the modules."""

        def __enter__(self) -> Any:
            super().__enter__()
            self._mod_tracker.__exit__(None, None, None)
            return self

    return Tracker


def total(found: Any, when: str = "peak") -> int:
    """Return the bytes that a tracker has seen at once, or sees now (``current``)."""
    return sum(each["Total"] for each in found.get_tracker_snapshot(when).values())
