"""Straight lines through measured times."""

from __future__ import annotations

import math
from collections.abc import Sequence


def line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return base and slope through (x, time), by least squares of the relative residuals.

    Where x goes over powers of ten, absolute residuals would leave the base to the noise of the longest times.

    Raises:
        ZeroDivisionError: all x are one, or a time is 0.
    """
    ones = [(1 / time, x / time) for x, time in points]  # base · u + slope · v should be 1 everywhere
    uu = math.fsum(u * u for u, _ in ones)
    uv = math.fsum(u * v for u, v in ones)
    vv = math.fsum(v * v for _, v in ones)
    u, v = math.fsum(u for u, _ in ones), math.fsum(v for _, v in ones)
    determinant = uu * vv - uv * uv
    return (u * vv - v * uv) / determinant, (v * uu - u * uv) / determinant


def proportional(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the line through the origin, by the same measure."""
    return math.fsum(x / time for x, time in points) / math.fsum((x / time) ** 2 for x, time in points)
