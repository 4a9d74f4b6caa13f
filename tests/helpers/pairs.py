"""A host and a device, with times that are easy to reckon with: a copy takes 1 µs and a nanosecond per byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnprof import analyzer, readers
from cnnprof.measure.samples import samples
from cnnprof.measure.summary import summarise
from cnnprof.model.graph import Graph
from cnnprof.model.plain import replace
from cnnprof.model.profile import Profile
from cnnprof.model.run import Copy, Part, Setting
from cnnprof.readers.overrides import Overrides
from tests.helpers.parts import part

CHAIN = "INPUT 1x8x8 -> CONV3-2 -> RELU -> FC-4"
"""256 bytes arrive; the convolution makes 512 bytes, the next two the same, the last layer 16."""
NAMES = ("conv2d", "relu", "flatten", "linear")
ALL = (64, 256, 512, 1024, 2048, 4096, 16, 32, 128, 8192, 16384)


def graph_of(model: str) -> Graph:
    return readers.read(model, Overrides())


def copies(sizes: Sequence[int] = ALL, *, alpha_ns: int = 1_000, per_byte_ns: float = 1.0) -> tuple[Copy, ...]:
    """Return copies of every size both ways; pageable memory is twice as slow."""
    return tuple(
        Copy(
            direction=direction, memory=memory, bytes=size,
            times_ns=(alpha_ns + round(size * per_byte_ns * factor),) * 3,
        )
        for size in sizes
        for direction in ("h2d", "d2h")
        for memory, factor in (("pinned", 1), ("pageable", 2))
    )  # fmt: skip


def sides(
    host: Sequence[int], device: Sequence[int], *, model: str = CHAIN, batch: int = 1, **more: Any
) -> tuple[Part, Part]:
    """Return a part of the CPU and one of a device; times in nanoseconds of each layer, no gaps between them."""
    graph = graph_of(model)
    analysis = analyzer.analyze(graph, batch=batch)
    names = [row.name for row in analysis.rows]
    made = []
    for name, times in (("cpu", host), ("cuda", device)):
        setting = Setting(device=name, batch=batch)
        fields: Mapping[str, Any] = {"model": "net", "setting": setting, "graph": graph, "analysis": analysis}
        made.append(part(dict(zip(names, times, strict=True)), gaps=[0] * (len(names) + 1), **fields))
    return made[0], replace(made[1], **({"copies": copies()} | more))


def measured(*parts: Part) -> list[tuple[Part, Profile, tuple[int, ...]]]:
    return [(each, summarise(each), tuple(one.wall_ns for one in samples(each, "E").used)) for each in parts]
