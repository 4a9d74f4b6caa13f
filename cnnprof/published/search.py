"""What makes a published figure that is not reproduced: another count of the same kind, or another form of the network.

A count that happens to have the right digits explains nothing, so few are tried: counts of the same kind of thing, and
networks of the same file. The more has to be assumed, the more digits the figure must have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cnnprof.errors import UsageError
from cnnprof.model.claims import Claim, Match
from cnnprof.model.plain import replace
from cnnprof.published.printed import Printed, printed
from cnnprof.published.quantity import BYTE_UNITS, COUNT_UNITS, TEXTS, count, part_of, quantity
from cnnprof.published.tallies import TALLIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cnnprof.model.analysis import Analysis
    from cnnprof.published.family import Family

KINDS: tuple[dict[str, str], ...] = (
    {
        "macs": "MACs", "conv_macs": "MACs of convolutions only", "flops": "FLOPs, 2 per MAC",
        "fused_ops": "operations, each multiply-accumulate one", "ops": "operations",
        **{name: tally.words for name, tally in TALLIES.items() if not name.endswith("_bytes")},
    },
    {
        "params": "parameters", "weights": "parameters without biases",
        "conv_params": "parameters of convolutions only", "keras_params": "parameters and running statistics",
        "state_elements": "parameters and buffers",
        "inference_params": "parameters without layers that run in training only",
    },
    {
        "activations": "values stored", "stored_elements": "values stored and the input",
        "weighted_outputs": "outputs of convolutions and linear layers",
    },
    {"burden_feature_bytes": TALLIES["burden_feature_bytes"].words},
)  # fmt: skip
"""Counts of the same kind of thing, and what they are called."""
_ELEMENTS = {
    "param_bytes": "params", "state_bytes": "state_elements", "activation_bytes": "activations",
    "stored_bytes": "stored_elements", "keras_param_bytes": "keras_params",
}  # fmt: skip
"""Memory, and what it is four bytes each of."""
_WIDTH = 4
_OTHER_UNIT = {
    "kib": "kb", "mib": "mb", "gib": "gb", "kb": "kib", "mb": "mib", "gb": "gib", "ki": "k", "mi": "m",
}  # fmt: skip
_THOUSANDS = 3
"""The power of ten that K stands for."""
_UNITS = {**BYTE_UNITS, **COUNT_UNITS, "k": 10**3, "m": 10**6, "": 1}
_FOR_A_FORM, _FOR_ANOTHER_MEMBER = 2, 3
"""Significant digits that a figure must have: the more networks are tried, the sooner a few digits are alike."""


class Reading(NamedTuple):
    """One way to understand a figure: which count it is, in which unit, and how much that assumes."""

    name: str
    words: str
    multiplier: int
    divisor: int
    assumes: int


def explained(claim: Claim, family: Family) -> Claim:
    """Return the claim with what else makes its figure; as it is where it is reproduced or was measured."""
    if claim.reproduced is not False or family.analysis.totals.lower_bound:
        return claim
    found = _same_texts(claim, family) if isinstance(claim.computed, str) else _matches(claim, family)
    return replace(claim, matches=tuple(found))


def _same_texts(claim: Claim, family: Family) -> Iterator[Match]:
    """Yield the first other form of the network that has this very shape or receptive field."""
    of, at = claim.fact.of, claim.fact.at
    for network in family.forms:
        try:
            text = quantity(network, of, at)
        except UsageError:  # it has no such layer
            continue
        if isinstance(text, str) and text == claim.fact.value:
            yield Match(model=network.model, convention=TEXTS[of], computed=text)
            return


def _matches(claim: Claim, family: Family) -> list[Match]:
    """Return what assumes least, and all of it where several assume the same; of counts that are alike the first."""
    figure, at, own = printed(claim.fact.value), claim.fact.at, family.analysis
    plain, *others = _readings(claim.fact.of, figure)
    found = list(_try([own], at, plain, figure))
    for assumed in (1, 2):
        if not found and figure.digits > assumed:
            alike = (each for each in others if each.assumes == assumed)
            found = [each for reading in alike for each in _try([own], at, reading, figure)]
    if not found and figure.digits >= _FOR_A_FORM:
        found = list(_try(family.forms, at, plain, figure))
    if not found and figure.digits >= _FOR_ANOTHER_MEMBER:
        found = [each for each in _try(family.others, at, plain, figure) if not each.cut_off]
    return list({each.computed: each for each in reversed(found)}.values())[::-1]


def _try(networks: list[Analysis], at: str | None, reading: Reading, figure: Printed) -> Iterator[Match]:
    for network in networks:
        try:
            counted = count(part_of(network, at), reading.name, reading.name)
        except UsageError:  # it has no such layer, or the layer no such count
            continue
        computed: int | float = counted
        if (reading.multiplier, reading.divisor) != (1, 1):
            computed = counted * reading.multiplier / reading.divisor
        cut_off = figure.is_cut_off(computed) and figure.digits > 2 * reading.assumes
        if figure.is_rounded(computed) or cut_off:
            yield Match(model=network.model, convention=reading.words, computed=computed, cut_off=cut_off)


def _readings(of: str, figure: Printed) -> Iterator[Reading]:
    """Yield the ways to read a quantity's name, the plain one first."""
    stem, _, unit = of.rpartition("_")
    if unit in BYTE_UNITS:
        stem = f"{stem}_bytes"
    elif unit not in COUNT_UNITS:
        stem, unit = of, ""
    for name, words, multiplier in _alike(stem):
        assumes = int(name != stem and name != _ELEMENTS.get(stem))
        yield Reading(name, _in(words, unit), multiplier, _UNITS[unit], assumes)
        yield from _other_unit(Reading(name, words, multiplier, _UNITS[unit], assumes + 1), unit, figure)


def _alike(stem: str) -> Iterator[tuple[str, str, int]]:
    """Yield name, words and bytes per element of the counts of a kind, that of ``stem`` first."""
    name, width = _ELEMENTS.get(stem, stem), _WIDTH if stem in _ELEMENTS else 1
    kind = next((kind for kind in KINDS if name in kind), {name: name.replace("_", " ")})
    behind = " × 4 bytes" if width > 1 else ""
    for each in (name, *(other for other in kind if other != name)):
        yield each, kind[each] + behind, width


def _other_unit(reading: Reading, unit: str, figure: Printed) -> Iterator[Reading]:
    if unit:
        other = _OTHER_UNIT[unit]
        yield reading._replace(words=_in(reading.words, other), divisor=_UNITS[other])
    elif figure.power == _THOUSANDS and reading.name in KINDS[1]:
        # 112e3 was printed for 112K, and may have been 112 · 1024: nobody divides millions of MACs so.
        yield reading._replace(words=f"{reading.words}, K meaning 1024", multiplier=1000, divisor=1024)


def _in(words: str, unit: str) -> str:
    names = {"kib": "KiB", "mib": "MiB", "gib": "GiB", "kb": "kB", "mb": "MB", "gb": "GB", "ki": "Ki", "mi": "Mi"}
    names |= {"k": "thousands", "m": "millions"}
    return f"{words}, in {names[unit]}" if unit else words
