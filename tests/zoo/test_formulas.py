"""F1 to F12: the formulas of the decks, through the public functions (F13 is test_worked_values.py)."""

from __future__ import annotations

import pytest

import cnnprof
from tests.helpers.specs import analyze


def size(folder, side: int, **arguments: object) -> int:
    """Return the side of a square convolution's output."""
    given = ", ".join(f"{name}: {value}" for name, value in arguments.items())
    analysis = analyze(
        folder,
        f"""
        input: [1, {side}, {side}]
        layers:
          - conv2d: {{out_channels: 1, {given}}}
        """,
    )
    return analysis.rows[0].outputs[0].shape[2]


# -- F1: output sizes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stride", "expected"), [(1, 5), (2, 3)])
def test_a_7x7_input_and_a_3x3_filter_make_5_or_with_stride_2_make_3(tmp_path, stride, expected):
    """F1; deck 4: (N − F) / stride + 1."""
    assert expected == size(tmp_path, 7, kernel_size=3, stride=stride)


def test_a_window_that_does_not_fit_is_rounded_down_and_what_it_cuts_off_is_reported(tmp_path):
    """F1; deck 4: "cannot apply 3x3 filter on 7x7 input with stride 3" (2.33)."""
    analysis = analyze(
        tmp_path,
        """
        input: [1, 7, 7]
        layers:
          - conv2d: {out_channels: 1, kernel_size: 3, stride: 3}
        """,
    )

    assert (1, 2, 2) == analysis.rows[0].outputs[0].shape[1:]
    assert (1, 1) == analysis.rows[0].window_cut
    (note,) = analysis.notes
    assert ("window-cut", "conv2d") == (note.code, note.layer)


@pytest.mark.parametrize(
    ("side", "kernel", "padding", "stride"),
    [
        (4, 3, 0, 1),
        (6, 3, 0, 1),
        (6, 3, 0, 2),
        (4, 3, 1, 1),
        (4, 3, 1, 2),
        (7, 3, 0, 2),
        (224, 11, 2, 4),
        (227, 11, 0, 4),
    ],
)
def test_both_ways_of_writing_the_size_formula_give_the_same(tmp_path, side, kernel, padding, stride):
    """F1; decks 0 and 3 write ⌊(w + 2p − f)/s + 1⌋, deck 4 writes (W − F + 2P)/S + 1."""
    first = int((side + 2 * padding - kernel) / stride + 1)
    second = (side - kernel + 2 * padding) // stride + 1
    assert first == second == size(tmp_path, side, kernel_size=kernel, padding=padding, stride=stride)


def test_an_11x11_filter_with_stride_4_makes_54_of_224_and_55_of_227(tmp_path):
    """F1; decks 0 and 1 draw 55 on 224 without padding."""
    assert 54 == size(tmp_path, 224, kernel_size=11, stride=4)
    assert 55 == size(tmp_path, 227, kernel_size=11, stride=4)
    assert 55 == size(tmp_path, 224, kernel_size=11, stride=4, padding=2)


