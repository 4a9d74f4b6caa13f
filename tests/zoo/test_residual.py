"""N18 to N20: residual networks, and networks that take an image of any size."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cnnprof
from cnnprof.published.check import check
from tests.helpers import torchvision
from tests.helpers.tables import TableRow, mib, printed

if TYPE_CHECKING:
    from cnnprof.model.analysis import Analysis

RESNET_50 = """
    Conv2d-1	[-1, 64, 112, 112]	9,408
    BatchNorm2d-2	[-1, 64, 112, 112]	128
    ReLU-3	[-1, 64, 112, 112]	0
    MaxPool2d-4	[-1, 64, 56, 56]	0
    Conv2d-5	[-1, 64, 56, 56]	4,096
    BatchNorm2d-6	[-1, 64, 56, 56]	128
    ReLU-7	[-1, 64, 56, 56]	0
    Conv2d-8	[-1, 64, 56, 56]	36,864
    BatchNorm2d-9	[-1, 64, 56, 56]	128
    ReLU-10	[-1, 64, 56, 56]	0
    Conv2d-11	[-1, 256, 56, 56]	16,384
    BatchNorm2d-12	[-1, 256, 56, 56]	512
    Conv2d-13	[-1, 256, 56, 56]	16,384
    BatchNorm2d-14	[-1, 256, 56, 56]	512
    ReLU-15	[-1, 256, 56, 56]	0
    Bottleneck-16	[-1, 256, 56, 56]	0
    Conv2d-17	[-1, 64, 56, 56]	16,384
    BatchNorm2d-18	[-1, 64, 56, 56]	128
    ReLU-19	[-1, 64, 56, 56]	0
    Conv2d-20	[-1, 64, 56, 56]	36,864
    BatchNorm2d-21	[-1, 64, 56, 56]	128
    ReLU-22	[-1, 64, 56, 56]	0
    Conv2d-23	[-1, 256, 56, 56]	16,384
    BatchNorm2d-24	[-1, 256, 56, 56]	512
    ReLU-25	[-1, 256, 56, 56]	0
    Bottleneck-26	[-1, 256, 56, 56]	0
    Conv2d-27	[-1, 64, 56, 56]	16,384
    BatchNorm2d-28	[-1, 64, 56, 56]	128
    ReLU-29	[-1, 64, 56, 56]	0
    Conv2d-30	[-1, 64, 56, 56]	36,864
    BatchNorm2d-31	[-1, 64, 56, 56]	128
    ReLU-32	[-1, 64, 56, 56]	0
    Conv2d-33	[-1, 256, 56, 56]	16,384
    BatchNorm2d-34	[-1, 256, 56, 56]	512
    ReLU-35	[-1, 256, 56, 56]	0
    Bottleneck-36	[-1, 256, 56, 56]	0
    Conv2d-37	[-1, 128, 56, 56]	32,768
    BatchNorm2d-38	[-1, 128, 56, 56]	256
    ReLU-39	[-1, 128, 56, 56]	0
    Conv2d-40	[-1, 128, 28, 28]	147,456
    BatchNorm2d-41	[-1, 128, 28, 28]	256
    ReLU-42	[-1, 128, 28, 28]	0
    Conv2d-43	[-1, 512, 28, 28]	65,536
    BatchNorm2d-44	[-1, 512, 28, 28]	1,024
    Conv2d-45	[-1, 512, 28, 28]	131,072
    BatchNorm2d-46	[-1, 512, 28, 28]	1,024
    ReLU-47	[-1, 512, 28, 28]	0
    Bottleneck-48	[-1, 512, 28, 28]	0
    Conv2d-49	[-1, 128, 28, 28]	65,536
    BatchNorm2d-50	[-1, 128, 28, 28]	256
    ReLU-51	[-1, 128, 28, 28]	0
    Conv2d-52	[-1, 128, 28, 28]	147,456
    BatchNorm2d-53	[-1, 128, 28, 28]	256
"""
"""The left half of deck 1's table, which is printed with all its columns; the minus sign is written as -."""

NAMES_ON_THE_RIGHT = """
    Bottleneck-130 Conv2d-131 BatchNorm2d-132 ReLU-133 Conv2d-134 BatchNorm2d-135 ReLU-136 Conv2d-137 BatchNorm2d-138
    ReLU-139 Bottleneck-140 Conv2d-141 BatchNorm2d-142 ReLU-143 Conv2d-144 BatchNorm2d-145 ReLU-146 Conv2d-147
    BatchNorm2d-148 Conv2d-149 BatchNorm2d-150 ReLU-151 Bottleneck-152 Conv2d-153 BatchNorm2d-154 ReLU-155 Conv2d-156
    BatchNorm2d-157 ReLU-158 Conv2d-159 BatchNorm2d-160 ReLU-161 Bottleneck-162 Conv2d-163 BatchNorm2d-164 ReLU-165
    Conv2d-166 BatchNorm2d-167 ReLU-168 Conv2d-169 BatchNorm2d-170 ReLU-171 Bottleneck-172 AvgPool2d-173 Linear-174
"""
"""Of the right half deck 1 prints the names only."""

