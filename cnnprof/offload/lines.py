"""Straight lines through measured times, and how well they fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from cnnprof.model.offload import TICK_S


class Fitness(NamedTuple):
    """How well a line goes through the points that it was put through."""

    r2: float | None
    """Share of the variance of the times that it explains; None where all of them are alike."""
    worst: float
    """The largest (fitted − measured) ÷ measured, with its sign."""
    at: float
    """The x of that one."""


def line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return base and slope through (x, time), by least squares of the relative residuals.

    Where x goes over powers of ten, absolute residuals would leave the base to the noise of the longest times.

    Raises:
        ZeroDivisionError: all x are one.
    """
    begin, least = points[0]  # reckoned from there, times that are all alike have exactly no slope
    rows = [_weighted(x - begin, time - least, time) for x, time in points]
    uu = math.fsum(u * u for u, _, _ in rows)
    uv = math.fsum(u * v for u, v, _ in rows)
    vv = math.fsum(v * v for _, v, _ in rows)
    ut, vt = math.fsum(u * t for u, _, t in rows), math.fsum(v * t for _, v, t in rows)
    determinant = uu * vv - uv * uv
    base, slope = (ut * vv - vt * uv) / determinant, (vt * uu - ut * uv) / determinant
    return least + base - slope * begin, slope


def _weighted(x: float, more: float, time: float) -> tuple[float, float, float]:
    weight = 1 / max(time, TICK_S)  # a time of 0 is below what clocks count in
    return weight, weight * x, weight * more


def proportional(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the line through the origin, by the same measure."""
    return math.fsum(x / time for x, time in points) / math.fsum((x / time) ** 2 for x, time in points)


def fitness(points: Sequence[tuple[float, float]], base: float, slope: float) -> Fitness:
    """Return how well a line goes through (x, time)."""
    residuals = [((base + slope * x - time) / max(time, TICK_S), x) for x, time in points]
    worst, at = max(residuals, key=lambda each: abs(each[0]))
    mean = math.fsum(time for _, time in points) / len(points)
    whole = math.fsum((time - mean) ** 2 for _, time in points)
    left = math.fsum((time - base - slope * x) ** 2 for x, time in points)
    alike = len({time for _, time in points}) == 1  # their mean may be beside them by a rounding
    return Fitness(None if alike else 1 - left / whole, worst, at)
