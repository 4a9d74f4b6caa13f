"""Sums over networks: one quantity a line for one result, one result a line for several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnprof.errors import UsageError
from cnnprof.report.base import AtLeast, Column, Line, Table, order
from cnnprof.report.columns import LAYER_COLUMNS, LayerColumn, find
from cnnprof.report.describe import definitions, many, notes, sample_shapes
from cnnprof.units import Layout, at_least, mebibytes, memory, si

if TYPE_CHECKING:
    from cnnprof.model.analysis import Analysis

_TOTAL_COLUMNS = (
    Column("quantity", "quantity", "text", rank=0),
    Column("value", "value", "count", rank=1),
    Column("unit", "unit", "text", rank=3),
    Column("about", "about", "text", rank=2),
)
_TOTALS = (
    ("params", "parameters", "elements"),
    ("trainable_params", "trainable parameters", "elements"),
    ("frozen_params", "frozen parameters", "elements"),
    ("buffers", "buffers", "elements"),
    ("param_bytes", "parameter memory", "bytes"),
    ("macs", "MACs", "MACs"),
    ("flops", "FLOPs (2 per MAC)", "FLOPs"),
    ("useful_macs", "useful MACs (no padding)", "MACs"),
    ("input_grad_macs", "input gradient MACs", "MACs"),
    ("weight_grad_macs", "weight gradient MACs", "MACs"),
    ("training_flops", "training FLOPs", "FLOPs"),
    ("ops", "operations", "ops"),
    ("muls", "multiplications", "ops"),
    ("adds", "additions", "ops"),
    ("cmps", "comparisons", "ops"),
    ("exps", "exponentials", "ops"),
    ("divs", "divisions", "ops"),
    ("activations", "activations", "elements"),
    ("activation_bytes", "activation memory", "bytes"),
)
_EVENTS = frozenset({"muls", "adds", "cmps", "exps", "divs"})
_OTHER_TOOLS = (
    ("torchsummary_input_bytes", "torchsummary input size", "bytes"),
    ("torchsummary_activation_bytes", "torchsummary forward/backward pass size", "bytes"),
    ("torchsummary_param_bytes", "torchsummary params size", "bytes"),
    ("torchsummary_total_bytes", "torchsummary estimated total size", "bytes"),
    ("keras_params", "Keras total params", "elements"),
)
_OTHER_DEFINITIONS = (
    (
        "torchsummary",
        "as torchsummary adds up: 4 bytes a value, every module's output twice; in MiB (it prints MB)",
    ),
    ("Keras", "as Keras adds up: moving statistics of batch norm included, num_batches_tracked not"),
)


def totals_table(analysis: Analysis) -> Table:
    """Return the sums over the network, one quantity a line: exactly, and as one says it."""
    return Table(
        id="totals",
        title="totals",
        columns=_TOTAL_COLUMNS,
        lines=tuple(_total_line(analysis, *each) for each in (*_TOTALS, *_OTHER_TOOLS)),
        definitions=(*definitions(LAYER_COLUMNS[name].column for name, _, _ in _TOTALS), *_OTHER_DEFINITIONS),
    )


def _total_line(analysis: Analysis, name: str, title: str, unit: str) -> Line:
    holder = analysis.totals.events if name in _EVENTS else analysis.totals
    number: int = getattr(holder, name)
    about = _about(name, number, unit)
    if not analysis.totals.lower_bound or name == "torchsummary_input_bytes":
        return Line((title, number, unit, about))
    return Line((title, AtLeast(number), unit, at_least(about) if about and number else None))


def _about(name: str, number: int, unit: str) -> str | None:
    if name.startswith("torchsummary"):
        return mebibytes(number)
    if unit == "bytes":
        return memory(number)
    return si(number) if number >= 1000 else None  # noqa: PLR2004 a smaller number is said as it is


_SUMMED = ("params", "macs", "flops", "ops", "activation_bytes", "param_bytes")
_RANKS = {
    "params": 2, "macs": 1, "flops": 20, "ops": 30, "activation_bytes": 10, "param_bytes": 40, "peak_bytes": 8,
    "training_peak_bytes": 3, "foreach_peak_bytes": 4, "largest_batch": 2,
}  # fmt: skip
_ABOUT_RESULTS = (
    Column("model", "model", "text", "the network", rank=0),
    Column("batch", "batch", "count", "samples per forward", rank=3),
    Column("input", "input", "shapes", "shape of one sample", rank=4),
    Column("dtype", "dtype", "text", "how floats are stored", rank=50),
    Column("layers", "layers", "count", "layers of the network", rank=45),
)


def summary_table(
    analyses: Sequence[Analysis],
    *,
    columns: Sequence[str] | None = None,
    sort: str | None = None,
    top: int | None = None,
    layout: Layout = "chw",
) -> Table:
    """Return one line per result: model, batch, input, and the sums over its layers.

    Args:
        analyses: the results.
        columns: ids of ``LAYER_COLUMNS`` that have a total; None for the usual ones.
        sort: id of the column to sort by, numbers descending.
        top: keep this many results.
        layout: where shapes show their channels.

    Raises:
        UsageError: there is no result, or a column is unknown or has no total.
    """
    if not analyses:
        raise UsageError("nothing to show: no result was given", code="no-results")
    summed = _with_totals(_usual(analyses) if columns is None else columns)
    # What was asked for by name goes last; that it is the same for all results is said by the title of few of them.
    ranks = _RANKS if columns is None else {each.column.id: 2 for each in summed}
    about = tuple(each._replace(rank=each.rank + 10 if columns and each.rank else each.rank) for each in _ABOUT_RESULTS)
    shown = (*about, *(each.column._replace(rank=ranks.get(each.column.id, 35)) for each in summed))
    ordered = list(analyses)
    if sort is not None:
        (sorter,) = _with_totals([sort])
        ordered.sort(key=lambda each: order(sorter.sum(each)))
    return Table(
        id="summary",
        title=", ".join([many(len(analyses), "result"), *_asked(analyses)]),
        columns=shown,
        lines=tuple(_summary_line(each, summed, layout) for each in ordered[:top]),
        notes=(
            # The same note at every batch is said once.
            *dict.fromkeys(f"{each.model}: {note}" for each in ordered[:top] for note in notes(each)),
            *([f"{len(ordered) - top} more"] if top is not None and top < len(ordered) else []),
        ),
        definitions=definitions(shown),
    )


def _asked(analyses: Sequence[Analysis]) -> list[str]:
    """Return what was asked of every result besides: a training step, a memory to fit into."""
    steps = {f"training with {each.training.optimizer} on {each.training.device}" for each in analyses if each.training}
    limits = {memory(each.fit.limit_bytes) for each in analyses if each.fit}
    of = "training step" if steps else "inference"
    return [*sorted(steps), *(f"largest batch of {'a' if steps else 'an'} {of} in {limit}" for limit in sorted(limits))]


def _usual(analyses: Sequence[Analysis]) -> list[str]:
    """Return the columns shown unless others are asked for; what was asked of an analysis is shown of it."""
    training = any(each.training for each in analyses)
    fits = any(each.fit for each in analyses)
    gpu = any(each.training and each.training.device == "cuda" for each in analyses)
    asked = [*["training_peak_bytes"] * training, *["foreach_peak_bytes"] * gpu, *["largest_batch"] * fits]
    return [*_SUMMED, "peak_bytes", *asked]


def _with_totals(names: Sequence[str]) -> list[LayerColumn]:
    found = find([name for name in names if name != "name"])
    for each in found:
        if each.total is None:
            raise UsageError(
                f"column {each.column.id!r} has no total, so it cannot compare results",
                hint=f"some of {', '.join(name for name, column in LAYER_COLUMNS.items() if column.total)}",
                code="no-total",
            )
    return list(found)


def _summary_line(analysis: Analysis, summed: Sequence[LayerColumn], layout: Layout) -> Line:
    about = (analysis.model, analysis.batch, sample_shapes(analysis, layout), analysis.dtype, analysis.totals.layers)
    return Line((*about, *(each.sum(analysis) for each in summed)))
