"""MobileNet, MnasNet, EfficientNetV2, RegNet, ConvNeXt and VGG with batch norm, layer for layer against torchvision.

``test_torchvision.py`` compares parameters, MACs, buffers and outputs of these networks too; here it is the arguments
of every layer, and what the papers say.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from torch import nn

import cnnprof
from cnnprof.published.check import check
from tests.helpers import torchvision

if TYPE_CHECKING:
    from cnnprof.model.analysis import Analysis, Row

REGNETS = (
    *("regnet_x_400mf", "regnet_x_800mf", "regnet_x_1_6gf", "regnet_x_3_2gf"),
    *("regnet_x_8gf", "regnet_x_16gf", "regnet_x_32gf"),
    *("regnet_y_400mf", "regnet_y_800mf", "regnet_y_1_6gf", "regnet_y_3_2gf"),
    *("regnet_y_8gf", "regnet_y_16gf", "regnet_y_32gf", "regnet_y_128gf"),
)
MODELS = (
    *("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"),
    *("mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"),
    *("efficientnet_v2_s", "efficientnet_v2_m", "efficientnet_v2_l"),
    *("convnext_tiny", "convnext_small", "convnext_base", "convnext_large"),
    *("vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"),
    *REGNETS,
)
ACTIVATIONS = {nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid, nn.GELU}


def pair(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value, value)


def module_layer(module: nn.Module) -> tuple[Any, ...] | None:
    """Return what a module is and does; None for containers, views and random layers."""
    match module:
        case nn.Conv2d():
            window = (module.kernel_size, module.stride, module.padding)
            return ("conv2d", module.in_channels, module.out_channels, *window, module.groups, module.bias is not None)
        case nn.BatchNorm2d():
            return ("batchnorm2d", module.num_features, module.eps, module.momentum)
        case nn.Linear():
            return ("linear", module.in_features, module.out_features, module.bias is not None)
        case nn.LayerNorm():
            return ("layernorm", module.normalized_shape[-1], module.eps)
        case nn.Dropout():
            return ("dropout", module.p, module.inplace)
    known = type(module) in ACTIVATIONS
    return (type(module).__name__.lower(), getattr(module, "inplace", False)) if known else None


def row_layer(row: Row) -> tuple[Any, ...] | None:
    """Return the same of a layer of an analysis."""
    args, channels = row.args, row.inputs[0].shape[1]
    match row.op:
        case "conv2d":
            window = (pair(args["kernel_size"]), pair(args.get("stride", 1)), pair(args.get("padding", 0)))
            return ("conv2d", channels, args["out_channels"], *window, args.get("groups", 1), args.get("bias", True))
        case "batchnorm2d":
            return ("batchnorm2d", channels, args.get("eps", 1e-5), args.get("momentum", 0.1))
        case "linear":
            return ("linear", row.inputs[0].shape[-1], args["out_features"], args.get("bias", True))
        case "layernorm":
            return ("layernorm", row.inputs[0].shape[-1], args["eps"])
        case "dropout":
            return ("dropout", args.get("p", 0.5), args.get("inplace", False))
    known = row.op in {kind.__name__.lower() for kind in ACTIVATIONS}
    return (row.op, args.get("inplace", False)) if known else None


@pytest.mark.parametrize("name", MODELS)
def test_every_layer_has_the_widths_windows_groups_and_constants_of_the_real_one(name):
    analysis = cnnprof.analyze(name)
    assert f"torchvision:{name}" == analysis.reference

    theirs = Counter(map(_rounded, filter(None, map(module_layer, torchvision.build(name).modules()))))
    assert theirs == Counter(map(_rounded, filter(None, map(row_layer, analysis.rows))))


def _rounded(layer: tuple[Any, ...]) -> tuple[Any, ...]:
    """MnasNet's momentum is written as 1 − 0.9997."""
    return tuple(round(each, 12) if isinstance(each, float) else each for each in layer)


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("convnext") or "v2_" in name])
def test_stochastic_depth_grows_from_block_to_block_as_in_torchvision(name):
    model = torchvision.build(name)

    # EfficientNet makes one for each block and uses it only where there is a skip connection.
    theirs = [m.stochastic_depth.p for m in model.modules() if getattr(m, "use_res_connect", hasattr(m, "layer_scale"))]
    assert len(theirs) >= 18
    ours = [row.args["p"] for row in cnnprof.analyze(name).rows if row.op == "stochasticdepth"]
    assert theirs == pytest.approx(ours)


UNSEEN = {
    **dict.fromkeys(("mobilenet_v3_large", "efficientnet_v2_s", "regnet_y_400mf", "vgg16_bn"), ()),
    "mobilenet_v2": ("adaptiveavgpool2d",),
}
"""Network to what torchvision calls as a function, which torchsummary does not see; in the zoo it is a module."""


@pytest.mark.parametrize("name", UNSEEN)
def test_torchsummary_adds_up_the_modules_of_the_zoo_but_for_functions(name):
    analysis = cnnprof.analyze(name)

    theirs = torchvision.torchsummary_outputs(name, analysis.inputs[0].shape)
    unseen = sum(row.torchsummary_outputs for row in analysis.rows if row.op in UNSEEN[name])
    assert 2 * 4 * (theirs + unseen) == analysis.totals.torchsummary_activation_bytes


