"""The table of traffic: what crosses from one place to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnprof.report.base import Column, Line, Table, Value, add_up
from cnnprof.report.describe import definitions

if TYPE_CHECKING:
    from cnnprof.model.analysis import Analysis, Transfer

_TRANSFER_COLUMNS = (
    Column("source", "from", "text", "the place a tensor is computed at", rank=0),
    Column("target", "to", "text", "the place that reads it", rank=1),
    Column("tensor", "tensor", "text", "the layer whose output crosses; each tensor once per destination", rank=4),
    Column("reader", "read by", "text", "the first layer at the destination that reads it", rank=3),
    Column("elements", "elements", "count", "values that cross, whole batch", "elements", "sum", 2),
    Column("bytes", "memory", "bytes", "bytes that cross, whole batch", "bytes", "sum", 5),
)


def transfers_table(analysis: Analysis) -> Table:
    """Return what crosses from one place to another: a line per tensor, a sum per direction and of all."""
    lines = [_transfer_line(each) for each in analysis.transfers]
    directions: dict[tuple[Value, ...], list[Line]] = {}
    for line in lines:
        directions.setdefault(line.cells[:2], []).append(line)
    totals = [Line((*way, None, None, *add_up(_TRANSFER_COLUMNS, each)[4:])) for way, each in directions.items()]
    if len(totals) > 1:
        totals.append(Line(("total", None, None, None, *add_up(_TRANSFER_COLUMNS, lines)[4:])))
    return Table(
        id="transfers",
        title="traffic between places",
        columns=_TRANSFER_COLUMNS,
        lines=tuple(lines),
        totals=tuple(totals),
        definitions=definitions(_TRANSFER_COLUMNS),
    )


def _transfer_line(transfer: Transfer) -> Line:
    edge = transfer.tensor
    tensor = f"{edge.node}[{edge.output}]" if edge.output else edge.node
    return Line((transfer.source, transfer.target, tensor, transfer.reader, transfer.elements, transfer.bytes))
