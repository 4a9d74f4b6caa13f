"""``cnnprof completion``: click's own completion script for a shell."""

from __future__ import annotations

import click

from cnnprof.cli.commands import Command

HELP = """Print the script that makes a shell complete commands.

\b
bash: cnnprof completion bash >> ~/.bashrc
zsh:  cnnprof completion zsh >> ~/.zshrc
fish: cnnprof completion fish > ~/.config/fish/completions/cnnprof.fish
"""


@click.command(cls=Command, help=HELP)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print click's own script."""
    from click.shell_completion import get_completion_class

    from cnnprof.cli.root import COMPLETE, PROGRAM, cli
    from cnnprof.cli.streams import emit

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this click cannot complete {shell}")
    emit(kind(cli, {}, PROGRAM, COMPLETE).source())
    return 0