# -- F2: padding ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_same_padding_is_half_the_filter_and_keeps_the_size(tmp_path, kernel):
    """F2; deck 4: zero padding with (F − 1)/2 preserves the size."""
    assert 7 == size(tmp_path, 7, kernel_size=kernel, padding="same")
    assert 7 == size(tmp_path, 7, kernel_size=kernel, padding=(kernel - 1) // 2)


def test_valid_padding_is_none(tmp_path):
    """F2; deck 0: (w − f + 1)."""
    assert 6 - 3 + 1 == size(tmp_path, 6, kernel_size=3, padding="valid") == size(tmp_path, 6, kernel_size=3)


def test_repeated_5x5_filters_shrink_32_to_28_and_24(tmp_path):
    """F2; deck 4: "shrinks volumes spatially! 32 -> 28 -> 24"."""
    analysis = analyze(
        tmp_path,
        """
        input: [3, 32, 32]
        layers:
          - conv2d: {out_channels: 6, kernel_size: 5}
          - conv2d: {out_channels: 10, kernel_size: 5}
        """,
    )

    assert [(6, 28, 28), (10, 24, 24)] == [row.outputs[0].shape[1:] for row in analysis.rows]


# -- F3: parameters ---------------------------------------------------------------------------------------------------


def test_a_convolution_has_f_f_c_k_weights_and_k_biases():
    """F3; deck 0: 3·3·3·2 + 2 = 56."""
    row = cnnprof.analyze("conv_operations").rows[0]

    assert (3 * 3 * 3 * 2 + 2, 2) == (row.params, row.bias_params)


def test_a_dense_layer_has_n_times_m_plus_1_parameters():
    """F3; deck 2: n(s + 1) where every one of n units sees s values."""
    assert 84 * (120 + 1) == cnnprof.analyze("INPUT 120x1x1 -> FC-84").totals.params


def test_pooling_has_no_parameters():
    """F3; decks 0 and 4."""
    analysis = cnnprof.analyze("vgg16")

    assert {0} == {row.params for row in analysis.rows if row.op == "maxpool2d"}


def test_a_locally_connected_layer_has_a_filter_and_a_bias_per_unit(tmp_path):
    """F3; deck 2: n(s + 1), as a dense layer, but s is the window."""
    analysis = analyze(
        tmp_path,
        """
        input: [1, 10]
        layers:
          - locallyconnected1d: {out_channels: 1, kernel_size: 3}
        """,
    )

    units = 8
    assert (1, units) == analysis.rows[0].outputs[0].shape[1:]
    assert units * (3 + 1) == analysis.totals.params


def test_a_second_layer_reads_all_filters_of_the_first(tmp_path):
    """F3; deck 2: d¹(s + 1), then d²(d¹·s + 1)."""
    analysis = analyze(
        tmp_path,
        """
        input: [1, 20]
        layers:
          - conv1d: {out_channels: 4, kernel_size: 3}
          - conv1d: {out_channels: 5, kernel_size: 3}
        """,
    )

    assert [4 * (3 + 1), 5 * (4 * 3 + 1)] == [row.params for row in analysis.rows]


# -- F4: operations ---------------------------------------------------------------------------------------------------


def test_operations_are_multiplications_additions_between_them_and_one_addition_for_the_bias():
    """F4; deck 0: (4·4·2)·(27 + 26 + 1) = 1728."""
    row = cnnprof.analyze("conv_operations").rows[0]

    outputs = 4 * 4 * 2
    assert (outputs * 27, outputs * (26 + 1)) == (row.events.muls, row.events.adds)
    assert 1_728 == row.ops


# -- F5: kinds of convolution -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "layer", "output", "params"),
    [
        ("[1, 10]", "conv1d: {out_channels: 1, kernel_size: 3, bias: false}", (1, 8), 3),
        ("[3, 6, 6]", "conv2d: {out_channels: 1, kernel_size: 3, bias: false}", (1, 4, 4), 27),
        ("[3, 6, 6]", "conv2d: {out_channels: 4, kernel_size: 3, bias: false}", (4, 4, 4), 108),
        ("[1, 8, 6, 6]", "conv3d: {out_channels: 2, kernel_size: 3, bias: false}", (2, 6, 4, 4), 54),
        ("[256, 28, 28]", "conv2d: {out_channels: 64, kernel_size: 1, bias: false}", (64, 28, 28), 16_384),
        ("[1, 7, 7]", "conv2d: {out_channels: 1, kernel_size: 3, dilation: 2, bias: false}", (1, 3, 3), 9),
        ("[96, 27, 27]", "conv2d: {out_channels: 256, kernel_size: 5, padding: 2, groups: 2}", (256, 27, 27), 307_456),
    ],
    ids=["1-D", "several channels", "several filters", "3-D", "1×1 reduces the depth", "dilated", "grouped"],
)
def test_every_kind_of_convolution_in_the_decks_has_its_size_and_parameters(tmp_path, shape, layer, output, params):
    """F5."""
    analysis = analyze(tmp_path, f"input: {shape}\nlayers:\n  - {layer}\n")

    assert (output, params) == (analysis.rows[0].outputs[0].shape[1:], analysis.totals.params)


# -- F6: pooling ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "expected"), [(224, 2, 2, 112), (6, 2, 2, 3), (55, 3, 2, 27), (4, 2, 2, 2)]
)
@pytest.mark.parametrize("pool", ["maxpool2d", "avgpool2d"])
def test_pooling_shrinks_each_map_and_keeps_their_number(tmp_path, pool, side, kernel, stride, expected):
    """F6; deck 4: F = 2, S = 2 and F = 3, S = 2."""
    analysis = analyze(
        tmp_path,
        f"""
        input: [64, {side}, {side}]
        layers:
          - {pool}: {{kernel_size: {kernel}, stride: {stride}}}
        """,
    )

    assert (64, expected, expected) == analysis.rows[0].outputs[0].shape[1:]


def test_max_pooling_compares_and_average_pooling_adds(tmp_path):
    """F6: 3 comparisons per 2×2 window, or 3 additions and a division."""
    text = "input: [1, 6, 6]\nlayers:\n  - {}: {{kernel_size: 2}}\n"
    largest = analyze(tmp_path, text.format("maxpool2d")).rows[0].events
    mean = analyze(tmp_path, text.format("avgpool2d")).rows[0].events

    assert (27, 0, 0) == (largest.cmps, largest.adds, largest.divs)
    assert (0, 27, 9) == (mean.cmps, mean.adds, mean.divs)


