"""Which layers gain on a device, and who should compute what, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from cnnprof.report.base import Column, Line, Names, Table
from cnnprof.report.describe import definitions, many
from cnnprof.report.offload_words import largest, resting, title, yes
from cnnprof.units import count, duration, ratio

if TYPE_CHECKING:
    from cnnprof.model.offload import AtBatch, LayerOffload, Memory, Offload, Placement, SplitCheck

_NAMED = 3
_APART: dict[Memory, str] = {
    "pageable": "copies from and to pageable memory, in which torch makes what layers return",
    "pinned": "copies from and to pinned memory, for want of times of pageable ones",
}
_LAYERS = (
    Column("name", "layer", "text", rank=0),
    Column("host_s", "host", "time", "time in the network on the host: C", "seconds", "sum", 1),
    Column("device_s", "device", "time", "the device's own time, of pass Q where there is one", "seconds", "sum", 2),
    Column("launch_s", "launch gap", "time", "what the device waits for the host besides", "seconds", "sum", 6),
    Column("to_device_s", "to device", "time", "copying what it reads there", "seconds", rank=3),
    Column("to_host_s", "to host", "time", "copying what it makes back", "seconds", rank=4),
    Column("pays", "pays alone", "text", "whether device + launch gap + both copies is less than the host", rank=5),
)  # fmt: skip
_PLACEMENTS = (
    Column("batch", "batch", "count", "samples per forward", "samples", rank=0),
    Column("assignment", "assignment", "text", "cheapest: of all there are; runner-up: the cheapest that differs; best "
        "cut: the best run of successive layers on the device", rank=1),
    Column("time_s", "time", "time", "of all layers and copies, without what is between layers", "seconds", rank=2),
    Column("speedup", "× cheapest", "ratio", "how many times as long as the cheapest", rank=4),
    Column("device_layers", "on the device", "count", "layers on the device", "layers", rank=3),
    Column("where", "which", "text", "the layers on the device, in their order", rank=5),
)  # fmt: skip


# Layers


def layer_table(found: Offload, layered: Sequence[AtBatch], top: int | None) -> Table:
    """Return each layer alone on the device, at the largest batch.

    Args:
        found: a host and a device.
        layered: its batches with layers.
        top: how many layers people are shown, those that gain most; None: all, in their order.
    """
    batch = largest(layered)
    lines = tuple(map(_layer, batch.layers if top is None else sorted(batch.layers, key=_by_gain)))
    columns = _LAYERS if any(each.launch_s is not None for each in batch.layers) else _without(_LAYERS, "launch_s")
    if columns is not _LAYERS:
        lines = tuple(line._replace(cells=(*line.cells[:3], *line.cells[4:])) for line in lines)
    notes = list(_layer_notes(batch, [f"{each.batch:,}" for each in layered if each is not batch]))
    if lines[top:] and top is not None:
        notes.append(f"the {many(top, 'layer')} that gain most; {len(lines) - top:,} more in CSV and JSON")
    return Table(
        id="offload_layers",
        title=f"{title(found)}, each layer alone on the device, batch {batch.batch:,}",
        columns=columns,
        lines=lines[:top],
        left=() if top is None else lines[top:],
        notes=tuple(notes),
        definitions=definitions(columns),
    )


def _layer_notes(batch: AtBatch, others: Sequence[str]) -> Iterator[str]:
    pays = [each.name for each in batch.layers if each.pays]
    known = sum(each.pays is not None for each in batch.layers)
    unknown = "" if known == len(batch.layers) else f", of {len(batch.layers) - known} it is not known"
    yield f"alone on the device {many(len(pays), 'layer')} of {len(batch.layers)} would pay{unknown}{_listed(pays)}"
    if batch.routes:
        yield _APART[batch.routes[-1].memory]
    if others:
        yield f"the largest batch; JSON has the layers at batch {', '.join(others)} too"


def _by_gain(layer: LayerOffload) -> tuple[bool, float]:
    return layer.gain_s is None, -(layer.gain_s or 0.0)


def _without(columns: Sequence[Column], name: str) -> tuple[Column, ...]:
    return tuple(each for each in columns if each.id != name)


def _layer(each: LayerOffload) -> Line:
    return Line((
        each.name, each.host_s, each.device_s, each.launch_s, each.to_device_s, each.to_host_s, yes(each.pays),
    ))  # fmt: skip


def _listed(names: Sequence[str]) -> str:
    if not names:
        return ""
    return f": {', '.join(names[:_NAMED])}{', …' if len(names) > _NAMED else ''}"


# Placement


def placement_table(found: Offload, batches: Sequence[AtBatch]) -> Table:
    """Return the assignments of each batch with layers, and what they take."""
    lines = [line for each in batches if each.placement is not None for line in _placed(each, each.placement)]
    return Table(
        id="placement",
        title=f"{title(found)}, who should compute what",
        columns=_PLACEMENTS,
        lines=tuple(lines),
        notes=(
            *(note for each in batches for note in _placed_notes(each)),
            *_uncut(batches),
            *resting(found, "layers", {each.batch for each in batches}),
        ),
        definitions=definitions(_PLACEMENTS),
    )


def _uncut(batches: Sequence[AtBatch]) -> Iterator[str]:
    if any(each.placement is not None and each.placement.method == "graph" for each in batches):
        yield "the network is no chain: there is no single cut"


def _placed(batch: AtBatch, found: Placement) -> Iterator[Line]:
    names = tuple(each.name for each in batch.layers)
    for called, time, there in (
        ("cheapest", found.time_s, found.on_device),
        ("runner-up", found.runner_up_s, found.runner_up_on_device),
        ("all on the host", found.all_host_s, ()),
        ("all on the device", found.all_device_s, names),
    ):
        yield Line(
            (batch.batch, called, time, time / found.time_s, len(there), Names(tuple(there), runs(names, there)))
        )
    if (cut := found.cut) is not None:
        begin = names.index(cut.first)
        there = names[begin : begin + cut.layers]
        which = Names(there, runs(names, there))
        yield Line((batch.batch, "best cut", cut.time_s, cut.time_s / found.time_s, cut.layers, which))


def runs(names: Sequence[str], chosen: Sequence[str]) -> str:
    """Return which of the names are chosen, a run of successive ones by its first and last."""
    wanted = set(chosen)
    found = [list(run) for there, run in groupby(names, lambda name: name in wanted) if there]
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} … {run[-1]}" for run in found) or "none"


def _placed_notes(batch: AtBatch) -> Iterator[str]:
    found = batch.placement
    if found is None:
        yield f"batch {batch.batch:,}: no placement: {batch.unplaced}"
        return
    yield f"batch {batch.batch:,}: {_best(found, len(batch.layers))}"
    if (ran := found.run) is not None:
        yield (
            f"batch {batch.batch:,}: run like that, it takes {duration(ran.time_s)}, with its copies (pageable) "
            f"and what is between layers; {duration(ran.host_s)} all on the host, {_beside(ran)}"
        )
    if found.untimed:
        yield (
            f"batch {batch.batch:,}: {count(len(found.untimed))} without a time on either side, taken to cost nothing"
            f"{_listed(found.untimed)}"
        )


def _beside(ran: SplitCheck) -> str:
    """Return in words what all on the device takes with copies of the same kind, and what follows."""
    if ran.device_s is None:
        return "all on the device with its copies (pageable) is not known: nothing can be compared"
    verdict = "confirmed" if ran.confirmed else "not confirmed"
    pinned = ""
    if ran.pinned_s is not None and ran.pinned_s < ran.time_s:
        pinned = f"; with pinned copies all on the device takes less, {duration(ran.pinned_s)}"
    return f"{duration(ran.device_s)} all on the device with its copies (pageable): {verdict}{pinned}"


def _best(found: Placement, layers: int) -> str:
    if not found.on_device:
        longer = "as long" if found.gain_over_device == 1 else f"{ratio(found.gain_over_device)} times as long"
        return f"all on the host is cheapest; all on the device takes {longer}"
    copied = f"{duration(found.copies_s)} of it are copies ({found.memory})"
    here = f"{ratio(found.gain_over_host)} times as fast as all on the host"
    if len(found.on_device) == layers:
        return f"all on the device is cheapest, {here}; {copied}"
    there = f"{ratio(found.gain_over_device)} times as fast as all on the device"
    return f"the cheapest assignment is {here} and {there}; {copied}"
