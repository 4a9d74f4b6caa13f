r"""Tables as LaTeX, to be read with ``\input``: booktabs rules, numbers set by siunitx, ASCII only.

A table is a float, or a longtable where it has more lines than a page. Integers are exact and stand in ``S`` columns,
so that the document decides how their digits are grouped; memory is a number with its own unit; ``--`` is: nothing to
say. Definitions of the columns are comments above each table, notes stand below it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import NamedTuple

from cnnprof._version import __version__
from cnnprof.report.base import Line, Report, Table
from cnnprof.report.cells import text, visible
from cnnprof.report.latex_cells import alignment, cells, escape, head, heading
from cnnprof.units import to_ascii

_LINES = 45
r"""Lines in ``\footnotesize`` that a page holds beside a caption and notes."""
_COLUMN, _PAGE, _SMALL = 54, 76, 86
r"""Characters in a line: ``\footnotesize`` in a column of a two-column page, the same on a page of the article class
(345 pt), and ``\scriptsize`` on such a page."""
_GAP = 2
_NARROWEST = 20
"""A column of words is not folded to fewer characters."""
_PADDED = 40
"""Cells of the source are padded up to this many characters, so that it can be read."""


class _Sheet(NamedTuple):
    """A table and how it is set."""

    table: Table
    title: str
    label: str
    natural: tuple[int, ...]
    """Characters that each column would take."""
    widths: tuple[int, ...]
    """Characters that each column is given; columns of words are folded where the page is too narrow."""
    lines: int
    """Lines of text that the rows take."""

    @property
    def width(self) -> int:
        return sum(self.widths) + _GAP * (len(self.widths) - 1)

    @property
    def small(self) -> bool:
        return self.width > _PAGE

    @property
    def long(self) -> bool:
        return self.lines > _LINES

    @property
    def shrinks(self) -> bool:
        return self.small and not self.long


def render(report: Report) -> str:
    """Return every table, the main one first, below a comment that says what to load."""
    model = report.analyses[0].model if len(report.analyses) == 1 else ""
    first = _sheet(report.main, report.main.title, model)
    others = [_sheet(table, f"{model}: {table.title}" if model else table.title, model) for table in report.extra]
    sheets = _apart([first, *others])
    return "\n".join("".join(f"{line}\n" for line in part) for part in (_head(report, sheets), *map(_table, sheets)))


def _apart(sheets: Sequence[_Sheet]) -> list[_Sheet]:
    """Return the sheets with a number behind a label that there was before: LaTeX wants each once."""
    times = Counter[str]()
    found = []
    for sheet in sheets:
        times[sheet.label] += 1
        again = f"-{times[sheet.label]}" if times[sheet.label] > 1 else ""
        found.append(sheet._replace(label=f"{sheet.label}{again}"))
    return found


def _sheet(table: Table, title: str, model: str) -> _Sheet:
    shown = [
        [visible(text(*each)) for each in zip(table.columns, line.cells, strict=True)]
        for line in (*table.all_lines, *table.totals)
    ]
    texts = [[heading(column) for column in table.columns], *shown]
    natural = tuple(max(map(len, column)) for column in zip(*texts, strict=True))
    widths = _folded(table, texts, natural)
    lines = sum(max(-(-len(each) // (size or 1)) for each, size in zip(row, widths, strict=True)) for row in texts)
    label = "-".join([*re.findall("[A-Za-z0-9]+", model)[:8], table.id])
    return _Sheet(table, title, f"tab:{label}", natural, widths, lines)


def _folded(table: Table, texts: Sequence[Sequence[str]], natural: tuple[int, ...]) -> tuple[int, ...]:
    """Return the widths of columns: those of words are folded, if need be, and share what room the others leave."""
    gaps = _GAP * (len(natural) - 1)
    if sum(natural) + gaps <= _SMALL:
        return natural
    words = [
        max((len(word) for cell in column for word in cell.split()), default=0) for column in zip(*texts, strict=True)
    ]
    least = [
        size if column.numeric else min(size, max(word, _NARROWEST))
        for column, size, word in zip(table.columns, natural, words, strict=True)
    ]
    lacking = sum(natural) - sum(least)
    room = max(0, _SMALL - gaps - sum(least))
    return tuple(low + room * (size - low) // (lacking or 1) for low, size in zip(least, natural, strict=True))


def _head(report: Report, sheets: Sequence[_Sheet]) -> Iterator[str]:
    # A source is shown without its folders: who publishes a paper's source need not publish them.
    sources = ", ".join(dict.fromkeys(PurePath(each.source).name for each in report.analyses))
    yield _comment(f"Made by cnnprof {__version__}{f' from {sources}' if sources else ''}.")
    used = {"booktabs": True, "graphicx": any(each.shrinks for each in sheets), "siunitx": True}
    used["longtable"] = any(each.long for each in sheets)
    packages = ",".join(sorted(name for name, needed in used.items() if needed))
    yield rf"% In the preamble: \usepackage{{{packages}}}. In the text: \input with the name of this file."
    yield r"% siunitx groups digits: for 1,792 instead of 1 792, \sisetup{group-separator={,}}."
    if used["longtable"]:
        yield r"% A longtable needs a page of one column: \onecolumn, or fewer lines (--depth N, --top N)."
    if any(each.width > _SMALL for each in sheets):
        yield "% A table here is wider than a page of the article class: choose columns (--columns A,B,...)."


def _comment(words: str) -> str:
    return f"% {to_ascii(visible(words))}"


def _table(sheet: _Sheet) -> Iterator[str]:
    yield _comment(sheet.title)
    yield from (_comment(f"  {name}: {meaning}") for name, meaning in sheet.table.definitions)
    yield from _longtable(sheet) if sheet.long else _float(sheet)


def _float(sheet: _Sheet) -> Iterator[str]:
    # table* spans both columns of a two-column page; on any other it is a table.
    name = "table" if sheet.width <= _COLUMN else "table*"
    header, *body = _rows(sheet)
    yield rf"\begin{{{name}}}"
    yield r"  \centering"
    yield rf"  {_caption(sheet)}\smallskip"
    yield from _settings(sheet)
    if sheet.shrinks:
        yield r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
    yield rf"  \begin{{tabular}}{{{_columns(sheet)}}}"
    yield from (r"    \toprule", header, r"    \midrule", *body, r"    \bottomrule")
    yield rf"  \end{{tabular}}{'}' if sheet.shrinks else ''}"
    for note in sheet.table.notes:
        yield rf"  \par\smallskip\parbox{{\linewidth}}{{\raggedright Note: {escape(note)}}}"
    yield rf"\end{{{name}}}"


def _longtable(sheet: _Sheet) -> Iterator[str]:
    header, *body = _rows(sheet)
    yield r"\begingroup"
    yield from _settings(sheet)
    yield r"  \setlength{\LTcapwidth}{\linewidth}"
    # What is wider than the text stands out on both sides.
    yield r"  \setlength{\LTleft}{0pt plus 1fill minus 1fill}\setlength{\LTright}{\LTleft}"
    yield rf"  \begin{{longtable}}{{{_columns(sheet)}}}"
    yield rf"    {_caption(sheet)} \\"
    yield from (r"    \toprule", header, r"    \midrule", r"    \endfirsthead")
    yield from (r"    \caption[]{(continued)} \\", r"    \toprule", header, r"    \midrule", r"    \endhead")
    yield from (r"    \bottomrule", r"    \endfoot", *body)
    yield r"  \end{longtable}"
    for note in sheet.table.notes:
        yield rf"  \noindent Note: {escape(note)}\par"
    yield r"\endgroup"


def _caption(sheet: _Sheet) -> str:
    return rf"\caption{{{escape(sheet.title)}}}\label{{{sheet.label}}}"


def _settings(sheet: _Sheet) -> Iterator[str]:
    yield r"  \scriptsize" if sheet.small else r"  \footnotesize"
    yield r"  \setlength{\tabcolsep}{4pt}"
    # In a column with longer numbers, four digits are grouped too; a bound stands beside its number.
    yield r"  \sisetup{group-minimum-digits=4, table-align-text-pre=false}"


def _columns(sheet: _Sheet) -> str:
    table = sheet.table
    lines = (*table.all_lines, *table.totals)
    found = []
    for at, (column, natural, width) in enumerate(zip(table.columns, sheet.natural, sheet.widths, strict=True)):
        if width < natural:
            found.append(rf">{{\raggedright\arraybackslash}}p{{{width / _SMALL:.2f}\linewidth}}")
        else:
            found.append(alignment(column, (line.cells[at] for line in lines)))
    return " ".join(found)


def _rows(sheet: _Sheet) -> list[str]:
    """Return the lines between the rules: the headings first, a rule before the totals."""
    table = sheet.table
    grid = [list(map(head, table.columns)), *(cells(table.columns, line) for line in table.lines)]
    grid += [cells(table.columns, line, missing="") for line in (*_rest(table), *table.totals)]
    sizes = [min(_PADDED, max(map(len, column))) for column in zip(*grid, strict=True)]
    rows = [_row(sheet, row, sizes) for row in grid]
    return [*rows[: -len(table.totals)], r"    \midrule", *rows[-len(table.totals) :]] if table.totals else rows


def _rest(table: Table) -> Iterable[Line]:
    return [] if table.rest is None else [table.rest]


def _row(sheet: _Sheet, row: Sequence[str], sizes: Sequence[int]) -> str:
    padded = (
        each.rjust(size) if column.numeric and not each.startswith("{") else each.ljust(size)
        for column, each, size in zip(sheet.table.columns, row, sizes, strict=True)
    )
    return rf"    {' & '.join(padded)} \\"
