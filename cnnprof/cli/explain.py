"""``cnnprof explain``: more about an error than fits on its line."""

from __future__ import annotations

import click

from cnnprof.cli.commands import Command


@click.command(cls=Command)
@click.option("--error", "code", required=True, metavar="CODE", help="The code in error[CODE], or of a note.")
def explain(code: str) -> int:
    """Say more about an error code.

    Every error and note of cnnprof bears a code in brackets; this prints what it means, an example and the mend.
    """
    from cnnprof.cli.commands import did_you_mean
    from cnnprof.cli.streams import emit
    from cnnprof.error_catalogue import CATALOGUE
    from cnnprof.errors import UsageError

    entry = CATALOGUE.get(code.strip("[]"))
    if entry is None:
        hint = f"the codes are {', '.join(sorted(CATALOGUE))}"
        raise UsageError(f"no error has the code {code!r}{did_you_mean(code, CATALOGUE)}", hint=hint)
    emit(f"{code.strip('[]')}: {entry.title}\n\n{entry.text}")
    return 0
