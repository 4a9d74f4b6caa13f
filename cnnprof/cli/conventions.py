"""``cnnprof conventions``: what other tools say about a network, and why they differ."""

from __future__ import annotations

import click

from cnnprof.cli.commands import Command
from cnnprof.cli.parameters import announce, complete_model, settings
from cnnprof.report import FORMATS, SUFFIXES, render


@click.command(cls=Command)
@click.argument("model", shell_complete=complete_model)
@click.option("--input", "size", metavar="CxHxW", help="Another input size, such as 3x224x224.")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="Another value of a parameter.")
@click.option(
    "--train", "training", is_flag=True, help="Of the network in training mode, where a tool leaves it there."
)
@click.option("-f", "--format", "chosen", type=click.Choice(list(FORMATS)), help="How to print.")
@click.option("-o", "--output", "outputs", multiple=True, metavar="FILE", help="Write to FILE, format by its suffix.")
@click.option("--quiet", is_flag=True, help="Do not name the files written.")
def conventions(
    model: str, size: str | None, given: tuple[str, ...], chosen: str | None, outputs: tuple[str, ...],
    *, training: bool, quiet: bool,
) -> int:  # fmt: skip
    """Show what other tools say about a network, and why they differ.

    FlopCounterMode, fvcore, ptflops with both backends, thop, ultralytics-thop, torchinfo, torchprofile, calflops,
    DeepSpeed, torchsummary and Keras: what each prints for one sample, and which layers make it differ from
    cnnprof's own number. The figures come from the tools' rules and are theirs to the last digit; none of the
    tools is needed.

    A network of the zoo means what cnnprof builds, in which every layer is a module. A layer whose rule is not known
    makes the total a lower bound.
    """
    from cnnprof import api
    from cnnprof.cli.output import deliver, screen, targets
    from cnnprof.report.base import Report
    from cnnprof.report.conventions import conventions_table

    found = targets(outputs, chosen, SUFFIXES)
    announce([model], quiet=quiet)
    said = api.conventions(model, input=size, set=settings(given), training=training)
    tables = [conventions_table(said), conventions_table(said, notes=True)]
    return deliver(
        found,
        lambda target: render(Report(tables[target.format == "table"], screen=screen(target)), target.format),
        quiet=quiet,
    )
