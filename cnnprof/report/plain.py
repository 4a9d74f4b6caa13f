"""The table of a terminal or a pipe as lines of pieces: a text and the part it plays. No colour, no rich.

``plain`` joins the pieces; ``terminal`` gives each part a style. So both show the same characters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cnnprof.report.base import Report, Screen, Table
from cnnprof.report.cells import visible
from cnnprof.report.fit import GAP
from cnnprof.report.grid import Grid, GridLine, cells_wide, grid
from cnnprof.units import to_ascii

_EIGHTHS = " ▏▎▍▌▋▊▉"
_NARROWEST = 20
"""A note is not wrapped to less: one word a line helps nobody."""


class Piece(NamedTuple):
    """A run of text and its part: title, header, rule, line, heading, fold, rest, total, zero, unknown, bar, note."""

    text: str
    part: str = ""


Pieces = list[Piece]


def render(report: Report) -> str:
    """Return the tables as text for ``report.screen``."""
    return join(lines(report))


def join(found: Iterator[Pieces]) -> str:
    """Return lines of pieces as text, without blanks at the ends of lines."""
    return "\n".join("".join(piece.text for piece in pieces).rstrip() for pieces in found)


def lines(report: Report) -> Iterator[Pieces]:
    """Yield every line of the tables of a report."""
    for index, table in enumerate((report.main, *report.extra)):
        if index:
            yield []
        yield from _table(table, report.screen)


def _table(table: Table, screen: Screen) -> Iterator[Pieces]:
    yield [Piece(_shown(table.title, screen), "title")]
    if table.derivation:
        from cnnprof.report import derivation

        yield from derivation.lines(table, screen)
    elif table.lines or table.totals:
        yield []
        yield from _grid(grid(table, screen), screen)
    for note in table.notes:
        yield from _note(note, screen)


def _shown(text: str, screen: Screen) -> str:
    return visible(text) if screen.unicode else to_ascii(visible(text))


def _grid(found: Grid, screen: Screen) -> Iterator[Pieces]:
    rule = [Piece(("─" if screen.unicode else "-") * found.width, "rule")]
    yield [Piece(_row(found, found.titles), "header")]
    yield rule
    for line in found.lines:
        yield _line(found, line, screen)
    if found.totals:
        yield rule
    for line in found.totals:
        yield _line(found, line, screen)
    if found.folds:
        yield from _note(
            'a line "(like …)" holds the sums of equal blocks; a pipe or -o FILE lists every layer', screen
        )
    if found.hidden:
        names = ", ".join(found.hidden)
        yield from _note(f"no room for {names}: a wider terminal, a pipe or -o FILE has every column", screen)


def _row(found: Grid, texts: tuple[str, ...]) -> str:
    bar, bar_after = " " * (found.bar + GAP), found.bar_after
    parts = (_aligned(found, at, text) + (bar if at == bar_after else "") for at, text in enumerate(texts))
    return (" " * GAP).join(parts)


def _aligned(found: Grid, at: int, text: str) -> str:
    blank = " " * (found.widths[at] - cells_wide(text))
    return blank + text if found.columns[at].numeric else text + blank


def _line(found: Grid, line: GridLine, screen: Screen) -> Pieces:
    pieces, bar_after = [], found.bar_after
    for at, text in enumerate(line.texts):
        pieces.append(Piece(" " * GAP if at else "", line.role))
        pieces.append(Piece(_aligned(found, at, text), line.marks[at] or line.role))
        if at == bar_after:
            bar = _bar(line.bar, found.bar, screen) if line.bar else ""
            pieces.append(Piece(" " * GAP + bar + " " * (found.bar - len(bar)), "bar"))
    return pieces


def _bar(share: float, width: int, screen: Screen) -> str:
    """Return a bar; what is not nothing is seen."""
    if not screen.unicode:
        return "#" * max(1, round(share * width))
    whole, part = divmod(max(1, round(share * width * 8)), 8)
    return ("█" * whole + _EIGHTHS[part]).rstrip()


def _note(text: str, screen: Screen) -> Iterator[Pieces]:
    shown = _shown(text, screen)
    if screen.width is None:
        yield [Piece("note: ", "note"), Piece(shown)]
        return
    import textwrap

    wrapped = textwrap.wrap(shown, max(_NARROWEST, screen.width - len("note: ")))
    for index, part in enumerate(wrapped):
        # Wrapping may bring to the start of a line what is only harmless inside one.
        yield [Piece("      " if index else "note: ", "note"), Piece(visible(part))]
