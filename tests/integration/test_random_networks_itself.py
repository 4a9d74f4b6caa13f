"""The search for mismatches, tested: what it draws, that a layer that lies is found, and made small."""

from __future__ import annotations

import subprocess
import sys

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from cnnprof import analyzer, readers
from cnnprof.layers import REGISTRY
from cnnprof.layers.backward import kept
from cnnprof.model.analysis import Events
from cnnprof.model.graph import Edge, TensorSpec
from cnnprof.model.plain import replace
from cnnprof.readers.overrides import Overrides
from tests.helpers import graph_checks, search
from tests.helpers.graph_checks import broken, compare
from tests.helpers.graph_specs import as_spec
from tests.helpers.processes import ROOT
from tests.helpers.random_graphs import Drawn, networks
from tests.helpers.search import Tally


def drawn(count: int, seed: int = 0, **arguments) -> list[Drawn]:
    found: list[Drawn] = []

    @hypothesis.seed(seed)
    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(networks(**arguments))
    def draw(each):
        found.append(each)

    draw()
    return found


def smallest(holds) -> Drawn:
    return hypothesis.find(
        networks(), holds, settings=settings(max_examples=5000, derandomize=True, database=None, deadline=None)
    )


# -- what is drawn ----------------------------------------------------------------------------------------------------


def test_the_same_seed_draws_the_same_networks_and_another_seed_others():
    first = [as_spec(each.graph) for each in drawn(20, seed=3)]

    assert first == [as_spec(each.graph) for each in drawn(20, seed=3)]
    assert first != [as_spec(each.graph) for each in drawn(20, seed=4)]


@pytest.mark.parametrize("op", sorted(REGISTRY))
def test_every_layer_type_can_begin_a_network(op):
    firsts = {each.graph.nodes[0].op for each in drawn(4, first=op)}

    assert {op} == firsts


def test_every_trait_of_a_network_is_drawn():
    tally = Tally()
    for each in drawn(300):
        tally.count(each, [])

    assert {
        "a join", "batch 2", "batch 3", "ceil_mode", "dilation", "frozen layers", "groups", "layers in training only",
        "several inputs", "several outputs", "shared weights", "work in place",
    } == tally.traits.keys()  # fmt: skip


def test_every_network_that_is_drawn_can_be_counted():
    for each in drawn(100):
        analysis = analyzer.analyze(each.graph, batch=each.batch)

        assert len(each.graph.nodes) == len(analysis.rows)


def test_a_network_that_has_something_is_made_as_small_as_can_be():
    joined = smallest(lambda each: any(node.op == "add" and len(set(node.inputs)) > 1 for node in each.graph.nodes))

    # How small depends on what the search tries in its time; five or more layers are usual before it.
    assert len(joined.graph.nodes) <= 3


def test_an_output_inside_of_the_network_s_layers_cannot_be_written_as_a_specification():
    each = next(one for one in drawn(20, first="chunk") if len(one.graph.nodes) > 1)
    inner = replace(each.graph, outputs={"inner": Edge(each.graph.nodes[0].name, 1), **each.graph.outputs})

    with pytest.raises(ValueError, match="the language has no more"):
        as_spec(inner)


# -- what is found ----------------------------------------------------------------------------------------------------


LIES = {
    "macs": ("linear", "events", lambda *_, **__: Events(macs=1)),
    "parameters": ("prelu", "parameters", lambda *_: {"weight": (7,)}),
    "shapes": ("relu", "outputs", lambda _, inputs: (replace(inputs[0], shape=(*inputs[0].shape, 1)),)),
    "saved": ("linear", "saved", lambda *_: (kept(TensorSpec((5,))),)),
    "peak": ("tanh", "storage", lambda *_, **__: "view"),
    "field": ("conv1d", "reads", lambda *_, **__: "nothing"),
    "training": ("linear", "products", lambda *_: ()),
}


@pytest.mark.parametrize("check", LIES)
def test_a_layer_that_lies_is_found_and_the_network_made_small(check, monkeypatch):
    op, question, lie = LIES[check]
    monkeypatch.setattr(REGISTRY[op], question, lie)
    monkeypatch.setattr(graph_checks, "CHECKS", {check: graph_checks.CHECKS[check]})
    monkeypatch.setattr(search, "blocks", lambda _: iter([(op, networks(first=op, most_nodes=3))] * 3))
    tally = search.search(6, seed=1, block=6)
    found = [finding for (name, *_), finding in tally.findings.items() if name == check]

    assert found, tally.findings
    assert min(len(each.drawn.graph.nodes) for each in found) <= 2


def test_a_kind_of_mismatch_is_made_small_once_and_counted_after_that(monkeypatch):
    monkeypatch.setattr(REGISTRY["linear"], "events", lambda *_, **__: Events(macs=1))
    monkeypatch.setattr(graph_checks, "CHECKS", {"macs": graph_checks.CHECKS["macs"]})
    monkeypatch.setattr(search, "blocks", lambda _: iter([("linear", networks(first="linear"))] * 3))
    tally = search.search(30, seed=1)
    finding = tally.findings["macs", "FLOPs of a forward", "linear"]

    assert 30 == tally.graphs
    assert finding.count > 10
    assert str(finding).startswith("macs: FLOPs of a forward at n0: 2 here,")


def test_a_network_that_torch_does_not_train_loses_those_figures_only(tmp_path):
    path = tmp_path / "refused.yaml"
    path.write_text(
        "cnnprof: 1\nname: refused\ninput: [4, 5]\nlayers:\n  - conv1d: {out_channels: 4, kernel_size: 1}\n"
        "  - split: {split_size_or_sections: 2}\n  - relu: {inplace: true}\n    from: split[0]\n",
        encoding="utf-8",
    )
    figures = compare(Drawn(readers.read(str(path), Overrides()), batch=2))

    assert [] == broken(figures)
    assert {("training", "in-place"), ("saved", "in-place"), ("field", "in-place")} == {
        (figure.check, figure.note) for figure in figures if figure.verdict == "explained"
    }
    assert {"specification", "shapes", "parameters", "macs", "peak"} <= {figure.check for figure in figures}


# -- the script -------------------------------------------------------------------------------------------------------


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "tools" / "fuzz.py", *arguments], capture_output=True, text=True, check=False
    )


def test_the_script_prints_what_it_compared_and_that_nothing_differs():
    done = run("--graphs", "20", "--seed", "5")

    assert (0, "") == (done.returncode, done.stderr)
    assert "tools/fuzz.py --graphs 20 --seed 5 --block 10" == done.stdout.splitlines()[0]
    assert "20 networks of " in done.stdout
    assert "0 kinds of mismatch" in done.stdout
