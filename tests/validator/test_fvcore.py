"""fvcore's count, operator by operator: equal, or explained to the last digit by its own rules."""

from __future__ import annotations

import logging
import sys
import warnings

import pytest

import cnnprof
from cnnprof.layers import REGISTRY, Example
from cnnprof.model.graph import Edge, Graph, Input, Node
from cnnprof.model.validation import Figure
from cnnprof.validator import fvcore, validate

NOT_ALONE = ("parameter", "split", "chunk", "getitem")
"""Layers that read nothing, or hand on several values: no network of one layer."""
EXAMPLES = [
    pytest.param(op, example, id=f"{op}-{number}")
    for op, kind in REGISTRY.items()
    for number, example in enumerate(kind.examples)
    if op not in NOT_ALONE and len({shape[:1] for shape in example.inputs}) == 1
]


def figures(graph: Graph) -> dict[str, Figure]:
    return {figure.what: figure for figure in validate(graph, checks=["fvcore"]).figures}


def one(op: str, example: Example) -> Graph:
    """A network of one layer; the first size of an example is the batch."""
    inputs = tuple(Input(name=f"x{at}", shape=shape[1:]) for at, shape in enumerate(example.inputs))
    node = Node(name="only", op=op, args=example.args, inputs=tuple(Edge(each.name) for each in inputs))
    return Graph(name=op, source=op, inputs=inputs, nodes=(node,), outputs={"output": Edge("only")})


@pytest.mark.parametrize(("op", "example"), EXAMPLES)
def test_whatever_the_layer_is_fvcore_agrees_or_its_rule_explains_it(op, example):
    found = figures(one(op, example))

    assert {"equal", "explained"} >= {figure.verdict for figure in found.values()}, found


def test_resnet50_is_its_macs_twice_its_norms_and_the_input_of_its_pooling():
    found = figures(cnnprof.load("resnet50"))

    assert {
        "MACs of conv2d": (4_087_136_256, 4_087_136_256, "equal"),
        "MACs of linear": (2_048_000, 2_048_000, "equal"),
        "MACs of batch_norm": (0, 2 * 11_113_984, "explained"),
        "MACs of adaptive_avg_pool2d": (0, 100_352, "explained"),
        "MACs in all": (4_089_184_256, 4_111_512_576, "explained"),
    } == {what: (each.ours, each.theirs, each.verdict) for what, each in found.items()}


def test_a_convolution_whose_padding_is_a_word_is_lost_and_named():
    found = figures(cnnprof.load("lenet5_keras"))["MACs of conv2d"]

    assert ("explained", "c1", 405_600, 288_000) == (found.verdict, found.layer, found.ours, found.theirs)
    assert "fvcore does not know aten::_convolution_mode" == found.note


def test_a_transposed_and_a_grouped_convolution_are_equal():
    conv = Node(name="c", op="conv2d", args={"out_channels": 8, "kernel_size": 3, "groups": 4}, inputs=(Edge("x"),))
    up = Node(name="u", op="convtranspose2d", inputs=(Edge("c"),),
              args={"out_channels": 6, "kernel_size": 3, "stride": 2, "groups": 2})  # fmt: skip
    graph = Graph(
        name="g", source="g", inputs=(Input(name="x", shape=(4, 9, 9)),), nodes=(conv, up),
        outputs={"output": Edge("u")},
    )  # fmt: skip

    # 3·3·1·8·7·7 and 8·7·7·3·3·3
    assert {"MACs of conv2d": 3_528, "MACs of convtranspose2d": 10_584, "MACs in all": 14_112} == {
        what: each.theirs for what, each in figures(graph).items() if each.verdict == "equal"
    }


def test_a_product_whose_first_operand_is_broadcast_is_explained():
    inputs = (Input(name="a", shape=(1, 3, 4)), Input(name="b", shape=(5, 4, 2)))
    node = Node(name="m", op="matmul", inputs=(Edge("a"), Edge("b")))
    graph = Graph(name="g", source="g", inputs=inputs, nodes=(node,), outputs={"output": Edge("m")})

    found = figures(graph)["MACs of matmul"]

    assert (5 * 3 * 4 * 2, 3 * 4 * 2, "explained") == (found.ours, found.theirs, found.verdict)


def test_a_network_with_several_outputs_is_traced():
    nodes = (
        Node(name="a", op="linear", args={"out_features": 4}, inputs=(Edge("x"),)),
        Node(name="b", op="linear", args={"out_features": 2}, inputs=(Edge("a"),)),
    )
    graph = Graph(
        name="g", source="g", inputs=(Input(name="x", shape=(3,)),), nodes=nodes,
        outputs={"first": Edge("a"), "output": Edge("b")},
    )  # fmt: skip

    assert (20, 20) == (figures(graph)["MACs in all"].ours, figures(graph)["MACs in all"].theirs)


def test_a_large_network_is_asked_at_a_smaller_input(monkeypatch):
    monkeypatch.setattr(fvcore, "AFFORDABLE", 10**9)
    found = figures(cnnprof.load("vgg11"))

    assert "batch 1, input 3×56×56" == found["MACs in all"].note
    assert ("equal", 452_505_600) == (found["MACs of conv2d"].verdict, found["MACs of conv2d"].ours)


def test_a_network_that_needs_its_size_is_asked_at_it(monkeypatch):
    monkeypatch.setattr(fvcore, "AFFORDABLE", 10)
    found = figures(cnnprof.load("lenet5"))

    assert 416_520 == found["MACs in all"].ours


def test_nothing_is_printed_or_logged(capsys, caplog):
    with warnings.catch_warnings(), caplog.at_level(logging.INFO):
        warnings.simplefilter("error")
        figures(cnnprof.load("lenet5_keras"))

    assert ("", "", []) == (*capsys.readouterr(), caplog.messages)


def test_fvcore_missing_costs_its_own_figures_and_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "fvcore.nn", None)
    (found,) = validate(cnnprof.load("lenet5"), checks=["fvcore"]).figures

    assert "failed" == found.verdict
    assert "pip install 'cnnprof[torch]'" in (found.note or "")
