"""What every table says about a result besides its numbers: title, definitions, notes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cnnprof.report.base import Column
from cnnprof.units import Layout, dimensions, displayed

if TYPE_CHECKING:
    from cnnprof.model.analysis import Analysis


def definitions(columns: Iterable[Column]) -> tuple[tuple[str, str], ...]:
    """Return id and definition of every column that has one."""
    return tuple((column.id, column.definition) for column in columns if column.help)


def blocks_of(analysis: Analysis) -> dict[str, str]:
    """Return the path of every named block with its name: the module's class, or the block of the specification."""
    return {each.path: label for each in analysis.containers if (label := each.module or each.block)}


def title(analysis: Analysis, layout: Layout) -> str:
    """Return what was counted: model, input, batch, dtype, number of layers."""
    sizes = " + ".join(map(dimensions, sample_shapes(analysis, layout)))
    parts = [analysis.model, f"input {sizes}", f"batch {analysis.batch}", analysis.dtype]
    return ", ".join([*parts, many(analysis.totals.layers, "layer")])


def sample_shapes(analysis: Analysis, layout: Layout) -> tuple[tuple[int, ...], ...]:
    """Return the shape of one sample of every input, as a reader sees it."""
    return tuple(displayed((1, *each.shape), layout=layout) if each.shape else () for each in analysis.inputs)


def notes(analysis: Analysis) -> tuple[str, ...]:
    """Return what a reader should know, unknown operators first; each layer's own note names the layer."""
    unknown = analysis.totals.unknown_ops
    calls = many(sum(not row.known for row in analysis.rows), "unknown operator")
    bound = f"excludes {calls} ({', '.join(unknown)}): totals are lower bounds (≥), shares are of what is known"
    found = [bound] if unknown else []
    # The table marks each unknown layer with a ?, so that its own note would say it twice.
    told = [note for note in analysis.notes if note.code != "unknown-operator"]
    found += [f"{note.layer}: {note.message}" if note.layer else note.message for note in told]
    return (*found, *_training_only(analysis))


def _training_only(analysis: Analysis) -> list[str]:
    count = sum(row.when == "train" for row in analysis.rows)
    run = "layer runs" if count == 1 else "layers run"
    says = f"{count} {run} in training only: parameters count, work does not (--columns name,when,params shows them)"
    return [says] if count else []


def many(number: int, thing: str) -> str:
    """Return ``1 layer`` or ``2 layers``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
