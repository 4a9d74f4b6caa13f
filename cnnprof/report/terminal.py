"""The table for people: coloured on a terminal that wants it, plain everywhere else. The one home of rich.

rich is imported only where colour is printed, and of it only the styles: its console takes longer to import than a
network to analyse. Names never reach it as markup: ``[/]`` and ``[link=…]`` are shown as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self, TextIO

from cnnprof.report import plain
from cnnprof.report.base import Report, Screen
from cnnprof.report.cells import visible
from cnnprof.units import duration

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.text import Text

    from cnnprof.model.analysis import Analysis
    from cnnprof.model.run import Part, Progress

_STYLES = {
    "title": "bold", "header": "bold", "rule": "dim", "heading": "bold cyan", "fold": "cyan", "rest": "italic",
    "total": "bold", "zero": "dim", "unknown": "yellow", "bar": "blue", "note": "yellow",
}  # fmt: skip


def render(report: Report) -> str:
    """Return the tables as text, with colour where ``report.screen`` has it."""
    if not report.screen.colour:
        return plain.render(report)
    from rich.color import ColorSystem
    from rich.style import Style

    styles = {part: Style.parse(style) for part, style in _STYLES.items()}

    def coloured(piece: plain.Piece) -> str:
        style = styles.get(piece.part)
        return piece.text if style is None else style.render(piece.text, color_system=ColorSystem.STANDARD)

    return "".join("".join(map(coloured, _stripped(pieces))) + "\n" for pieces in plain.lines(report))


def _stripped(pieces: plain.Pieces) -> plain.Pieces:
    """Return a line without the blanks at its end."""
    found = list(pieces)
    while found:
        last = found.pop()
        if kept := last.text.rstrip():
            return [*found, last._replace(text=kept)]
    return found


def _texts(report: Report) -> Iterator[Text]:
    from rich.text import Text

    for pieces in plain.lines(report):
        text = Text(no_wrap=True, overflow="ignore", end="\n")
        for piece in pieces:
            text.append(piece.text, _STYLES.get(piece.part))
        text.rstrip()
        yield text


class Renderable:
    """A result as rich prints it: ``console.print(analysis)``. ``make`` returns its report for a screen."""

    def __init__(self, make: Callable[[Screen], Report]) -> None:
        self.make = make

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        unicode = not options.ascii_only
        screen = Screen(options.max_width, colour=True, unicode=unicode, terminal=True)
        yield from _texts(self.make(screen))


def renderable(analysis: Analysis) -> Renderable:
    """Return what ``__rich__`` returns of an analysis."""
    from cnnprof.report.tables import report

    return Renderable(lambda screen: report([analysis], screen=screen))


@contextmanager
def progress(stream: TextIO | None, count: int) -> Iterator[Callable[[str], None]]:
    """Yield a function that is called with the name of each of ``count`` things as its turn comes.

    On a terminal it moves a bar, which is gone at the end; anywhere else, or for nothing to count, it does nothing.
    """
    if stream is None or not count or not stream.isatty():
        yield lambda _name: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Console(file=stream), transient=True) as bar:
        task = bar.add_task("", total=count)
        began: list[str] = []

        def advance(name: str) -> None:
            bar.update(task, description=visible(name), completed=len(began))
            began.append(name)

        yield advance


class LiveParts:
    """Parts of a run as they are measured: a line each with its samples and median so far, and a bar with time left.

    Drawn when a part is shown, and never in between: nothing of it runs while a worker measures.
    """

    def __init__(self, stream: TextIO, names: Sequence[str]) -> None:
        from rich.console import Console
        from rich.live import Live

        self._lines: list[tuple[str, ...]] = [(visible(name), "", "", "") for name in names]
        self._bar: tuple[float, float] | None = None
        self._live = Live(console=Console(file=stream), transient=True, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, number: int, part: Part, progress: Progress | None) -> None:
        """Draw a part's line anew."""
        times = sorted(each.wall_ns for each in part.forwards if each.kind == "E" and not each.warm_up)
        middle = duration(times[len(times) // 2] / 1e9) if times else ""
        doing = part.status if progress is None else progress.doing
        if number == len(self._lines):  # one that nobody planned: it confirms what the others say
            setting = part.setting
            name = f"{part.model} {setting.device} batch {setting.batch} {setting.dtype}"
            self._lines.append((visible(name), "", "", ""))
        count = f"{len(times)} forward{'' if len(times) == 1 else 's'}" if times else ""
        self._lines[number] = (self._lines[number][0], doing, count, middle)
        self._bar = None if progress is None else (progress.elapsed_s, progress.of_s)
        self._live.update(self._drawn(), refresh=True)

    def _drawn(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for line in self._lines:
            table.add_row(*map(Text, line))
        if self._bar is None:
            return table
        elapsed_s, of_s = self._bar
        left = Text(f"at most {max(0.0, of_s - elapsed_s):.0f} s left")
        row = Table.grid(padding=(0, 2))
        row.add_row(ProgressBar(total=of_s, completed=min(elapsed_s, of_s), width=40), left)
        return Group(table, row)
