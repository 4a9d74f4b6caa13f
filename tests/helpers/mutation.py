"""Which mistakes in a network a check detects, and whether it names the layer that they are in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import cnnprof
from cnnprof import readers
from cnnprof.errors import CnnprofError
from cnnprof.model.graph import Graph
from cnnprof.model.validation import Validation
from cnnprof.published.check import check as claims
from cnnprof.readers.overrides import Overrides
from cnnprof.validator import validate
from tests.helpers.mutants import Mutant, mutants, renamed

CHECKS: dict[str, Callable[[Graph, Graph], Validation]] = {
    "network": lambda mutant, original: validate(mutant, against=original),
    "names": lambda mutant, original: validate(mutant, against=original),
    "facts": lambda mutant, _original: validate(mutant, checks=["facts"], claims=claims),
    "reference": lambda mutant, _original: validate(mutant, checks=["reference"]),
}
"""A mutant beside its original, layer by layer; the same where all layers of the mutant have other names; its published
figures; the outputs of torchvision's network."""


class Result(NamedTuple):
    """What a check said about a mutant."""

    network: str
    check: str
    mutant: Mutant
    detected: bool
    layer: str | None
    """The layer that the first broken figure names."""
    said: str

    @property
    def located(self) -> bool:
        return self.detected and self.layer in self.mutant.layers


@dataclass
class Report:
    """All results; mutants that compute the same are apart."""

    results: list[Result] = field(default_factory=list)

    def counts(self, check: str, kind: str | None = None, *, equivalent: bool = False) -> tuple[int, int, int]:
        """Return mutants, detected and located ones."""
        chosen = [
            each for each in self.results
            if each.check == check and kind in (None, each.mutant.kind) and each.mutant.equivalent == equivalent
        ]  # fmt: skip
        return len(chosen), sum(each.detected for each in chosen), sum(each.located for each in chosen)

    @property
    def mutants(self) -> int:
        """Networks that were tried."""
        return len({(each.network, each.mutant.what) for each in self.results})


def judged(name: str, graph: Graph, mutant: Mutant, checks: Iterable[str]) -> Iterator[Result]:
    """Yield what each check says; nothing for one that has nothing to compare with."""
    given = mutant
    for check in checks:
        mutant = renamed(given) if check == "names" else given
        found = CHECKS[check](mutant.graph, graph)
        broken = found.broken
        if found.figures:
            first = broken[0] if broken else None
            said = "" if first is None else f"{first.what}: {first.note or f'{first.ours} here, {first.theirs} there'}"
            yield Result(name, check, mutant, bool(broken), first.layer if first else None, said)


def run(
    names: Sequence[str],
    count: int,
    seed: int,
    checks: Sequence[str],
    told: Callable[[Report], object] = lambda _: None,
) -> Report:
    """Judge ``count`` mutants, as many of each network as of any other."""
    report = Report()
    each, more = divmod(count, len(names))
    for at, name in enumerate(names):
        graph = readers.read(name, Overrides())
        for mutant in mutants(graph, seed, each + (at < more)):
            report.results += judged(name, graph, mutant, checks)
        told(report)
    return report


def zoo(most: int = 400) -> list[str]:
    """Return the networks of the zoo with fixed input sizes and at most ``most`` layers."""
    found = []
    for name in cnnprof.zoo():
        graph = _read(name)
        if graph is not None and len(graph.nodes) <= most:
            found.append(name)
    return found


def _read(name: str) -> Graph | None:
    try:
        return readers.read(name, Overrides())
    except CnnprofError:  # an input size is left open
        return None


def summary(report: Report) -> str:
    """Return shares by check and by kind of mistake, and every miss."""
    checks = list(dict.fromkeys(each.check for each in report.results))
    kinds = sorted({each.mutant.kind for each in report.results})
    names = len({each.network for each in report.results})
    lines = [f"{report.mutants:,} mutants of {names} networks"]
    for check in checks:
        lines += ["", *_counts(report, check, kinds)]
        if check != "facts":  # a figure of the whole network names no layer
            lines += _misses(report, check)
    return "\n".join(lines)


def _counts(report: Report, check: str, kinds: Sequence[str]) -> Iterator[str]:
    total, detected, located = report.counts(check)
    same, wrongly, _ = report.counts(check, equivalent=True)
    yield f"{check}: {total:,} mutants, {_share(detected, total)} detected, {_share(located, total)} at the right layer"
    yield f"  {same} more compute the same; {wrongly} of them were detected"
    yield f"  {'mistake in':<20}{'mutants':>9}{'detected':>10}{'located':>9}"
    for kind in kinds:
        counts = report.counts(check, kind)
        if counts[0]:
            yield f"  {kind:<20}{counts[0]:>9}{counts[1]:>10}{counts[2]:>9}"


def _misses(report: Report, check: str) -> Iterator[str]:
    judged = [each for each in report.results if each.check == check and not each.mutant.equivalent]
    yield from (f"  not detected: {each.network} {each.mutant.what}" for each in judged if not each.detected)
    for each in report.results:
        if each.check == check == "reference" and each.mutant.equivalent and each.detected:
            yield f"  detected, though it computes the same: {each.network} {each.mutant.what} ({each.said})"
    for each in judged:
        if each.detected and not each.located:
            yield f"  elsewhere: {each.network} {each.mutant.what}: {each.layer} ({each.said})"


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({100 * part / whole:.1f} %)" if whole else "none"
