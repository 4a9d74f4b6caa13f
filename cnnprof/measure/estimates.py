"""Samples in nanoseconds to estimates in seconds."""

from __future__ import annotations

from collections.abc import Sequence

from cnnprof.measure.statistics import bimodal, summarise_values
from cnnprof.model.profile import Estimate

NS = 1_000_000_000


def estimate(values_ns: Sequence[float], *, cost_ns: float = 0.0, dirty: int = 0) -> Estimate | None:
    """Return the median of samples less what measuring them cost; None where that leaves nothing above 0.

    What lies below 0 of an interval, where no time can lie, is cut off it.

    Raises:
        ValueError: there is no sample, or one is not finite.
    """
    found = summarise_values(values_ns)
    if found.median <= cost_ns:
        return None
    return Estimate(
        median_s=(found.median - cost_ns) / NS,
        mad_s=found.mad / NS,
        low_s=max(0.0, found.low - cost_ns) / NS if found.enough else None,
        high_s=(found.high - cost_ns) / NS if found.enough else None,
        min_s=max(0.0, found.min - cost_ns) / NS,
        n=found.n,
        dirty=dirty,
        bimodal=bimodal(values_ns),
    )
