"""``cnnprof schema``: the JSON Schema of specifications."""

from __future__ import annotations

import click

from cnnprof.cli.commands import Command


@click.command(cls=Command)
@click.option("-o", "--output", "outputs", multiple=True, metavar="FILE", help="Write to FILE instead of printing.")
@click.option("--quiet", is_flag=True, help="Do not name the files written.")
def schema(outputs: tuple[str, ...], *, quiet: bool) -> int:
    """Print the JSON Schema of specifications.

    Editors complete and check specifications with it: write it to a file and put
    "# yaml-language-server: $schema=FILE" on the first line of a specification.
    """
    import json

    from cnnprof.cli.output import deliver, targets
    from cnnprof.readers.schema import json_schema

    found = targets(outputs, None, {".json": "json"}, default="json")
    text = json.dumps(json_schema(), indent=2, ensure_ascii=False)
    return deliver(found, lambda _target: text, quiet=quiet)
