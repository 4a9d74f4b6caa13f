"""Published figures against computed ones: which of a network's facts an analysis reproduces.

A fact's value is text, and its last printed digit is its tolerance: ``3.8e9`` speaks of two digits, ``25,557,032`` of
all of them.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from cnnprof.errors import UsageError
from cnnprof.model.analysis import Note
from cnnprof.model.graph import Fact, TensorSpec
from cnnprof.model.plain import Plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cnnprof.model.analysis import Analysis, Row

_UNITS = {"kib": 1024, "mib": 1024**2, "gib": 1024**3, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_PRINTED = re.compile(r"(?P<whole>\d+|\d{1,3}(?:,\d{3})+)(?:\.(?P<decimals>\d+))?(?:e(?P<power>\d+))?")


class Claim(Plain, frozen=True, kw_only=True):
    """One published figure beside the computed one."""

    fact: Fact
    computed: int | float | str
    """Exact, but for bytes over a power of 1000, which are rounded. A shape is text, ``64x55x55``."""
    shown: str
    """The computed value in the notation and precision of the published one."""
    reproduced: bool
    """Whether the computed value rounds to the published one. A lower bound reproduces nothing."""


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
        Note(code="fact-differs", layer=claim.fact.at, message=_differs(claim))
        for claim in check(analysis)
        if claim.reproduced != claim.fact.holds
    ]


def _differs(claim: Claim) -> str:
    fact = claim.fact
    word = "is not what is counted" if fact.holds else "is said not to hold, but is what is counted"
    return f"the published figure {fact.of} = {fact.value} ({fact.source}) {word}: {claim.shown}"


def quantity(analysis: Analysis, of: str, at: str | None = None) -> int | float | str:
    """Return the figure called ``of``, of the whole network or of the layer or block ``at`` (its rows added up).

    Counts bear the names of ``Totals`` and ``Row``; one layer also has those of ``Equivalent``. What is called
    ``X_bytes`` can be had as ``X_kib``, ``X_mib``, ``X_gib`` (powers of 1024) and ``X_kb``, ``X_mb``, ``X_gb`` (of
    1000). Further there are ``output`` (``64x55x55``), ``output_elements``, ``input_elements``, ``weights`` (parameters
    without biases), ``stored_elements`` and ``stored_bytes`` (the input and all new storage), and
    ``received_elements`` (values that cross to here from another place).

    Raises:
        UsageError: there is no such figure, layer or block.
    """
    part = _whole(analysis) if at is None else _part(analysis, at)
    stem, _, unit = of.rpartition("_")
    if unit in _UNITS:
        return _count(part, f"{stem}_bytes", of) / _UNITS[unit]
    return part.output_text if of == "output" else _count(part, of, of)


class _Part(NamedTuple):
    """The whole network or some of its layers."""

    analysis: Analysis
    rows: tuple[Row, ...]
    output: TensorSpec
    counts: Iterable[object]
    """What has the counts as attributes: the totals, or rows to add up."""

    @property
    def output_text(self) -> str:
        return "x".join(str(size) for size in self.output.shape[1:])


def _whole(analysis: Analysis) -> _Part:
    edge = list(analysis.outputs.values())[-1]
    output = analysis.row(edge.node).outputs[edge.output]
    return _Part(analysis, analysis.rows, output, (analysis.totals,))


def _part(analysis: Analysis, at: str) -> _Part:
    last = next((container.last for container in analysis.containers if container.path == at), at)
    rows = tuple(row for row in analysis.rows if row.name == at or row.name.startswith(f"{at}."))
    if not rows:
        raise UsageError(
            f"a fact speaks of {at!r}, but {analysis.model} has no such layer or block",
            hint=_nearest(at, [row.name for row in analysis.rows]),
            code="unknown-layer",
        )
    (*_, final) = (row for row in rows if row.name == last) if len(rows) > 1 else rows
    counts = (*rows, rows[0].equivalent) if len(rows) == 1 else rows
    return _Part(analysis, rows, final.outputs[0], counts)


def _count(part: _Part, name: str, asked: str) -> int:
    if name in _DERIVED:
        return _DERIVED[name](part)
    values = [getattr(holder, name, None) for holder in part.counts] if not name.startswith("_") else []
    numbers = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    if not numbers:
        names = [*_DERIVED, "output", *(known for holder in part.counts for known in dir(holder))]
        raise UsageError(
            f"a fact speaks of {asked!r}, which is not counted", hint=_nearest(name, names), code="unknown-quantity"
        )
    return sum(numbers)


def _received(part: _Part) -> int:
    names = {row.name for row in part.rows}
    return sum(transfer.elements for transfer in part.analysis.transfers if transfer.reader in names)


def _input_elements(part: _Part) -> int:
    return sum(TensorSpec(spec.shape).numel for spec in part.analysis.inputs)


def _sum(part: _Part, field: str) -> int:
    return sum(getattr(row, field) for row in part.rows)


_DERIVED: dict[str, Callable[[_Part], int]] = {
    "output_elements": lambda part: part.output.numel,
    "input_elements": _input_elements,
    "weights": lambda part: _sum(part, "params") - _sum(part, "bias_params"),
    "stored_elements": lambda part: _input_elements(part) + _sum(part, "activations"),
    "stored_bytes": lambda part: part.analysis.totals.input_bytes + _sum(part, "activation_bytes"),
    "received_elements": _received,
}


def _claim(analysis: Analysis, fact: Fact) -> Claim:
    computed = quantity(analysis, fact.of, fact.at)
    if isinstance(computed, str):
        return Claim(fact=fact, computed=computed, shown=computed, reproduced=computed == fact.value)
    match = _PRINTED.fullmatch(fact.value)
    if match is None:
        raise UsageError(
            f"the value of a fact is a number such as 1,792 or 3.8e9, got {fact.value!r}", code="bad-value"
        )
    decimals, power = len(match["decimals"] or ""), int(match["power"] or 0)
    difference = abs(Decimal(computed) - Decimal(fact.value.replace(",", "")))
    return Claim(
        fact=fact,
        computed=computed,
        shown=_printed(computed, decimals, match["power"], separator="," if "," in match["whole"] else ""),
        reproduced=2 * difference <= Decimal(10) ** (power - decimals) and not analysis.totals.lower_bound,
    )


def _printed(number: float, decimals: int, power: str | None, *, separator: str) -> str:
    scaled = Decimal(number).scaleb(-int(power or 0))
    return f"{scaled:{separator}.{decimals}f}" + (f"e{power}" if power else "")


def _nearest(word: str, choices: list[str]) -> str | None:
    import difflib

    found = difflib.get_close_matches(word, choices, n=1)
    return f"did you mean {found[0]!r}?" if found else None
