"""Measuring what follows from other measurements, to see whether it is so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cnnprof import analyzer
from cnnprof.measure.session import Measured, Session, measure
from cnnprof.model.plain import replace
from cnnprof.model.run import TF32, Part, Run, Split
from cnnprof.offload.break_even import beside
from cnnprof.offload.fit import NO_COPIES
from cnnprof.offload.pairs import is_host
from cnnprof.offload.tensors import crossings

if TYPE_CHECKING:
    from cnnprof.model.offload import AtBatch, BreakEven, Offload
    from cnnprof.store.runs import RunWriter

FARTHEST = 4
"""Times the largest batch measured: beyond, a line proves little, and the batch may not fit the machine."""


def confirmed(found: Measured, session: Session, writer: Callable[[str], RunWriter] | None = None) -> Measured:
    """Return the run with more parts measured, which say whether what follows from the others is so.

    They are the whole batches beside each break-even, by either kind of memory, below it and above it, and at the
    largest batch the cheapest assignment of layers to host and device, where it has some on either.

    Args:
        found: what was measured; as it is, where it could not be stored.
        session: with what it was measured.
        writer: by the id of a run, what goes on to store it; None: it is not stored.

    Raises:
        KeyboardInterrupt: with the Run until then as ``.partial``.
    """
    more = () if found.unstored is not None else tuple(_parts(found.run))
    if not more:
        return found
    run = replace(found.run, parts=(*found.run.parts, *more), status="running")
    again = session if writer is None else session._replace(writer=writer(run.id))
    return measure(run, again, begin=len(found.run.parts))


def unconfirmed(run: Run) -> Iterator[str]:
    """Yield of each comparison what was not measured to confirm it, and why."""
    if not run.offloads:
        yield f"nothing to confirm: {_alone(run)}"
    for each in run.offloads:
        who = f"{each.model} on {each.device}"
        if each.dtype != "float32":
            who += f", {each.dtype}"
        yield from _unmet(each, who)
        if (why := _unsplit(run, each)) is not None:
            yield f"no split was run of {who}: {why}"


def _unmet(found: Offload, who: str) -> Iterator[str]:
    if not found.break_even:
        yield f"nothing to confirm for {who}: {NO_COPIES}"
    memories: dict[str, list[str]] = {}
    for met in found.break_even:
        if met.confirmed is None:
            memories.setdefault(f"{met.message}{_missing(met)}", []).append(met.memory)
    for why, known in memories.items():
        where = "" if len(known) == len(found.break_even) else f" in {known[0]} memory"
        yield f"nothing to confirm for {who}{where}: {why}"


def _missing(met: BreakEven) -> str:
    """Return why nothing right beside a break-even confirms it."""
    if met.batch is None:
        return ""
    if _is_far(met):
        return f"; more than {FARTHEST} times the largest one"
    near = [each for each in met.left_out if each.batch in beside(met.batch)]
    return "".join(f"; batch {each.batch:,}: {each.why}" for each in near)


def _is_far(met: BreakEven) -> bool:
    return met.batch is not None and beside(met.batch)[1] > FARTHEST * met.batches[-1]


def _parts(run: Run) -> Iterator[Part]:
    yield from _beside(run)
    for each in run.offloads:
        if (at := _placed(each)) is not None and _unsplittable(run, each, at) is None:
            yield _made(run, each, at)


# The cheapest assignment


def _placed(found: Offload) -> AtBatch | None:
    """Return the largest batch that was asked for and has a placement."""
    placed = [batch for batch in found.batches if batch.placement is not None and not batch.confirms]
    return placed[-1] if placed else None


def _unsplit(run: Run, found: Offload) -> str | None:
    """Return why nobody ran the cheapest assignment of layers to host and device; None where somebody did."""
    at = _placed(found)
    if at is not None and at.placement is not None:
        return None if at.placement.run is not None else _unsplittable(run, found, at)
    unplaced = [each for each in found.batches if each.unplaced is not None and not each.confirms]
    if not unplaced:
        return "its layers were not told apart, only the whole was measured"
    return f"batch {unplaced[-1].batch:,} has no placement: {unplaced[-1].unplaced}"


def _unsplittable(run: Run, found: Offload, at: AtBatch) -> str | None:
    """Return why a network is not split; None where it can be, and was not yet."""
    host, device = (_of(run, found, each) for each in (found.host, found.device))
    names = () if at.placement is None else at.placement.on_device
    if not names:
        return f"at batch {at.batch:,} all on the host is cheapest"
    if len(names) == len(at.layers):
        return f"at batch {at.batch:,} all on the device is cheapest"
    if at.in_turn_s("pageable") is None:
        return (
            f"at batch {at.batch:,} it is not known what copies from and to pageable memory take, which a split makes"
        )
    if (host.script is None) != (device.script is None):
        return "one of both devices is real and the other scripted"
    return _split_before(run, _made(run, found, at))


def _split_before(run: Run, made: Part) -> str | None:
    """Return that a network was split before, at this setting: one split is measured of a comparison."""
    assert made.split is not None  # noqa: S101 just made
    for part in run.parts:
        if part.split is None or _what(part) != _what(made) or part.split.host_script != made.split.host_script:
            continue
        if part.split == made.split:
            return part.problem or "it did not end"
        return "another assignment was run before, when that was the cheapest"
    return None


def _made(run: Run, found: Offload, at: AtBatch) -> Part:
    """Return a part of the cheapest assignment, nothing of it measured."""
    host, device = (_of(run, found, each) for each in (found.host, found.device))
    names = () if at.placement is None else at.placement.on_device
    made = _at(device, at.batch)
    assert made.analysis is not None  # noqa: S101 just made
    split = Split(on_device=names, copies=tuple(crossings(made.analysis, names)), host_script=host.script)
    return replace(made, split=split)


# Batches beside a break-even


def _beside(run: Run) -> Iterator[Part]:
    there = {_what(part) for part in run.parts if part.split is None}
    for each in run.offloads:
        for part in (_at(series, batch) for batch in _near(each) for series in _series(run, each)):
            if _what(part) not in there:
                there.add(_what(part))
                yield part


def _near(found: Offload) -> list[int]:
    """Return the batches beside every break-even, each once: mostly they are the same by either kind of memory."""
    reached = [met.batch for met in found.break_even if met.batch is not None and not _is_far(met)]
    return sorted({batch for met in reached for batch in beside(met)})


def _series(run: Run, found: Offload) -> Iterator[Part]:
    """Yield a part of the host and one of the device."""
    yield from (_of(run, found, device) for device in (found.host, found.device))


def _of(run: Run, found: Offload, device: str) -> Part:
    return next(part for part in run.parts if part.split is None and _is_of(part, found, device))


def _is_of(part: Part, found: Offload, device: str) -> bool:
    setting = part.setting
    dtype = "float32" if device == found.host and found.dtype == TF32 else found.dtype  # a host knows no tf32
    same = (part.model, setting.device, setting.arithmetic, setting.mode)
    return same == (found.model, device, dtype, found.mode) and _inputs(part) == found.inputs


def _inputs(part: Part) -> tuple[object, ...]:
    return () if part.graph is None else part.graph.inputs


def _what(part: Part) -> tuple[object, ...]:
    return part.model, part.setting, _inputs(part)


def _at(part: Part, batch: int) -> Part:
    """Return the same network on the same device at another batch, nothing of it measured."""
    assert part.graph is not None  # noqa: S101 whatever makes parts gives them one
    setting = replace(part.setting, batch=batch)
    trains = setting.optimizer if setting.mode == "training" else None
    return Part(
        model=part.model, setting=setting, graph=part.graph, source=part.source, script=part.script, confirms=True,
        analysis=analyzer.analyze(part.graph, batch=batch, dtype=setting.dtype, training=trains),
    )  # fmt: skip


def _alone(run: Run) -> str:
    """Return what is missing for comparing a host with another device."""
    devices = list(dict.fromkeys(part.setting.device for part in run.parts))
    hosts = [part.setting.device for part in run.parts if is_host(part)]
    if len(devices) > 1 and not hosts and all(each.startswith("fake") for each in devices):
        return 'no device file of --device has "host": true, by which a scripted device stands for the CPU'
    return "--device names no host, cpu, and another device"
