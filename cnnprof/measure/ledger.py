"""Where the time of a forward goes: the layers, what lies between them, and what neither explains.

Pass L tiles a forward into the intervals of layers and the gaps between them; what the marks cost is taken off each.
Pass E is the same forward without marks. What is left of it is unexplained: a difference of two measurements, so that
it can be negative, and no remainder that closes a sum.

An accelerator's layers are those of pass Q, its own time. What they take longer in pass L are launch gaps: it waits for
its host.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnprof.measure.estimates import NS, estimate
from cnnprof.measure.samples import Samples, forward_ns
from cnnprof.measure.statistics import bootstrap_difference, median
from cnnprof.model.profile import LayerTime, Ledger
from cnnprof.model.run import Part

_FEMTO = 15
"""Decimals of a second."""


def ledger(part: Part, ends: Samples, marked: Samples, queued: Samples, layers: Sequence[LayerTime]) -> Ledger | None:
    """Return where the time of a forward goes, of a training step its forward; None where a pass is missing.

    Layers and glue are medians of what they add up to in each forward. The medians of single layers add up to less,
    ``rows_s``: each leaves out the forwards in which that layer was slow, and those are not the same ones.

    Args:
        part: what was measured.
        ends: pass E.
        marked: pass L.
        queued: pass Q.
        layers: the times of the rows.
    """
    if not ends.used or not marked.used:
        return None
    whole = [forward_ns(each) for each in ends.used]
    tiled = [sum(each.marks_ns) for each in marked.used]
    end_to_end, with_marks = estimate(whole, dirty=len(ends.dirty)), estimate(tiled, dirty=len(marked.dirty))
    if end_to_end is None or with_marks is None:
        return None
    inside_ns = math.fsum(part.costs[kind].inside_ns for kind in part.marks)
    outside_ns = math.fsum(part.costs[kind].outside_ns for kind in part.marks)
    layers_s = launched_s = _together(marked, inside_ns)
    if queued.used:
        layers_s = _together(queued, queue_cost_ns(part) * len(part.layers))
    glue_s = (median(sum(each.marks_ns[::2]) for each in marked.used) - outside_ns) / NS
    unexplained_s = exact(end_to_end.median_s - launched_s - glue_s)
    low, high = bootstrap_difference(whole, tiled)
    centre = median(whole) - median(tiled)
    return Ledger(
        end_to_end=end_to_end,
        layers_s=layers_s,
        rows_s=math.fsum(each.time.median_s for each in layers if each.time is not None),
        glue_s=glue_s,
        launch_gaps_s=exact(launched_s - layers_s) if queued.used else None,
        unexplained_s=unexplained_s,
        unexplained_low_s=unexplained_s + (low - centre) / NS,
        unexplained_high_s=unexplained_s + (high - centre) / NS,
        marked=with_marks,
    )


def queue_cost_ns(part: Part) -> float:
    """Return what the marks of a layer cost in pass Q, in which nobody waits for them."""
    return part.costs["Q"].inside_ns if "Q" in part.costs else 0.0


def _together(found: Samples, cost_ns: float) -> float:
    return (median(sum(each.marks_ns[1::2]) for each in found.used) - cost_ns) / NS


def exact(seconds: float) -> float:
    """Return a difference without what floats leave of it: they round far below any clock, and that is no time."""
    return round(seconds, _FEMTO) + 0.0