CIFAR = {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962, 1202: 19_421_274}
"""Layers to parameters; He et al. 2015, table 6, rounds them to 0.27, 0.46, 0.66, 0.85, 1.7 and 19.4 million."""


def torchsummary(analysis: Analysis) -> list[TableRow]:
    """Return the rows torchsummary prints: modules, and after its last layer each module that contains others."""
    modules = {container.last: container for container in analysis.containers if container.module}
    found = []
    for row in analysis.rows:
        shape = row.outputs[0].shape[1:]
        if row.op not in ("add", "flatten"):  # torchvision calls these as functions
            found.append(TableRow(row.op, shape, row.params))
        if row.name in modules:
            found.append(TableRow(modules[row.name].module.lower(), shape, 0))
    return found


def test_resnet50_reproduces_every_printed_row_of_the_torchsummary_table_of_deck_1():
    """N18; the deck's AvgPool2d is today's AdaptiveAvgPool2d."""
    rows = torchsummary(cnnprof.analyze("resnet50"))

    left = printed(RESNET_50)
    assert left == rows[: len(left)]
    right = [
        name.partition("-")[0].lower().replace("avgpool", "adaptiveavgpool") for name in NAMES_ON_THE_RIGHT.split()
    ]
    assert right == [row.op for row in rows[129:]]


def test_resnet50_has_the_totals_of_deck_1():
    """N18."""
    totals = cnnprof.analyze("resnet50").totals

    assert (25_557_032, 25_557_032) == (totals.params, totals.trainable_params)
    sizes = (totals.torchsummary_activation_bytes, totals.param_bytes)
    assert ["286.56", "97.49"] == [mib(size) for size in sizes]
    assert "384.62" == mib(totals.input_bytes + sum(sizes))


def test_torchsummary_counts_every_bottlenecks_output_again():
    """N18; without the 16 Bottleneck rows of the table 286.56 would be 244.45."""
    rows = torchsummary(cnnprof.analyze("resnet50"))

    leaves = [row for row in rows if row.op != "bottleneck"]
    assert 16 == len(rows) - len(leaves)
    assert ["286.56", "244.45"] == [mib(2 * 4 * sum(prod(row.output) for row in kept)) for kept in (rows, leaves)]


@pytest.mark.parametrize(
    ("depth", "strided_1x1", "strided_3x3"),
    [
        (50, 3_857_973_248, 4_089_184_256),
        (101, 7_570_194_432, 7_801_405_440),
        (152, 11_282_415_616, 11_513_626_624),
    ],
)
def test_the_paper_strides_in_the_1x1_and_torchvision_in_the_3x3_which_takes_more_macs(depth, strided_1x1, strided_3x3):
    """N18; only the three first bottlenecks that shrink differ, and no parameter does."""
    paper, today = cnnprof.analyze(f"resnet{depth}_v1"), cnnprof.analyze(f"resnet{depth}")

    assert (strided_1x1, strided_3x3) == (paper.totals.macs, today.totals.macs)
    assert paper.totals.params == today.totals.params
    pairs = zip(paper.rows, today.rows, strict=True)
    assert [f"layer{stage}.0.conv1" for stage in (2, 3, 4)] == [a.name for a, b in pairs if a.macs != b.macs]


def test_3_8_billion_operations_are_cut_off_from_3_858_and_are_not_those_of_deck_1s_own_table():
    """N18."""
    claims = {
        name: [claim.shown for claim in check(cnnprof.analyze(name)) if claim.fact.value == "3.8e9"]
        for name in ("resnet50", "resnet50_v1")
    }

    assert {"resnet50": ["4.1e9"], "resnet50_v1": ["3.9e9"]} == claims


def test_resnet34_of_the_paper_has_3_6_billion_macs_only_without_projections():
    """N18."""
    analysis = cnnprof.analyze("resnet34")

    projections = sum(row.macs for row in analysis.rows if ".downsample." in row.name)
    assert (3_663_761_408, 3_644_493_824) == (analysis.totals.macs, analysis.totals.macs - projections)


