"""Raw samples to figures: times of layers, of the whole, where it goes, and what to doubt.

A layer's time is the median, over the clean forwards of pass L, of its interval less what its marks cost. A time of
less than five times that cost is below resolution and shown as such; where nothing above 0 is left, there is no time:
neither 0 nor a negative one is invented.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from cnnprof.measure.doubts import Digest, doubts
from cnnprof.measure.estimates import NS, estimate
from cnnprof.measure.ledger import ledger
from cnnprof.measure.samples import Samples, samples
from cnnprof.model.plain import replace
from cnnprof.model.profile import Estimate, LayerTime, Profile
from cnnprof.model.run import Part, Run, Temperature

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
    ends, marked = samples(part, "E"), samples(part, "L")
    threads = part.environment.get("threads")
    layers = _layers(part, marked, cpu=threads == 1)
    whole = _walls(ends)
    profile = Profile(
        protocol=_protocol(part, ends, marked),
        layers=layers,
        whole=whole,
        cpu_whole=_cpu(ends) if threads == 1 else None,
        phases=_phases(part, ends),
        images_per_s=None if whole is None else part.setting.batch / whole.median_s,
        ledger=ledger(part, ends, marked, layers) if part.layers else None,
        threads=threads,
    )
    return replace(profile, doubts=doubts(Digest(part, profile, ends, marked, budget_s, interval)))


def _walls(found: Samples) -> Estimate | None:
    return estimate([each.wall_ns for each in found.used], dirty=len(found.dirty)) if found.used else None


def _cpu(found: Samples) -> Estimate | None:
    return estimate([each.cpu_ns for each in found.used], dirty=len(found.dirty)) if found.used else None


def _phases(part: Part, ends: Samples) -> dict[str, Estimate]:
    if len(part.phases) == 1 or not ends.used:
        return {}
    columns = zip(*(each.phases_ns for each in ends.used), strict=True)
    found = {name: estimate(times, dirty=len(ends.dirty)) for name, times in zip(part.phases, columns, strict=True)}
    return {name: each for name, each in found.items() if each is not None}


# Layers


def _layers(part: Part, marked: Samples, *, cpu: bool) -> tuple[LayerTime, ...]:
    """Return a line per row of the analysis, then one per other name that was marked."""
    places: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(part.layers):
        places[name].append(index)
    alone = _alone(part.temperatures)
    rows = [] if part.analysis is None else [row.name for row in part.analysis.rows]
    return tuple(
        _layer(part, name, places.get(name, []), marked, alone.get(name, []), cpu=cpu)
        for name in dict.fromkeys((*rows, *places))
    )


def _layer(
    part: Part, name: str, places: Sequence[int], marked: Samples, alone: Sequence[Temperature], *, cpu: bool
) -> LayerTime:
    costs = [part.costs[part.marks[at]] for at in places]
    inside, inside_cpu = sum(each.inside_ns for each in costs), sum(each.inside_cpu_ns for each in costs)
    time = cpu_time = None
    if places and marked.used:
        walls = [sum(each.marks_ns[2 * at + 1] for at in places) for each in marked.used]
        time = estimate(walls, cost_ns=inside, dirty=len(marked.dirty))
        cpu_time = _cpu_time(places, marked, inside_cpu) if cpu else None
    measured = bool(places and marked.used)
    return LayerTime(
        name=name,
        time=time,
        cpu_time=cpu_time,
        calls=len(places),
        below_resolution=measured and (time is None or time.median_s * NS < RESOLVED * inside),
        resolution_s=RESOLVED * inside / NS if measured else None,
        hot=_together(alone, "hot_ns", len(places)),
        cold=_together(alone, "cold_ns", len(places)),
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


def _protocol(part: Part, ends: Samples, marked: Samples) -> str:
    setting = part.setting
    threads = part.environment.get("threads")
    of = [(name, found) for name, found in (("E", ends), ("L", marked)) if found.taken]
    step = f"training {setting.optimizer}" if setting.mode == "training" else ""
    said = [
        "+".join(name for name, _ in of) or "nothing measured",
        setting.device, f"batch {setting.batch}", setting.dtype, setting.layout,
        "? threads" if threads is None else "1 thread" if threads == 1 else f"{threads} threads",
        step, "compiled" if setting.compiled else "",
    ]  # fmt: skip
    counts = "+".join(str(len(found.used)) for _, found in of)
    disturbed = sum(len(found.dirty) for _, found in of)
    parts = [" ".join(word for word in said if word), *([f"{counts} forwards"] if of else [])]
    return ", ".join([*parts, *([f"{disturbed} dirty"] if disturbed else [])])
