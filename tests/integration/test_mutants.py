"""Networks with one mistake, and what validating says of them; ``tools/mutate.py`` asks that of the whole zoo."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cnnprof import analyzer, readers
from cnnprof.model.graph import Graph
from cnnprof.readers.overrides import Overrides
from tests.helpers.mutants import CHANGES, Mutant, mutants, renamed
from tests.helpers.mutation import Report, judged
from tests.helpers.processes import ROOT

KINDS = sorted(set(CHANGES) - {"num_heads", "dim", "start_dim", "output_size"})
NETWORK = "googlenet"


def network(name: str = NETWORK) -> Graph:
    return readers.read(name, Overrides())


@pytest.fixture(scope="module")
def several() -> list[Mutant]:
    return [*mutants(network(), 1, 96)]


def report(name: str, found: list[Mutant], *checks: str) -> Report:
    return Report([result for each in found for result in judged(name, network(name), each, checks)])


def test_the_same_seed_makes_the_same_mistakes_and_another_seed_others(several):
    assert [each.what for each in several] == [each.what for each in mutants(network(), 1, 96)]
    assert [each.what for each in several] != [each.what for each in mutants(network(), 2, 96)]


def test_every_kind_of_mistake_is_made(several):
    assert set(KINDS) <= {each.kind for each in several} | {"count_include_pad"}


def test_a_mutant_expands_and_is_another_network(several):
    original = network()

    assert [] == [each.what for each in several if each.graph == original]
    assert 96 == len([analyzer.analyze(each.graph) for each in several])


def test_a_sum_reads_its_branches_in_any_order_and_a_concatenation_does_not():
    sums = [each for each in mutants(network("resnet18"), 1, 96) if each.kind == "swap branches"]
    joins = [each for each in mutants(network(), 1, 96) if each.kind == "swap branches"]

    assert {True} == {each.equivalent for each in sums}
    assert {False} == {each.equivalent for each in joins}


def test_a_layer_that_is_left_out_is_not_there_and_its_reader_reads_its_input(several):
    each = next(one for one in several if one.kind == "drop")
    original = {node.name: node for node in network().nodes}
    (gone,) = original.keys() - {node.name for node in each.graph.nodes}
    readers_of_it = [node for node in original.values() if gone in {edge.node for edge in node.inputs}]
    now = {node.name: node for node in each.graph.nodes}

    assert gone == each.layers[0]
    assert all(original[gone].inputs[0] in now[node.name].inputs for node in readers_of_it)


def test_other_names_change_nothing_but_names(several):
    for each in several[:20]:
        other = renamed(each)

        assert not {node.name for node in each.graph.nodes} & {node.name for node in other.graph.nodes}
        assert analyzer.analyze(each.graph).totals.macs == analyzer.analyze(other.graph).totals.macs


def test_beside_the_original_every_mistake_is_detected_at_its_layer(several):
    total, detected, located = report(NETWORK, several, "network").counts("network")

    assert (total, total) == (detected, located)


def test_names_are_no_help_to_find_a_mistake(several):
    total, detected, located = report(NETWORK, several, "names").counts("names")

    assert total == detected
    assert located >= 0.95 * total


def test_published_figures_detect_some_mistakes_and_no_equivalent_one(several):
    found = report(NETWORK, several, "facts")
    total, detected, _ = found.counts("facts")

    assert total // 3 < detected < total
    assert 0 == found.counts("facts", equivalent=True)[1]


def test_the_reference_network_detects_mistakes_that_no_count_shows():
    silent = [
        each
        for each in mutants(network("resnet18"), 1, 60)
        if each.kind in ("activation", "eps", "momentum", "pooling", "swap layers", "read another")
    ][:6]
    found = report("resnet18", silent, "reference")

    assert (6, 6) == found.counts("reference")[:2]
    assert found.counts("reference")[2] >= 5


def test_the_script_prints_shares_and_misses():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "mutate.py", "--mutants", "30", "--networks", "lenet5,alexnet"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert 0 == done.returncode
    assert "30 mutants of 2 networks" in done.stdout
    assert "names: 27 mutants, 27 (100.0 %) detected, 27 (100.0 %) at the right layer" in done.stdout
    assert "3 more compute the same; 3 of them were detected" in done.stdout
