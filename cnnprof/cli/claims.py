"""``cnnprof claims``: published figures beside computed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cnnprof.cli.commands import Command
from cnnprof.cli.parameters import announce, complete_model
from cnnprof.errors import UsageError
from cnnprof.report import FORMATS, SUFFIXES, render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnprof.cli.output import Target
    from cnnprof.model.claims import Erratum, Ledger
    from cnnprof.report.base import Table

FINDINGS = 1


@click.command(cls=Command)
@click.argument("models", nargs=-1, metavar="[MODEL]...", shell_complete=complete_model)
@click.option("--decks", is_flag=True, help="Show the errata of the course decks.")
@click.option("-f", "--format", "chosen", type=click.Choice(list(FORMATS)), help="How to print.")
@click.option("-o", "--output", "outputs", multiple=True, metavar="FILE", help="Write to FILE, format by its suffix.")
@click.option("--quiet", is_flag=True, help="Do not name the files written.")
def claims(models: tuple[str, ...], chosen: str | None, outputs: tuple[str, ...], *, decks: bool, quiet: bool) -> int:
    """Compare published figures with what is counted.

    Each figure under "expect" of a specification gets a line: what was published, what is counted, whether that rounds
    to it, and where it stands. A figure that is not reproduced is followed by the reason, and by what else makes it:
    another count of the same kind (convolutions only, without biases ...) or another form of the network. What makes a
    figure need not be where it comes from.

    "cnnprof claims --decks" lists what is wrong in the course decks that the zoo was drawn from.

    The exit code is 1 where a specification is wrong about its own figures: one said to hold does not, or the other way
    round.
    """
    from cnnprof.cli.output import targets

    if bool(models) == decks:
        raise UsageError("claims needs a MODEL or --decks, not both", hint="such as cnnprof claims vgg16")
    found = targets(outputs, chosen, SUFFIXES)
    return _decks(found, quiet=quiet) if decks else _models(models, found, quiet=quiet)


def _models(models: Sequence[str], found: Sequence[Target], *, quiet: bool) -> int:
    from cnnprof import api
    from cnnprof.cli.attempts import Attempts
    from cnnprof.report.claims import claims_table

    attempts = Attempts()
    announce(models, quiet=quiet)
    ledgers = [ledger for model in models if (ledger := attempts(model, api.claims, model)) is not None]
    code = 0
    if ledgers:
        code = _deliver(found, [claims_table(ledgers), claims_table(ledgers, notes=True)], quiet=quiet)
    return code or attempts.exit_code(any_result=bool(ledgers)) or _findings(ledgers)


def _decks(found: Sequence[Target], *, quiet: bool) -> int:
    from cnnprof import api
    from cnnprof.report.claims import errata_table

    errata = api.errata()
    code = _deliver(found, [errata_table(errata), errata_table(errata, notes=True)], quiet=quiet)
    return code or _wrong(errata)


def _deliver(found: Sequence[Target], tables: Sequence[Table], *, quiet: bool) -> int:
    """Write the table with columns of sentences, but for people the one with notes."""
    from cnnprof.cli.output import deliver, screen
    from cnnprof.report.base import Report

    def text(target: Target) -> str:
        return render(Report(tables[target.format == "table"], screen=screen(target)), target.format)

    return deliver(found, text, quiet=quiet)


def _findings(ledgers: Sequence[Ledger]) -> int:
    from cnnprof.cli.streams import say
    from cnnprof.published.check import differs

    for ledger in ledgers:
        for claim in ledger.claims:
            if not claim.agrees:
                say(f"{ledger.model}: {differs(claim)}")
    return 0 if all(ledger.agrees for ledger in ledgers) else FINDINGS


def _wrong(errata: Sequence[Erratum]) -> int:
    from cnnprof.cli.streams import say

    wrong = [each for each in errata if not each.agrees]
    for each in wrong:
        say(f"deck {each.deck}, {each.what}: what was published is what is counted")
    return FINDINGS if wrong else 0
