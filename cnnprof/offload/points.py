"""The samples of every batch that a break-even is made of, and the batches that lack some."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cnnprof.model.offload import Direction, LeftOut, Memory
from cnnprof.model.run import Part
from cnnprof.offload.fit import NO_COPIES, Link, unmeasured
from cnnprof.offload.medians import NS, median, redrawn
from cnnprof.offload.pays import Between


class Point(NamedTuple):
    """The samples of one batch, in seconds; copies that were not measured at their size have one, the fitted time."""

    batch: int
    host: tuple[float, ...]
    device: tuple[float, ...]
    copies: tuple[tuple[float, ...], ...]
    confirms: bool = False

    def times(self, draw: random.Random | None = None) -> tuple[float, float, float]:
        """Return C, G and X: medians of the samples, or of as many that are drawn from them."""

        def middle(values: Sequence[float]) -> float:
            return median(values) if draw is None else redrawn(values, draw)

        return middle(self.host), middle(self.device), math.fsum(middle(each) for each in self.copies)


def points(found: Sequence[Between], memory: Memory) -> tuple[list[Point], tuple[LeftOut, ...]]:
    """Return the batches with all of their samples, and of the others why they are none."""
    made = [_point(each, memory) for each in found]
    return [each for each in made if isinstance(each, Point)], tuple(each for each in made if isinstance(each, LeftOut))


def _point(found: Between, memory: Memory) -> Point | LeftOut:
    host, device = found.pair
    link = next((each for each in found.links if each.memory == memory), None)
    wanted = _wanted(found)
    why = _lacking(found, link, wanted)
    if why is not None or link is None:
        return LeftOut(batch=found.pair.batch, why=why or "")
    times = {(each.direction, each.bytes): each.times_ns for each in device.part.copies if each.memory == memory}
    copies = [_seconds(times[each]) if times.get(each) else (link.seconds(*each) or 0.0,) for each in wanted]
    return Point(
        found.pair.batch, _seconds(host.walls_ns), _seconds(device.walls_ns), tuple(copies), found.pair.confirms
    )  # fmt: skip


def _wanted(found: Between) -> list[tuple[Direction, int]]:
    """Return what crosses: of a training step no outputs."""
    outputs = () if found.pair.device.part.setting.mode == "training" else found.flow.outputs
    wanted: list[tuple[Direction, int]] = [("h2d", each.bytes) for each in found.flow.inputs]
    return [*wanted, *(("d2h", each.bytes) for each in outputs)]


def _lacking(found: Between, link: Link | None, wanted: Sequence[tuple[Direction, int]]) -> str | None:
    """Return in words what a batch lacks, None where nothing."""
    for each in found.pair:
        if not each.walls_ns:
            return f"not measured on {each.part.setting.device}{_ending(each.part)}"
    if link is None:
        return NO_COPIES
    unknown = next((each for each in wanted if link.seconds(*each) is None), None)
    return None if unknown is None else unmeasured(*unknown)


def _ending(part: Part) -> str:
    return "" if part.problem is None else f", {part.problem}"


def _seconds(times_ns: Iterable[int]) -> tuple[float, ...]:
    return tuple(each / NS for each in times_ns)
