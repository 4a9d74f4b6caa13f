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
    bare, dressed, between = [], [], []
    for _ in range(_REPEATS):  # in turn: whatever else happens, happens to both
        bare.append(toolkit.wall_of(idle.plain))
        marks.begin()
        with marked.around():
            dressed.append(toolkit.wall_of(marked.run))
        between += intervals_ns(marks.events)[1::2]
    return _cost((median(dressed) - median(bare)) / idle.layers, median(between))


def of_device(toolkit: Toolkit, idle: Idle) -> Cost | None:
    """Return what marks add where the host is ahead; None where these layers cannot be queued ahead."""
    blocker, queue = Blocker(toolkit), Queue(toolkit, idle.marked, idle.layers)
    bare, dressed, between = [], [], []
    for _ in range(_REPEATS):
        queued, plain = queue.forward(), time_queued(toolkit, blocker, idle.plain)
        if plain is None or not queued.ahead:
            return None
        bare.append(plain)
        dressed.append(sum(queued.marks_ns[1:-1]))
        between += queued.marks_ns[2:-1:2]
    return _cost((median(dressed) - median(bare)) / idle.layers, median(between))


def _cost(added: float, between: float) -> Cost:
    """Return what marks add to a layer: between two of these layers lie marks only, and the rest falls into them."""
    return {"inside_ns": max(0.0, added - between), "outside_ns": float(between), "inside_cpu_ns": 0.0}
