"""What marks cost on a GPU, measured on layers that do little.

Where the host launches more slowly than the device computes, a mark costs the host's time to record an event, and
intervals on the device grow by that. Where the device is behind, the host's time is hidden, and a mark costs what the
device takes to pass an event: that is measured as pass Q is, with everything queued ahead.
"""

from __future__ import annotations

from statistics import median

from cnnprof.devices.base import Idle
from cnnprof.devices.cuda.marks import Marks
from cnnprof.devices.cuda.queued import Blocker, Queue, time_queued
from cnnprof.devices.cuda.toolkit import Toolkit, intervals_ns

_REPEATS = 11
Cost = dict[str, float]
"""Fields of ``MarkCost``."""


def of_host(toolkit: Toolkit, idle: Idle) -> Cost:
    """Return what marks add where the device waits for the host."""
    marks = Marks(toolkit, 2 * idle.layers)
    marked = idle.marked(marks.mark, marks.mark)
    bare, dressed, inside = [], [], []
    for _ in range(_REPEATS):  # in turn: whatever else happens, happens to both
        bare.append(toolkit.wall_of(idle.plain))
        marks.begin()
        with marked.around():
            dressed.append(toolkit.wall_of(marked.run))
        inside += _pairs(toolkit, marks)
    added = (median(dressed) - median(bare)) / idle.layers
    return _cost(median(inside), added)


def of_device(toolkit: Toolkit, idle: Idle) -> Cost | None:
    """Return what marks add where the host is ahead; None where these layers cannot be queued ahead."""
    blocker, queue = Blocker(toolkit), Queue(toolkit, idle.marked, idle.layers)
    marks = Marks(toolkit, 2 * idle.layers)
    bare, dressed, inside = [], [], []
    for _ in range(_REPEATS):
        marks_ns, plain = queue.forward(), time_queued(toolkit, blocker, idle.plain)
        if plain is None or not marks_ns.ahead or time_queued(toolkit, blocker, lambda: _all(marks)) is None:
            return None
        bare.append(plain)
        dressed.append(sum(marks_ns.marks_ns))
        inside += intervals_ns(marks.events)[::2]
    return _cost(median(inside), (median(dressed) - median(bare)) / idle.layers)


def _pairs(toolkit: Toolkit, marks: Marks) -> list[int]:
    """Return the intervals of marks with nothing between them."""
    toolkit.finish()
    _all(marks)
    toolkit.finish()
    return intervals_ns(marks.events)[::2]


def _all(marks: Marks) -> None:
    marks.begin()
    for _ in marks.events:
        marks.mark()


def _cost(inside: float, added: float) -> Cost:
    return {"inside_ns": inside, "outside_ns": max(0.0, added - inside), "inside_cpu_ns": 0.0}
