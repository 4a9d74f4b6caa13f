"""The table of layers: every layer or the sums of blocks, sorted, cut to the first few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cnnprof.errors import UsageError
from cnnprof.report.base import Column, Line, Table, Value, add_up, order
from cnnprof.report.columns import COUNTED, DEFAULT, OPTIONAL, Catalogue, LayerColumn, View, find
from cnnprof.report.describe import blocks_of, definitions, notes, title
from cnnprof.report.formulas import DEFINITION, of_block, of_layer, of_total
from cnnprof.units import Layout

if TYPE_CHECKING:
    from cnnprof.model.analysis import Analysis, Row

_DEEPEST = 32
"""Levels of the tree of names; the dots of a longer name are part of its last word."""


def layer_table(
    analysis: Analysis,
    *,
    columns: Sequence[str] | None = None,
    depth: int | None = None,
    sort: str | None = None,
    top: int | None = None,
    layout: Layout = "chw",
    catalogue: Catalogue = COUNTED,
) -> Table:
    """Return one line per layer, or per block at ``depth``.

    Args:
        analysis: the result.
        columns: ids of the catalogue; None for the usual ones.
        depth: add up everything below this many words of the dotted names; None for every layer.
        sort: id of the column to sort by, numbers descending, text ascending.
        top: keep this many lines; the others are added up in ``Table.rest``.
        layout: where shapes show their channels.
        catalogue: the columns there are.

    Raises:
        UsageError: an unknown column, or ``depth`` or ``top`` below 1.
    """
    _check_at_least_one("depth", depth)
    _check_at_least_one("top", top)
    chosen = find((*DEFAULT, *OPTIONAL) if columns is None else columns, catalogue)
    # The column to sort by need not be shown: it rides along and is cut off at the end.
    sorter = find([sort], catalogue) if sort is not None else ()
    wide = (*chosen, *sorter)
    lines = _layer_lines(analysis, wide, depth, View(analysis, layout))
    if sorter:
        lines = sorted(lines, key=lambda line: order(line.cells[-1]))
    kept, others = lines[:top], lines[top:] if top is not None else []
    shown = tuple(each.column for each in chosen)
    return Table(
        id="layers",
        title=title(analysis, layout),
        columns=shown,
        lines=tuple(Line(line.cells[: len(chosen)], line.path, line.formulas[: len(chosen)]) for line in kept),
        totals=(_total(analysis, chosen),),
        rest=_rest(shown, others),
        notes=notes(analysis),
        definitions=(*definitions(shown), *([DEFINITION] if analysis.formulas else [])),
        blocks=blocks_of(analysis),
        tree=not sorter and top is None,
        optional=_optional(analysis) if columns is None else (),
    )


def _total(analysis: Analysis, columns: Sequence[LayerColumn]) -> Line:
    shown = [each.column for each in columns]
    cells = _labelled(shown, "total", tuple(each.sum(analysis) for each in columns))
    return Line(cells, formulas=of_total(shown) if analysis.formulas else ())


def _check_at_least_one(option: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise UsageError(f"{option} must be >= 1, got {value}", code=f"bad-{option}")


def _layer_lines(analysis: Analysis, columns: Sequence[LayerColumn], depth: int | None, view: View) -> list[Line]:
    lines = _lines(analysis, columns, view)
    if depth is None:
        return lines
    groups: dict[tuple[str, ...], list[tuple[Row, Line]]] = {}
    for row, line in zip(analysis.rows, lines, strict=True):
        groups.setdefault(line.path[:depth], []).append((row, line))
    blocks = blocks_of(analysis)
    return [
        found[0][1] if [line.path for _, line in found] == [path] else _block(path, found, columns, view, blocks)
        for path, found in groups.items()
    ]


def _path(name: str) -> tuple[str, ...]:
    return tuple(name.split(".", _DEEPEST - 1))


def _lines(analysis: Analysis, columns: Sequence[LayerColumn], view: View) -> list[Line]:
    lines = [Line(tuple(each.cell(row, view) for each in columns), _path(row.name)) for row in analysis.rows]
    if not analysis.formulas:
        return lines
    shown = [each.column for each in columns]
    return [
        line._replace(formulas=of_layer(texts, shown, batch=analysis.batch, layout=view.layout))
        for line, texts in zip(lines, analysis.formulas, strict=True)
    ]


def _block(
    path: tuple[str, ...],
    found: Sequence[tuple[Row, Line]],
    columns: Sequence[LayerColumn],
    view: View,
    blocks: Mapping[str, str],
) -> Line:
    """Return the sums over a block; its name, its kind and what it reads are its own."""
    shown, rows, lines = [each.column for each in columns], [row for row, _ in found], [line for _, line in found]
    name = ".".join(path)
    special: dict[str, Value] = {"name": name, "input": _outside_inputs(rows, view)}
    if name in blocks:
        special["op"] = blocks[name]
    special |= {each.column.id: each.group(rows) for each in columns if each.group}
    cells = zip(shown, add_up(shown, lines), strict=True)
    return Line(tuple(special.get(column.id, value) for column, value in cells), path, of_block(lines, shown))


def _outside_inputs(rows: Sequence[Row], view: View) -> Value:
    """Return the shapes of what a block reads from outside, each tensor once."""
    inside = {row.name for row in rows}
    seen = {
        edge: tensor
        for row in rows
        for edge, tensor in zip(row.edges, row.inputs, strict=True)
        if edge.node not in inside
    }
    return view.shapes(seen.values())


def _labelled(columns: Sequence[Column], label: str, cells: tuple[Value, ...]) -> tuple[Value, ...]:
    """Put a label into the first column that is text."""
    at = next((index for index, column in enumerate(columns) if not column.numeric), None)
    return tuple(label if index == at else cell for index, cell in enumerate(cells))


def _optional(analysis: Analysis) -> tuple[str, ...]:
    """Return the columns a narrow terminal gives up first: the type too, where most names end in it."""
    last_words = (row.name.rsplit(".", 1)[-1] for row in analysis.rows)
    told = sum(word.startswith(row.op) for word, row in zip(last_words, analysis.rows, strict=True))
    return (*OPTIONAL, "op") if 2 * told > len(analysis.rows) else OPTIONAL


def _rest(columns: Sequence[Column], lines: Sequence[Line]) -> Line | None:
    if not lines:
        return None
    sums = tuple(
        cell if column.join == "sum" else None for column, cell in zip(columns, add_up(columns, lines), strict=True)
    )
    return Line(_labelled(columns, f"{len(lines)} more", sums))
