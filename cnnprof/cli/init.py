"""``cnnprof init``: a commented specification to start from."""

from __future__ import annotations

from pathlib import Path

import click

from cnnprof.cli.commands import Command


@click.command(cls=Command)
@click.argument("file", default="-", metavar="[FILE]")
@click.option("--force", is_flag=True, help="Overwrite FILE if it exists.")
@click.option("--quiet", is_flag=True, help="Do not name the file written.")
def init(file: str, *, force: bool, quiet: bool) -> int:
    """Write a commented specification to start from.

    It goes to FILE, or to standard output without one. What it describes can be analyzed as it is.
    """
    from cnnprof.cli.output import Target, check, deliver
    from cnnprof.errors import OutputError, UsageError

    path = None if file == "-" else Path(file)
    if path is not None:
        if path.suffix.lower() not in ("", ".yaml", ".yml"):
            raise UsageError(f"{file} would hold YAML", hint=f"call it {path.with_suffix('.yaml')}", code="bad-suffix")
        check(path)
        if path.exists() and not force:
            raise OutputError(f"{file} exists already", hint="use --force to overwrite it", code="exists")
    text = Path(__file__).with_name("starter.yaml").read_text(encoding="utf-8")
    return deliver([Target(path, "yaml")], lambda _target: text, quiet=quiet)
