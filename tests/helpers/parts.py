"""Parts of runs with known times: every forward is made of the times of its layers and gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cnnprof.model.plain import replace
from cnnprof.model.run import Forward, MarkCost, Part, Setting

COST = MarkCost(inside_ns=100, outside_ns=1_000, inside_cpu_ns=300)
QUIET = {"threads": 1, "cores": 2}


def forward(kind="E", wall_ns=100_000, cpu_ns=None, **more) -> Forward:
    return Forward(kind=kind, wall_ns=wall_ns, cpu_ns=wall_ns if cpu_ns is None else cpu_ns, **more)


def marked(layers: Sequence[int], gaps: Sequence[int], cost: MarkCost = COST, **more) -> Forward:
    """Return a forward of pass L, whose marks cost what ``cost`` says."""
    inside = [time + int(cost.inside_ns) for time in layers]
    between = [gap + int(cost.outside_ns) for gap in gaps[:-1]] + [gaps[-1]]
    intervals = tuple(interval for pair in zip(between, [*inside, 0], strict=True) for interval in pair)[:-1]
    cpu = tuple(interval - 100 + 300 if at % 2 else interval for at, interval in enumerate(intervals))
    found = {"wall_ns": sum(intervals), "cpu_ns": sum(intervals), "marks_ns": intervals, "marks_cpu_ns": cpu}
    return Forward(kind="L", **(found | more))


def part(times: Mapping[str, int], *, gaps=None, hidden=0, count=12, whole=None, **more) -> Part:
    """Return a part in which every forward takes the same.

    Args:
        times: nanoseconds of each layer.
        gaps: nanoseconds before each layer and after the last; by default 500 each.
        hidden: nanoseconds that only a forward without marks takes.
        count: forwards of each pass.
        whole: nanoseconds of pass E; by default what the layers and gaps take, and what is hidden.
        more: fields of the part.
    """
    layers = list(times.values())
    between = [500] * (len(layers) + 1) if gaps is None else gaps
    end_to_end = sum(layers) + sum(between) + hidden if whole is None else whole
    forwards = [each for _ in range(count) for each in (forward(wall_ns=end_to_end), marked(layers, between))]
    fields = {
        "model": "net", "setting": Setting(), "status": "done", "layers": tuple(times), "marks": ("line",) * len(times),
        "costs": {"line": COST}, "environment": QUIET, "forwards": tuple(forwards), "output_std": 1.0, "steady": True,
    }  # fmt: skip
    return Part(**(fields | more))


def accelerated(times: Mapping[str, int], *, launch=0, queued=None, graph=None, flushed=None, **more) -> Part:
    """Return a part of an accelerator, whose layers take what is longer: computing them, or launching them.

    Args:
        times: nanoseconds that each layer computes.
        launch: nanoseconds that the host takes to launch one.
        queued: marks of pass Q; by default the layers' times and nothing between.
        graph: nanoseconds of a replay; by default what the layers compute.
        flushed: nanoseconds of pass F, which is missing by default.
        more: as for ``part``.
    """
    found = part({name: max(time, launch) for name, time in times.items()}, **more)
    in_turn = [replace(each, device_ns=each.wall_ns, marks_cpu_ns=(), others=0.0) for each in found.forwards]
    own = [interval for time in times.values() for interval in (0, time)] + [0]
    marks = tuple(own if queued is None else queued)
    wall = sum(own) if graph is None else graph
    ahead = forward("Q", sum(own) + launch, device_ns=sum(own), marks_ns=marks, others=0.0)
    replayed = forward("G", wall, device_ns=wall, others=0.0)
    after = [] if flushed is None else [forward("F", flushed, device_ns=flushed, others=0.0)]
    return replace(found, forwards=(*in_turn, *[ahead, replayed, *after] * (len(in_turn) // 2)))
