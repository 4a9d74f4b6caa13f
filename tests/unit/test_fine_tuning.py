"""Transfer learning: which layers each strategy trains, and what that costs."""

from __future__ import annotations

import pytest

from cnnprof.analyzer import analyze
from cnnprof.errors import LayerError, UsageError
from cnnprof.fine_tuning import transfer_learning
from cnnprof.model.analysis import Analysis
from cnnprof.model.graph import Edge, Graph
from cnnprof.model.plain import replace
from tests.unit.test_analyzer import graph, node


def cost(network: Graph) -> Analysis:
    return analyze(network, training="momentum")


NETWORK = graph(
    node("a", "linear", "input", out_features=10, bias=False), node("bn", "batchnorm1d", "a"),
    node("b", "linear", "bn", out_features=10, bias=False), node("c", "linear", "b", out_features=4, bias=False),
    shape=(10,),
)  # fmt: skip


def test_each_strategy_freezes_everything_before_the_first_layer_it_trains() -> None:
    found = transfer_learning(NETWORK, cost, last=2)

    assert [("head only", "c", 1), ("last layers", "b", 2), ("all", "a", 4)] == [
        (each.name, each.first, each.layers) for each in found.strategies
    ]
    assert [(40, 220), (140, 120), (260, 0)] == [
        (each.analysis.totals.trainable_params, each.analysis.totals.frozen_params) for each in found.strategies
    ]


def test_what_is_frozen_takes_no_gradient_and_no_state_of_the_optimizer() -> None:
    found = transfer_learning(NETWORK, cost, last=2)
    gradients = [
        (each.analysis.totals.input_grad_macs, each.analysis.totals.weight_grad_macs) for each in found.strategies
    ]

    assert [(0, 40), (40, 140), (140, 240)] == gradients
    assert [4 * 40, 4 * 140, 4 * 260] == [
        each.analysis.training and each.analysis.training.optimizer_state_bytes for each in found.strategies
    ]


def test_a_new_head_has_the_classes_of_the_new_task() -> None:
    found = transfer_learning(NETWORK, cost, classes=3, last=1)

    assert ("c", 3, (1, 3)) == (found.head, found.classes, found["all"].analysis.row("c").outputs[0].shape)
    assert ("--classes 3",) == found["all"].analysis.overridden


def test_without_classes_the_head_stays() -> None:
    assert (4, ()) == (
        transfer_learning(NETWORK, cost).classes,
        transfer_learning(NETWORK, cost)["all"].analysis.overridden,
    )


def test_the_head_is_on_the_way_to_the_main_output() -> None:
    aside = replace(
        graph(*NETWORK.nodes, node("aux", "linear", "a", out_features=7), shape=(10,)),
        outputs={"aux": Edge("aux"), "output": Edge("c")},
    )

    assert "c" == transfer_learning(aside, cost).head


def test_what_was_frozen_before_stays_frozen() -> None:
    frozen = replace(
        NETWORK, nodes=tuple(replace(each, frozen="eval") if each.name == "bn" else each for each in NETWORK.nodes)
    )
    found = transfer_learning(frozen, cost)

    assert ("eval", 240) == (found["all"].analysis.row("bn").frozen, found["all"].analysis.totals.trainable_params)


def test_a_network_without_weights_has_nothing_to_train() -> None:
    with pytest.raises(UsageError, match="no layer with weights"):
        transfer_learning(graph(node("relu", "relu", "input")), cost)


def test_more_layers_than_there_are_cannot_be_the_last() -> None:
    with pytest.raises(UsageError, match="it has 3"):
        transfer_learning(NETWORK, cost, last=4)


def test_a_head_without_a_width_cannot_be_replaced() -> None:
    attention = graph(node("a", "multiheadattention", "input", num_heads=2, batch_first=True), shape=(5, 8))
    with pytest.raises(UsageError, match="no out_features or out_channels"):
        transfer_learning(attention, cost, classes=10, last=1)


def test_no_classes_at_all_are_refused() -> None:
    with pytest.raises(LayerError, match="out_features must be >= 1"):
        transfer_learning(NETWORK, cost, classes=0)


def test_an_unknown_strategy_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        transfer_learning(NETWORK, cost)["everything"]


def test_auxiliary_heads_train_with_everything_only() -> None:
    heads = replace(
        graph(*NETWORK.nodes, node("aux", "linear", "b", out_features=7, bias=False), shape=(10,)),
        outputs={"aux": Edge("aux"), "output": Edge("c")},
    )
    found = transfer_learning(heads, cost)

    assert [40, 260, 330] == [each.analysis.totals.trainable_params for each in found.strategies]


def test_a_network_of_one_layer_has_its_head_for_last_layers() -> None:
    one = graph(node("fc", "linear", "input", out_features=3), shape=(5,))

    assert ["fc", "fc", "fc"] == [each.first for each in transfer_learning(one, cost).strategies]
