"""Random networks, built and imported again: two ways to one table."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from cnnprof import analyzer, builder
from cnnprof.layers import REGISTRY
from cnnprof.model.graph import Graph
from cnnprof.readers.imported.trace import trace
from tests.helpers.random_graphs import Drawn, networks

few = settings(
    phases=[Phase.generate],
    max_examples=2,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def totals(graph: Graph, batch: int) -> dict[str, object]:
    """Return what must not depend on how a network became a graph."""
    found = analyzer.analyze(graph, batch=batch).totals
    names = ("params", "trainable_params", "buffers", "macs", "ops", "training_macs", "unknown_ops")
    # A weight that is a value of its own is an input of what multiplies it.
    return {name: getattr(found, name) for name in names} | {"grads": found.input_grad_macs + found.weight_grad_macs}


def differing(drawn: Drawn) -> dict[str, tuple[object, object]]:
    """Return what differs between a network and itself, built and imported."""
    graph = drawn.graph
    if any(node.when == "train" for node in graph.nodes):
        return {}  # the forward is run in training mode only where parameters are left
    again = trace(builder.build(graph, device="meta"), graph.inputs, name=graph.name, source="built")
    if again.notes and "one sample" in again.notes[0]:
        return {}  # sizes that meet by chance at this batch, and at no other
    mine, theirs = totals(graph, drawn.batch), totals(again, drawn.batch)
    return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}


@pytest.mark.parametrize("op", sorted(REGISTRY))
def test_a_random_network_that_begins_with_this_layer_is_imported_with_its_totals(op):
    @few
    @given(networks(first=op))
    def every_total_is_the_same(drawn):
        assert {} == differing(drawn)

    every_total_is_the_same()

    assert op in REGISTRY
