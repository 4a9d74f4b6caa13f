"""Receptive fields of networks: published figures, formulas, and where paths meet. No torch."""

from __future__ import annotations

from fractions import Fraction

import pytest

import cnnprof
from cnnprof.model.analysis import Analysis, AxisField, ReceptiveField
from cnnprof.model.graph import Edge, Graph, Input, Node, Recorded
from cnnprof.model.plain import from_json, to_json
from cnnprof.report.columns import LAYER_COLUMNS
from tests.helpers.specs import analyze

VGG16 = {
    "conv1_1": "3/1/1", "pool1": "6/2/2", "conv2_1": "10/2/4", "pool2": "16/4/6", "conv3_1": "24/4/10",
    "pool3": "44/8/18", "conv4_1": "60/8/26", "pool4": "100/16/42", "conv5_1": "132/16/58", "pool5": "212/32/90",
}  # fmt: skip
"""End-points of Araujo, Norris and Sim (2019), Computing Receptive Fields of Convolutional Neural Networks."""


def rf(analysis: Analysis, layer: str) -> str:
    return str(analysis.row(layer).receptive_field)


def last(folder, layers: str, shape: str = "[3, 64, 64]") -> str:
    """Return the field of a specification's last layer."""
    return str(analyze(folder, f"input: {shape}\nlayers: [{layers}]\n").rows[-1].receptive_field)


@pytest.mark.parametrize(("layer", "expected"), VGG16.items())
def test_vgg16_has_the_receptive_fields_of_araujo_norris_and_sim(layer, expected):
    assert expected == rf(cnnprof.analyze("vgg16"), layer)


def test_alexnet_has_a_field_of_195_with_stride_32_and_padding_66():
    """torchvision's geometry; that of Araujo et al. has padding 64, because its conv1 pads nothing."""
    analysis = cnnprof.analyze("alexnet")

    assert "195/32/66" == rf(analysis, "pool5")
    assert "11/4/2" == rf(analysis, "conv1.conv2d")


@pytest.mark.parametrize(
    ("model", "expected"),
    [("resnet18", "435/32/217"), ("resnet50", "427/32/213"), ("resnet50_v1", "483/32/241")],
)
def test_a_resnet_sees_by_where_its_stride_lies(model, expected):
    """427 with the stride in the 3×3 (torchvision), 483 with it in the first 1×1 (He et al. 2015)."""
    rows = cnnprof.analyze(model).rows
    pool = next(index for index, row in enumerate(rows) if row.op == "adaptiveavgpool2d")

    assert expected == str(rows[pool - 1].receptive_field)
    assert "global" == str(rows[pool].receptive_field)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_n_layers_of_3x3_see_2n_plus_1(tmp_path, count):
    layers = ", ".join(["conv2d: {out_channels: 2, kernel_size: 3, padding: 1}"] * count)

    assert f"{2 * count + 1}/1/{count}" == last(tmp_path, layers)


def test_a_stride_multiplies_what_later_layers_add(tmp_path):
    """5 + 2·(3 − 1)."""
    layers = "conv2d: {out_channels: 2, kernel_size: 5, stride: 2}, conv2d: {out_channels: 2, kernel_size: 3}"

    assert "9/2/0" == last(tmp_path, layers)


def test_dilation_widens_one_layer(tmp_path):
    assert "9/1/4" == last(tmp_path, "conv2d: {out_channels: 2, kernel_size: 3, dilation: 4, padding: 4}")


def test_axes_that_differ_are_told_apart(tmp_path):
    assert "3/1/0 × 5/2/0" == last(tmp_path, "conv2d: {out_channels: 2, kernel_size: [3, 5], stride: [1, 2]}")


def test_a_residual_sum_sees_what_its_longest_path_sees(tmp_path):
    layers = "add: [[conv2d: {out_channels: 3, kernel_size: 5, padding: 2}], []]"

    assert "5/1/2" == last(tmp_path, layers)


