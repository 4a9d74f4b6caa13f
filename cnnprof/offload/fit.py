"""What copies take: as measured at the sizes that were measured, between them by a line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cnnprof.model.offload import CopyFit, Direction, Memory
from cnnprof.model.run import Copy
from cnnprof.offload.lines import fitness, line, proportional
from cnnprof.offload.medians import NS, median

NO_COPIES = "no copy was measured, or none arrived as it was sent"


class Link(NamedTuple):
    """One kind of the host's memory, both ways."""

    memory: Memory
    medians_s: dict[tuple[Direction, int], float]
    """By direction and bytes."""
    fits: dict[Direction, CopyFit]

    def seconds(self, direction: Direction, size: int) -> float | None:
        """Return what a copy takes: its median where this size was measured, else the line's; None outside of it."""
        if (direction, size) in self.medians_s:
            return self.medians_s[direction, size]
        found = self.fits.get(direction)
        return None if found is None else fitted(found, size)


def fitted(found: CopyFit, size: int) -> float | None:
    """Return the line's seconds for ``size`` bytes; None outside of the sizes that it was fitted to."""
    if not found.smallest_bytes <= size <= found.largest_bytes:
        return None
    return found.alpha_s + size / found.bytes_per_s


def links(copies: Iterable[Copy]) -> tuple[Link, ...]:
    """Return a link for each kind of memory that was measured, pinned first."""
    found: dict[Memory, dict[tuple[Direction, int], float]] = {}
    for each in copies:
        if each.times_ns:
            found.setdefault(each.memory, {})[each.direction, each.bytes] = median(each.times_ns) / NS
    return tuple(_link(memory, found[memory]) for memory in ("pinned", "pageable") if memory in found)


def _link(memory: Memory, medians_s: dict[tuple[Direction, int], float]) -> Link:
    directions: tuple[Direction, ...] = ("h2d", "d2h")
    fits: dict[Direction, CopyFit] = {}
    for direction in directions:
        points = sorted((size, seconds) for (way, size), seconds in medians_s.items() if way == direction)
        found = fit(points, direction, memory)
        if found is not None:
            fits[direction] = found
    return Link(memory, medians_s, fits)


def fit(points: Sequence[tuple[int, float]], direction: Direction, memory: Memory) -> CopyFit | None:
    """Return T(n) = α + n/β through (bytes, seconds), by least squares of the relative residuals.

    Where α would be negative, which no time can be, the line goes through the origin.

    Returns:
        None for fewer than two sizes, a time that is not above 0, or times that do not grow with the size.
    """
    if len({size for size, _ in points}) < 2 or min(seconds for _, seconds in points) <= 0:  # noqa: PLR2004 of a line
        return None
    alpha, slope = line(points)
    if alpha < 0:
        alpha, slope = 0.0, proportional(points)
    if slope <= 0:
        return None
    found = fitness(points, alpha, slope)
    return CopyFit(
        direction=direction, memory=memory, alpha_s=alpha, bytes_per_s=1 / slope, sizes=len(points),
        smallest_bytes=points[0][0], largest_bytes=points[-1][0], r2=found.r2, worst=found.worst,
        worst_bytes=int(found.at),
    )  # fmt: skip


def unmeasured(direction: Direction, size: int) -> str:
    """Return in words that nobody knows what a copy takes."""
    way = "to the device" if direction == "h2d" else "to the host"
    return f"copies of {size:,} bytes {way} were not measured, and no line of copies reaches them"
