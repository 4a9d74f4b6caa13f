"""Whether a device pays beside the host, as tables: per batch, from which batch on, per layer, placement, copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from cnnprof.model.offload import TICK_S
from cnnprof.report.base import Column, Line, Table
from cnnprof.report.describe import definitions
from cnnprof.report.offload_words import largest, resting, title, yes
from cnnprof.report.placement import layer_table, placement_table
from cnnprof.units import duration, percent

if TYPE_CHECKING:
    from cnnprof.model.offload import AtBatch, BreakEven, Check, CopyFit, Offload, Route, Way
    from cnnprof.model.offload import Line as Fitted

SENTENCE = "the GPU is useful only if computation time exceeds loading time"
"""As the course decks have it."""
_GIGA = 1e9
_NAMED = 3
_TWO = 2
_NO_FIT = "a line through two batches misses neither: how well times follow it takes a third"

_BATCHES = (
    Column("batch", "batch", "count", "samples per forward", "samples", rank=0),
    Column("memory", "memory", "text", "of the host: pinned, which the device reads by itself, or pageable, which the "
        "CPU copies over first", rank=4),
    Column("input", "input", "text", "as is, or uint8: a byte per value crosses, and the device makes floats of it, "
        "which is not timed here", rank=5),
    Column("host_s", "host", "time", "median of the whole on the host, pass E: C", "seconds", rank=1),
    Column("device_s", "device", "time", "median of the whole on the device, its data there already, pass E: G",
        "seconds", rank=2),
    Column("to_device_s", "to device", "time", "copying the inputs there: H2D", "seconds", rank=8),
    Column("to_host_s", "to host", "time", "copying the outputs back: D2H", "seconds", rank=9),
    Column("serial_s", "in turn", "time", "G + H2D + D2H", "seconds", rank=6),
    Column("overlapped_s", "at once", "time", "max(G, H2D, D2H): while one batch is computed, the next one is copied "
        "there and the last one's result back", "seconds", rank=7),
    Column("load_ratio", "computing ÷ loading", "ratio", "G ÷ (H2D + D2H): below 1 it is loading-bound", rank=10),
    Column("pays", "pays", "text", "whether in turn is less than the host", rank=3),
    Column("pays_overlapped", "pays at once", "text", "whether at once is less than the host", rank=11),
    Column("load_s", "paid once", "time", "weights to the device, its context, what the first forward takes longer: W; "
        "of what is known", "seconds", rank=12),
    Column("load_batches", "batches for it", "count", "the least N with W/N + in turn < host", "batches", rank=13),
)  # fmt: skip
_BREAK_EVEN = (
    Column("memory", "memory", "text", "of the host", rank=0),
    Column("verdict", "it pays", "text", "from a batch on, up to one, always, never; copies in turn", rank=1),
    Column("batch", "break-even", "ratio", "b* = (g0 + x0 − c0) ÷ (c1 − g1 − x1), of lines through the batches that "
        "were measured, by least squares of relative residuals", "samples", rank=2),
    Column("low", "from", "ratio", "lower end of its 95 % interval by bootstrap", "samples", rank=3),
    Column("high", "to", "ratio", "upper end; – where the lines may never meet", "samples", rank=4),
    Column("confirmed", "confirmed", "text", "whether it held at the batches beside it, measured by --confirm", rank=5),
)  # fmt: skip
_LINES = (
    Column("line", "line", "text", "host: C, device: G, copies: X", rank=0),
    Column("memory", "memory", "text", "of the host, with which the copies were measured", rank=1),
    Column("base_s", "base", "time", "c0, g0, x0: what a batch of none would take", "seconds", rank=2),
    Column("per_sample_s", "per sample", "time", "c1, g1, x1: what each sample takes besides", "seconds", rank=3),
    Column("r2", "R²", "ratio", "share of the variance of the times that the line explains; – where all are alike, or "
        "where there are two, which no line misses", rank=5),
    Column("worst", "worst", "fraction", "the largest (fitted − measured) ÷ measured", "fraction", rank=4),
    Column("worst_batch", "at", "count", "the batch of that one", "samples", rank=6),
    Column("smallest_batch", "from", "count", "the smallest batch that the line goes through", "samples", rank=7),
    Column("largest_batch", "to", "count", "the largest one", "samples", rank=8),
)  # fmt: skip
_FITS = (
    Column("memory", "memory", "text", "of the host", rank=0),
    Column("direction", "copy", "text", "h2d: to the device; d2h: to the host", rank=1),
    Column("alpha_s", "α", "time", "what a copy of no bytes would take", "seconds", rank=2),
    Column("gigabytes_per_s", "GB/s", "ratio", "β: bytes per further second", "billions of bytes per second", rank=3),
    Column("half_bytes", "half at", "bytes", "α·β: bytes at which half of β is reached", "bytes", rank=4),
    Column("r2", "R²", "ratio", "share of the variance of the times that the line explains", rank=6),
    Column("worst", "worst", "fraction", "the largest (fitted − measured) ÷ measured", "fraction", rank=5),
    Column("worst_bytes", "at", "bytes", "the size of that one", "bytes", rank=7),
    Column("smallest_bytes", "from", "bytes", "the smallest size measured: below it the line says nothing", "bytes",
        rank=8),
    Column("largest_bytes", "to", "bytes", "the largest one: above it neither", "bytes", rank=9),
)  # fmt: skip


def offload_tables(found: Offload, top: int | None = None) -> Iterator[Table]:
    """Yield the tables of one network on a host and on one other device.

    Args:
        found: what follows of both.
        top: how many layers people are shown, those that gain most; None: all.
    """
    yield _batches(found)
    if found.break_even:
        yield _break_even(found)
    if any(each.host is not None for each in found.break_even):
        yield _through(found)
    layered = [each for each in found.batches if each.layers]
    if layered:
        yield layer_table(found, layered, top)
        yield placement_table(found, layered)
    if any(each.fits for each in found.batches):
        yield _fits(found)


# Batches


def _batches(found: Offload) -> Table:
    lines = [line for each in found.batches for line in _lines(each)]
    return Table(
        id="offload",
        title=title(found),
        columns=_BATCHES,
        lines=tuple(lines),
        notes=(*_notes(found), *resting(found, "whole", {each.batch for each in found.batches})),
        definitions=definitions(_BATCHES),
    )


def _lines(batch: AtBatch) -> Iterator[Line]:
    ways = [(route, way) for route in batch.routes for way in route.ways]
    for route, way in ways:
        yield _line(batch, route, way)
    if not ways:
        yield Line((batch.batch, None, None, batch.host_s, batch.device_s, *(None,) * 9))


def _line(batch: AtBatch, route: Route, way: Way) -> Line:
    load = batch.load
    return Line((
        batch.batch, route.memory, way.input, batch.host_s, batch.device_s, way.to_device_s, way.to_host_s,
        way.serial_s, way.overlapped_s, way.load_ratio, yes(way.pays), yes(way.pays_overlapped),
        None if load is None or len(load.unknown) == _NAMED else load.known_s, way.load_batches,
    ))  # fmt: skip


def _notes(found: Offload) -> Iterator[str]:
    said = [(each, route) for each in found.batches for route in each.routes[:1] if route.message is not None]
    if said:
        yield f'"{SENTENCE}", in {said[0][1].memory} memory:'
        yield from (f"batch {each.batch:,}: {route.message}" for each, route in said)
    elif not any(each.routes for each in found.batches):
        yield f"no copy on {found.device} was measured, or none arrived: whether it pays with copies is not known"
    for each in found.batches:
        yield from (f"batch {each.batch:,}, {route.memory}: {route.unknown}" for route in each.routes if route.unknown)
    unknown = sorted({name for each in found.batches if each.load is not None for name in each.load.unknown})
    if unknown:
        yield f"paid once, not known and not in the sum: {', '.join(unknown)}"
    hidden = [(each.overlap, each.batch) for each in found.batches if each.overlap is not None]
    overlaps = [f"{percent(part)} at batch {batch:,}" for part, batch in hidden]
    if overlaps:
        yield f"of what copies and computing at once can hide, they did hide {', '.join(overlaps)}"


# Break-even


def _break_even(found: Offload) -> Table:
    return Table(
        id="break_even",
        title=f"{title(found)}, break-even batch",
        columns=_BREAK_EVEN,
        lines=tuple(map(_met, found.break_even)),
        notes=(*(note for each in found.break_even for note in _met_notes(each)), *_verdict_rests(found)),
        definitions=definitions(_BREAK_EVEN),
    )


def _verdict_rests(found: Offload) -> Iterator[str]:
    """Yield which batches are disturbed of those that lines go through or that confirm them."""
    entered = {batch for met in found.break_even for batch in (*met.batches, *(each.batch for each in met.checks))}
    yield from resting(found, "whole", entered)


def _met(found: BreakEven) -> Line:
    verdict = "?" if found.verdict == "unknown" else found.verdict
    return Line((found.memory, verdict, found.batch, found.low, found.high, yes(found.confirmed)))


def _met_notes(found: BreakEven) -> Iterator[str]:
    yield f"{found.memory}: {found.message}{'' if found.hint is None else f': {found.hint}'}"
    for why, group in groupby(found.left_out, lambda each: each.why):
        left = [f"{each.batch:,}" for each in group]
        yield f"{found.memory}: without batch {', '.join(left)}: {why}"
    if found.doubt is not None:
        yield f"{found.memory}: {found.doubt}"
    for each in found.checks:
        yield f"{found.memory}: {checked(each)}"


def checked(found: Check) -> str:
    """Return in words what was measured beside a break-even."""
    times = f"{duration(found.device_s)} with its copies, {duration(found.host_s)} on the host"
    if found.even:
        return f"measured at batch {found.batch:,}, both take as long: {times}"
    verb = "pays" if found.pays else "does not pay"
    return f"measured at batch {found.batch:,}, it {verb}, {'' if found.agrees else 'not '}as expected: {times}"


def _through(found: Offload) -> Table:
    met = [each for each in found.break_even if each.host is not None]
    two = any(len(each.batches) == _TWO for each in met)
    return Table(
        id="break_even_lines",
        title=f"{title(found)}, lines of the break-even: T(batch) = base + per sample · batch",
        columns=_LINES,
        lines=tuple(_straight(met)),
        notes=(*_below_nothing(met), *((_NO_FIT,) if two else ())),
        definitions=definitions(_LINES),
    )


def _below_nothing(met: Sequence[BreakEven]) -> Iterator[str]:
    """Yield which lines begin below nothing, each once."""
    lines = ((name, getattr(each, name)) for name in ("host", "device", "copies") for each in met)
    for name, line in dict.fromkeys((name, line.base_s) for name, line in lines if line.base_s <= -TICK_S):
        yield (
            f"{name}: {duration(line)} at batch 0 is less than nothing, which no device can take: its times are not of "
            "one line, because they bend, or because something disturbed one batch more than another"
        )


def _straight(met: Sequence[BreakEven]) -> Iterator[Line]:
    """Yield the lines; those of host and device once, where the same batches have copies in either memory."""
    for name in ("host", "device", "copies"):
        rows: dict[tuple[Fitted, int, int], list[str]] = {}
        for each in met:
            rows.setdefault((getattr(each, name), each.batches[0], each.batches[-1]), []).append(each.memory)
        for (line, first, last), memories in rows.items():
            fit = (line.r2, line.worst, line.worst_batch)
            yield Line((name, ", ".join(memories), line.base_s, line.per_sample_s, *fit, first, last))


# Copies


def _fits(found: Offload) -> Table:
    """Return the lines of the largest batch: every batch measures them anew."""
    batch = largest([each for each in found.batches if each.fits])
    return Table(
        id="copy_lines",
        title=f"{title(found)}, copies: T(n) = α + n/β, batch {batch.batch:,}",
        columns=_FITS,
        lines=tuple(map(_fitted, batch.fits)),
        definitions=definitions(_FITS),
    )


def _fitted(fit: CopyFit) -> Line:
    return Line((
        fit.memory, fit.direction, fit.alpha_s, fit.bytes_per_s / _GIGA, round(fit.half_bytes), fit.r2, fit.worst,
        fit.worst_bytes, fit.smallest_bytes, fit.largest_bytes,
    ))  # fmt: skip
