"""The tree of names, as a terminal shows it: blocks get a heading, repeated blocks fold into one line.

Every number still stands exactly once: a heading has none, a folded line holds the sums of what it hides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from cnnprof.report.base import Line, Table, add_up

HEADED = 4
"""Lines of a block that pay for a heading; a smaller block keeps its name before its layers' names."""


class Entry(NamedTuple):
    """A line as shown: its cells, how deep it stands, and whether it is a heading or a fold."""

    line: Line
    indent: int = 0
    heading: bool = False
    hides: int = 0
    """Lines that a fold stands for; 0 for a line that is no fold."""


def nest(table: Table) -> list[Entry]:
    """Return the lines of a table of layers as a tree; without names, or where it is sorted, as they are."""
    ids = [column.id for column in table.columns]
    if not table.tree or "name" not in ids:
        return [Entry(line) for line in table.lines]
    return list(_Tree(table, ids).entries(table.lines, 0, 0, 0))


class _Tree:
    """Walks lines by the words of their paths. ``level``: words in common; ``base``: words of the last heading."""

    def __init__(self, table: Table, ids: list[str]) -> None:
        self.table = table
        self.name = ids.index("name")
        self.op = ids.index("op") if "op" in ids else None

    def entries(self, lines: Sequence[Line], level: int, base: int, indent: int) -> Iterator[Entry]:
        before: Sequence[Line] = ()
        folded: list[Sequence[Line]] = []
        for group in _groups(lines, level):
            if before and self._same(before, group, level + 1):
                folded.append(group)
                continue
            yield from self._fold(before, folded, level + 1, base, indent)
            before, folded = (group if self._headed(group, level + 1) else ()), []
            yield from self._group(group, level + 1, base, indent)
        yield from self._fold(before, folded, level + 1, base, indent)

    def _group(self, lines: Sequence[Line], level: int, base: int, indent: int) -> Iterator[Entry]:
        path = lines[0].path
        if len(lines) == 1 or len(path) == level:
            yield from (self._entry(line, base, indent) for line in lines)
        elif self._headed(lines, level) and not all(self._headed(each, level + 1) for each in _groups(lines, level)):
            yield self._heading(path[:level], base, indent)
            yield from self.entries(lines, level, level, indent + 1)
        else:
            yield from self.entries(lines, level, base, indent)

    def _headed(self, lines: Sequence[Line], level: int) -> bool:
        return len(lines) >= HEADED and self._label(lines, level) is not None

    def _label(self, lines: Sequence[Line], level: int) -> str | None:
        return self.table.blocks.get(".".join(lines[0].path[:level]))

    def _same(self, one: Sequence[Line], other: Sequence[Line], level: int) -> bool:
        return self._label(one, level) == self._label(other, level) and self._shape(one, level) == self._shape(
            other, level
        )

    def _shape(self, lines: Sequence[Line], level: int) -> list[tuple[object, ...]]:
        return [(line.path[level:], line.cells[: self.name], line.cells[self.name + 1 :]) for line in lines]

    def _entry(self, line: Line, base: int, indent: int) -> Entry:
        return Entry(self._named(line.cells, ".".join(line.path[base:]), line.path), indent)

    def _heading(self, path: tuple[str, ...], base: int, indent: int) -> Entry:
        cells: list[object] = [None] * len(self.table.columns)
        if self.op is not None:
            cells[self.op] = self.table.blocks[".".join(path)]
        return Entry(self._named(tuple(cells), ".".join(path[base:]), path), indent, heading=True)

    def _fold(
        self, model: Sequence[Line], groups: Sequence[Sequence[Line]], level: int, base: int, indent: int
    ) -> Iterator[Entry]:
        if not groups:
            return
        lines = [line for group in groups for line in group]
        path = lines[0].path[:level]
        cells = list(add_up(self.table.columns, lines))
        if self.op is not None:
            cells[self.op] = f"{len(groups)} × {self._label(lines, level)}"
        # A range is named by its ends, the last one by its last word: layer.1.2 … 5 (like 1).
        last = f" … {lines[-1].path[level - 1]}" if len(groups) > 1 else ""
        name = f"{'.'.join(path[base:])}{last} (like {model[0].path[level - 1]})"
        yield Entry(self._named(tuple(cells), name, path), indent, hides=len(lines))

    def _named(self, cells: tuple[object, ...], name: str, path: tuple[str, ...]) -> Line:
        return Line((*cells[: self.name], name, *cells[self.name + 1 :]), path)  # type: ignore[arg-type]


def _groups(lines: Sequence[Line], level: int) -> Iterator[list[Line]]:
    """Yield runs of lines that share the word after the first ``level`` ones."""
    for _, group in groupby(lines, key=lambda line: line.path[level : level + 1]):
        yield list(group)
