"""Which gradients a training step takes, on graphs made by hand."""

from __future__ import annotations

import pytest

from cnnprof.analyzer import analyze, freeze
from cnnprof.model.analysis import Analysis
from cnnprof.model.graph import Edge, Input
from cnnprof.model.plain import replace
from tests.unit.test_analyzer import graph, node

A = node("a", "conv2d", "input", out_channels=2, kernel_size=3, padding=1)
B = node("b", "conv2d", "a", out_channels=2, kernel_size=1)
C = node("c", "conv2d", "b", out_channels=2, kernel_size=1)
"""On 3×6×6: 1,944 multiply-accumulates, then 144 and 144."""


def gradients(analysis: Analysis) -> dict[str, tuple[int, int]]:
    return {row.name: (row.input_grad_macs, row.weight_grad_macs) for row in analysis.rows}


def test_the_first_layer_has_no_input_gradient() -> None:
    assert {"a": (0, 1944), "b": (144, 144), "c": (144, 144)} == gradients(analyze(graph(A, B, C)))


def test_the_first_layer_has_one_where_the_input_requires_it() -> None:
    assert (1944, 1944) == gradients(analyze(graph(A, B, C), input_grad=True))["a"]


def test_a_frozen_prefix_has_no_gradients_at_all() -> None:
    assert {"a": (0, 0), "b": (0, 0), "c": (0, 144)} == gradients(analyze(freeze(graph(A, B, C), ["a", "b"])))


def test_a_frozen_layer_behind_a_trainable_one_has_an_input_gradient_only() -> None:
    assert {"a": (0, 1944), "b": (144, 0), "c": (144, 144)} == gradients(analyze(freeze(graph(A, B, C), ["b"])))


def test_with_everything_frozen_nothing_is_left() -> None:
    totals = analyze(freeze(graph(A, B, C), ["*"])).totals

    assert (2232, 0, 0, 4464) == (
        totals.training_macs, totals.input_grad_macs, totals.weight_grad_macs, totals.training_flops,
    )  # fmt: skip


def test_a_training_step_adds_forward_and_both_gradients_two_flops_each() -> None:
    totals = analyze(graph(A, B, C)).totals

    assert (2232, 288, 2232, 2 * (2232 + 288 + 2232)) == (
        totals.training_macs, totals.input_grad_macs, totals.weight_grad_macs, totals.training_flops,
    )  # fmt: skip


def test_what_no_output_depends_on_has_no_gradient() -> None:
    network = graph(A, B, node("aside", "conv2d", "a", out_channels=2, kernel_size=1))
    network = replace(network, outputs={"output": Edge("b")})

    assert {"a": (0, 1944), "b": (144, 144), "aside": (0, 0)} == gradients(analyze(network))


def test_a_layer_that_runs_in_training_only_costs_in_training_only() -> None:
    row = analyze(graph(A, replace(B, when="train"))).row("b")

    assert (0, 0, 144, 144, 144) == (
        row.macs, row.useful_macs, row.training_macs, row.input_grad_macs, row.weight_grad_macs,
    )  # fmt: skip


def test_shared_weights_train_where_their_owner_does() -> None:
    sharer = node("c", "conv2d", "b", out_channels=2, kernel_size=1, share="b")

    assert (144, 144) == gradients(analyze(graph(A, B, sharer)))["c"]
    assert (144, 0) == gradients(analyze(freeze(graph(A, B, sharer), ["b"])))["c"]
    assert (144, 144) == gradients(analyze(freeze(graph(A, B, sharer), ["c"])))["c"]


def test_each_operand_of_a_product_that_needs_a_gradient_repeats_its_macs() -> None:
    left = node("left", "linear", "input", out_features=4)
    right = node("right", "linear", "input", out_features=4)
    square = node("square", "matmul", "left", "right")
    plain = node("half", "matmul", "left", "input")
    network = graph(left, right, square, shape=(4, 4))
    assert {"left": (0, 64), "right": (0, 64), "square": (128, 0)} == gradients(analyze(network))

    network = graph(left, plain, shape=(4, 4))
    assert (64, 0) == gradients(analyze(network))["half"]


