"""How one layer's figures come about: a table for programs, lines ``name = formula = value`` for people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnprof.report.base import Column, Line, Screen, Table
from cnnprof.report.cells import plain, visible
from cnnprof.report.describe import definitions
from cnnprof.report.grid import cells_wide
from cnnprof.units import count, memory, percent, to_ascii

if TYPE_CHECKING:
    from cnnprof.model.explanation import Explanation
    from cnnprof.report.plain import Pieces

COLUMNS = (
    Column("section", "section", "text", "what the step is about", rank=3),
    Column("name", "name", "text", "the quantity, or the tensor", rank=0),
    Column("formula", "formula", "text", "how the value comes about; none where it is told, not computed", rank=0),
    Column("value", "value", "count", "the number", rank=1),
    Column("unit", "unit", "text", "of the number", rank=2),
    Column("about", "in words", "text", "the same in words", rank=4),
)
_SECTION, _NAME, _FORMULA, _VALUE, _UNIT, _ABOUT = range(len(COLUMNS))
_SAID_UNITS = ("FLOPs per byte",)
"""Units besides bytes and shares that a name does not tell already."""
_INDENT, _GAP = 2, 3
_WIDEST = 72
"""What stands beside a formula begins here at the latest; beside a longer one, below it."""
_DEFAULT_WIDTH = 120


def derivation_table(explanation: Explanation) -> Table:
    """Return one line per step."""
    lines = tuple(
        Line((section.title, step.name, step.formula, step.value, step.unit or None, step.about or None))
        for section in explanation.sections
        for step in section.steps
    )
    return Table(
        id="derivation", title=_title(explanation), columns=COLUMNS, lines=lines, definitions=definitions(COLUMNS),
        derivation=True,
    )  # fmt: skip


def _title(explanation: Explanation) -> str:
    args = ", ".join(f"{name}={plain(value)}" for name, value in explanation.args.items())
    what = f"{explanation.op}({args})" if args else explanation.op
    return f"{explanation.layer} of {explanation.model}: {what}, batch {explanation.batch}, {explanation.dtype}"


class _Equation(NamedTuple):
    """A line: what is computed, how, what comes out, the same in words."""

    name: str
    right: str
    about: str


def lines(table: Table, screen: Screen) -> Iterator[Pieces]:
    """Yield the lines of a derivation; formulas are broken before an operator, numbers never."""
    from cnnprof.report.plain import Piece

    write = visible if screen.unicode else lambda text: to_ascii(visible(text))
    for title, group in groupby(table.lines, key=lambda line: line.cells[_SECTION]):
        found = [_equation(line.cells, write) for line in group]
        yield []
        yield [Piece(str(title), "heading")]
        names = max(cells_wide(each.name) for each in found)
        beside = min(_WIDEST, max(names + cells_wide(each.right) for each in found)) + _INDENT + _GAP
        for each in found:
            yield from _lines(each, names, beside, screen.width)


def _equation(cells: Sequence[Any], write: Any) -> _Equation:
    value = _value(cells[_VALUE], cells[_UNIT])
    formula, bare = cells[_FORMULA], f"{cells[_VALUE]:,}" if isinstance(cells[_VALUE], int) else None
    right = f" = {value}" if formula in (None, bare) else f" = {formula} = {value}"
    return _Equation(write(str(cells[_NAME])), write(right), write(cells[_ABOUT] or ""))


def _value(value: Any, unit: str | None) -> str:
    if isinstance(value, str):
        return value
    if unit == "bytes":
        return f"{value:,} bytes" + (f" = {memory(value)}" if value >= 1024 else "")  # noqa: PLR2004 a KiB
    if unit == "fraction":
        return percent(value)
    number = count(value) if isinstance(value, int) else f"{value:,.4g}"
    return f"{number} {unit}" if unit in _SAID_UNITS else number


def _lines(equation: _Equation, names: int, beside: int, width: int | None) -> Iterator[Pieces]:
    from cnnprof.report.plain import Piece

    name = " " * _INDENT + equation.name + " " * (names - cells_wide(equation.name))
    parts = [equation.right] if width is None else list(_broken(equation.right, width - _INDENT - names))
    used = _INDENT + names + cells_wide(parts[-1])
    end = beside + cells_wide(equation.about)
    fits = len(parts) == 1 and used + _GAP <= beside and end <= (width or _DEFAULT_WIDTH)
    for at, part in enumerate(parts):
        shown = [Piece(name if not at else " " * (_INDENT + names), "line"), Piece(part, "line")]
        if equation.about and fits:
            shown.append(Piece(" " * (beside - used) + equation.about, "zero"))
        yield shown
    if equation.about and not fits:
        yield [Piece(" " * (_INDENT + names + _GAP) + equation.about, "zero")]


def _broken(text: str, width: int) -> Iterator[str]:
    """Yield a formula in lines of at most ``width`` characters where its operators allow."""
    line = ""
    for part in re.split(r"(?= [+−=/] )", text):
        if line and cells_wide(line + part) > width:
            yield line
            line = "  "
        line += part
    yield line
