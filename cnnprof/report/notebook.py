"""A result as a notebook shows it: one HTML table, its style inside it, no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from cnnprof.report.base import Column, Line, Table
from cnnprof.report.cells import text, visible
from cnnprof.report.tables import layer_table, totals_table

if TYPE_CHECKING:
    from cnnprof.model.analysis import Analysis
    from cnnprof.report.base import Report

_RIGHT = ' style="text-align: right"'
_LEFT = ' style="text-align: left"'


def to_html(analysis: Analysis) -> str:
    """Return the table of layers with its totals, and the sums in full folded away below it."""
    layers = _table(layer_table(analysis))
    totals = _table(totals_table(analysis))
    return f"<div>{layers}<details><summary>totals</summary>{totals}</details></div>"


def report_to_html(report: Report) -> str:
    """Return the tables of a report, one below the other."""
    return f"<div>{''.join(map(_table, (report.main, *report.extra)))}</div>"


def _table(table: Table) -> str:
    head = "".join(
        f"<th{_side(column)} title={_quoted(column.definition)}>{_text(column.title)}</th>" for column in table.columns
    )
    body = "".join(_row(table.columns, line, "td") for line in table.all_lines)
    foot = "".join(_row(table.columns, line, "th") for line in table.totals)
    notes = "".join(f"<p>note: {_text(note)}</p>" for note in table.notes)
    caption = f"<caption>{_text(table.title)}</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody><tfoot>{foot}</tfoot></table>{notes}"


def _row(columns: Sequence[Column], line: Line, tag: str) -> str:
    return f"<tr>{''.join(_cells(columns, line, tag))}</tr>"


def _cells(columns: Sequence[Column], line: Line, tag: str) -> Iterator[str]:
    for column, value in zip(columns, line.cells, strict=True):
        yield f"<{tag}{_side(column)}>{_text(text(column, value))}</{tag}>"


def _side(column: Column) -> str:
    return _RIGHT if column.numeric else _LEFT


def _text(value: str) -> str:
    return escape(visible(value))


def _quoted(value: str) -> str:
    return f'"{_text(value)}"'
