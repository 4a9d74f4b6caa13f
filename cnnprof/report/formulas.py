"""The formulas of a table's cells, where a result has them: of layers, of blocks added up, of totals.

Rows bring theirs along as text; nothing here knows how they came about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cnnprof.report.base import AtLeast, Column, Line
from cnnprof.units import Layout, displayed

Formulas = tuple[str | None, ...]

SUFFIX = "_formula"
"""What the column of a formula is called: that of its numbers, and this."""
DEFINITION = (
    f"*{SUFFIX}",
    "how the number in the column before was computed; a reason may stand behind a colon",
)
_TENSORS, _SIZES, _UNIT = "; ", " × ", "1"


def of_layer(texts: Mapping[str, str], columns: Sequence[Column], *, batch: int, layout: Layout) -> Formulas:
    """Return the formulas of a layer's cells; sizes stand as the cell shows them."""
    return tuple(
        _shown(texts[column.id], batch, layout) if column.kind == "shapes" and column.id in texts
        else texts.get(column.id)
        for column in columns
    )  # fmt: skip


def _shown(text: str, batch: int, layout: Layout) -> str:
    return _TENSORS.join(_sizes(tensor.split(_SIZES), batch, layout) for tensor in text.split(_TENSORS))


def _sizes(sizes: Sequence[str], batch: int, layout: Layout) -> str:
    order = displayed(range(len(sizes)), batch=0, layout=layout)
    left_out = batch == 1 and len(sizes) > 1 and sizes[0] == _UNIT
    return _SIZES.join(sizes[at] for at in order if at or not left_out)


def of_block(lines: Sequence[Line], columns: Sequence[Column]) -> Formulas:
    """Return the formulas of a block: its layers' numbers added up, its last layer's sizes."""
    if not lines[0].formulas:
        return ()
    return tuple(_joined(column, at, lines) for at, column in enumerate(columns))


def _joined(column: Column, at: int, lines: Sequence[Line]) -> str | None:
    if column.join == "last":
        return lines[-1].formulas[at]
    if column.join != "sum" or any(isinstance(line.cells[at], AtLeast) for line in lines):
        return None
    if column.kind == "share":
        parts = [text for line in lines if line.cells[at] and (text := line.formulas[at])]
    else:
        parts = [f"{value:,}" for line in lines if isinstance(value := line.cells[at], int) and value]
    return " + ".join(parts) or "0"


def of_total(columns: Sequence[Column]) -> Formulas:
    """Return what a total is: the sum of its column."""
    return tuple(f"Σ {column.id}" if column.join == "sum" else None for column in columns)
