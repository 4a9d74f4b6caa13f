"""Published figures against computed ones: which of a network's facts an analysis reproduces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnprof.errors import UsageError
from cnnprof.model.analysis import Note
from cnnprof.model.claims import MEASURED, Claim
from cnnprof.published.printed import printed
from cnnprof.published.quantity import quantity

if TYPE_CHECKING:
    from cnnprof.model.analysis import Analysis
    from cnnprof.model.graph import Fact


def check(analysis: Analysis) -> list[Claim]:
    """Return every fact of the network with what ``analysis`` says; nothing where arguments changed the network.

    Raises:
        UsageError: the analysis has another batch or dtype than published figures speak of, or a fact names a quantity
            or a layer that is not there, or its value is no number.
    """
    if analysis.overridden or not analysis.facts:
        return []
    if (analysis.batch, analysis.dtype) != (1, "float32"):
        raise UsageError(
            f"published figures are for batch 1 and float32, not for batch {analysis.batch} and {analysis.dtype}",
            hint="leave --batch and --dtype out to check them",
            code="not-comparable",
        )
    return [_claim(analysis, fact) for fact in analysis.facts]


def notes(analysis: Analysis) -> list[Note]:
    """Return a note for every published figure whose own word on whether it holds is wrong.

    Raises:
        UsageError: as for ``check``.
    """
    return [
        Note(code="fact-differs", layer=claim.fact.at, message=differs(claim))
        for claim in check(analysis)
        if not claim.agrees
    ]


def differs(claim: Claim) -> str:
    """Return what is wrong with a fact's own word on whether it holds."""
    fact = claim.fact
    word = "is not what is counted" if fact.holds else "is said not to hold, but is what is counted"
    return f"the published figure {fact.of} = {fact.value} ({fact.source}) {word}: {claim.shown}"


def _claim(analysis: Analysis, fact: Fact) -> Claim:
    if fact.of in MEASURED:
        printed(fact.value)
        return Claim(fact=fact, computed=None, shown=None, reproduced=None)
    computed = quantity(analysis, fact.of, fact.at)
    if isinstance(computed, str):
        return Claim(fact=fact, computed=computed, shown=computed, reproduced=computed == fact.value)
    figure = printed(fact.value)
    return Claim(
        fact=fact,
        computed=computed,
        shown=figure.write(computed),
        reproduced=figure.is_rounded(computed) and not analysis.totals.lower_bound,
    )
