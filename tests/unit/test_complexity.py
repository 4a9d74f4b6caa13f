"""Twice the layers take twice the work, counted in function calls: no clock, so that no busy machine decides."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

import pytest

import cnnprof
from cnnprof import analyzer
from cnnprof.model.graph import Graph
from cnnprof.receptive import ReceptiveFields
from cnnprof.report import render
from cnnprof.report.base import Screen
from cnnprof.report.tables import report


def chain(hundreds: int) -> Graph:
    return cnnprof.load(f"INPUT 16x32x32 -> [CONV3-16 -> BN -> RELU]*{33 * hundreds}")


def residual(hundreds: int) -> Graph:
    return cnnprof.load("resnet20", set={"n": 5 * hundreds})  # 21 layers each


NETWORKS = [chain, residual]
FEW, TWICE, THRICE = 1, 2, 3
"""Hundreds of layers; differences of them leave out what is done once per network."""


def calls(work: Callable[[], object]) -> int:
    """Function calls, those of functions written in C included."""
    found = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal found
        found += event in ("call", "c_call")

    gc.disable()  # what it finalises is no work of ours
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return found


def growth(work: Callable[[int], object]) -> float:
    """The calls for the third hundred of layers by those for the second: 1 is linear, 5 / 3 is quadratic."""
    work(FEW)  # imports, and formulas that are parsed once
    # The fewest of two: what an import, a finaliser or another test's thread adds once is no work per layer.
    few, twice, thrice = (min(calls(lambda size=size: work(size)) for _ in range(2)) for size in (FEW, TWICE, THRICE))
    return (thrice - twice) / (twice - few)


def prepared(make: Callable[[int], Graph], work: Callable[[Graph], object]) -> Callable[[int], object]:
    """Work on graphs that are made beforehand."""
    graphs = {size: make(size) for size in (FEW, TWICE, THRICE)}
    return lambda size: work(graphs[size])


@pytest.mark.parametrize("make", NETWORKS)
def test_reading_and_expanding_takes_so_many_calls_per_layer(make):
    assert pytest.approx(1, rel=0.01) == growth(make)


@pytest.mark.parametrize("make", NETWORKS)
def test_an_analysis_takes_so_many_calls_per_layer(make):
    assert pytest.approx(1, rel=0.01) == growth(prepared(make, analyzer.analyze))


@pytest.mark.parametrize("make", NETWORKS)
def test_the_memory_of_a_training_step_takes_so_many_calls_per_layer(make):
    assert pytest.approx(1, rel=0.01) == growth(prepared(make, lambda graph: analyzer.analyze(graph, training="adam")))


@pytest.mark.parametrize("screen", [Screen(), Screen(100, terminal=True)], ids=["pipe", "terminal"])
def test_a_table_takes_so_many_calls_per_line(screen):
    def printed(graph: Graph) -> str:
        return render(report([analyzer.analyze(graph)], screen=screen), "table")

    assert pytest.approx(1, rel=0.01) == growth(prepared(chain, printed))


def test_a_step_that_looks_at_every_layer_again_would_be_seen(monkeypatch):
    follow = ReceptiveFields.follow
    seen = []

    def again(self: ReceptiveFields, name: str, *rest: object) -> object:
        seen.append(name)
        sum(len(other) for other in seen)
        return follow(self, name, *rest)

    def work(graph: Graph) -> None:
        seen.clear()
        analyzer.analyze(graph)

    monkeypatch.setattr(ReceptiveFields, "follow", again)

    assert growth(prepared(chain, work)) > 1.5


def test_the_records_of_a_result_are_nothing_to_the_garbage_collector():
    graph = chain(1)
    analysis = analyzer.analyze(graph)
    row = analysis.row("0.conv2d")

    records = [graph.nodes[0], row, row.edges[0], row.outputs[0], row.events, row.receptive_field, row.equivalent]

    assert [False] * 7 == [gc.is_tracked(record) for record in records]
