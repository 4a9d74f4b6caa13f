"""The list of commands, and how a command line becomes an exit code."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from cnnprof._version import __version__
from cnnprof.cli.commands import LazyGroup
from cnnprof.cli.streams import emit
from cnnprof.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "cnnprof"
COMPLETE = "_CNNPROF_COMPLETE"
"""The environment variable by which a shell asks for completions."""
COMMANDS = {
    "analyze": ("cnnprof.cli.analyze:analyze", "Count what every layer of a network costs."),
    "claims": ("cnnprof.cli.claims:claims", "Compare published figures with what is counted."),
    "conventions": (
        "cnnprof.cli.conventions:conventions",
        "Show what other tools say about a network, and why they differ.",
    ),
    "explain": ("cnnprof.cli.explain:explain", "Derive a layer's figures step by step, or explain an error."),
    "profile": ("cnnprof.cli.profile:profile", "Measure how long every layer of a network takes."),
    "transfer": (
        "cnnprof.cli.transfer:transfer",
        "Show what training a new head, the last layers or all costs.",
    ),
    "validate": ("cnnprof.cli.validate:validate", "Compare every figure with the real network in PyTorch."),
    "runs": ("cnnprof.cli.runs:runs", "List what was measured, show, export or delete it."),
    "zoo": ("cnnprof.cli.zoo:zoo", "List the networks that come with cnnprof, or show one."),
    "init": ("cnnprof.cli.init:init", "Write a commented specification to start from."),
    "schema": ("cnnprof.cli.schema:schema", "Print the JSON Schema of specifications."),
    "doctor": ("cnnprof.cli.doctor:doctor", "Show this environment and what is missing for what."),
    "completion": ("cnnprof.cli.completion:completion", "Print the script that makes a shell complete commands."),
}


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--version", is_flag=True, help="Show the version and exit.")
@click.pass_context
def cli(ctx: click.Context, *, version: bool) -> int:
    """What a convolutional network costs, from one declarative specification.

    A MODEL is a name of the zoo (vgg16), a specification's path, "-" for standard input, a one-line pattern such as
    "INPUT 3x32x32 -> [CONV3-64 -> RELU]*2 -> FC-10", torchvision:resnet50, timm:resnet50, or an nn.Module as
    package.module:attribute.
    """
    if version:
        emit(f"{PROGRAM} {__version__}")
        ctx.exit()
    if ctx.invoked_subcommand is None:
        emit(ctx.get_help())
    return 0


def invoke(argv: Sequence[str]) -> int:
    """Run the command line and return its exit code.

    Raises:
        UsageError: click refuses the arguments.
    """
    try:
        if COMPLETE in os.environ:  # a shell asks for completions: click answers and exits
            cli.main(list(argv), prog_name=PROGRAM, complete_var=COMPLETE)
        with cli.make_context(PROGRAM, list(argv)) as ctx:
            return int(cli.invoke(ctx) or 0)
    except click.exceptions.Exit as done:
        return done.exit_code
    except SystemExit as done:
        return int(done.code or 0)
    except click.ClickException as error:
        raise _usage(error) from error


def _usage(error: click.ClickException) -> UsageError:
    message = " ".join(error.format_message().split()).rstrip(".")
    ctx = getattr(error, "ctx", None)
    path = ctx.command_path if ctx else PROGRAM
    where = path.removeprefix(PROGRAM).strip()
    return UsageError(f"{where}: {message}" if where else message, hint=f"see {path} --help")