# -- F7: convolution and dense layer ----------------------------------------------------------------------------------


def test_a_convolution_as_a_matrix_is_sparse():
    """F7; deck 1: 4×4 with 3×3 is a 4×16 matrix whose rows hold the 9 weights."""
    matrix = cnnprof.analyze("conv_toeplitz").rows[0].equivalent

    assert (4, 16, 36) == (matrix.toeplitz_rows, matrix.toeplitz_columns, matrix.toeplitz_nonzeros)


def test_a_convolution_that_covers_its_whole_input_is_a_dense_layer(tmp_path):
    """F7: VGG's first dense layer is a 7×7 convolution with 4096 filters."""
    dense = cnnprof.analyze("INPUT 512x7x7 -> FC-4096")
    conv = analyze(tmp_path, "input: [512, 7, 7]\nlayers:\n  - conv2d: {out_channels: 4096, kernel_size: 7}\n")

    assert 102_764_544 == dense.totals.params == conv.totals.params
    assert dense.totals.macs == conv.totals.macs
    assert conv.rows[0].equivalent.dense_params == conv.totals.params


# -- F8: receptive field ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_n_3x3_convolutions_turn_a_field_of_2n_plus_1_into_one_value(tmp_path, count):
    """F8; deck 3: what one unit sees is the input that leaves 1×1."""
    text = "input: [1, {0}, {0}]\nlayers:\n  - repeat: {1}\n    layers: [conv2d: {{out_channels: 1, kernel_size: 3}}]\n"
    analysis = analyze(tmp_path, text.format(2 * count + 1, count))

    assert (1, 1, 1) == analysis.rows[-1].outputs[0].shape[1:]


def test_three_3x3_convolutions_see_what_one_7x7_sees_with_fewer_parameters(tmp_path):
    """F8; deck 1: with C channels 27·C² against 49·C²."""
    text = (
        "input: [64, 7, 7]\nlayers:\n  - repeat: {}\n"
        "    layers: [conv2d: {{out_channels: 64, kernel_size: {}, bias: false}}]\n"
    )
    three, one = analyze(tmp_path, text.format(3, 3)), analyze(tmp_path, text.format(1, 7))

    assert (27 * 64**2, 49 * 64**2) == (three.totals.params, one.totals.params)
    assert (64, 1, 1) == three.rows[-1].outputs[0].shape[1:] == one.rows[-1].outputs[0].shape[1:]


@pytest.mark.parametrize(
    ("layers", "field"),
    [
        (["kernel_size: 3", "kernel_size: 3"], 5),
        (["kernel_size: 3, stride: 2", "kernel_size: 3"], 7),  # a stride widens every step behind it
        (["kernel_size: 3, stride: 2", "kernel_size: 3, stride: 2", "kernel_size: 3"], 15),
        (["kernel_size: 3, dilation: 2"], 5),  # a dilation widens its own window
        (["kernel_size: 3", "kernel_size: 3, dilation: 2", "kernel_size: 3, dilation: 4"], 15),
    ],
)
def test_stride_and_dilation_widen_the_field(tmp_path, layers, field):
    """F8: the field is the smallest input from which anything comes out, 1 + Σ dilation·(kernel − 1)·strides before."""
    text = "input: [1, {0}, {0}]\nlayers:\n" + "".join(
        f"  - conv2d: {{{{out_channels: 1, {layer}}}}}\n" for layer in layers
    )

    assert (1, 1, 1) == analyze(tmp_path, text.format(field)).rows[-1].outputs[0].shape[1:]
    with pytest.raises(cnnprof.SpecError, match="does not fit"):
        analyze(tmp_path, text.format(field - 1))


# -- F9: dense or convolution -----------------------------------------------------------------------------------------


def test_a_dense_layer_between_the_same_volumes_has_14_455_392_parameters_for_456():
    """F9; deck 3: 32·32·3 → 28·28·6."""
    dense, conv = cnnprof.analyze("dense_4704"), cnnprof.analyze("conv_sharing")

    assert (14_455_392, 456) == (dense.totals.params, conv.totals.params)
    assert 14_455_392 == conv.rows[0].equivalent.dense_params


def test_a_megapixel_image_and_1000_units_need_3_billion_weights():
    """F9; deck 3."""
    totals = cnnprof.analyze("dense_megapixel").totals

    assert 3_000_000_000 == totals.params - totals.bias_params


