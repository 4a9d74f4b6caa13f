"""``cnnprof runs``: what was measured before."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import click

from cnnprof.cli.commands import Group, did_you_mean
from cnnprof.cli.parameters import names
from cnnprof.report import FORMATS, SUFFIXES, render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem

    from cnnprof.model.run import Run
    from cnnprof.report.base import Table
    from cnnprof.store.runs import Head, Store

FINDINGS = 1
PARTIAL = 4
_DAYS = {"h": 1 / 24, "d": 1, "w": 7}


class ListedByDefault(Group):
    """A group that lists where no command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        listed = not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names)
        if listed and not ctx.resilient_parsing:  # a shell that completes asks for the commands
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands:
            raise click.UsageError(f"no command {args[0]!r}{did_you_mean(args[0], self.commands)}", ctx)
        return super().resolve_command(ctx, args)


def _complete_run(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from cnnprof.errors import CnnprofError
    from cnnprof.stored import runs as stored

    try:
        heads = stored(ctx.params.get("store"))
    except CnnprofError:  # a message in the middle of a half-typed line helps nobody
        return []
    named = [("last", "the newest"), *((head.id, ", ".join(head.models)) for head in heads)]
    return [CompletionItem(name, help=text) for name, text in named if heads and name.startswith(incomplete)]


def _age(_ctx: click.Context, _param: click.Parameter, value: str | None) -> timedelta | None:
    found = None if value is None else re.fullmatch(r"([0-9]{1,5})([hdw])", value)
    if value is not None and found is None:
        raise click.BadParameter(f"{value!r} is no age such as 12h, 30d or 8w")
    return None if found is None else timedelta(days=int(found[1]) * _DAYS[found[2]])


STORE = click.option("--store", metavar="PATH", help="The file of runs; by default CNNPROF_STORE, else your own.")
FORMAT = click.option("-f", "--format", "chosen", type=click.Choice(list(FORMATS)), help="How to print.")
OUTPUT = click.option(
    "-o", "--output", "outputs", multiple=True, metavar="FILE", help="Write to FILE, format by its suffix."
)
QUIET = click.option("--quiet", is_flag=True, help="Do not name the files written.")
RUN = click.argument("run", metavar="RUN", shell_complete=_complete_run)


@click.group(cls=ListedByDefault, context_settings={"help_option_names": ["-h", "--help"]})
def runs() -> None:
    """List what was measured, show, export or delete it.

    "cnnprof runs" lists the runs in the store, newest first. A RUN is named by its id, by the beginning of one, or by
    "last", the newest. The store is one file: --store PATH, or the one that CNNPROF_STORE names, or your own.
    """


@runs.command("list")
@STORE
@FORMAT
@OUTPUT
@QUIET
def list_(store: str | None, chosen: str | None, outputs: tuple[str, ...], *, quiet: bool) -> int:
    """List the runs, newest first."""
    from cnnprof.cli.streams import say
    from cnnprof.report.runs import runs_table
    from cnnprof.stored import runs as stored

    heads = stored(store)
    code = _deliver(runs_table(map(_cells, heads)), chosen, outputs, quiet=quiet)
    damaged = [head.id for head in heads if head.status == "damaged"]
    if damaged:
        say(f"damaged: {', '.join(damaged)}; 'cnnprof runs verify' says more")
    return code or (PARTIAL if damaged else 0)


def _cells(head: Head) -> dict[str, Any]:
    return head._asdict() | {"models": ", ".join(head.models)}


def _deliver(table: Table, chosen: str | None, outputs: Sequence[str], *, quiet: bool) -> int:
    from cnnprof.cli.output import deliver, screen, targets
    from cnnprof.report.base import Report

    found = targets(outputs, chosen, SUFFIXES)
    return deliver(found, lambda target: render(Report(table, screen=screen(target)), target.format), quiet=quiet)


@runs.command()
@RUN
@STORE
@click.option("--part", type=click.IntRange(1), metavar="N", help="Only the N-th model, device, dtype and batch.")
@click.option("--depth", type=click.IntRange(1), metavar="N", help="Add up blocks below this level of names.")
@click.option("--columns", callback=names, metavar="A,B,...", help="The columns to show.")
@click.option("--sort", metavar="COLUMN", help="Sort by a column, largest first.")
@click.option(
    "--top", type=click.IntRange(1), metavar="N",
    help="Show the first N lines, add up the layers left out; of layers on two devices the N that gain most.",
)  # fmt: skip
@FORMAT
@OUTPUT
@QUIET
def show(
    run: str,
    store: str | None,
    part: int | None,
    chosen: str | None,
    outputs: tuple[str, ...],
    *,
    quiet: bool,
    **table: Any,
) -> int:
    """Show a run as "cnnprof profile" printed it. RUN may be a run file too, by a name that ends in .json.

    One part shows its layers, several give one line each; --part 2 shows the layers of the second.
    """
    from cnnprof.cli.output import deliver, screen, targets
    from cnnprof.measure.summary import summaries
    from cnnprof.report.profile import naming, profile_report
    from cnnprof.stored import load_run

    found = targets(outputs, chosen, SUFFIXES)
    shown = _part(load_run(run, store), part)
    figures = list(zip(shown.parts, summaries(shown), strict=True))
    beside = shown.offloads
    reported = {target: profile_report(figures, screen=screen(target), offloads=beside, **table) for target in found}
    return deliver(found, lambda target: render(naming(reported[target], shown.id), target.format), quiet=quiet)


def _part(run: Run, number: int | None) -> Run:
    from cnnprof.errors import UsageError
    from cnnprof.model.plain import replace

    if number is None:
        return run
    if number > len(run.parts):
        raise UsageError(f"--part {number}: {run.id} has parts 1 to {len(run.parts)}")
    return replace(run, parts=run.parts[number - 1 : number])


@runs.command()
@RUN
@STORE
@click.option("-o", "--output", metavar="FILE", help="Write to FILE; by default to standard output.")
@QUIET
def export(run: str, store: str | None, output: str | None, *, quiet: bool) -> int:
    """Write a run as one file of JSON, with every sample and what it was measured on.

    Where the store is damaged, what can be read of the run is written, and the exit code is 4.
    """
    from cnnprof.cli.output import STDOUT, deliver, targets
    from cnnprof.cli.streams import say
    from cnnprof.store.files import to_json
    from cnnprof.stored import readable_run

    found = targets([output or STDOUT], None, {".json": "json"}, "json")
    exported, problems = readable_run(run, store)
    for problem in problems:
        say(f"the store is damaged, and {exported.id} may not be whole: {problem}")
    code = deliver(found, lambda _: to_json(exported), quiet=quiet)
    return code or (PARTIAL if problems else 0)


@runs.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@STORE
@QUIET
def import_(files: tuple[str, ...], store: str | None, *, quiet: bool) -> int:
    """Put runs from files into the store; one file that is refused costs no other."""
    from cnnprof.cli.attempts import Attempts
    from cnnprof.cli.streams import say
    from cnnprof.store.runs import Store

    attempts = Attempts()
    done = False
    with Store.open(store, write=True) as opened:
        for file in files:
            told = attempts(file, _import, file, opened)
            done = done or told is not None
            if told is not None and not quiet:
                say(told)
    return attempts.exit_code(any_result=done)


def _import(file: str, store: Store) -> str:
    from pathlib import Path

    from cnnprof.store.files import read

    run = read(Path(file))
    return f"imported {run.id}" if store.add(run) else f"{run.id} is there already"


@runs.command()
@STORE
@FORMAT
@OUTPUT
@QUIET
def verify(store: str | None, chosen: str | None, outputs: tuple[str, ...], *, quiet: bool) -> int:
    """Check every page, row and figure of the store; exit with 1 where something is wrong."""
    from cnnprof.cli.streams import say
    from cnnprof.report.describe import many
    from cnnprof.report.runs import findings_table
    from cnnprof.store.paths import locate
    from cnnprof.store.rescue import verify as verified

    found = verified(locate(store))
    whole = f"{many(len(found.runs), 'run')}, {many(found.samples, 'sample')}"
    title = f"{whole}: {many(len(found.findings), 'finding') if found.findings else 'all as it was written'}"
    findings = (finding._asdict() for finding in found.findings)
    code = _deliver(findings_table(title, findings), chosen, outputs, quiet=quiet)
    if found.findings and not quiet:
        readable = ", ".join(found.runs) or "none"
        say(f"'cnnprof runs export RUN' saves what can be read of a run; there are: {readable}")
    return code or (FINDINGS if found.findings else 0)


@runs.command()
@click.option("--keep", type=click.IntRange(0), metavar="N", help="Spare the N newest.")
@click.option("--older-than", callback=_age, metavar="AGE", help="Only what is older: 12h, 30d, 8w.")
@click.option("--interrupted", is_flag=True, help="Only what did not end.")
@click.option("--yes", is_flag=True, help="Delete; without it, only say what would be.")
@STORE
def prune(keep: int | None, older_than: timedelta | None, store: str | None, *, interrupted: bool, yes: bool) -> int:
    """Delete runs for which everything asked for holds. What is being measured stays."""
    from cnnprof.cli.streams import emit, say
    from cnnprof.report.cells import visible
    from cnnprof.report.describe import many
    from cnnprof.store.choosing import expendable
    from cnnprof.store.runs import Store

    if keep is None and older_than is None and not interrupted:
        _nothing_asked()
    with Store.open(store, write=yes) as opened:
        found = expendable(opened.list(), keep=keep, older_than=older_than, interrupted=interrupted)
        if yes and found:
            opened.delete(head.id for head in found)
    if found:
        emit("\n".join(visible(head.id) for head in found))
    say(
        f"{'deleted' if yes else 'would delete'} {many(len(found), 'run')}{'' if yes or not found else ' (--yes does)'}"
    )
    return 0


def _nothing_asked() -> NoReturn:
    from cnnprof.errors import UsageError

    raise UsageError("which runs?", hint="--keep N, --older-than 30d or --interrupted; all that are given must hold")
