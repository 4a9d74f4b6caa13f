"""N6 to N9: LeNet in the forms of the decks."""

from __future__ import annotations

import cnnprof
from cnnprof.published.check import check
from tests.helpers.specs import analyze
from tests.helpers.tables import computed, mib, printed


def test_lenet1_has_the_maps_of_1990_and_3246_parameters_when_every_map_reads_every_map():
    """N6: 28 → 4@24 → 4@12 → 12@8 → 12@4 → 10."""
    analysis = cnnprof.analyze("lenet1")

    volumes = [row.outputs[0].shape[1:] for row in analysis.rows if row.op not in ("tanh", "flatten")]
    assert [(4, 24, 24), (4, 12, 12), (12, 8, 8), (12, 4, 4), (10,)] == volumes
    assert 4 * (25 + 1) + 12 * (4 * 25 + 1) + 10 * (192 + 1) == 3_246 == analysis.totals.params


def test_the_2578_parameters_of_1990_need_its_connection_table_and_its_trained_subsampling(tmp_path):
    """N6: 20 of the 48 pairs of maps are joined, and each subsampling map has a coefficient and a bias.

    Both can be written: a subsampling with coefficients is a 1×1 convolution with one group per map, and a map of H3
    that reads some maps of H2 is a convolution of a slice.
    """
    analysis = analyze(
        tmp_path,
        """
        input: [1, 28, 28]
        blocks:
          subsample:
            layers:
              - avgpool2d: {kernel_size: 2}
              - conv2d: {out_channels: =in_channels, kernel_size: 1, groups: =in_channels}
          reads:
            params: {first: null, count: null, maps: null}
            layers:
              - slice: {dim: 1, start: =first, end: =first + count}
              - conv2d: {out_channels: =maps, kernel_size: 5}
        layers:
          - conv2d: {out_channels: 4, kernel_size: 5}
          - subsample
          - concat:
              - - reads: {first: 0, count: 1, maps: 1}
              - - reads: {first: 0, count: 2, maps: 4}
              - - reads: {first: 1, count: 1, maps: 1}
              - - reads: {first: 2, count: 1, maps: 1}
              - - reads: {first: 2, count: 2, maps: 4}
              - - reads: {first: 3, count: 1, maps: 1}
          - subsample
          - flatten
          - linear: {out_features: 10}
        """,
    )

    assert 2_578 == analysis.totals.params
    assert (12, 8, 8) == analysis.row("concat").outputs[0].shape[1:]


def test_lenet5_reproduces_every_row_of_the_keras_table_of_deck_0():
    """N7; the activations that Keras fuses into c5, f6 and the output have no rows there."""
    analysis = cnnprof.analyze("lenet5_keras")

    table = printed("""
        conv2d (Conv2D)                        (None, 28, 28, 6)  156
        average_pooling2d (AveragePooling2D)   (None, 14, 14, 6)  0
        activation (Activation)                (None, 14, 14, 6)  0
        conv2d_1 (Conv2D)                      (None, 10, 10, 16)  2,416
        average_pooling2d_1 (AveragePooling2D) (None, 5, 5, 16)   0
        activation_1 (Activation)              (None, 5, 5, 16)   0
        conv2d_2 (Conv2D)                      (None, 1, 1, 120)  48,120
        flatten (Flatten)                      (None, 120)        0
        dense (Dense)                          (None, 84)         10,164
        dense_1 (Dense)                        (None, 10)         850
    """)
    assert table == computed(analysis, without=("tanh", "tanh_2", "softmax"))
    assert 61_706 == analysis.totals.trainable_params
    assert 0 == analysis.totals.frozen_params
    assert "241.04" == f"{analysis.totals.param_bytes / 1024:.2f}"


def test_lenet5_reproduces_every_row_of_the_torchsummary_table_of_deck_1():
    """N8."""
    analysis = cnnprof.analyze("lenet5")

    table = printed("""
        Conv2d-1	[ -1, 6, 28, 28]	156
        ReLU-2	[ -1, 6, 28, 28]	0
        MaxPool2d-3	[ -1, 6, 14, 14]	0
        Conv2d-4	[ -1, 16, 10, 10]	2,416
        ReLU-5	[ -1, 16, 10, 10]	0
        MaxPool2d-6	[ -1, 16, 5, 5]	0
        Conv2d-7	[ -1, 120, 1, 1]	48,120
        ReLU-8	[ -1, 120, 1, 1]	0
        Linear-9	[ -1, 84]	10,164
        ReLU-10	[ -1, 84]	0
        Linear-11	[ -1, 10]	850
        LogSoftmax-12	[ -1, 10]	0
    """)
    assert table == computed(analysis, without_ops=("flatten",))
    totals = analysis.totals
    assert (61_706, 61_706, 0) == (totals.params, totals.trainable_params, totals.frozen_params)
    assert "0.00" == mib(totals.torchsummary_input_bytes)
    assert "0.11" == mib(totals.torchsummary_activation_bytes)
    assert "0.24" == mib(totals.torchsummary_param_bytes)
    assert "0.35" == mib(totals.torchsummary_total_bytes)


def test_lenet5_on_colour_images_has_the_sizes_of_deck_3_and_the_right_parameters():
    """N9: the deck prints 208, 416, 48 001, 10 081 and 841 parameters."""
    analysis = cnnprof.analyze("lenet5_rgb")

    rows = [analysis.row(name) for name in ("conv1", "pool1", "conv2", "pool2", "fc3", "fc4", "fc5")]
    assert [6_272, 1_568, 1_600, 400, 120, 84, 10] == [row.outputs[0].numel for row in rows]
    assert [608, 0, 3_216, 0, 48_120, 10_164, 850] == [row.params for row in rows]


def test_each_wrong_figure_of_deck_3_is_shown_with_the_right_one_and_a_reason():
    """N9."""
    wrong = [claim for claim in check(cnnprof.analyze("lenet5_rgb")) if not claim.reproduced]

    assert [
        ("conv2", "46x10x10", "16x10x10"),
        ("conv1", "208", "608"),
        ("conv2", "416", "3216"),
        ("fc3", "48,001", "48,120"),
        ("fc4", "10,081", "10,164"),
        ("fc5", "841", "850"),
    ] == [(claim.fact.at, claim.fact.value, claim.shown) for claim in wrong]
    assert all(claim.fact.why for claim in wrong)
