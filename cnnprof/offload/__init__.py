"""Whether a device pays beside the host: copies, break-even, placement. Everything follows from what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cnnprof.errors import MissingPackageError
from cnnprof.model.offload import AtBatch, Cut, Direction, Offload, Placement, SplitCheck
from cnnprof.model.plain import replace
from cnnprof.model.profile import LayerTime, Profile
from cnnprof.model.run import Part
from cnnprof.offload.break_even import break_evens
from cnnprof.offload.disturbed import disturbed
from cnnprof.offload.fit import NO_COPIES, Link, unmeasured
from cnnprof.offload.pairs import Measured, Pair, grouped, split_beside
from cnnprof.offload.pays import Between, at_batch, between, launch_gap
from cnnprof.offload.placement import Problem, Solution, Tensor, best_cut, best_two, copies, cost, is_chain


def offloads(measured: Iterable[tuple[Part, Profile, tuple[int, ...]]]) -> tuple[Offload, ...]:
    """Return what host and devices say of each other: one record per network, setting and device.

    Empty where nothing was measured on a host and on another device.

    Args:
        measured: parts with their figures and the wall times, in nanoseconds, that the figure of the whole is made of.
    """
    found = [Measured(*each) for each in measured]
    return tuple(_offload(pairs, found) for pairs in grouped(found))


def _offload(pairs: Sequence[Pair], everything: Sequence[Measured]) -> Offload:
    host, device = pairs[0].host.part, pairs[0].device.part
    found = [each for pair in pairs if (each := between(pair)) is not None]
    return Offload(
        model=device.model,
        dtype=device.setting.arithmetic,
        mode=device.setting.mode,
        inputs=() if device.graph is None else device.graph.inputs,
        host=host.setting.device,
        device=device.setting.device,
        batches=tuple(_run(_placed(each), each, everything) for each in found),
        break_even=break_evens(found),
        disturbed=disturbed(found),
    )


# Placement


def _placed(found: Between) -> AtBatch:
    """Return a batch with its placement, or with the reason why there is none."""
    batch = at_batch(found)
    if not found.layered:
        return batch
    if found.link is None:
        return replace(batch, unplaced=NO_COPIES)
    try:
        return replace(batch, placement=_placement(found, found.link))
    except _Unknown as reason:
        return replace(batch, unplaced=str(reason))
    except MissingPackageError as reason:
        return replace(batch, unplaced=f"{reason}: {reason.hint}")


def _run(batch: AtBatch, found: Between, everything: Sequence[Measured]) -> AtBatch:
    """Return a batch with what its cheapest assignment took, if that was run."""
    placement = batch.placement
    ran = None if placement is None else split_beside(everything, found.pair, placement.on_device)
    if placement is None or ran is None or ran.profile.whole is None or batch.host_s is None:
        return batch
    pageable_s, pinned_s = batch.in_turn_s("pageable"), batch.in_turn_s("pinned")
    time_s = ran.profile.whole.median_s
    check = SplitCheck(time_s=time_s, host_s=batch.host_s, device_s=pageable_s, pinned_s=pinned_s)
    return replace(batch, placement=replace(placement, run=check))


class _Unknown(Exception):  # noqa: N818 no error: a reason
    """Something that a placement needs was not measured."""


def _placement(found: Between, link: Link) -> Placement:
    problem, untimed = _problem(found, link)
    first, second = best_two(problem)
    names = found.flow.names
    count = len(names)
    chain = is_chain(problem)
    all_host = cost(problem, (False,) * count)
    return Placement(
        method="chain" if chain else "graph",
        memory=link.memory,
        time_s=first.time_s,
        copies_s=copies(problem, first.sides),
        on_device=_there(names, first),
        all_host_s=all_host,
        all_device_s=cost(problem, (True,) * count),
        runner_up_s=second.time_s,
        runner_up_on_device=_there(names, second),
        untimed=untimed,
        cut=_cut(problem, names, all_host) if chain else None,
    )


def _there(names: Sequence[str], found: Solution) -> tuple[str, ...]:
    return tuple(name for name, there in zip(names, found.sides, strict=True) if there)


def _cut(problem: Problem, names: Sequence[str], all_host: float) -> Cut:
    first, last, time = best_cut(problem)
    return Cut(first=names[first], last=names[last], layers=last - first + 1, time_s=time, pays=time < all_host)


def _problem(found: Between, link: Link) -> tuple[Problem, tuple[str, ...]]:
    hosts, devices = ({each.name: each for each in side.profile.layers} for side in found.pair)
    times = [(name, _time(hosts.get(name)), _time(devices.get(name))) for name in found.flow.names]
    untimed = tuple(name for name, host, device in times if host is None and device is None)
    one_sided = next((name for name, host, device in times if (host is None) != (device is None)), None)
    if not times or len(untimed) == len(times):
        raise _Unknown("no layer was told apart")
    if one_sided is not None:
        raise _Unknown(f"{one_sided} was told apart on one of both only")
    tensors = tuple(
        Tensor(each.source, each.readers, each.ends, _copied(link, "h2d", each.bytes), _copied(link, "d2h", each.bytes))
        for each in found.flow.values
    )
    here, there = (tuple(each or 0.0 for each in side) for side in list(zip(*times, strict=True))[1:])
    return Problem(here, there, tensors), untimed


def _time(time: LayerTime | None) -> float | None:
    """Return a layer's time, waiting for the host included; where marks leave nothing of it above 0, it is 0."""
    if time is None or (time.time is None and not time.below_resolution):
        return None
    return (0.0 if time.time is None else time.time.median_s) + (launch_gap(time) or 0.0)


def _copied(link: Link, direction: Direction, size: int) -> float:
    seconds = link.seconds(direction, size)
    if seconds is None:
        raise _Unknown(unmeasured(direction, size))
    return seconds
