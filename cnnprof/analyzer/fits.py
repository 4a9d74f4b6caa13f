"""The largest batch that fits into a memory."""

from __future__ import annotations

from collections.abc import Callable

from cnnprof.errors import LayerError
from cnnprof.model.memory import Fit

MOST = 2**31 - 1
"""The largest batch that is analysed."""


def largest_batch(peak: Callable[[int], int], limit_bytes: int) -> Fit:
    """Return the largest batch whose peak does not pass ``limit_bytes``, found by asking for the peak of some batches.

    Args:
        peak: bytes at a batch; it never shrinks as the batch grows. A LayerError says: more than can be counted.
        limit_bytes: how much there is.
    """
    known: dict[int, int | None] = {}

    def fits(batch: int) -> bool:
        if batch not in known:
            known[batch] = _asked(peak, batch)
        found = known[batch]
        return found is not None and found <= limit_bytes

    low, high = 0, 1
    while high < MOST and fits(high):
        low, high = high, min(MOST, _guess(known, low, high, limit_bytes))
    if high == MOST and fits(MOST):
        low = MOST
    turn = 0
    while high - low > 1:
        # A line between both ends is right where the peak grows evenly; halving ends the search where it does not.
        guess = _between(known, low, high, limit_bytes) if turn % 3 < 2 else (low + high) // 2  # noqa: PLR2004
        asked = min(high - 1, max(low + 1, guess + turn % 3))
        low, high = (asked, high) if fits(asked) else (low, asked)
        turn += 1
    return Fit(
        limit_bytes=limit_bytes, batch=low, peak_bytes=known.get(low), next_peak_bytes=known.get(low + 1),
        is_all=low == MOST,
    )  # fmt: skip


def _asked(peak: Callable[[int], int], batch: int) -> int | None:
    try:
        return peak(batch)
    except LayerError as error:
        if error.code != "too-large":
            raise
        return None


def _between(known: dict[int, int | None], low: int, high: int, limit_bytes: int) -> int:
    """Return where a line from a batch that fits to one that does not passes the limit, or else the middle."""
    first, last = known.get(low), known.get(high)
    if first is None or last is None:
        return (low + high) // 2
    return low + (limit_bytes - first) * (high - low) // (last - first)


def _guess(known: dict[int, int | None], low: int, high: int, limit_bytes: int) -> int:
    """Return where a line through the last two peaks passes the limit, or twice as many."""
    first, last = known.get(low), known.get(high)
    if first is None or last is None or last <= first:
        return 2 * high
    slope = (last - first) / (high - low)
    return max(high + 1, int(high + (limit_bytes - last) / slope) + 2)
