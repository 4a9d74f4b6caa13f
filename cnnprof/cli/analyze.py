"""``cnnprof analyze``: what every layer costs."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from cnnprof.cli.commands import Command
from cnnprof.cli.parameters import announce, complete_model, names, numbers, settings
from cnnprof.errors import UsageError
from cnnprof.report import FORMATS, SUFFIXES, render

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cnnprof.cli.attempts import Attempts
    from cnnprof.cli.output import Target
    from cnnprof.model.analysis import Analysis
    from cnnprof.model.graph import Graph
    from cnnprof.report.base import Report, Screen
    from cnnprof.units import Layout

FINDINGS = 1


class Options(NamedTuple):
    """The command line, parsed."""

    models: tuple[str, ...]
    batches: tuple[int, ...]
    sizes: tuple[str, ...]
    dtypes: tuple[str, ...]
    layout: Layout
    settings: tuple[str, ...]
    freeze: tuple[str, ...]
    training: Any
    device: Any
    input_grad: bool
    fits: str | None
    depth: int | None
    columns: tuple[str, ...] | None
    sort: str | None
    top: int | None
    formulas: bool
    strict: bool
    chosen: str | None
    outputs: tuple[str, ...]
    quiet: bool

    @property
    def several(self) -> bool:
        """True where more than one result is asked for."""
        return len(self.models) * len(self.batches) * len(self.dtypes) * max(1, len(self.sizes)) > 1


@click.command(cls=Command)
@click.argument("models", nargs=-1, required=True, metavar="MODEL...", shell_complete=complete_model)
@click.option("--batch", "batches", callback=numbers, default="1", metavar="N,...", help="Samples per forward.")
@click.option("--input", "sizes", multiple=True, metavar="CxHxW", help="Another input size, such as 3x224x224.")
@click.option("--dtype", "dtypes", callback=names, default="float32", metavar="TYPE,...", help="How floats are stored.")
@click.option("--layout", type=click.Choice(["chw", "hwc"]), default="chw", help="Where shapes show their channels.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Another value of a parameter.")
@click.option("--freeze", multiple=True, metavar="GLOB", help="Layers that do not train, by their full names.")
@click.option("--training", metavar="OPTIMIZER", help="Add the memory of a training step: sgd, momentum, adam.")
@click.option("--device", metavar="DEVICE", default="cpu", help="cpu or cuda: what training keeps differs.")
@click.option("--input-grad", is_flag=True, help="The network's inputs require gradients too.")
@click.option("--fits", metavar="SIZE", help="The largest batch in a memory such as 16GiB.")
@click.option("--depth", type=click.IntRange(1), metavar="N", help="Add up blocks below this level of names.")
@click.option("--columns", callback=names, metavar="A,B,...", help="The columns to show.")
@click.option("--sort", metavar="COLUMN", help="Sort by a column, largest first.")
@click.option("--top", type=click.IntRange(1), metavar="N", help="Show the first N lines, add up the layers left out.")
@click.option("--formulas", is_flag=True, help="In CSV and JSON, put its formula behind every number.")
@click.option("--strict", is_flag=True, help="Exit with 1 where an unknown operator makes a total a lower bound.")
@click.option("-f", "--format", "chosen", type=click.Choice(list(FORMATS)), help="How to print.")
@click.option("-o", "--output", "outputs", multiple=True, metavar="FILE", help="Write to FILE, format by its suffix.")
@click.option("--quiet", is_flag=True, help="Do not name the files written or what is imported.")
def analyze(**given: Any) -> int:
    """Count what every layer of a network costs.

    A MODEL is a name of the zoo (vgg16), a specification's path (net.yaml, net.yaml#variant), "-" for standard input,
    a one-line pattern such as "INPUT 3x32x32 -> [CONV3-64 -> RELU]*2 -> FC-10", a network of a library
    (torchvision:resnet50, timm:resnet50), or an nn.Module as package.module:attribute. Naming an attribute imports and
    runs its module, in a process of its own; a class or function is called without arguments.

    Several inputs have names, and a dtype if need be: --input image=3x224x224,words=77:int64.

    One result shows its layers. Several models, batches (--batch 1,8), input sizes (--input repeated) or ways to store
    floats (--dtype float32,int8) give one line each, which --columns, --sort and --top choose from. --set, --freeze
    and -o can be repeated too; -o - is standard output.
    """
    from cnnprof.cli.attempts import Attempts
    from cnnprof.cli.output import deliver, targets

    options = Options(**given)
    _check(options)
    found = targets(options.outputs, options.chosen, SUFFIXES)
    _check_formulas(options, found)
    attempts = Attempts()
    analyses = list(_results(options, attempts))
    if analyses and (code := deliver(found, lambda target: _text(analyses, options, target), quiet=options.quiet)):
        return code
    return attempts.exit_code(any_result=bool(analyses)) or _findings(analyses, options)


def _check(options: Options) -> None:
    if options.several and options.depth is not None:
        raise UsageError(
            "--depth: several results are shown in one line each, without their layers",
            hint="analyze one model, batch, input and dtype at a time",
        )


def _check_formulas(options: Options, found: Sequence[Target]) -> None:
    """Raise UsageError where formulas are asked for and no format would show them; CSV of several results has none."""
    shown = [target for target in found if FORMATS[target.format].formulas]
    if options.formulas and not [target for target in shown if target.format != "csv" or not options.several]:
        raise UsageError(
            "--formulas: nothing printed here has room for formulas",
            hint="-f json has them, and -f csv those of one result; cnnprof explain MODEL LAYER derives one layer's",
        )


def _results(options: Options, attempts: Attempts) -> Iterator[Analysis]:
    from cnnprof import api

    values = settings(options.settings)
    for model in options.models:
        announce([model], quiet=options.quiet)
        for size in options.sizes or (None,):
            graph = attempts(model, api.load, model, input=size, set=values)
            if graph is not None:
                yield from _batches(model, graph, options, attempts)


def _batches(model: str, graph: Graph, options: Options, attempts: Attempts) -> Iterator[Analysis]:
    from cnnprof import api

    for batch, dtype in product(options.batches, options.dtypes):
        analysis = attempts(
            model, api.analyze, graph, batch=batch, dtype=dtype, freeze=options.freeze,
            training=options.training, device=options.device, input_grad=options.input_grad, fits=options.fits,
            formulas=options.formulas,
        )  # fmt: skip
        if analysis is not None:
            yield analysis


def _text(analyses: Sequence[Analysis], options: Options, target: Target) -> str:
    from cnnprof.cli.output import screen

    return render(_report(analyses, options, screen(target)), target.format)


def _report(analyses: Sequence[Analysis], options: Options, screen: Screen) -> Report:
    from cnnprof.report.base import Report
    from cnnprof.report.tables import report, summary_table

    if options.several:  # even where only one of them succeeded
        summary = summary_table(
            analyses, columns=options.columns, sort=options.sort, top=options.top, layout=options.layout
        )
        return Report(summary, tuple(analyses), (), screen)
    return report(
        analyses, columns=options.columns, depth=options.depth, sort=options.sort, top=options.top,
        layout=options.layout, screen=screen,
    )  # fmt: skip


def _findings(analyses: Sequence[Analysis], options: Options) -> int:
    from cnnprof.cli.streams import say

    bounded = [analysis for analysis in analyses if options.strict and analysis.totals.lower_bound]
    for analysis in bounded:
        unknown = ", ".join(analysis.totals.unknown_ops)
        say(f"{analysis.model}: its totals are lower bounds: cnnprof does not know {unknown} (--strict)")
    return FINDINGS if bounded else 0
