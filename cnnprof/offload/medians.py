"""Medians, and what they may be when the samples are drawn again."""

from __future__ import annotations

import random
from collections.abc import Sequence

NS = 1_000_000_000


def median(values: Sequence[float]) -> float:
    """Return the middle value; of an even number of them the mean of the two in the middle."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def redrawn(values: Sequence[float], draw: random.Random) -> float:
    """Return the median of as many samples, drawn with replacement."""
    return median(draw.choices(values, k=len(values)))
