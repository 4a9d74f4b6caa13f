"""What samples say: medians with intervals, two modes or one, whether times still change. Standard library only.

Everything is a function of numbers: no unit is assumed. Means are never used, because one interrupted forward moves a
mean as far as it likes. The measuring loop calls this in a worker, in an interpreter that may have nothing but torch.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

CONFIDENCE = 0.95
FEWEST_FOR_INTERVAL = 6
"""Of five samples even the whole range covers the median in only 93.75 % of cases."""
FEWEST_FOR_MODES = 10
"""Fewer samples fall into two groups by chance."""
MODES_APART = 0.02
"""Two groups that are closer than this part of the median are no matter: it is how narrow an interval is asked for."""
FLAT = 0.01
"""A change over the window of less than this part of the level does not keep a warm-up going, however sure it is."""
_FEWEST_FOR_SLOPE = 4
_RESAMPLES = 1000
_STUDENT = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086,
)  # fmt: skip
"""Student's t, two-sided 95 %, for 1 to 20 degrees of freedom; beyond, the last one is cautious."""
_DIP_SIZES = (10, 15, 20, 30, 50, 100, 200, 500, 1000)
_DIP_LIMITS = (0.528, 0.551, 0.567, 0.580, 0.602, 0.620, 0.636, 0.645, 0.655)
"""99.5 % quantiles of sqrt(n)·dip for n samples of the uniform distribution, the least favourable one with one mode."""


class Summary(NamedTuple):
    """A median and how sure it is."""

    median: float
    mad: float
    """Median absolute deviation from the median, unscaled."""
    low: float
    high: float
    """95 % interval of the median; where ``enough`` is False the whole range, which covers it less often."""
    min: float
    n: int
    enough: bool

    @property
    def relative_half_width(self) -> float:
        """Half the interval as a part of the median; infinite where there are too few samples for an interval."""
        return (self.high - self.low) / 2 / abs(self.median) if self.enough and self.median else math.inf


def check_times(values: Iterable[float]) -> tuple[float, ...]:
    """Return times as they are.

    Raises:
        ValueError: one of them is no time that a clock can give: NaN, infinite, zero or negative.
    """
    found = tuple(values)
    wrong = [value for value in found if not (math.isfinite(value) and value > 0)]
    if wrong:
        raise ValueError(f"a time is a finite number above 0, got {wrong[0]!r} among {len(found)}")
    return found


def median(values: Iterable[float]) -> float:
    """Return the middle value; of an even number the mean of the two in the middle.

    Raises:
        ValueError: there is no value, or one is not finite.
    """
    return _middle(_ordered(values))


def summarise_values(values: Iterable[float]) -> Summary:
    """Return median, spread and interval of any finite values.

    The interval is by order statistics: how many of n samples lie below the median is binomial with p = 1/2, whatever
    the distribution (David and Nagaraja 2003, Order Statistics, section 7.1).

    Raises:
        ValueError: there is no value, or one is not finite.
    """
    ordered = _ordered(values)
    middle, count = _middle(ordered), len(ordered)
    cut = _cut(count)
    return Summary(
        median=middle,
        mad=_middle(sorted(abs(value - middle) for value in ordered)),
        low=ordered[cut or 0],
        high=ordered[count - 1 - (cut or 0)],
        min=ordered[0],
        n=count,
        enough=cut is not None,
    )


def summarise_times(values: Iterable[float]) -> Summary:
    """Return median, spread and interval of times.

    Raises:
        ValueError: there is none, or one is NaN, infinite, zero or negative.
    """
    return summarise_values(check_times(values))


def _ordered(values: Iterable[float]) -> list[float]:
    found = sorted(values)
    if not found or not all(map(math.isfinite, found)):
        wrong = next((value for value in found if not math.isfinite(value)), None)
        raise ValueError("there are no values" if wrong is None else f"values are finite numbers, got {wrong!r}")
    return found


