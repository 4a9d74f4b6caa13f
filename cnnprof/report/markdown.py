"""Tables as GitHub-flavoured Markdown.

Whatever Markdown, HTML or a formula would act on becomes a character reference: CommonMark forbids a reference to stand
for structure, so it is inert in every renderer, inside a cell and outside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cnnprof.report.base import Column, Line, Report, Table
from cnnprof.report.cells import text, visible

_ACTIVE = re.compile(
    r"[\\`*\[\]<>|~$&#@]"  # code, emphasis, links, HTML, cells, strike-through, formulas, references, mentions
    r"|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"  # an underscore inside a word is only an underscore
    r"|:(?=//)|(?<=www)\.",  # links that need no brackets
    re.IGNORECASE,
)
"""Text never stands at the start of a line, so that nothing that acts only there is in this list."""


def render(report: Report) -> str:
    """Return every table under a heading, its definitions below it."""
    return "\n".join("\n".join(_table(table)) + "\n" for table in (report.main, *report.extra))


def _table(table: Table) -> Iterator[str]:
    yield f"## {escape(table.title)}"
    yield ""
    yield _row([escape(column.title) for column in table.columns])
    yield _row(["---:" if column.numeric else "---" for column in table.columns])
    for line in table.all_lines:
        yield _row(_cells(table.columns, line))
    for line in table.totals:
        yield _row([f"**{cell}**" if cell else "" for cell in _cells(table.columns, line)])
    for note in table.notes:
        yield ""
        yield f"**Note:** {escape(note)}"
    if table.definitions:
        yield ""
    for name, meaning in table.definitions:
        yield f"- {escape(name)}: {escape(meaning)}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(columns: Sequence[Column], line: Line) -> list[str]:
    return [escape(text(column, value)) for column, value in zip(columns, line.cells, strict=True)]


def escape(value: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return _ACTIVE.sub(lambda found: "".join(f"&#{ord(char)};" for char in found[0]), visible(value))
