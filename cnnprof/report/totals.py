"""Sums over networks: one quantity a line for one result, one result a line for several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnprof.errors import UsageError
from cnnprof.report.base import AtLeast, Column, Line, Table
from cnnprof.report.columns import LAYER_COLUMNS
from cnnprof.report.describe import definitions, input_text, many, notes
from cnnprof.units import Layout, mebibytes, memory, si

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
    bounded = analysis.totals.lower_bound and name != "torchsummary_input_bytes"
    return Line((title, AtLeast(number) if bounded else number, unit, _about(name, number, unit)))


def _about(name: str, number: int, unit: str) -> str | None:
    if name.startswith("torchsummary"):
        return mebibytes(number)
    if unit == "bytes":
        return memory(number)
    return si(number) if number >= 1000 else None  # noqa: PLR2004 a smaller number is said as it is


_SUMMED = ("params", "macs", "flops", "ops", "activation_bytes", "param_bytes")
_SUMMARY_RANKS = {"params": 2, "macs": 1, "flops": 20, "ops": 30, "activation_bytes": 10, "param_bytes": 40}


def summary_table(analyses: Sequence[Analysis], *, layout: Layout = "chw") -> Table:
    """Return one line per result: model, batch, input, and the sums over its layers.

    Raises:
        UsageError: there is no result.
    """
    if not analyses:
        raise UsageError("nothing to show: no result was given", code="no-results")
    summed = [LAYER_COLUMNS[name] for name in _SUMMED]
    columns = (
        Column("model", "model", "text", "the network", rank=0),
        Column("batch", "batch", "count", "samples per forward", rank=3),
        Column("input", "input", "text", "shape of one sample", rank=4),
        Column("dtype", "dtype", "text", "how floats are stored", rank=50),
        Column("layers", "layers", "count", "layers of the network", rank=45),
        *(each.column._replace(rank=_SUMMARY_RANKS[each.column.id]) for each in summed),
    )
    lines = tuple(
        Line((
            each.model, each.batch, input_text(each, layout), each.dtype, each.totals.layers,
            *(column.sum(each) for column in summed),
        ), (each.model,))
        for each in analyses
    )  # fmt: skip
    return Table(
        id="summary",
        title=many(len(analyses), "result"),
        columns=columns,
        lines=lines,
        notes=tuple(f"{each.model}: {note}" for each in analyses for note in notes(each)),
        definitions=definitions(columns),
    )
