"""Published figures and the errata of the decks as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnprof.report.base import Column, Line, Table, Value
from cnnprof.report.describe import definitions, many

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cnnprof.model.claims import Claim, Erratum, Ledger

SENTENCES = ("reproduced_by", "why")
"""Columns of sentences: a table for people has them as notes below it instead."""
# A column of "count" may hold words: they are never shortened, which a figure like "3.8e9" must not be.
CLAIM_COLUMNS = (
    Column("model", "model", "text", "the network", rank=0),
    Column("quantity", "quantity", "text", "what was published, by the name of the result's attribute", rank=0),
    Column("layer", "layer", "text", "layer or block; none: the whole network", rank=2),
    Column("published", "published", "count", "the figure as printed; its last digit is its tolerance", rank=0),
    Column("computed", "computed", "count", "what is counted; memory in the precision of the figure", rank=1),
    Column(
        "reproduced", "reproduced", "count",
        "yes: the count rounds to the figure; no: it does not; measured elsewhere: nothing counts it", rank=0,
    ),
    Column("source", "source", "text", "where it is printed", rank=3),
    Column("convention", "convention", "text", "how it was counted", rank=50),
    Column(
        "reproduced_by", "reproduced by", "text",
        "other counts of the same kind that make a figure which is not reproduced; it need not come from them",
    ),
    Column("why", "why", "text", "why it is not reproduced"),
)  # fmt: skip
ERRATA_COLUMNS = (
    Column("deck", "deck", "text", "number of the deck", rank=0),
    Column("what", "what", "text", "what the figure or word is about", rank=0),
    Column("published", "published", "count", "what the deck says", rank=2),
    Column("right", "right", "count", "what it should say; its numbers are computed", rank=1),
    Column("model", "network", "text", "the network of the zoo that shows it", rank=3),
    Column("why", "why", "text", "how the slip came about"),
)


def claims_table(ledgers: Iterable[Ledger], *, notes: bool = False) -> Table:
    """Return every published figure of some networks, a line each.

    Args:
        ledgers: the networks.
        notes: say in notes below the table, not in columns, why a figure is not reproduced and what else makes it.
    """
    found = list(ledgers)
    figures = [(ledger, claim) for ledger in found for claim in ledger.claims]
    records = [_claim(ledger, claim) for ledger, claim in figures]
    # People need no empty column; programs need the same columns every time.
    shown = [each for each in CLAIM_COLUMNS if not notes or (each.id not in SENTENCES and _filled(records, each.id))]
    return Table(
        id="claims",
        title=_title(found, len(figures)),
        columns=tuple(shown),
        lines=tuple(_line(shown, record) for record in records),
        notes=tuple(_claim_notes(figures)) if notes else (),
        definitions=definitions(shown),
        optional=("model", "convention"),
    )


def errata_table(errata: Iterable[Erratum], *, notes: bool = False) -> Table:
    """Return the errata of the decks, a line each; ``notes`` as for ``claims_table``."""
    found = list(errata)
    shown = [column for column in ERRATA_COLUMNS if not (notes and column.id in SENTENCES)]
    lines = tuple(_line(shown, {column.id: getattr(each, column.id) for column in shown}) for each in found)
    # Whole: a narrow terminal has no room for both figures in columns.
    said = (
        f"deck{'s' * (',' in each.deck)} {each.deck}, {each.what}: {each.published}, rightly {each.right}; {each.why}"
        for each in found
    )
    return Table(
        id="errata",
        title=f"{len(found)} errata of the course decks",
        columns=tuple(shown),
        lines=lines,
        notes=tuple(said) if notes else (),
        definitions=definitions(shown),
        optional=("model",),
    )


def _title(ledgers: Sequence[Ledger], figures: int) -> str:
    of = ledgers[0].model if len(ledgers) == 1 else many(len(ledgers), "network")
    return f"{of}, {many(figures, 'published figure')}"


def _filled(records: Sequence[dict[str, Value]], name: str) -> bool:
    return not records or any(record[name] is not None for record in records)


def _line(columns: Sequence[Column], cells: dict[str, Value]) -> Line:
    return Line(tuple(cells[column.id] for column in columns))


def _claim(ledger: Ledger, claim: Claim) -> dict[str, Value]:
    exact = isinstance(claim.computed, int)
    return {
        "model": ledger.model, "quantity": claim.fact.of, "layer": claim.fact.at, "published": claim.fact.value,
        "computed": claim.computed if exact else claim.shown, "reproduced": _verdict(claim),
        "source": claim.fact.source, "convention": claim.fact.convention,
        "reproduced_by": _made_by(claim), "why": claim.fact.why,
    }  # fmt: skip


def _verdict(claim: Claim) -> str:
    return {True: "yes", False: "no", None: "measured elsewhere"}[claim.reproduced]


def _claim_notes(figures: Iterable[tuple[Ledger, Claim]]) -> Iterator[str]:
    for ledger, claim in figures:
        if claim.reproduced is False:
            at = f" of {claim.fact.at}" if claim.fact.at else ""
            head = f"{ledger.model}, {claim.fact.of}{at} = {claim.fact.value} ({claim.fact.source})"
            made_by = _made_by(claim)
            tail = f" [what makes it: {made_by}]" if made_by else ""
            yield f"{head}: {claim.fact.why or 'nothing says why it differs'}{tail}"


def _made_by(claim: Claim) -> str | None:
    """Return what else makes a figure that is not reproduced; little is tried for a shape, so nothing says little."""
    if claim.reproduced is not False:
        return None
    return "; ".join(map(str, claim.matches)) or (None if isinstance(claim.computed, str) else "nothing that was tried")
