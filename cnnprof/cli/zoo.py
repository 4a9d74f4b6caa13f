"""``cnnprof zoo``: the networks that come with cnnprof."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnprof.api import ZooEntry


class ListByDefault(click.Group):
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
@click.option("-f", "--format", "chosen", type=click.Choice(["table", "json"]), default="table", help="How to print.")
def list_(texts: tuple[str, ...], chosen: str) -> int:
    """List the networks whose name, title or file contains every TEXT."""
    from cnnprof.api import zoo_entries
    from cnnprof.cli.streams import emit, say

    entries = [entry for entry in zoo_entries() if _matches(entry, texts)]
    if chosen == "json":
        emit(_as_json(entries))
    elif entries:
        emit("\n".join(_lines(entries)))
    else:
        say(f"no network of the zoo contains {' and '.join(map(repr, texts))}; 'cnnprof zoo' lists all")
    return 0


def _matches(entry: ZooEntry, texts: Sequence[str]) -> bool:
    everything = f"{entry.name}\n{entry.title or ''}\n{entry.file}".casefold()
    return all(text.casefold() in everything for text in texts)


def _as_json(entries: Sequence[ZooEntry]) -> str:
    from cnnprof.model.plain import to_json

    return "[\n" + ",\n".join(f"  {to_json(entry).decode()}" for entry in entries) + "\n]"


def _lines(entries: Sequence[ZooEntry]) -> list[str]:
    width = max(len(entry.name) for entry in entries)
    return [f"{entry.name:<{width}}  {entry.title or ''}".rstrip() for entry in entries]


@zoo.command
@click.argument("name")
def show(name: str) -> int:
    """Print the specification that describes NAME."""
    from cnnprof.api import zoo_entries
    from cnnprof.cli.lazy import did_you_mean
    from cnnprof.cli.streams import emit
    from cnnprof.errors import UsageError
    from cnnprof.zoo_files import root

    files = {entry.name: entry.file for entry in zoo_entries()}
    if name not in files:
        guess = did_you_mean(name, files)
        raise UsageError(f"no network of the zoo is called {name!r}{guess}", hint="'cnnprof zoo' lists the names")
    emit((root() / files[name]).read_text(encoding="utf-8"))
    return 0
