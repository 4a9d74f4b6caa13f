"""Raw samples to figures: times of layers, of the whole, where it goes, and what to doubt.

A layer's time is the median, over the clean forwards of pass L, on an accelerator of pass Q, of its interval less what
its marks cost. A time of
less than five times that cost is below resolution and shown as such; where nothing above 0 is left, there is no time:
neither 0 nor a negative one is invented.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from cnnprof.measure.digest import Digest
from cnnprof.measure.doubts import doubts
from cnnprof.measure.estimates import NS, estimate
from cnnprof.measure.ledger import exact, ledger, queue_cost_ns
from cnnprof.measure.samples import Samples, all_samples
from cnnprof.measure.statistics import median
from cnnprof.model.plain import replace
from cnnprof.model.profile import Estimate, LayerTime, Profile
from cnnprof.model.run import Attribution, Part, Pass, Run, Temperature

RESOLVED = 5
"""A time of fewer times the cost of its marks is below resolution: the cost itself is known to some ten percent."""
INTERVAL = 0.02


def summaries(run: Run) -> tuple[Profile, ...]:
    """Return the figures of each part of a run."""
    return tuple(summarise(part, budget_s=run.budget_s, interval=run.interval) for part in run.parts)


def summarise(part: Part, *, budget_s: float | None = None, interval: float = INTERVAL) -> Profile:
    """Return what the samples of a part say.

    Args:
        part: what was measured, done or not.
        budget_s: seconds that it was given, so that a doubt can say what else to ask for.
        interval: half width of the interval of the median, as a part of it, that was asked for.
    """
    passes = all_samples(part)
    ends, marked, queued = passes["E"], passes["L"], passes["Q"]
    threads = part.environment.get("threads")
    layers = _layers(part, marked, queued, cpu=threads == 1)
    whole, device = _walls(ends), _device(ends)
    graph, flushed = _walls(passes["G"]), _walls(passes["F"])
    found = ledger(part, ends, marked, queued, layers) if part.layers else None
    profile = Profile(
        protocol=_protocol(part, passes),
        layers=layers,
        whole=whole,
        cpu_whole=_cpu(ends) if threads == 1 and device is None else None,
        device_whole=device,
        host_bound=None if found is None or not queued.used else 1 - found.layers_s / found.end_to_end.median_s,
        graph=graph,
        graph_gain=None if whole is None or graph is None else whole.median_s / graph.median_s,
        flushed=flushed,
        flush_factor=None if whole is None or flushed is None else flushed.median_s / whole.median_s,
        phases=_phases(part, ends),
        images_per_s=None if whole is None else part.setting.batch / whole.median_s,
        ledger=found,
        threads=threads,
    )
    return replace(profile, doubts=doubts(Digest(part, profile, passes, budget_s, interval)))


def _walls(found: Samples) -> Estimate | None:
    return estimate([each.wall_ns for each in found.used], dirty=len(found.dirty)) if found.used else None


def _device(found: Samples) -> Estimate | None:
    times = [each.device_ns for each in found.used if each.device_ns is not None]
    return estimate(times, dirty=len(found.dirty)) if times else None


def _cpu(found: Samples) -> Estimate | None:
    return estimate([each.cpu_ns for each in found.used], dirty=len(found.dirty)) if found.used else None


def _phases(part: Part, ends: Samples) -> dict[str, Estimate]:
    if len(part.phases) == 1 or not ends.used:
        return {}
    columns = zip(*(each.phases_ns for each in ends.used), strict=True)
    found = {name: estimate(times, dirty=len(ends.dirty)) for name, times in zip(part.phases, columns, strict=True)}
    return {name: each for name, each in found.items() if each is not None}


# Layers


def _layers(part: Part, marked: Samples, queued: Samples, *, cpu: bool) -> tuple[LayerTime, ...]:
    """Return a line per row of the analysis, then one per other name that was marked."""
    places: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(part.layers):
        places[name].append(index)
    alone = _alone(part.temperatures)
    rows = [] if part.analysis is None or part.split is not None else [row.name for row in part.analysis.rows]
    return tuple(
        _queued(part, places.get(name, []), queued, _layer(part, name, places.get(name, []), marked, alone, cpu=cpu))
        for name in dict.fromkeys((*rows, *places))
    )


def _layer(
    part: Part, name: str, places: Sequence[int], marked: Samples, temperatures: Mapping[str, Sequence[Temperature]],
    *, cpu: bool,
) -> LayerTime:  # fmt: skip
    alone = temperatures.get(name, ())
    costs = [part.costs[part.marks[at]] for at in places]
    inside, inside_cpu = sum(each.inside_ns for each in costs), sum(each.inside_cpu_ns for each in costs)
    time = cpu_time = None
    if places and marked.used:
        time = estimate(_sums(places, marked), cost_ns=inside, dirty=len(marked.dirty))
        cpu_time = _cpu_time(places, marked, inside_cpu) if cpu else None
    measured = bool(places and marked.used)
    kernels = [part.kernels[at] for at in places if at < len(part.kernels)]
    return LayerTime(
        name=name,
        time=time,
        cpu_time=cpu_time,
        calls=len(places),
        below_resolution=measured and (time is None or time.median_s * NS < RESOLVED * inside),
        resolution_s=RESOLVED * inside / NS if measured else None,
        kernel=_kernel(kernels),
        launches=_launches(kernels),
        hot=_together(alone, "hot_ns", len(places)),
        cold=_together(alone, "cold_ns", len(places)),
    )


def _kernel(attributions: Sequence[Attribution]) -> str | None:
    return next((each.kernels[0].name for each in attributions if each.kernels), None)


def _launches(attributions: Sequence[Attribution]) -> int | None:
    launched = [kernel.launches for each in attributions for kernel in each.kernels if kernel.kind != "operator"]
    return sum(launched) if launched else None


def _sums(places: Sequence[int], found: Samples) -> list[int]:
    return [sum(each.marks_ns[2 * at + 1] for at in places) for each in found.used]


def _queued(part: Part, places: Sequence[int], queued: Samples, layer: LayerTime) -> LayerTime:
    """Return a layer with its time of pass Q, and beside it what it takes longer in pass L; as it is without that."""
    if not places or not queued.used:
        return layer
    sums, cost = _sums(places, queued), queue_cost_ns(part) * len(places)
    time = estimate(sums, cost_ns=cost, dirty=len(queued.dirty))
    launched = None if layer.time is None else layer.time.median_s
    return replace(
        layer,
        time=time,
        launch_gap_s=None if launched is None else exact(launched - (median(sums) - cost) / NS),
        below_resolution=bool(cost) and (time is None or time.median_s * NS < RESOLVED * cost),
        resolution_s=RESOLVED * cost / NS if cost else None,
    )


def _cpu_time(places: Sequence[int], marked: Samples, cost_ns: float) -> Estimate | None:
    found = [each.marks_cpu_ns for each in marked.used if each.marks_cpu_ns]
    times = [sum(each[2 * at + 1] for at in places) for each in found]
    return estimate(times, cost_ns=cost_ns, dirty=len(marked.dirty)) if times else None


def _alone(temperatures: Sequence[Temperature]) -> dict[str, list[Temperature]]:
    found: dict[str, list[Temperature]] = defaultdict(list)
    for each in temperatures:
        found[each.layer].append(each)
    return found


def _together(alone: Sequence[Temperature], which: str, calls: int) -> Estimate | None:
    """Return the time of all calls of a layer by themselves; None where one is missing or has an impossible time."""
    times = [getattr(each, which) for each in alone]
    if not times or len(times) != calls or not all(times) or min(map(min, times)) <= 0:
        return None
    return estimate([sum(sample) for sample in zip(*times, strict=False)])


def _protocol(part: Part, passes: Mapping[Pass, Samples]) -> str:
    setting = part.setting
    threads = part.environment.get("threads")
    of = [(name, found) for name, found in passes.items() if found.taken]
    step = f"training {setting.optimizer}" if setting.mode == "training" else ""
    said = [
        "+".join(name for name, _ in of) or "nothing measured",
        setting.device, f"batch {setting.batch}", setting.arithmetic, setting.layout,
        "? threads" if threads is None else "1 thread" if threads == 1 else f"{threads} threads",
        step, "compiled" if setting.compiled else "",
    ]  # fmt: skip
    counts = "+".join(str(len(found.used)) for _, found in of)
    disturbed = sum(len(found.dirty) for _, found in of)
    parts = [" ".join(word for word in said if word), *([f"{counts} forwards"] if of else [])]
    by = ["layers' times by Q"] if passes["Q"].used else []
    return ", ".join([*parts, *by, *([f"{disturbed} dirty"] if disturbed else [])])