def test_a_concatenation_sees_the_union_of_shifted_windows(tmp_path):
    """One branch reads 2 to the left, the other 2 to the right: 5 in all, centred between them."""
    left = "pad: {padding: [2, 0]}, conv1d: {out_channels: 1, kernel_size: 3}"
    right = "pad: {padding: [0, 2]}, conv1d: {out_channels: 1, kernel_size: 3}"

    assert "5/1/2" == last(tmp_path, f"concat: [[{left}], [{right}]]", "[3, 64]")


def test_branches_whose_centres_differ_are_reported(tmp_path):
    layers = "add: [[conv1d: {out_channels: 3, kernel_size: 4, padding: same}], []]"
    analysis = analyze(tmp_path, f"input: [3, 64]\nlayers: [{layers}]\n")
    expected = "the receptive fields that meet here are not aligned: their centres are 0.5 input elements apart"

    assert [("misaligned", expected)] == [(note.code, note.message) for note in analysis.notes]
    assert "4/1/1" == str(analysis.rows[-1].receptive_field)


def test_branches_that_move_at_different_speeds_are_reported_and_see_everything(tmp_path):
    layers = "add: [[conv1d: {out_channels: 3, kernel_size: 1, stride: 2}], [slice: {dim: 2, end: 32}]]"
    analysis = analyze(tmp_path, f"input: [3, 64]\nlayers: [{layers}]\n")

    assert "global" == str(analysis.rows[-1].receptive_field)
    assert ["misaligned"] == [note.code for note in analysis.notes]
    assert analysis.notes[0].message.endswith("they move by 1 and 2 input elements per unit")


@pytest.mark.parametrize("model", ["vgg16", "resnet50", "googlenet", "efficientnet_b0", "shufflenet_v2_x1_0", "unet"])
def test_the_branches_of_published_networks_are_aligned(model):
    assert [] == [note for note in cnnprof.analyze(model).notes if note.code == "misaligned"]


@pytest.mark.parametrize(
    "layer",
    [
        "adaptiveavgpool2d: {output_size: 1}", "flatten", "mean: {dim: [2, 3]}",
        "linear: {out_features: 3}, transpose: {dim0: 2, dim1: 3}, linear: {out_features: 3}",
    ],
)  # fmt: skip
def test_whatever_leaves_no_position_sees_everything(tmp_path, layer):
    assert "global" == last(tmp_path, f"conv2d: {{out_channels: 4, kernel_size: 3}}, {layer}")


@pytest.mark.parametrize(
    "layer", ["groupnorm: {num_groups: 2}", "instancenorm2d", "batchnorm2d: {track_running_stats: false}"]
)
def test_statistics_over_space_see_everything_and_each_place_besides(tmp_path, layer):
    assert "global (local 3/1/0)" == last(tmp_path, f"conv2d: {{out_channels: 4, kernel_size: 3}}, {layer}")


def test_a_gate_makes_global_what_it_multiplies_and_later_layers_widen_the_local_part():
    analysis = cnnprof.analyze("efficientnet_b0")

    assert "global" == rf(analysis, "stage.0.0.mbconv.squeeze_excitation.gate.adaptiveavgpool2d")
    assert "global (local 7/2/3)" == rf(analysis, "stage.0.0.mbconv.squeeze_excitation.mul")
    assert "global (local 11/4/5)" == rf(analysis, "stage.1.0.mbconv.depthwise.conv2d")


def test_a_norm_over_channels_between_two_permutations_stays_local(tmp_path):
    """ConvNeXt's block: 7×7, N×H×W×C, layer norm and linear over the channels, back."""
    layers = (
        "conv2d: {out_channels: 8, kernel_size: 7, padding: 3}, permute: {dims: [0, 2, 3, 1]}, layernorm, "
        "linear: {out_features: 32}, gelu, linear: {out_features: 8}, permute: {dims: [0, 3, 1, 2]}, "
        "conv2d: {out_channels: 8, kernel_size: [3, 5]}"
    )

    assert "9/1/3 × 11/1/3" == last(tmp_path, layers)


