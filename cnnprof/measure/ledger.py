"""Where the time of a forward goes: the layers, what lies between them, and what neither explains.

Pass L tiles a forward into the intervals of layers and the gaps between them; what the marks cost is taken off each.
Pass E is the same forward without marks. What is left of it is unexplained: a difference of two measurements, so that
it can be negative, and no remainder that closes a sum.
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


def ledger(part: Part, ends: Samples, marked: Samples, layers: Sequence[LayerTime]) -> Ledger | None:
    """Return where the time of a forward goes, of a training step its forward; None where a pass is missing.

    Args:
        part: what was measured.
        ends: pass E.
        marked: pass L.
        layers: the times of the rows, which ``layers_s`` is the sum of.
    """
    if not ends.used or not marked.used:
        return None
    whole = [forward_ns(each) for each in ends.used]
    tiled = [sum(each.marks_ns) for each in marked.used]
    end_to_end, with_marks = estimate(whole, dirty=len(ends.dirty)), estimate(tiled, dirty=len(marked.dirty))
    if end_to_end is None or with_marks is None:
        return None
    layers_s = math.fsum(each.time.median_s for each in layers if each.time is not None)
    glue_s = _glue_ns(part, marked) / NS
    # Floats round far below any clock; what they leave of exact figures is no time.
    unexplained_s = round(end_to_end.median_s - layers_s - glue_s, _FEMTO) + 0.0
    # Of the sum of medians, the interval is that of the forwards' sums: resampling hundreds of layers one by one would
    # take seconds, and a layer's share of a slow forward is not independent of the others'.
    low, high = bootstrap_difference(whole, tiled)
    centre = median(whole) - median(tiled)
    return Ledger(
        end_to_end=end_to_end,
        layers_s=layers_s,
        glue_s=glue_s,
        unexplained_s=unexplained_s,
        unexplained_low_s=unexplained_s + (low - centre) / NS,
        unexplained_high_s=unexplained_s + (high - centre) / NS,
        marked=with_marks,
    )


def _glue_ns(part: Part, marked: Samples) -> float:
    """Return the sum of the gaps' medians, without what marks cost there.

    A pair of marks costs some time outside of its layer; it is taken off the gap before it. The gap behind the last
    layer has no pair of its own.
    """
    gaps = zip(*(each.marks_ns[::2] for each in marked.used), strict=True)
    costs = math.fsum(part.costs[kind].outside_ns for kind in part.marks)
    return math.fsum(median(gap) for gap in gaps) - costs
