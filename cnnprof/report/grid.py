"""A table as columns of text that fit a width. Columns are dropped and words shortened; no digit is ever cut."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from cnnprof.report.base import AtLeast, Below, Column, Line, Screen, Table, Value
from cnnprof.report.cells import text, visible
from cnnprof.report.fit import GAP, fit
from cnnprof.report.tree import Entry, nest
from cnnprof.units import to_ascii

_INDENT = 2

Role = Literal["line", "heading", "fold", "rest", "total"]


class GridLine(NamedTuple):
    """One line of text cells; ``bar`` is its share of the longest bar, from 0 to 1."""

    role: Role
    texts: tuple[str, ...]
    marks: tuple[Literal["", "zero", "unknown"], ...]
    bar: float = 0.0


class Grid(NamedTuple):
    """A table ready to be printed."""

    columns: tuple[Column, ...]
    widths: tuple[int, ...]
    titles: tuple[str, ...]
    lines: tuple[GridLine, ...]
    totals: tuple[GridLine, ...]
    bar: int
    """Width of the bars; 0 for none."""
    hidden: tuple[str, ...]
    """Columns left out for lack of room that were asked for by name."""
    folds: int
    """Lines that stand for more than one layer's block."""

    @property
    def bar_after(self) -> int | None:
        """Index of the column the bars stand behind."""
        kinds = [column.kind for column in self.columns]
        return kinds.index("share") if self.bar else None

    @property
    def width(self) -> int:
        """Characters of the longest line."""
        bar = self.bar + GAP if self.bar else 0
        return sum(self.widths) + GAP * (len(self.widths) - 1) + bar


def grid(table: Table, screen: Screen) -> Grid:
    """Return a table as text for a screen; a tree on terminals only, so that a pipe has every layer's full name."""
    entries = nest(table) if screen.terminal else [Entry(line) for line in table.lines]
    write = _writer(screen)
    titles = [write(column.title) for column in table.columns]
    body = [_grid_line(entry, table, write) for entry in entries]
    if table.rest is not None:
        body.append(_grid_line(Entry(table.rest), table, write)._replace(role="rest", bar=0.0))
    totals = [_grid_line(Entry(line), table, write)._replace(role="total", bar=0.0) for line in table.totals]
    texts = [titles, *(line.texts for line in (*body, *totals))]
    fitted = fit(table, [max(map(cells_wide, column)) for column in zip(*texts, strict=True)], screen)
    longest = max((line.bar for line in body), default=0.0)
    shorten = _shortener(screen)

    def cut(line: GridLine) -> GridLine:
        texts = tuple(shorten(line.texts[at], width) for at, width in zip(fitted.kept, fitted.widths, strict=True))
        marks = tuple(line.marks[at] for at in fitted.kept)
        return GridLine(line.role, texts, marks, line.bar / longest if longest else 0.0)

    dropped = (column.id for at, column in enumerate(table.columns) if at not in fitted.kept)
    return Grid(
        columns=tuple(table.columns[at] for at in fitted.kept),
        widths=fitted.widths,
        titles=tuple(titles[at] for at in fitted.kept),
        lines=tuple(cut(line) for line in body),
        totals=tuple(cut(line) for line in totals),
        bar=fitted.bar if longest else 0,
        hidden=tuple(name for name in dropped if name not in table.optional),
        folds=sum(entry.hides > 0 for entry in entries),
    )


def _writer(screen: Screen) -> Callable[[str], str]:
    def write(raw: str) -> str:
        shown = visible(raw)
        return shown if screen.unicode else to_ascii(shown)

    return write


def _grid_line(entry: Entry, table: Table, write: Callable[[str], str]) -> GridLine:
    cells = entry.line.cells
    texts = [write(text(column, value)) for column, value in zip(table.columns, cells, strict=True)]
    texts[0] = " " * (_INDENT * entry.indent) + texts[0]
    role: Role = "heading" if entry.heading else "fold" if entry.hides else "line"
    return GridLine(role, tuple(texts), tuple(_mark(value) for value in cells), _share(table.columns, entry.line))


def _mark(value: Value) -> Literal["", "zero", "unknown"]:
    if isinstance(value, AtLeast):
        return "unknown"
    return "zero" if isinstance(value, Below) or (isinstance(value, int | float) and value == 0) else ""


def _share(columns: Sequence[Column], line: Line) -> float:
    for column, value in zip(columns, line.cells, strict=True):
        if column.kind == "share":
            return value if isinstance(value, float) else 0.0
    return 0.0


def _shortener(screen: Screen) -> Callable[[str, int], str]:
    sign = "…" if screen.unicode else "..."

    def shorten(value: str, width: int) -> str:
        if cells_wide(value) <= width:
            return value
        # The end of a name says more than its middle: adap…pool2d.
        tail = (width - len(sign) + 1) * 3 // 5
        return _head(value, width - len(sign) - tail) + sign + _tail(value, tail)

    return shorten


def _head(value: str, width: int) -> str:
    end = len(value)
    while cells_wide(value[:end]) > width:
        end -= 1
    return value[:end]


def _tail(value: str, width: int) -> str:
    start = 0
    while cells_wide(value[start:]) > width:
        start += 1
    return value[start:]


def cells_wide(value: str) -> int:
    """Return how many columns of a terminal a text takes: Chinese characters two, combining marks none."""
    if value.isascii():
        return len(value)
    return sum(map(_char_wide, value))


@lru_cache(maxsize=1024)  # the × of every shape
def _char_wide(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1
