"""``cnnprof transfer``: what transfer learning costs, by how much of the network trains."""

from __future__ import annotations

from typing import Any

import click

from cnnprof.cli.commands import Command
from cnnprof.cli.parameters import announce, complete_model, settings
from cnnprof.report import FORMATS, SUFFIXES, render


@click.command(cls=Command)
@click.argument("model", shell_complete=complete_model)
@click.option("--classes", type=click.IntRange(1), metavar="N", help="Outputs of the new head.")
@click.option("--last", type=click.IntRange(1), metavar="N", help="Layers that 'last layers' trains: 3, unless set.")
@click.option("--batch", type=click.IntRange(1, 2**31 - 1), default=1, metavar="N", help="Samples per step.")
@click.option("--input", "size", metavar="CxHxW", help="Another input size, such as 3x224x224.")
@click.option("--dtype", default="float32", metavar="TYPE", help="How floats are stored: float32, float16 ...")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="Another value of a parameter.")
@click.option("--training", metavar="OPTIMIZER", default="adam", help="sgd, momentum or adam.")
@click.option("--device", metavar="DEVICE", default="cpu", help="cpu or cuda: what training keeps differs.")
@click.option("--fits", metavar="SIZE", help="The largest batch in a memory such as 16GiB.")
@click.option("-f", "--format", "chosen", type=click.Choice(list(FORMATS)), help="How to print.")
@click.option("-o", "--output", "outputs", multiple=True, metavar="FILE", help="Write to FILE, format by its suffix.")
@click.option("--quiet", is_flag=True, help="Do not name the files written.")
def transfer(
    model: str, size: str | None, given: tuple[str, ...], chosen: str | None, outputs: tuple[str, ...],
    *, quiet: bool, **options: Any,
) -> int:  # fmt: skip
    """Show what training a new head, the last layers or all costs.

    Trainable and frozen parameters, FLOPs of forward and backward, and the memory of a training step. The head is the
    last layer with weights; --classes gives it another number of outputs. --last counts convolutions and linear layers
    from the end; everything before the first of them is frozen.
    """
    from cnnprof import api
    from cnnprof.cli.output import deliver, screen, targets
    from cnnprof.report.base import Report
    from cnnprof.report.transfer_learning import transfer_table

    found = targets(outputs, chosen, SUFFIXES)
    announce([model], quiet=quiet)
    result = api.transfer_learning(model, input=size, set=settings(given), **options)
    table = transfer_table(result)
    return deliver(found, lambda target: render(Report(table, screen=screen(target)), target.format), quiet=quiet)
