"""``cnnprof explain``: how one layer's figures come about; and more about an error than fits on its line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from cnnprof.cli.commands import Command, did_you_mean
from cnnprof.cli.parameters import announce, complete_model, settings
from cnnprof.errors import UsageError
from cnnprof.report import FORMATS, SUFFIXES, render

if TYPE_CHECKING:
    from typing import Any

    from cnnprof.cli.output import Target
    from cnnprof.report.base import Table


class Options(NamedTuple):
    """The command line, parsed."""

    model: str | None
    layer: str | None
    code: str | None
    batch: int
    size: str | None
    dtype: str
    settings: tuple[str, ...]
    freeze: tuple[str, ...]
    chosen: str | None
    outputs: tuple[str, ...]
    quiet: bool


@click.command(cls=Command)
@click.argument("model", required=False, shell_complete=complete_model)
@click.argument("layer", required=False)
@click.option("--error", "code", metavar="CODE", help="The code in error[CODE], or of a note.")
@click.option("--batch", type=click.IntRange(1), default=1, metavar="N", help="Samples per forward.")
@click.option("--input", "size", metavar="CxHxW", help="Another input size, such as 3x224x224.")
@click.option("--dtype", default="float32", metavar="TYPE", help="How floats are stored: float32, float16 ...")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Another value of a parameter.")
@click.option("--freeze", multiple=True, metavar="GLOB", help="Layers that do not train, by their full names.")
@click.option("-f", "--format", "chosen", type=click.Choice(list(FORMATS)), help="How to print.")
@click.option("-o", "--output", "outputs", multiple=True, metavar="FILE", help="Write to FILE, format by its suffix.")
@click.option("--quiet", is_flag=True, help="Do not name the files written.")
def explain(**given: Any) -> int:
    """Derive a layer's figures step by step, or explain an error.

    MODEL is as for analyze. LAYER is a layer's full name, as in the table of "cnnprof analyze MODEL", or the end of one
    ("conv2d" for "block.0.conv2d") where no other layer ends like it.

    With --error CODE, say more about an error: every error and note of cnnprof bears a code in brackets; this prints
    what it means, an example and the mend.
    """
    options = Options(**given)
    if options.code is not None:
        return _error(options, options.code)
    return _layer(options)


def _error(options: Options, code: str) -> int:
    from cnnprof.cli.streams import emit
    from cnnprof.error_catalogue import CATALOGUE

    if options.model is not None:
        raise UsageError("explain takes a MODEL and a LAYER, or --error CODE, not both")
    entry = CATALOGUE.get(code.strip("[]"))
    if entry is None:
        hint = f"the codes are {', '.join(sorted(CATALOGUE))}"
        raise UsageError(f"no error has the code {code!r}{did_you_mean(code, CATALOGUE)}", hint=hint)
    emit(f"{code.strip('[]')}: {entry.title}\n\n{entry.text}")
    return 0


def _layer(options: Options) -> int:
    from cnnprof.cli.output import deliver, screen, targets
    from cnnprof.report.base import Report

    if options.model is None:
        raise UsageError("explain needs a MODEL and a LAYER, or --error CODE", hint="cnnprof explain vgg16 conv1_1")
    found = targets(options.outputs, options.chosen, SUFFIXES)
    table = _table(options, options.model)

    def text(target: Target) -> str:
        return render(Report(table, screen=screen(target)), target.format)

    return deliver(found, text, quiet=options.quiet)


def _table(options: Options, model: str) -> Table:
    from cnnprof import api
    from cnnprof.report.derivation import derivation_table

    announce([model], quiet=options.quiet)
    graph = api.load(model, input=options.size, set=settings(options.settings))
    if options.layer is None:
        names = [node.name for node in graph.nodes]
        raise UsageError(f"which layer of {graph.name}?", hint=f"one of its {len(names)}: {shown_names(names)}")
    return derivation_table(
        api.explain(graph, options.layer, batch=options.batch, dtype=options.dtype, freeze=options.freeze)
    )


def shown_names(names: list[str]) -> str:
    """Return a few names."""
    most = 8
    return ", ".join(names) if len(names) <= most else f"{', '.join(names[: most - 1])} … {names[-1]}"
