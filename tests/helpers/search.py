"""A long search with the strategy of the tests: blocks of random networks, and each new kind of mismatch made small."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cnnprof.model.validation import Figure
from tests.helpers import random_graphs
from tests.helpers.graph_checks import broken, compare
from tests.helpers.graph_specs import as_spec
from tests.helpers.random_graphs import Drawn, networks

Kind = tuple[str, str, str]
"""What tells one mismatch from another: the check, the figure, and the layer's type or what torch said."""
SEQUENCES = 8
"""One block of so many is of long sequences or images, for the receptive field."""
_PRIME = 1_000_003


class Found(Exception):  # noqa: N818 what the search is for
    """A mismatch of a new kind."""


class Finding(NamedTuple):
    """The smallest network that showed a kind of mismatch, and how often the kind came."""

    drawn: Drawn
    figure: Figure
    count: int = 1

    def __str__(self) -> str:
        figure = self.figure
        told = "" if figure.note is None else f" ({figure.note})"
        at = "" if figure.layer is None else f" at {figure.layer}"
        first = f"{figure.check}: {figure.what}{at}: {figure.ours} here, {figure.theirs} in {figure.by}{told}"
        return f"{first}; {self.count} times; at batch {self.drawn.batch}:\n{as_spec(self.drawn.graph)}"


@dataclass
class Tally:
    """What a search has done."""

    graphs: int = 0
    layers: int = 0
    seconds: float = 0.0
    ops: Counter[str] = field(default_factory=Counter)
    traits: Counter[str] = field(default_factory=Counter)
    figures: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By check and verdict."""
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By check and reason: what is explained or was not asked."""
    findings: dict[Kind, Finding] = field(default_factory=dict)

    def count(self, drawn: Drawn, figures: Sequence[Figure]) -> None:
        """Add a network and its figures."""
        self.graphs += 1
        self.layers += len(drawn.graph.nodes)
        self.ops.update(node.op for node in drawn.graph.nodes)
        self.traits.update(_traits(drawn))
        for figure in figures:
            if figure.verdict == "explained":
                self.left_out[figure.check, str(figure.note)] += 1
            else:
                self.figures[_name(figure), figure.verdict] += 1

    @property
    def comparisons(self) -> int:
        """How many figures were compared."""
        return sum(self.figures.values())


def _name(figure: Figure) -> str:
    exact = figure.check == "field" and figure.what.startswith("exactly")
    return "field, from end to end" if exact else "field, inside" if figure.check == "field" else figure.check


def _traits(drawn: Drawn) -> Iterator[str]:
    nodes = drawn.graph.nodes
    yield f"batch {drawn.batch}"
    traits = {
        "several inputs": len(drawn.graph.inputs) > 1,
        "several outputs": len(drawn.graph.outputs) > 1,
        "a join": any(len(node.inputs) > 1 for node in nodes),
        "shared weights": any(node.share for node in nodes),
        "frozen layers": any(node.frozen for node in nodes),
        "layers in training only": any(node.when == "train" for node in nodes),
        "work in place": any(node.args.get("inplace") for node in nodes),
        "groups": any(node.args.get("groups", 1) != 1 for node in nodes),
        "dilation": any(node.args.get("dilation", 1) != 1 for node in nodes),
        "ceil_mode": any(node.args.get("ceil_mode") for node in nodes),
    }
    yield from (name for name, there in traits.items() if there)


def blocks(seed: int) -> Iterator[tuple[str, st.SearchStrategy[Drawn]]]:
    """Yield what to draw from, without an end: networks that begin with each layer type in turn."""
    turn = 0
    while True:
        for op in random_graphs.MENUS:
            yield op, networks(first=op)
            turn += 1
            if turn % SEQUENCES == 0:
                image = (turn // SEQUENCES + seed) % 4 == 0
                yield ("images", networks(ops=random_graphs.LOCAL_2D, shape=random_graphs.WIDE)) if image else (
                    "sequences", networks(ops=random_graphs.LOCAL, shape=random_graphs.LONG)
                )  # fmt: skip


def search(graphs: int, seed: int, block: int = 10, told: Callable[[Tally, str], Any] = lambda *_: None) -> Tally:
    """Compare ``graphs`` random networks with torch, ``block`` of one kind at a time; ``told`` after every block."""
    tally = Tally()
    began = time.perf_counter()
    for number, (name, strategy) in enumerate(blocks(seed)):
        _search(strategy, seed * _PRIME + number * 1000, min(block, graphs - tally.graphs), tally)
        tally.seconds = time.perf_counter() - began
        told(tally, name)
        if tally.graphs >= graphs:
            return tally
    raise AssertionError("blocks have no end")


def _search(strategy: st.SearchStrategy[Drawn], seed: int, count: int, tally: Tally) -> None:
    """Run a block to its end, and again from another seed where a finding stopped it."""
    end = tally.graphs + count
    for attempt in range(1000):
        before = tally.graphs
        if before >= end or not _run(strategy, seed + attempt, end - before, tally):
            return


def _run(strategy: st.SearchStrategy[Drawn], seed: int, count: int, tally: Tally) -> bool:
    """Return whether a new kind of mismatch stopped the run; it is in the tally then, as small as can be."""
    shrinking: dict[Kind, Finding] = {}

    @hypothesis.seed(seed)
    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    @given(strategy)
    def run(drawn: Drawn) -> None:
        figures = compare(drawn)
        if not shrinking:
            tally.count(drawn, figures)
        for figure in broken(figures):
            kind = kind_of(drawn, figure)
            if kind in shrinking or (not shrinking and kind not in tally.findings):
                shrinking[kind] = Finding(drawn, figure)
                raise Found(kind)
            if not shrinking:
                found = tally.findings[kind]
                tally.findings[kind] = found._replace(count=found.count + 1)

    try:
        run()
    except Found:
        tally.findings.update(shrinking)
        return True
    return False


def kind_of(drawn: Drawn, figure: Figure) -> Kind:
    """Return what a mismatch is like, whatever network shows it."""
    ops = {node.name: node.op for node in drawn.graph.nodes}
    what = figure.what.partition(" of ")[0] if figure.check == "field" else figure.what
    return figure.check, what, str(figure.note)[:60] if figure.verdict == "failed" else ops.get(figure.layer or "", "")


def summary(tally: Tally) -> str:
    """Return what was compared, as text."""
    verdicts = ("equal", "differs", "failed")
    counts = [
        f"{check:<24}" + "".join(f"{tally.figures[check, verdict]:>10,}" for verdict in verdicts)
        for check in dict.fromkeys(check for check, _ in tally.figures)
    ]
    left_out = [f"{check} {reason} {count:,}" for (check, reason), count in sorted(tally.left_out.items())]
    what = f"{tally.graphs:,} networks of {tally.layers:,} layers, {len(tally.ops)} layer types"
    return "\n".join([
        f"{what}; {tally.comparisons:,} figures in {tally.seconds:,.0f} s",
        "", f"{'figure':<24}" + "".join(f"{verdict:>10}" for verdict in verdicts), *counts,
        "", f"left out or explained: {'; '.join(left_out) or 'nothing'}",
        f"networks with {_listed(tally.traits)}",
        f"layers by type: {_listed(tally.ops)}",
        "", f"{len(tally.findings)} kinds of mismatch", *(f"\n{finding}" for finding in tally.findings.values()),
    ])  # fmt: skip


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