def test_integers_have_no_gradient() -> None:
    network = replace(graph(A), inputs=(Input(name="input", shape=(3, 6, 6), dtype="int64"),))

    assert {"a": (0, 1944)} == gradients(analyze(network, input_grad=True))


def test_zeros_of_a_padding_layer_before_a_convolution_are_wasted_like_its_own() -> None:
    own = node("conv", "conv2d", "input", out_channels=2, kernel_size=3, padding=2)
    padded = node("conv", "conv2d", "pad", out_channels=2, kernel_size=3)
    zeros, ones = (node("pad", "constantpad2d", "input", padding=2, value=value) for value in (0.0, 1.0))

    assert (3456, 1944) == (analyze(graph(own)).row("conv").macs, analyze(graph(own)).row("conv").useful_macs)
    assert 1944 == analyze(graph(zeros, padded)).row("conv").useful_macs
    assert 3456 == analyze(graph(ones, padded)).row("conv").useful_macs


def test_only_a_padding_directly_before_is_looked_through() -> None:
    zeros = node("pad", "zeropad2d", "input", padding=2)
    relu = node("relu", "relu", "pad")
    conv = node("conv", "conv2d", "relu", out_channels=2, kernel_size=3)

    assert 3456 == analyze(graph(zeros, relu, conv)).row("conv").useful_macs


def test_nineteen_percent_of_a_3x3_convolution_on_7x7_multiply_padding() -> None:
    conv = node("conv", "conv2d", "input", out_channels=1, kernel_size=3, padding=1)
    totals = analyze(graph(conv, shape=(1, 7, 7))).totals

    assert (441, 361) == (totals.macs, totals.useful_macs)
    assert pytest.approx(0.181, abs=5e-4) == 1 - totals.useful_macs / totals.macs


def test_intensity_is_flops_per_byte_moved() -> None:
    row = analyze(graph(node("fc", "linear", "input", out_features=10), shape=(4,)), batch=2).row("fc")

    assert 2 * 2 * 4 * 10 / (2 * 4 * 4 + 50 * 4 + 2 * 10 * 4) == row.intensity


def test_a_layer_without_multiply_accumulates_has_no_intensity() -> None:
    assert None is analyze(graph(node("relu", "relu", "input"))).row("relu").intensity


def test_a_tensor_that_is_read_twice_by_one_layer_is_read_once() -> None:
    doubled = node("twice", "add", "input", "input")

    assert 4 * 3 * 6 * 6 == analyze(graph(doubled)).row("twice").read_bytes


def test_shared_weights_are_read_wherever_they_are_used() -> None:
    network = graph(A, B, node("c", "conv2d", "b", out_channels=2, kernel_size=1, share="b"))
    rows = analyze(network).rows

    assert (0, rows[1].read_bytes) == (rows[2].params, rows[2].read_bytes)


def test_a_tensor_that_is_handed_to_a_layer_and_not_read_has_no_gradient() -> None:
    token = node("token", "parameter", shape=[1, 8])
    expand = node("expand", "expand", "token", "fc")
    network = graph(node("fc", "linear", "input", out_features=4), token, expand, shape=(4,))

    assert {"fc": (0, 0), "token": (0, 0), "expand": (0, 0)} == gradients(analyze(network))
    assert (1,) == analyze(network).row("expand").unread


def test_weights_shared_in_a_chain_are_those_of_its_first_layer() -> None:
    first = node("a", "linear", "input", out_features=4, bias=False)
    second = node("b", "linear", "a", out_features=4, bias=False, share="a")
    third = node("c", "linear", "b", out_features=4, bias=False, share="b")
    network = graph(first, second, third, shape=(4,))
    training = analyze(network, training="momentum").training
    assert training is not None

    assert "a" == analyze(network).row("c").share
    assert 64 == training.optimizer_state_bytes
    assert (16, 16) == gradients(analyze(freeze(network, ["b"])))["c"]
    assert 0 == gradients(analyze(freeze(network, ["a"])))["c"][1]
