"""Networks with branches, heads, gates and skips: GoogLeNet, ShuffleNet V2, EfficientNet, U-Net."""

from __future__ import annotations

import itertools

import pytest

import cnnprof
from cnnprof.model.graph import Edge
from cnnprof.published.check import check
from tests.helpers import torchvision

TABLE_1 = {
    "conv1": ((64, 112, 112), 118),
    "conv2": ((64, 56, 56), None),
    "conv3": ((192, 56, 56), 347),
    "inception3a": ((256, 28, 28), 128),
    "inception3b": ((480, 28, 28), 304),
    "inception4a": ((512, 14, 14), 74),
    "inception4b": ((512, 14, 14), 88),
    "inception4c": ((512, 14, 14), 100),
    "inception4d": ((528, 14, 14), 119),
    "inception4e": ((832, 14, 14), 170),
    "inception5a": ((832, 7, 7), 51),
    "inception5b": ((1024, 7, 7), 71),
    "fc": ((1000,), 1),
}
"""Output and millions of MACs by the widths of Szegedy et al. 2014, table 1. The paper prints 34 for its first row,
73 for 4a, 54 for 5a, and 360 for conv2 (13) and conv3 (347) together."""


@pytest.mark.parametrize("name", TABLE_1)
def test_googlenet_of_the_paper_has_the_outputs_and_operations_of_its_table(name):
    """N17."""
    analysis = cnnprof.analyze("googlenet_2014")
    rows = [row for row in analysis.rows if row.name == name or row.name.startswith(f"{name}.")]

    output, millions = TABLE_1[name]
    last = rows[-1] if "inception" not in name else analysis.row(f"{name}.concat")
    assert output == last.outputs[0].shape[1:]
    assert millions in (None, round(sum(row.macs for row in rows) / 1e6))


def test_no_count_of_googlenet_gives_5_million_parameters():
    """N17; deck 2 says "only 5 million"."""
    analysis = cnnprof.analyze("googlenet_2014")

    assert 6_998_552 == analysis.totals.params
    assert 5_973_552 == analysis.totals.params - analysis.row("fc").params
    assert ["5e6"] == [c.fact.value for c in check(analysis) if c.fact.of == "params" and not c.reproduced]


def test_auxiliary_heads_count_their_parameters_always_and_their_work_only_in_training():
    """N17."""
    with_heads, without = cnnprof.analyze("googlenet"), cnnprof.analyze("googlenet_no_aux")

    assert (13_004_888, 6_624_904) == (with_heads.totals.params, without.totals.params)
    assert 1_498_376_192 == with_heads.totals.macs == without.totals.macs
    assert ["aux1", "aux2", "output"] == sorted(with_heads.outputs)
    assert {"train"} == {row.when for row in with_heads.rows if row.name.startswith("aux")}
    assert {"always"} == {row.when for row in with_heads.rows if not row.name.startswith("aux")}


def test_auxiliary_heads_of_the_paper_have_3_2_million_parameters_each():
    """N17."""
    analysis = cnnprof.analyze("googlenet_2014_aux")

    heads = [sum(row.params for row in analysis.rows if row.name.startswith(name)) for name in ("aux1", "aux2")]
    assert [3_188_840, 3_190_888] == heads
    assert 6_998_552 + sum(heads) == analysis.totals.params


def test_a_shufflenet_unit_passes_half_of_its_channels_on_untouched():
    analysis = cnnprof.analyze("shufflenet_v2_x1_0")

    inner = analysis.row("stage.0.1.concat")
    assert [(1, 58, 28, 28), (1, 58, 28, 28)] == [tensor.shape for tensor in inner.inputs]
    assert Edge("stage.0.1.halves", 0) == inner.edges[0]
    assert "view" == analysis.row("stage.0.1.halves").storage


@pytest.mark.parametrize("size", [0, 4, 7])
def test_stochastic_depth_grows_from_block_to_block_as_in_torchvision(size):
    analysis = cnnprof.analyze(f"efficientnet_b{size}")
    model = torchvision.build(f"efficientnet_b{size}")

    # torchvision makes one for each block; only those with a skip connection are used.
    theirs = [(m.stochastic_depth.p) for m in model.modules() if getattr(m, "use_res_connect", False)]
    assert theirs == pytest.approx([row.args["p"] for row in analysis.rows if row.op == "stochasticdepth"])


def test_a_squeeze_excitation_gate_multiplies_every_channel():
    row = cnnprof.analyze("efficientnet_b0").row("stage.0.0.mbconv.squeeze_excitation.mul")

    assert [(1, 32, 1, 1), (1, 32, 112, 112)] == [tensor.shape for tensor in row.inputs]
    assert 32 * 112 * 112 == row.events.muls


def convolutions(*channels: int) -> int:
    """Return the parameters of 3×3 convolutions in a row."""
    return sum(9 * a * b + b for a, b in itertools.pairwise(channels))


@pytest.mark.parametrize(("name", "output"), [("unet", (2, 388, 388)), ("unet_padded", (2, 512, 512))])
def test_unet_has_the_parameters_of_its_23_convolutions(name, output):
    analysis = cnnprof.analyze(name)

    widths = (64, 128, 256, 512)
    down = sum(convolutions(before, width, width) for before, width in zip((1, *widths), (*widths, 1024), strict=True))
    up = sum(4 * 2 * width * width + width + convolutions(2 * width, width, width) for width in widths)
    assert 31_030_658 == down + up + 64 * 2 + 2 == analysis.totals.params
    assert 23 == sum(row.op in ("conv2d", "convtranspose2d") for row in analysis.rows)
    assert output == analysis.rows[-1].outputs[0].shape[1:]


def test_unet_crops_what_it_skips_to_the_size_of_what_comes_up():
    """Ronneberger et al. 2015, figure 1: 64 to 56, 136 to 104, 280 to 200, 568 to 392."""
    rows = cnnprof.analyze("unet").rows

    crops = [(row.inputs[0].shape[2], row.outputs[0].shape[2]) for row in rows if row.args.get("dim") == 2]
    assert [(64, 56), (136, 104), (280, 200), (568, 392)] == crops
    assert {"view"} == {row.storage for row in rows if row.op == "slice"}


def test_a_padded_unet_crops_nothing():
    assert [] == [row.name for row in cnnprof.analyze("unet_padded").rows if row.op == "slice"]


def test_an_inception_module_alone_costs_what_row_3a_of_the_table_says():
    totals = cnnprof.analyze("inception_module").totals
    alone, inside = cnnprof.analyze("inception_module"), cnnprof.analyze("googlenet_2014")
    there = [row for row in inside.rows if row.name.startswith("inception3a.")]

    assert (163_696, 163_328, 128_049_152) == (totals.params, totals.params - totals.bias_params, totals.macs)
    assert (1, 256, 28, 28) == alone.rows[-1].outputs[0].shape
    assert (totals.params, totals.macs) == (sum(row.params for row in there), sum(row.macs for row in there))


def test_reductions_save_an_inception_module_more_than_half_of_its_work():
    naive = cnnprof.analyze("inception_naive")

    assert (387_296, 303_464_448) == (naive.totals.params, naive.totals.macs)
    assert (1, 416, 28, 28) == naive.rows[-1].outputs[0].shape