def test_of_windows_that_differ_the_largest_counts_and_the_stride_is_a_fraction(tmp_path):
    """13 to 5: windows of 3 and 4 elements, which move by 13/5."""
    row = analyze(tmp_path, "input: [2, 13]\nlayers: [adaptiveavgpool1d: {output_size: 5}]\n").rows[-1]
    (axis,) = row.receptive_field.axes

    assert "up to 4/(13/5)/0" == str(axis)
    assert Fraction(13, 5) == axis.step
    assert not row.receptive_field.uniform


def test_upsampling_halves_the_stride(tmp_path):
    assert "up to 2/(1/2)/1" == last(tmp_path, "upsample: {scale_factor: 2, mode: bilinear}")


def test_pooling_takes_upsampling_back(tmp_path):
    assert "1/1/0" == last(tmp_path, "upsample: {scale_factor: 2}, maxpool2d: {kernel_size: 2}")


def test_a_network_without_space_has_no_receptive_field(tmp_path):
    analysis = analyze(tmp_path, "input: [10]\nlayers: [linear: {out_features: 3}, relu]\n")

    assert [None, None] == [row.receptive_field for row in analysis.rows]


def test_every_input_is_seen_on_its_own(tmp_path):
    text = """\
        inputs: {a: [2, 32], b: [2, 34]}
        layers:
          - {conv1d: {out_channels: 2, kernel_size: 3}, from: b, name: b3}
          - {add: , from: [a, b3]}
    """
    axes = analyze(tmp_path, text).rows[-1].receptive_field.axes

    assert [("a", "1/1/0"), ("b", "3/1/0")] == [(axis.input, str(axis)) for axis in axes]


def node(name: str, op: str, *sources: str, **fields) -> Node:
    return Node(name=name, op=op, inputs=tuple(map(Edge, sources)), **fields)


def test_behind_an_unknown_operator_nothing_is_claimed():
    """Nobody can say what it reads: neither local nor global would be true."""
    nodes = (
        node("a", "mystery", "input", args={}, recorded=(Recorded((1, 2, 8)),)),
        node("b", "relu", "a", args={}),
        node("c", "add", "b", "input", args={}),
    )
    graph = Graph(
        name="net", source="net", inputs=(Input(name="input", shape=(2, 8)),), nodes=nodes,
        outputs={"output": Edge("c")},
    )  # fmt: skip

    assert [None, None, None] == [row.receptive_field for row in cnnprof.analyze(graph).rows]


def test_a_field_beyond_any_figure_is_global(tmp_path):
    layers = ", ".join(["conv1d: {out_channels: 1, kernel_size: 1, stride: 1000000000000}"] * 6)

    assert "global" == last(tmp_path, layers, "[1, 1]")


def test_more_windows_than_are_followed_are_global(tmp_path):
    """1,025 different windows are too many, 1,021 are not: the largest begins and ends just inside its neighbours."""
    assert "global" == last(tmp_path, "adaptiveavgpool1d: {output_size: 1025}", "[1, 1024]")
    assert "up to 3/(1024/1021)/0" == last(tmp_path, "adaptiveavgpool1d: {output_size: 1021}", "[1, 1024]")


def test_fields_survive_json():
    expected = ReceptiveField((AxisField(input="input", axis=1, size=5, stride=1, stride_divisor=2, padding=2),))

    assert expected == from_json(to_json(expected), ReceptiveField)


def test_the_column_shows_the_field_of_a_layer():
    analysis = cnnprof.analyze("vgg16")
    column = LAYER_COLUMNS["rf"]

    assert ["3/1/1", "3/1/1", "5/1/2"] == [column.value(row, None) for row in analysis.rows[:3]]