def test_an_image_of_640x480_and_1000_units_need_921_601_000_parameters():
    """F9; deck 1: "What if images are 640 × 480 × 3?"."""
    assert 921_601_000 == cnnprof.analyze("INPUT 3x480x640 -> FC-1000").totals.params


# -- F10: the other layers --------------------------------------------------------------------------------------------


def test_softmax_dropout_and_skip_connections_have_no_parameters_and_batch_norm_has_two_per_channel(tmp_path):
    """F10."""
    analysis = analyze(
        tmp_path,
        """
        input: [8, 4, 4]
        layers:
          - add:
              - - batchnorm2d
                - relu
              - []
          - concat:
              - []
              - [dropout]
          - flatten
          - linear: {out_features: 10}
          - softmax: {dim: 1}
          - logsoftmax: {dim: 1}
        """,
    )

    params = {row.op: row.params for row in analysis.rows}
    assert {"batchnorm2d": 16, "linear": 2_570} == {op: count for op, count in params.items() if count}
    assert {"add": (8, 4, 4), "concat": (16, 4, 4)} == {
        row.op: row.outputs[0].shape[1:] for row in analysis.rows if row.op in ("add", "concat")
    }


# -- F11: other notations ---------------------------------------------------------------------------------------------


NOTATIONS = {
    "PyTorch": "conv2d: {out_channels: 96, kernel_size: 11, stride: 4}",
    "Keras": "conv2d: {out_channels: 96, kernel_size: [11, 11], stride: [4, 4], padding: valid}",
    "Torch7": "conv2d: {out_channels: 96, kernel_size: [11, 11], stride: [4, 4], padding: [0, 0]}",
    "Caffe": "conv2d: {out_channels: 96, kernel_size: 11, stride: 4, padding: 0, dilation: 1, groups: 1, bias: true}",
}
"""nn.Conv2d(3, 96, 11, 4); Conv2D(96, (11, 11), strides=(4, 4)); nn.SpatialConvolution(3, 96, 11, 11, 4, 4, 0, 0);
convolution_param { num_output: 96 kernel_size: 11 stride: 4 }."""


@pytest.mark.parametrize("notation", NOTATIONS)
def test_the_same_convolution_in_four_notations_has_the_same_numbers(tmp_path, notation):
    """F11; decks 0 and 4, written by hand in the specification language."""
    row = analyze(tmp_path, f"input: [3, 227, 227]\nlayers:\n  - {NOTATIONS[notation]}\n").rows[0]

    assert ((96, 55, 55), 34_944, 105_415_200) == (row.outputs[0].shape[1:], row.params, row.macs)


def test_torch7_names_the_width_first_and_the_specification_the_height(tmp_path):
    """F11; SpatialConvolution(3, 96, kW=11, kH=7, dW=4, dH=2, padW=2, padH=0)."""
    layer = "conv2d: {out_channels: 96, kernel_size: [7, 11], stride: [2, 4], padding: [0, 2]}"
    row = analyze(tmp_path, f"input: [3, 100, 224]\nlayers:\n  - {layer}\n").rows[0]

    width, height = (224 + 2 * 2 - 11) // 4 + 1, (100 + 2 * 0 - 7) // 2 + 1
    assert (96, height, width) == row.outputs[0].shape[1:]


# -- F12: memory ------------------------------------------------------------------------------------------------------


def test_parameters_take_4_bytes_each_and_both_tools_divide_by_1024_squared():
    """F12; decks 0 and 1 print MB and mean MiB."""
    totals = cnnprof.analyze("vgg16_2017").totals

    assert 4 * totals.params == totals.param_bytes == totals.torchsummary_param_bytes
    assert "527.79" == f"{totals.param_bytes / 1024**2:.2f}"
    assert "553.43" == f"{totals.param_bytes / 1000**2:.2f}"


def test_torchsummary_adds_up_every_modules_output_and_doubles_it_for_the_backward_pass():
    """F12; deck 4 too: "only forward! ~*2 for bwd". In-place work is counted as if it were new."""
    analysis = cnnprof.analyze("lenet5")

    outputs = sum(row.outputs[0].numel for row in analysis.rows if row.op != "flatten")
    assert 2 * 4 * outputs == analysis.totals.torchsummary_activation_bytes


def test_activations_are_what_is_stored_so_work_in_place_is_free():
    """F12; deck 4 lists one volume per convolution and pooling."""
    analysis = cnnprof.analyze("vgg16_cs231n")

    assert {0} == {row.activations for row in analysis.rows if row.op in ("relu", "dropout", "flatten")}
    assert 15_087_080 * 4 == analysis.totals.activation_bytes
