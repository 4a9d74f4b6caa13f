"""``cnnprof zoo``: the networks that come with cnnprof."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cnnprof.cli.commands import Group
from cnnprof.report import FORMATS, SUFFIXES, render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnprof.api import ZooEntry


class ListByDefault(Group):
    """A group that takes anything but its commands' names as arguments of ``list``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=ListByDefault, context_settings={"help_option_names": ["-h", "--help"]})
def zoo() -> None:
    """List the networks that come with cnnprof, or show one.

    "cnnprof zoo" lists all of them, "cnnprof zoo TEXT" those that contain TEXT, "cnnprof zoo show NAME" prints the
    specification that describes NAME.
    """


@zoo.command("list")
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option("-f", "--format", "chosen", type=click.Choice(list(FORMATS)), help="How to print.")
@click.option("-o", "--output", "outputs", multiple=True, metavar="FILE", help="Write to FILE, format by its suffix.")
@click.option("--quiet", is_flag=True, help="Do not name the files written.")
def list_(texts: tuple[str, ...], chosen: str | None, outputs: tuple[str, ...], *, quiet: bool) -> int:
    """List the networks whose name, title or file contains every TEXT."""
    from cnnprof.api import zoo_entries
    from cnnprof.cli.output import deliver, screen, targets
    from cnnprof.model.plain import to_builtins
    from cnnprof.report.base import Report
    from cnnprof.report.tables import zoo_table

    found = targets(outputs, chosen, SUFFIXES)
    table = zoo_table(to_builtins(entry) for entry in zoo_entries() if _matches(entry, texts))
    return deliver(found, lambda target: render(Report(table, screen=screen(target)), target.format), quiet=quiet)


def _matches(entry: ZooEntry, texts: Sequence[str]) -> bool:
    everything = f"{entry.name}\n{entry.title or ''}\n{entry.file}".casefold()
    return all(text.casefold() in everything for text in texts)


@zoo.command
@click.argument("name")
def show(name: str) -> int:
    """Print the specification that describes NAME."""
    from cnnprof.api import zoo_entries
    from cnnprof.cli.commands import did_you_mean
    from cnnprof.cli.streams import emit
    from cnnprof.errors import UsageError
    from cnnprof.zoo_files import root

    files = {entry.name: entry.file for entry in zoo_entries()}
    if name not in files:
        message = f"no network of the zoo is called {name!r}{did_you_mean(name, files)}"
        raise UsageError(message, hint="'cnnprof zoo' lists the names", code="unknown-model")
    emit((root() / files[name]).read_text(encoding="utf-8"))
    return 0