def _middle(ordered: Sequence[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


@lru_cache(maxsize=1024)
def _cut(count: int) -> int | None:
    """Return how many values are left out at either end; None where even the whole range is no 95 % interval."""
    if count < FEWEST_FOR_INTERVAL:
        return None
    # P(B <= k) of both tails must stay within 5 %; the sum is kept in whole numbers, of 2^count cases.
    allowed = 2**count // 40
    cases, cut = 1, 0
    while cases + math.comb(count, cut + 1) <= allowed:
        cut += 1
        cases += math.comb(count, cut)
    return cut


# One mode or two


def bimodal(values: Iterable[float]) -> bool:
    """Return whether values fall into two groups, so that their median is a typical value of neither.

    The dip test (Hartigan and Hartigan 1985, The Dip Test of Unimodality, Annals of Statistics 13) at 0.5 %: it does
    not mind skew, long tails or outliers, which times always have. Groups that are less than 2 % of the median apart
    are not reported, and nothing is of fewer than ten values.

    Raises:
        ValueError: a value is not finite.
    """
    found = list(values)
    if len(found) < FEWEST_FOR_MODES:
        return False
    ordered = _ordered(found)
    tenth = len(ordered) // 10
    if ordered[-1 - tenth] - ordered[tenth] <= MODES_APART * abs(_middle(ordered)):
        return False
    return dip(ordered) * math.sqrt(len(ordered)) > _dip_limit(len(ordered))


def _dip_limit(count: int) -> float:
    at = bisect_right(_DIP_SIZES, count)
    if at == len(_DIP_SIZES):
        return _DIP_LIMITS[-1]
    # Between two sizes sqrt(n)·dip is close to a line in 1/sqrt(n).
    low, high = _DIP_SIZES[at - 1], _DIP_SIZES[at]
    scale = [1 / math.sqrt(size) for size in (low, count, high)]
    part = (scale[0] - scale[1]) / (scale[0] - scale[2])
    return _DIP_LIMITS[at - 1] + part * (_DIP_LIMITS[at] - _DIP_LIMITS[at - 1])


class _Steps(NamedTuple):
    """The empirical distribution: distinct values, samples below each, samples up to each."""

    at: list[float]
    below: list[int]
    up_to: list[int]


def dip(values: Iterable[float]) -> float:
    """Return the greatest distance between the samples' distribution and the nearest one with a single mode.

    Between 1 / 2n and 1/4. The algorithm of Hartigan 1985 (Applied Statistics AS 217): outside a modal interval, which
    shrinks, the nearest distribution is the greatest convex minorant on the left and the least concave majorant on the
    right.

    Raises:
        ValueError: there is no value, or one is not finite.
    """
    ordered = _ordered(values)
    distinct = sorted(set(ordered))
    steps = _Steps(distinct, [bisect_left(ordered, x) for x in distinct], [bisect_right(ordered, x) for x in distinct])
    low, high, found = 0, len(distinct) - 1, 1.0
    while low < high:
        left, convex = _hull(steps.at, steps.below, low, high, 1)
        right, concave = _hull(steps.at, steps.up_to, low, high, -1)
        widest, at = max((concave[i - low] - convex[i - low], i) for i in {*left, *right})
        if widest <= found:
            break
        modal = left[bisect_right(left, at) - 1], right[bisect_left(right, at)]
        before = max(steps.up_to[i] - convex[i - low] for i in range(low, modal[0] + 1))
        behind = max(concave[i - low] - steps.below[i] for i in range(modal[1], high + 1))
        found = max(found, before, behind)
        if modal == (low, high):
            break
        low, high = modal
    return found / 2 / len(ordered)


def _hull(x: list[float], y: list[int], low: int, high: int, sign: int) -> tuple[list[int], list[float]]:
    """Return the corners of the greatest convex minorant (sign 1) or least concave majorant (-1), and its heights."""
    corners: list[int] = []
    for i in range(low, high + 1):
        while len(corners) > 1 and sign * _turn(x, y, corners[-2], corners[-1], i) <= 0:
            corners.pop()
        corners.append(i)
    heights = [float(y[low])]
    for first, second in pairwise(corners):
        slope = (y[second] - y[first]) / (x[second] - x[first])
        heights += [y[first] + slope * (x[i] - x[first]) for i in range(first + 1, second)]
        heights.append(float(y[second]))
    return corners, heights


def _turn(x: list[float], y: list[int], a: int, b: int, c: int) -> float:
    return (x[b] - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (y[b] - y[a])


# Warm-up


def steady(medians: Sequence[float], window: int = 5) -> bool:
    """Return whether the last ``window`` values no longer change: warm-up is over.

    True where the 95 % interval of their slope (least squares, Student's t) includes 0, or where the change over the
    window is less than 1 % of their level. False where there are fewer values.

    Raises:
        ValueError: the window is below 4 values, or a value is NaN, infinite, zero or negative.
    """
    if window < _FEWEST_FOR_SLOPE:
        raise ValueError(f"a slope is judged by at least {_FEWEST_FOR_SLOPE} values, got a window of {window}")
    last = check_times(medians[-window:])
    if len(last) < window:
        return False
    slope, uncertainty = _slope(last)
    drift = abs(slope) * (window - 1)
    return abs(slope) <= uncertainty or drift <= FLAT * _middle(sorted(last))


def _slope(values: Sequence[float]) -> tuple[float, float]:
    """Return the slope per value, and half of its 95 % interval."""
    count = len(values)
    centre, level = (count - 1) / 2, sum(values) / count
    squares = sum((at - centre) ** 2 for at in range(count))
    slope = sum((at - centre) * (value - level) for at, value in enumerate(values)) / squares
    rest = sum((value - level - slope * (at - centre)) ** 2 for at, value in enumerate(values))
    freedom = count - 2
    return slope, _STUDENT[min(freedom, len(_STUDENT)) - 1] * math.sqrt(rest / freedom / squares)


# Differences


def bootstrap_difference(
    one: Iterable[float], other: Iterable[float], *, seed: int = 0, resamples: int = _RESAMPLES
) -> tuple[float, float]:
    """Return the 95 % interval of median(one) − median(other), by the percentile bootstrap (Efron 1979).

    The same samples in any order give the same interval.

    Raises:
        ValueError: there is no value, or one is not finite.
    """
    draw = random.Random(seed)  # noqa: S311 resampling, no secret
    first, second = _resampler(_ordered(one), draw), _resampler(_ordered(other), draw)
    found = sorted(first() - second() for _ in range(resamples))
    tail = round(resamples * (1 - CONFIDENCE) / 2)
    return found[tail], found[-1 - tail]


def _resampler(values: list[float], draw: random.Random) -> Callable[[], float]:
    count = len(values)
    return lambda: _middle(sorted(draw.choices(values, k=count)))