def test_a_bottleneck_on_256_maps_costs_what_a_residual_block_on_64_does():
    """N18; He et al. 2015, figure 5: "both designs have similar time complexity"."""
    block, bottleneck = cnnprof.analyze("residual_block"), cnnprof.analyze("bottleneck_block")

    weights = (2 * 3 * 3 * 64 * 64, 64 * 256 + 3 * 3 * 64 * 64 + 256 * 64)
    assert (73_728, 69_632) == weights == (block.totals.params, bottleneck.totals.params)
    assert (73_728 * 56 * 56, 69_632 * 56 * 56) == (block.totals.macs, bottleneck.totals.macs)


@pytest.mark.parametrize("depth", CIFAR)
def test_each_cifar_resnet_has_as_many_layers_as_its_name_says(depth):
    """N19; layers with weights, without batch norm."""
    rows = cnnprof.analyze(f"resnet{depth}").rows

    assert depth == sum(row.op in ("conv2d", "linear") for row in rows)
    assert [(16, 32, 32), (32, 16, 16), (64, 8, 8)] == list(
        dict.fromkeys(row.outputs[0].shape[1:] for row in rows if row.op == "conv2d")
    )


@pytest.mark.parametrize(("depth", "params"), CIFAR.items())
def test_the_parameters_of_each_cifar_resnet_are_those_of_table_6(depth, params):
    """N19."""
    assert params == cnnprof.analyze(f"resnet{depth}").totals.params


def test_the_1202_layers_of_deck_2_have_19_4_million_parameters():
    """N19."""
    analysis = cnnprof.analyze("resnet1202")

    assert 1202 == sum(row.op in ("conv2d", "linear") for row in analysis.rows)
    assert [("19.4e6", "19.4e6")] == [(claim.fact.value, claim.shown) for claim in check(analysis)]


def test_a_shortcut_of_option_a_has_neither_parameters_nor_macs():
    """N19; every other row and column is left out, and 16 more channels are zeros."""
    rows = [row for row in cnnprof.analyze("resnet20").rows if row.name.startswith("layer2.0.shortcut")]

    assert ["slice", "slice", "pad"] == [row.op for row in rows]
    assert [(16, 16, 32), (16, 16, 16), (32, 16, 16)] == [row.outputs[0].shape[1:] for row in rows]
    assert (0, 0) == (sum(row.params for row in rows), sum(row.macs for row in rows))


@pytest.fixture
def free_size(tmp_path: Path) -> str:
    """The zoo's FCN as a file whose variant leaves the size open, as the file itself does."""
    text = (Path(__file__).parents[2] / "specs" / "fcn.yaml").read_text(encoding="utf-8")
    path = tmp_path / "fcn.yaml"
    path.write_text(text.replace("variants:\n", "variants:\n  free: {}\n"), encoding="utf-8")
    return f"{path}#free"


@pytest.mark.parametrize(("height", "width"), [(32, 32), (224, 224), (375, 500), (520, 520), (1080, 1920)])
def test_a_network_of_free_size_scores_every_pixel_of_an_image_of_any_size(free_size, height, width):
    """N20."""
    analysis = cnnprof.analyze(free_size, input=(3, height, width))

    found = {name: analysis.row(edge.node).outputs[0].shape for name, edge in analysis.outputs.items()}
    assert dict.fromkeys(("aux", "output"), (1, 21, height, width)) == found
    assert 35_322_218 == analysis.totals.params
    assert torchvision.truth("fcn_resnet50", (3, height, width)).macs == analysis.totals.macs


def test_a_network_of_free_size_asks_for_the_size(free_size):
    """N20."""
    with pytest.raises(cnnprof.UsageError, match=r"leaves its input size open \(3x\*x\*\)"):
        cnnprof.analyze(free_size)


def test_the_fcn_of_the_zoo_has_the_size_of_its_weights_and_takes_any_other():
    """N20."""
    sizes = [cnnprof.analyze("fcn_resnet50", input=size).rows[-1].outputs[0].shape for size in (None, "3x97x131")]

    assert [(1, 21, 520, 520), (1, 21, 97, 131)] == sizes


def test_resnet_is_fully_convolutional_until_its_last_layer():
    """N20; deck 1: a larger image changes every layer's output up to the pooling, and no parameter."""
    small, large = cnnprof.analyze("resnet50"), cnnprof.analyze("resnet50", input=(3, 448, 448))

    pairs = list(zip(small.rows, large.rows, strict=True))
    same = [a.name for a, b in pairs if a.outputs[0].shape == b.outputs[0].shape]
    assert ["avgpool", "flatten", "fc"] == same
    assert small.totals.params == large.totals.params
    convolutions = [(a.macs, b.macs) for a, b in pairs if a.op == "conv2d"]
    assert [4 * a for a, _ in convolutions] == [b for _, b in convolutions]
