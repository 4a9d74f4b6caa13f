"""The main table as CSV: exact integers under column ids, ASCII shapes (``64x224x224``), UTF-8.

What is not a layer is a line whose first cell begins with ``#``: the model, the definition of each column, notes, the
rest, the totals (under their columns). Further tables (peaks of memory, where the time goes, whether a device pays)
follow like this: ``# table``, ``# definition``, then ``# columns`` with the ids of the cells after ``# line``. Read it
with ``pandas.read_csv(path, comment="#")``; text is always quoted, so that a ``#`` inside it is no comment. A count
that nobody knows is ``?``, a lower bound ``>=N``, a time below resolution ``<N``: no numbers, on purpose. Times are in
seconds.

A spreadsheet takes text that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return for a formula: it gets
one ``'`` in front (after CWE-1236; so does text that begins with ``'`` and one of them, so that it comes off again).
Numbers never get one.

Where a result has formulas, each column that has some is followed by one of text, ``params_formula`` behind ``params``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from io import StringIO

from cnnprof.report.base import AtLeast, Below, Column, Line, Names, Report, Table, Value
from cnnprof.report.cells import UNKNOWN_TEXT, text, visible
from cnnprof.report.formulas import SUFFIX
from cnnprof.units import to_ascii

BELOW = (
    "memory", "training_memory", "ledger", "phases", "peak", "copies", "load", "overlap", "telemetry", "offload",
    "break_even", "break_even_lines", "offload_layers", "placement", "copy_lines",
)  # fmt: skip
"""Tables below the main one that no column of it holds the sums of."""
_SETTINGS = ("protocol", "device", "dtype")
"""Columns in which nothing is named that a program would look for: a run file that somebody made may say anything."""
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def render(report: Report) -> str:
    """Return the main table. On a terminal, control characters are shown as escapes; in a file names are exact."""
    out = StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    table = report.main
    _comments(out, [("table", [to_ascii(table.title), *(analysis.source for analysis in report.analyses)])])
    _comments(out, [("definition", [name, to_ascii(meaning)]) for name, meaning in table.definitions])
    _comments(out, [("note", [to_ascii(note)]) for note in table.notes])
    table = with_formulas(_with_constants(table))
    writer.writerow([column.id for column in table.columns])
    for line in table.lines:
        writer.writerow([_cell(*each, terminal=report.screen.terminal) for each in _pairs(table, line)])
    _comments(out, [_sums("rest", table, table.rest)] if table.rest else [])
    _comments(out, [_sums("total", table, line) for line in table.totals])
    for extra in report.extra:
        if extra.id in BELOW:
            _comments(out, _below(extra))
    return out.getvalue()


def _below(table: Table) -> Iterable[tuple[str, list[int | float | str]]]:
    """Yield a further table as comments: title, definitions, column ids, lines, total and notes, in this order."""
    yield "table", [to_ascii(table.title)]
    for name, meaning in table.definitions:
        yield "definition", [to_ascii(name), to_ascii(meaning)]
    yield "columns", [column.id for column in table.columns]
    for kind, found in (("line", (*table.lines, *table.left)), ("total", table.totals)):
        for line in found:
            yield kind, [_cell(*each, terminal=True) for each in _pairs(table, line)]
    for note in table.notes:
        yield "note", [to_ascii(note)]


def _with_constants(table: Table) -> Table:
    """Return the table with what is the same in all lines as its last columns."""
    if not table.constant:
        return table
    values = tuple(value for _, value in table.constant)

    def longer(line: Line, more: tuple[Value, ...]) -> Line:
        return line._replace(cells=line.cells + more, formulas=line.formulas and line.formulas + (None,) * len(more))

    nothing = (None,) * len(values)
    return table._replace(
        columns=table.columns + tuple(column for column, _ in table.constant),
        lines=tuple(longer(line, values) for line in table.lines),
        totals=tuple(longer(line, nothing) for line in table.totals),
        rest=table.rest and longer(table.rest, nothing),
    )


def with_formulas(table: Table) -> Table:
    """Return the table with a column of text behind each one that has formulas."""
    shown = [any(line.formulas and line.formulas[at] for line in table.lines) for at in range(len(table.columns))]
    if not any(shown):
        return table
    columns = [
        each
        for column, also in zip(table.columns, shown, strict=True)
        for each in ([column, Column(column.id + SUFFIX, f"{column.title} =", "text")] if also else [column])
    ]
    lines = tuple(_spread(line, shown) for line in table.lines)
    totals = tuple(_spread(line, shown) for line in table.totals)
    return table._replace(
        columns=tuple(columns), lines=lines, totals=totals, rest=table.rest and _spread(table.rest, shown)
    )


def _spread(line: Line, shown: Sequence[bool]) -> Line:
    formulas = line.formulas or (None,) * len(line.cells)
    pairs = zip(line.cells, formulas, shown, strict=True)
    return Line(tuple(value for cell, text, also in pairs for value in ([cell, text] if also else [cell])), line.path)


def _pairs(table: Table, line: Line) -> Iterable[tuple[Column, Value]]:
    return zip(table.columns, line.cells, strict=True)


def _cell(column: Column, value: Value, *, terminal: bool) -> int | float | str:
    if value is None:
        return ""
    if isinstance(value, AtLeast):
        return f">={value.value}" if value.value else UNKNOWN_TEXT
    if isinstance(value, Below):
        return f"<{value.limit!r}"
    if isinstance(value, int | float):
        return value
    if isinstance(value, Names):
        value = ", ".join(value.all) or value.short
    # Sizes are read by programs: x, not ×. Everything else is exact, but for what UTF-8 cannot hold.
    exact = text(column, value) if column.kind not in ("shapes", "sizes") else to_ascii(text(column, value))
    shown = (
        visible(exact)
        if terminal or column.id in _SETTINGS
        else exact.encode("utf-8", "backslashreplace").decode("utf-8")
    )
    return guard(shown)


def guard(value: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{value}" if _FORMULA.match(value) else value


def _sums(kind: str, table: Table, line: Line) -> tuple[str, list[int | float | str]]:
    """Return a comment under the table's columns: its kind takes the place of the label, or stands before a number."""
    first, *others = (_cell(*each, terminal=True) for each in _pairs(table, line))
    return (f"{kind} {first}" if table.columns[0].numeric else kind, others)


def _comments(out: StringIO, rows: Iterable[tuple[str, list[int | float | str]]]) -> None:
    """Write lines that are CSV too, so that a spreadsheet shows them in cells; each stays on one line."""
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    for kind, cells in rows:
        out.write(f"# {kind},")  # not quoted: a reader looks for the # at the start of the line
        writer.writerow([guard(visible(cell)) if isinstance(cell, str) else cell for cell in cells])
