"""Formulas against the cells they stand behind: parsed and evaluated by an evaluator of their own."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from cnnprof.model.analysis import Analysis, AxisField, Row
from cnnprof.report.base import Value
from cnnprof.report.columns import LAYER_COLUMNS, View
from tests.helpers.formulas import Field, MalformedError, fields, shape, shapes, value

WITHOUT = ("name", "op", "input", "place", "frozen", "when", "source", "args")
"""Columns that are told, not computed."""

Findings = Iterator[str]


def wrong(analysis: Analysis, formulas: tuple[dict[str, str], ...], known: set[object] | None = None) -> list[str]:
    """Return every formula that is missing, superfluous or not its cell's number.

    ``known``: formulas found right before, with their cells; they are not evaluated again.
    """
    view, seen = View(analysis), set() if known is None else known
    pairs = zip(analysis.rows, formulas, strict=True)
    return [f"{row.name}: {finding}" for row, texts in pairs for finding in _row(row, texts, view, seen)]


def _row(row: Row, texts: dict[str, str], view: View, seen: set[object]) -> Findings:
    if not row.known:
        if texts:
            yield "the counts of an unknown operator have formulas"
        return
    for name, column in LAYER_COLUMNS.items():
        if name in WITHOUT:
            continue
        cell = column.cell(row, view)
        if (cell is None) != (name not in texts):
            yield f"{name}: the cell is {cell!r}, its formula {texts.get(name)!r}"
        elif cell is not None and (finding := _once(name, texts[name], cell, row, seen)):
            yield finding
    yield from (f"{name}: no such column" for name in texts.keys() - LAYER_COLUMNS.keys())


def _once(name: str, text: str, cell: Value, row: Row, seen: set[object]) -> str | None:
    key = (name, text, row.outputs if name == "output" else row.receptive_field if name == "rf" else cell)
    if key in seen:
        return None
    try:
        same = right(name, text, cell, row)
    except MalformedError as error:
        return f"{name}: {text} is no formula: {error}"
    if not same:
        return f"{name}: {text} is not {cell!r}"
    seen.add(key)
    return None


def right(name: str, text: str, cell: Value, row: Row) -> bool:
    """Return whether a formula evaluates to its cell, exactly."""
    if name == "output":
        return shapes(text) == [tensor.shape for tensor in row.outputs]
    if name == "rf":
        found = fields(text)
        axes = row.receptive_field.axes
        same = found * len(axes) if len(found) == 1 else found
        return [_field(axis) for axis in axes] == same
    if isinstance(cell, tuple):
        return shape(text) == cell
    return float(value(text)) == cell if isinstance(cell, float) else value(text) == cell


def _field(axis: AxisField) -> Field:
    size, padding = (None if number is None else Fraction(number) for number in (axis.size, axis.padding))
    stride = None if axis.stride is None else Fraction(axis.stride, axis.stride_divisor)
    return Field(size, stride, padding, axis.uniform, axis.is_global)
