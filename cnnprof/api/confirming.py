"""Measuring what follows from other measurements, to see whether it is so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cnnprof import analyzer
from cnnprof.measure.session import Measured, Session, measure
from cnnprof.model.plain import replace
from cnnprof.model.run import TF32, Part, Run, Split
from cnnprof.offload.break_even import beside
from cnnprof.offload.tensors import crossings

if TYPE_CHECKING:
    from cnnprof.model.offload import AtBatch, BreakEven, Offload
    from cnnprof.store.runs import RunWriter

FARTHEST = 4
"""Times the largest batch measured: beyond, a line proves little, and the batch may not fit the machine."""


def confirmed(found: Measured, session: Session, writer: Callable[[str], RunWriter] | None = None) -> Measured:
    """Return the run with more parts measured, which say whether what follows from the others is so.

    They are the whole batches beside each break-even, below it and above it, and at the largest batch the cheapest
    assignment of layers to host and device, where it has some on either.

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
    """Yield of each comparison that nothing confirms why there is nothing."""
    if not run.offloads:
        yield "nothing to confirm: --device names no host, cpu, and another device"
    for each in run.offloads:
        met = _met(each)
        if met is None:
            yield f"nothing to confirm for {each.model} on {each.device}: no copies were measured"
        elif met.confirmed is None:
            far = f"; more than {FARTHEST} times the largest one" if met.batch is not None else ""
            yield f"nothing to confirm for {each.model} on {each.device}: {met.message}{far}"


def _met(found: Offload) -> BreakEven | None:
    """Return the break-even by the memory that all else is with."""
    return found.break_even[0] if found.break_even else None


def _parts(run: Run) -> Iterator[Part]:
    yield from _beside(run)
    for each in run.offloads:
        placed = [batch for batch in each.batches if batch.placement is not None]
        if placed:
            yield from _split(run, each, placed[-1])


def _split(run: Run, found: Offload, at: AtBatch) -> Iterator[Part]:
    """Yield the cheapest assignment of a network, where there is something to split."""
    host, device = (_of(run, found, each) for each in (found.host, found.device))
    names = () if at.placement is None else at.placement.on_device
    both_scripted = (host.script is None) == (device.script is None)
    if not 0 < len(names) < len(at.layers) or not both_scripted:
        return
    made = _at(device, at.batch)
    assert made.analysis is not None  # noqa: S101 just made
    crossing = tuple(crossings(made.analysis, names))
    made = replace(made, split=Split(on_device=names, copies=crossing, host_script=host.script))
    if not any((part.setting, part.split, part.graph) == (made.setting, made.split, made.graph) for part in run.parts):
        yield made


def _beside(run: Run) -> Iterator[Part]:
    there = {_what(part) for part in run.parts if part.split is None}
    for each in run.offloads:
        met = _met(each)
        if met is None or met.batch is None:
            continue
        below, above = beside(met.batch)
        if above > FARTHEST * met.batches[-1]:
            continue
        for part in (_at(series, batch) for batch in (below, above) for series in _series(run, each)):
            if _what(part) not in there:
                there.add(_what(part))
                yield part


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
