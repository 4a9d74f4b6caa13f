"""The table for people: coloured on a terminal that wants it, plain everywhere else. The one home of rich.

rich takes some 45 ms to import, so it is imported only where colour is printed. Names reach it as ``Text``, never as
markup: ``[/]`` and ``[link=…]`` are shown as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cnnprof.report import plain
from cnnprof.report.base import Report, Screen

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.text import Text

    from cnnprof.model.analysis import Analysis

_STYLES = {
    "title": "bold", "header": "bold", "rule": "dim", "heading": "bold cyan", "fold": "cyan", "rest": "italic",
    "total": "bold", "zero": "dim", "unknown": "yellow", "bar": "blue", "note": "yellow",
}  # fmt: skip


def render(report: Report) -> str:
    """Return the tables as text, with colour where ``report.screen`` has it."""
    if not report.screen.colour:
        return plain.render(report)
    from io import StringIO

    from rich.console import Console

    console = Console(
        file=StringIO(), width=report.screen.width, force_terminal=True, color_system="standard", legacy_windows=False
    )
    with console.capture() as captured:
        _print(console, report)
    return captured.get()


def _print(console: Console, report: Report) -> None:
    # soft_wrap: a line that is too long is the terminal's to wrap; cutting it would cut digits.
    for text in _texts(report):
        console.print(text, soft_wrap=True, highlight=False, markup=False, emoji=False)


def _texts(report: Report) -> Iterator[Text]:
    from rich.text import Text

    for pieces in plain.lines(report):
        text = Text(no_wrap=True, overflow="ignore", end="\n")
        for piece in pieces:
            text.append(piece.text, _STYLES.get(piece.part))
        text.rstrip()
        yield text


class Renderable:
    """A result as rich prints it: ``console.print(analysis)``."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        from cnnprof.report.tables import report

        unicode = not options.ascii_only
        screen = Screen(options.max_width, colour=True, unicode=unicode, terminal=True)
        yield from _texts(report([self.analysis], screen=screen))


def renderable(analysis: Analysis) -> Renderable:
    """Return what ``__rich__`` returns."""
    return Renderable(analysis)