def shares(analysis: Analysis, *parts: str) -> list[tuple[str, str]]:
    """Return the share in MACs and in weights of the layers whose last name each part is."""
    rows = {part: [row for row in analysis.rows if row.name.split(".")[-1] == part] for part in parts}
    macs = {part: sum(row.macs for row in rows[part]) for part in parts}
    weights = {part: sum(row.params - row.bias_params for row in rows[part]) for part in parts}
    return [(f"{macs[p] / sum(macs.values()):.2%}", f"{weights[p] / sum(weights.values()):.2%}") for p in parts]


def test_mobilenet_spends_its_work_and_weights_as_table_2_of_its_paper_says():
    """Howard et al. 2017, table 2, with a slip: it gives the first convolution 1.19 %, and the column lacks 0.7 %."""
    found = shares(cnnprof.analyze("mobilenet_v1"), "pointwise", "depthwise", "conv1", "fc")

    assert [("94.86%", "74.59%"), ("3.06%", "1.06%"), ("1.91%", "0.02%"), ("0.18%", "24.33%")] == found


def test_mobilenet_has_4_231_976_parameters_and_keras_adds_the_running_statistics():
    """keras.io/api/applications says 4,253,864 in all."""
    analysis = cnnprof.analyze("mobilenet_v1")

    assert 4_231_976 == analysis.totals.params
    assert 4_253_864 == analysis.totals.params + sum(row.statistics for row in analysis.rows)
    assert 568_740_352 == analysis.totals.macs


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("mobilenet_v1_075", 2_585_560, 325_400_448),
        ("mobilenet_v1_050", 1_331_592, 149_497_088),
        ("mobilenet_v1_025", 470_072, 41_030_272),
    ],
)
def test_a_narrower_mobilenet_has_the_sums_of_its_table(name, params, macs):
    totals = cnnprof.analyze(name).totals
    widths = [int(width * int(name[-3:]) / 100) for width in (32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024)]
    sizes = [112, *[112, 56, 56, 28, 28], *[14] * 6, 7, 7]
    pairs = list(itertools.pairwise(widths))

    # The 3×3 takes 9 and the 1×1 out of every input channel; batch norm has 2 each, after both.
    body = sum(9 * before + before * after + 2 * (before + after) for before, after in pairs)
    assert params == totals.params == (27 + 2) * widths[0] + body + 1000 * (widths[-1] + 1)
    work = sum((9 * before + before * after) * size**2 for (before, after), size in zip(pairs, sizes[1:], strict=True))
    assert macs == totals.macs == 27 * widths[0] * 112**2 + work + 1000 * widths[-1]


def test_batch_norm_in_vgg_follows_each_convolution_and_leaves_the_names_as_they_are():
    plain, normed = cnnprof.analyze("vgg16"), cnnprof.analyze("vgg16_bn")

    assert ["conv1_1", "bn1_1", "relu1_1", "conv1_2", "bn1_2"] == [row.name for row in normed.rows[:5]]
    assert [row.name for row in plain.rows] == [row.name for row in normed.rows if not row.name.startswith("bn")]
    assert 2 * 4224 == normed.totals.params - plain.totals.params


def test_the_largest_regnet_takes_127_518_billion_macs_at_224():
    """Its default weights are for 384×384; those of SWAG_LINEAR for 224×224, and the metadata speak of them."""
    linear = torchvision.models().RegNet_Y_128GF_Weights.IMAGENET1K_SWAG_LINEAR_V1.meta

    macs = cnnprof.analyze("regnet_y_128gf", input=(3, 224, 224)).totals.macs
    assert 127.518 == linear["_ops"] == round(macs / 1e9, 3)


@pytest.mark.parametrize(("name", "wrong"), [("regnet_x_400mf", 1), ("regnet_y_800mf", 1), ("regnet_y_8gf", 2)])
def test_three_regnets_of_torchvision_are_wider_than_their_authors(name, wrong):
    claims = [claim for claim in check(cnnprof.analyze(name)) if "pycls" in claim.fact.source and not claim.reproduced]

    assert ["facebookresearch/pycls, MODEL_ZOO.md"] * wrong == [claim.fact.source for claim in claims]
    assert all("torchvision's" in claim.fact.why for claim in claims)


@pytest.mark.parametrize(
    ("name", "widths", "params", "billions"),
    [
        ("regnet_x_400mf", [32, 64, 160, 384], "5.2", "0.4"),
        ("regnet_y_800mf", [64, 128, 320, 768], "6.3", "0.8"),
        ("regnet_y_8gf", [168, 448, 896, 2016], "39.2", "8.0"),
    ],
)
def test_with_the_widths_of_the_authors_a_regnet_has_the_printed_figures(name, widths, params, billions):
    totals = cnnprof.analyze(name, set={"widths": widths}).totals

    assert (params, billions) == (f"{totals.params / 1e6:.1f}", f"{totals.macs / 1e9:.1f}")
