"""Published figures, ``expect`` of a specification, against what is counted."""

from __future__ import annotations

from collections.abc import Iterator

from cnnprof import analyzer
from cnnprof.model.claims import MEASURED, Claim
from cnnprof.model.validation import Figure, Verdict
from cnnprof.validator.case import Case


def check(case: Case) -> Iterator[Figure]:
    """Yield each figure that can be counted; of a network that arguments changed there are none.

    A figure that rounds as printed is close; one that its specification says is wrong, and is, is explained.
    """
    if case.claims is None or not case.graph.facts or case.graph.overridden:
        return
    for claim in case.claims(analyzer.analyze(case.graph)):
        if claim.fact.of not in MEASURED:
            yield _figure(claim)


def _figure(claim: Claim) -> Figure:
    fact = claim.fact
    return Figure(
        check="facts", what=fact.of, ours=claim.computed if isinstance(claim.computed, int) else claim.shown,
        theirs=fact.value, verdict=_verdict(claim), by=fact.source, layer=fact.at, note=_note(claim),
    )  # fmt: skip


def _verdict(claim: Claim) -> Verdict:
    if not claim.agrees:
        return "differs"
    if not claim.fact.holds:
        return "explained"
    same = str(claim.computed) == claim.fact.value.replace(",", "")
    return "equal" if same else "close"


def _note(claim: Claim) -> str | None:
    if not claim.agrees:
        word = "is said to hold, but does not" if claim.fact.holds else "is said not to hold, but does"
        return f"the specification is wrong about it: {word}"
    return claim.fact.why if not claim.fact.holds else None
