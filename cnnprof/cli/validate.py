"""``cnnprof validate``: every figure beside what PyTorch, other tools and a reference network say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from cnnprof.cli.commands import Command, did_you_mean
from cnnprof.cli.parameters import announce, complete_model, names, settings
from cnnprof.cli.streams import Terminated
from cnnprof.errors import UsageError
from cnnprof.report import FORMATS, SUFFIXES, render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnprof.cli.attempts import Attempts
    from cnnprof.cli.output import Target
    from cnnprof.model.graph import Graph
    from cnnprof.model.validation import Validation
    from cnnprof.report.base import Report

FINDINGS = 1


class Options(NamedTuple):
    """The command line, parsed."""

    models: tuple[str, ...]
    every: bool
    against: str | None
    checks: tuple[str, ...] | None
    size: str | None
    given: tuple[str, ...]
    chosen: str | None
    outputs: tuple[str, ...]
    quiet: bool


@click.command(cls=Command)
@click.argument("models", nargs=-1, metavar="[MODEL]...", shell_complete=complete_model)
@click.option("--all", "every", is_flag=True, help="All networks of the zoo, a line each.")
@click.option("--against", metavar="REF", help="The reference: torchvision:NAME, or another MODEL.")
@click.option("--checks", callback=names, metavar="A,B,...", help="Some of the checks only.")
@click.option("--input", "size", metavar="CxHxW", help="Another input size, such as 3x224x224.")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="Another value of a parameter.")
@click.option("-f", "--format", "chosen", type=click.Choice(list(FORMATS)), help="How to print.")
@click.option("-o", "--output", "outputs", multiple=True, metavar="FILE", help="Write to FILE, format by its suffix.")
@click.option("--quiet", is_flag=True, help="Show no progress, do not name the files written.")
def validate(**options: Any) -> int:
    """Compare every figure with the real network in PyTorch.

    The network is built and run: shapes, parameters, multiply-accumulates and memory are compared with torch's, layer
    by layer with fvcore's, with the network that its specification names as its reference, and with published figures.
    Each figure gets a line: ours, theirs, and whether they are equal, close (within a stated bound), explained (by a
    known rule or defect of theirs, to the last digit) or different; the first layer where both part is named.

    Against another MODEL the layers of both networks are compared, without PyTorch: the first one that differs, and
    what it costs. --input is for both.

    An input size that a specification leaves open is 64 here, unless --input says another. The exit code is 1 where a
    figure differs or a check fails.
    """
    from cnnprof.cli.attempts import Attempts
    from cnnprof.cli.output import targets
    from cnnprof.report.describe import many

    asked = Options(**options)
    models = _models(asked)
    _check_names(asked.checks)
    found = targets(asked.outputs, asked.chosen, SUFFIXES)
    attempts = Attempts()
    results: list[Validation] = []
    try:
        _run(models, asked, attempts, results)
    except (KeyboardInterrupt, Terminated) as stop:  # what was found until then is not lost
        _keep(stop, results)
        if results:
            _deliver(
                results,
                asked,
                found,
                f"interrupted: what was found until then, of {len(results)} of {many(len(models), 'network')}",
            )
        raise
    code = _deliver(results, asked, found) if results else 0
    broken = any(not each.ok for each in results)
    return code or attempts.exit_code(any_result=bool(results)) or (FINDINGS if broken else 0)


def _models(asked: Options) -> Sequence[str]:
    if asked.every == bool(asked.models):
        raise UsageError("validate needs a MODEL or --all, not both", hint="such as cnnprof validate resnet50")
    if asked.every and (asked.against or asked.size or asked.given):
        raise UsageError("--all validates the zoo as it is", hint="leave --against, --input and --set out")
    from cnnprof import api

    return api.zoo() if asked.every else asked.models


def _check_names(checks: Sequence[str] | None) -> None:
    from cnnprof.validator import CHECKS

    for name in checks or ():
        if name not in CHECKS:
            message = f"--checks: there is no check {name!r}{did_you_mean(name, CHECKS)}"
            raise UsageError(message, hint=f"some of {', '.join(CHECKS)}", code="no-check")


def _run(models: Sequence[str], asked: Options, attempts: Attempts, results: list[Validation]) -> None:
    from cnnprof import api

    values = settings(asked.given)
    announce([asked.against or "", *models], quiet=asked.quiet)
    reference = _reference(asked)
    with _progress(asked, len(models)) as advance:
        for model in models:
            advance(model)
            graph = attempts(model, _load, model, asked, values, reference)
            if graph is not None:
                results.append(api.validate(graph, against=reference, checks=asked.checks))


def _reference(asked: Options) -> str | Graph | None:
    """Return what ``--against`` names; a name that nothing answers to is refused before any work."""
    if asked.against is None:
        return None
    from cnnprof import api
    from cnnprof.validator import check_reference

    found = api.reference(asked.against, input=asked.size)
    if isinstance(found, str):
        check_reference(found)
    return found


def _load(model: str, asked: Options, values: dict[str, Any], reference: str | Graph | None) -> Graph:
    from cnnprof import api, builder
    from cnnprof.model.graph import Graph

    graph = api.load(model, input=asked.size, set=values, free=api.FREE_SIZE)
    if not isinstance(reference, Graph):
        builder.check_buildable(graph)
    return graph


def _progress(asked: Options, count: int) -> Any:
    import sys

    from cnnprof.report.terminal import progress

    return progress(sys.stderr, count if asked.every and not asked.quiet else 0)


def _keep(stop: BaseException, results: list[Validation]) -> None:
    partial = getattr(stop, "partial", None)
    if partial is not None and partial.figures:
        results.append(partial)


def _deliver(results: Sequence[Validation], asked: Options, found: Sequence[Target], stopped: str | None = None) -> int:
    from cnnprof.cli.output import deliver

    def text(target: Target) -> str:
        return render(_report(results, asked, target, stopped), target.format)

    return deliver(found, text, quiet=asked.quiet)


def _report(results: Sequence[Validation], asked: Options, target: Target, stopped: str | None) -> Report:
    """Return every figure; for people, of the whole zoo, the networks and what is not equal."""
    from cnnprof.cli.output import screen
    from cnnprof.report.base import Report
    from cnnprof.report.validation import summary_tables, validation_table

    people = target.format == "table"
    if asked.every and people:
        main, *extra = summary_tables(results, stopped=stopped)
        return Report(main, extra=tuple(extra), screen=screen(target))
    return Report(validation_table(results, notes=people, stopped=stopped), screen=screen(target))
