"""N1 to N5 and N22: one layer, one pattern. Decks are numbered as in docs/coverage.md."""

from __future__ import annotations

import pytest

import cnnprof
from tests.helpers.tables import computed, mib, printed


def test_a_dense_layer_on_an_image_has_150_million_parameters():
    """N1; deck 0 prints a Keras summary of Dense(1000) on 224·224·3 values."""
    analysis = cnnprof.analyze("dense_1000")

    expected = printed("dense (Dense)	(None, 1000)	150,529,000")
    assert expected == computed(analysis, without_ops=("flatten", "softmax"))
    assert 150_529_000 == analysis.totals.trainable_params
    assert "574.22" == mib(analysis.totals.param_bytes)


def test_a_convolution_with_1000_filters_has_28_000_parameters():
    """N2; deck 0: Conv2D(1000, (3, 3)) on 224×224×3."""
    analysis = cnnprof.analyze("conv_1000")

    expected = printed("conv2d_2 (Conv2D)  (None, 222, 222, 1000)  28,000")
    assert expected == computed(analysis, without_ops=("relu",))
    assert 28_000 == analysis.totals.params
    assert "109.38" == f"{analysis.totals.param_bytes / 1024:.2f}"


def test_a_first_layer_of_100_units_on_mnist_has_78_500_parameters():
    """N3; deck 1: 100 × 784 + 100."""
    analysis = cnnprof.analyze("mlp_mnist")

    assert 100 * 784 + 100 == analysis.totals.params
    assert (100,) == analysis.row("linear").outputs[0].shape[1:]


VGG_LIKE = (
    "INPUT 3x32x32, [CONV3-64, RELU]*2, POOL2, [CONV3-128, RELU]*2, POOL2, [CONV3-256, RELU]*2, POOL2, "
    "[FC-512, RELU]*2, FC-10"
)
PATTERNS = {
    "linear_classifier": ("INPUT 3x32x32 -> FC-10", 30_730),
    "mlp": ("INPUT 3x32x32 -> [FC-512 -> RELU]*2 -> FC-10", 1_841_162),
    "conv_relu_fc": ("INPUT 3x32x32 -> CONV3-64 -> RELU -> FC-10", 657_162),
    "conv_pool_2": (
        "INPUT 3x32x32 -> CONV3-32 -> RELU -> POOL2 -> CONV3-64 -> RELU -> POOL2 -> FC-512 -> RELU -> FC-10",
        2_122_186,
    ),
    "conv_pool_3": (VGG_LIKE, 3_510_858),
}
"""Deck 1's five instances of its layer pattern, as the zoo has them and in one line; the sizes are ours."""


@pytest.mark.parametrize("name", PATTERNS)
def test_the_five_layer_patterns_count_the_same_from_the_zoo_and_from_one_line(name):
    """N4."""
    line, params = PATTERNS[name]
    ours, theirs = cnnprof.analyze(name).totals, cnnprof.analyze(line).totals

    assert params == ours.params == theirs.params
    assert ours.macs == theirs.macs
    assert (10,) == cnnprof.analyze(line).rows[-1].outputs[0].shape[1:]


@pytest.mark.parametrize("name", PATTERNS)
def test_the_five_layer_patterns_have_the_layers_of_the_grammar(name):
    """N4: INPUT → [[CONV → RELU]*N → POOL?]*M → [FC → RELU]*K → FC."""
    layers = [row.op for row in cnnprof.analyze(name).rows if row.op != "flatten"]

    expected = {
        "linear_classifier": ["linear"],
        "mlp": ["linear", "relu"] * 2 + ["linear"],
        "conv_relu_fc": ["conv2d", "relu", "linear"],
        "conv_pool_2": ["conv2d", "relu", "maxpool2d"] * 2 + ["linear", "relu", "linear"],
        "conv_pool_3": (["conv2d", "relu"] * 2 + ["maxpool2d"]) * 3 + ["linear", "relu"] * 2 + ["linear"],
    }
    assert expected[name] == layers


def test_the_pattern_of_deck_1_is_read_as_it_is_printed():
    """N4: repeated groups inside repeated groups, brackets and arrows as in the deck."""
    line = "INPUT 3x32x32 → [[CONV3-64 → RELU]*2 → POOL2]*3 → [FC-512 → RELU]*2 → FC-10"

    layers = [row.op for row in cnnprof.analyze(line).rows if row.op != "flatten"]
    assert (["conv2d", "relu"] * 2 + ["maxpool2d"]) * 3 + ["linear", "relu"] * 2 + ["linear"] == layers


def test_the_cifar10_demo_has_the_volumes_of_deck_4():
    """N5: [32x32x12], [32x32x12], [16x16x12], [1x1x10]."""
    rows = [row for row in cnnprof.analyze("cifar10_demo").rows if row.op != "flatten"]

    volumes = [(row.op, row.outputs[0].shape[1:]) for row in rows]
    assert [("conv2d", (12, 32, 32)), ("relu", (12, 32, 32)), ("maxpool2d", (12, 16, 16)), ("linear", (10,))] == volumes


def test_ten_5x5_filters_with_padding_2_keep_the_size_and_have_760_parameters():
    """N22; deck 4: each filter has 5*5*3 + 1 = 76 parameters."""
    analysis = cnnprof.analyze("conv_example")

    assert (10, 32, 32) == analysis.rows[0].outputs[0].shape[1:]
    assert 76 * 10 == analysis.totals.params
