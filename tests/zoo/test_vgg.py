"""N14 to N16: VGG in the forms of the decks."""

from __future__ import annotations

import re

import pytest

import cnnprof
from cnnprof.published.check import check
from tests.helpers.tables import computed, mib, printed

TORCHSUMMARY = """
    Conv2d-1	[ -1, 64, 224, 224]	1,792
    ReLU-2	[ -1, 64, 224, 224]	0
    Conv2d-3	[ -1, 64, 224, 224]	36,928
    ReLU-4	[ -1, 64, 224, 224]	0
    MaxPool2d-5	[ -1, 64, 112, 112]	0
    Conv2d-6	[ -1, 128, 112, 112]	73,856
    ReLU-7	[ -1, 128, 112, 112]	0
    Conv2d-8	[ -1, 128, 112, 112]	147,584
    ReLU-9	[ -1, 128, 112, 112]	0
    MaxPool2d-10	[ -1, 128, 56, 56]	0
    Conv2d-11	[ -1, 256, 56, 56]	295,168
    ReLU-12	[ -1, 256, 56, 56]	0
    Conv2d-13	[ -1, 256, 56, 56]	590,080
    ReLU-14	[ -1, 256, 56, 56]	0
    Conv2d-15	[ -1, 256, 56, 56]	590,080
    ReLU-16	[ -1, 256, 56, 56]	0
    MaxPool2d-17	[ -1, 256, 28, 28]	0
    Conv2d-18	[ -1, 512, 28, 28]	1,180,160
    ReLU-19	[ -1, 512, 28, 28]	0
    Conv2d-20	[ -1, 512, 28, 28]	2,359,808
    ReLU-21	[ -1, 512, 28, 28]	0
    Conv2d-22	[ -1, 512, 28, 28]	2,359,808
    ReLU-23	[ -1, 512, 28, 28]	0
    MaxPool2d-24	[ -1, 512, 14, 14]	0
    Conv2d-25	[ -1, 512, 14, 14]	2,359,808
    ReLU-26	[ -1, 512, 14, 14]	0
    Conv2d-27	[ -1, 512, 14, 14]	2,359,808
    ReLU-28	[ -1, 512, 14, 14]	0
    Conv2d-29	[ -1, 512, 14, 14]	2,359,808
    ReLU-30	[ -1, 512, 14, 14]	0
    MaxPool2d-31	[ -1, 512, 7, 7]	0
    Linear-32	[ -1, 4096]	102,764,544
    ReLU-33	[ -1, 4096]	0
    Dropout-34	[ -1, 4096]	0
    Linear-35	[ -1, 4096]	16,781,312
    ReLU-36	[ -1, 4096]	0
    Dropout-37	[ -1, 4096]	0
    Linear-38	[ -1, 1000]	4,097,000
"""

KERAS = """
    conv2d (Conv2D)                 (None, 224, 224, 64)   1,792
    conv2d_1 (Conv2D)               (None, 224, 224, 64)   36,928
    max_pooling2d (MaxPooling2D)    (None, 112, 112, 64)   0
    conv2d_2 (Conv2D)               (None, 112, 112, 128)  73,856
    conv2d_3 (Conv2D)               (None, 112, 112, 128)  147,584
    max_pooling2d_1 (MaxPooling2D)  (None, 56, 56, 128)    0
    conv2d_4 (Conv2D)               (None, 56, 56, 256)    295,168
    conv2d_5 (Conv2D)               (None, 56, 56, 256)    590,080
    conv2d_6 (Conv2D)               (None, 56, 56, 256)    590,080
    max_pooling2d_2 (MaxPooling2D)  (None, 28, 28, 256)    0
    conv2d_7 (Conv2D)               (None, 28, 28, 512)    1,180,160
    conv2d_8 (Conv2D)               (None, 28, 28, 512)    2,359,880
    conv2d_9 (Conv2D)               (None, 28, 28, 512)    2,359,880
    max_pooling2d_3 (MaxPooling2D)  (None, 14, 14, 512)    0
    conv2d_10 (Conv2D)              (None, 14, 14, 512)    2,359,880
    conv2d_11 (Conv2D)              (None, 14, 14, 512)    2,359,880
    conv2d_12 (Conv2D)              (None, 14, 14, 512)    2,359,880
    max_pooling2d_4 (MaxPooling2D)  (None, 7, 7, 512)      0
    flatten (Flatten)               (None, 25088)          0
    dense (Dense)                   (None, 4096)           182,764,544
    dense_1 (Dense)                 (None, 4096)           16,781,312
    dense_2 (Dense)                 (None, 17)             69,645
"""
SLIPS = {2_359_880: 2_359_808, 182_764_544: 102_764_544, 69_645: 69_649}
"""What deck 0's table prints in seven rows, and what it should."""

CS231N = """
    INPUT: [224x224x3]      memory: 224*224*3=150K  weights: 0
    CONV3-64: [224x224x64]  memory: 224*224*64=3.2M  weights: (3*3*3)*64 = 1,728
    CONV3-64: [224x224x64]  memory: 224*224*64=3.2M  weights: (3*3*64)*64 = 36,864
    POOL2: [112x112x64]    memory: 112*112*64=800K  weights: 0
    CONV3-128: [112x112x128] memory: 112*112*128=1.6M  weights: (3*3*64)*128 = 73,728
    CONV3-128: [112x112x128] memory: 112*112*128=1.6M  weights: (3*3*128)*128 = 147,456
    POOL2: [56x56x128]     memory: 56*56*128=400K  weights: 0
    CONV3-256: [56x56x256]  memory: 56*56*256=800K  weights: (3*3*128)*256 = 294,912
    CONV3-256: [56x56x256]  memory: 56*56*256=800K  weights: (3*3*256)*256 = 589,824
    CONV3-256: [56x56x256]  memory: 56*56*256=800K  weights: (3*3*256)*256 = 589,824
    POOL2: [28x28x256]     memory: 28*28*256=200K  weights: 0
    CONV3-512: [28x28x512]  memory: 28*28*512=400K  weights: (3*3*256)*512 = 1,179,648
    CONV3-512: [28x28x512]  memory: 28*28*512=400K  weights: (3*3*512)*512 = 2,359,296
    CONV3-512: [28x28x512]  memory: 28*28*512=400K  weights: (3*3*512)*512 = 2,359,296
    POOL2: [14x14x512]     memory: 14*14*512=100K  weights: 0
    CONV3-512: [14x14x512]  memory: 14*14*512=100K  weights: (3*3*512)*512 = 2,359,296
    CONV3-512: [14x14x512]  memory: 14*14*512=100K  weights: (3*3*512)*512 = 2,359,296
    CONV3-512: [14x14x512]  memory: 14*14*512=100K  weights: (3*3*512)*512 = 2,359,296
    POOL2: [7x7x512]       memory: 7*7*512=25K    weights: 0
    FC: [1x1x4096]         memory: 4096           weights: 7*7*512*4096 = 102,760,448
    FC: [1x1x4096]         memory: 4096           weights: 4096*4096 = 16,777,216
    FC: [1x1x1000]         memory: 1000           weights: 4096*1000 = 4,096,000
"""


def listing() -> list[tuple[int, int]]:
    """Return values and weights of each line of deck 4's listing, the input first."""
    found = []
    for line in CS231N.strip().splitlines():
        sizes = [int(size) for size in re.findall(r"\[(\d+)x(\d+)x(\d+)\]", line)[0]]
        weights = int(line.rsplit(" ", 1)[1].replace(",", ""))
        found.append((sizes[0] * sizes[1] * sizes[2], weights))
    return found


def test_vgg16_reproduces_every_row_of_the_torchsummary_table_of_deck_1():
    """N14, as torchvision was in 2017."""
    analysis = cnnprof.analyze("vgg16_2017")

    assert printed(TORCHSUMMARY) == computed(analysis, without_ops=("flatten",))
    totals = analysis.totals
    assert (138_357_544, 138_357_544, 0) == (totals.params, totals.trainable_params, totals.frozen_params)
    assert "0.57" == mib(totals.torchsummary_input_bytes)
    assert "218.59" == mib(totals.torchsummary_activation_bytes)
    assert "527.79" == mib(totals.torchsummary_param_bytes)
    assert "746.96" == mib(totals.torchsummary_total_bytes)


def test_todays_vgg16_has_one_row_more_and_torchsummary_says_218_78():
    """N14, as torchvision is now."""
    totals = cnnprof.analyze("vgg16").totals

    assert cnnprof.analyze("vgg16_2017").totals.layers + 1 == totals.layers
    assert (138_357_544, 15_470_264_320) == (totals.params, totals.macs)
    assert "218.78" == mib(totals.torchsummary_activation_bytes)


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("vgg11", 132_863_336, 7_609_090_048),
        ("vgg13", 133_047_848, 11_308_466_176),
        ("vgg16", 138_357_544, 15_470_264_320),
        ("vgg19", 143_667_240, 19_632_062_464),
    ],
)
def test_the_four_depths_of_vgg_have_the_parameters_and_macs_of_their_formulas(name, params, macs):
    """N14."""
    totals = cnnprof.analyze(name).totals

    assert (params, macs) == (totals.params, totals.macs)


def test_vgg16_as_cs231n_writes_it_has_the_volume_and_weights_of_every_line():
    """N15: volumes between layers, ReLU in place and weights without biases."""
    analysis = cnnprof.analyze("vgg16_cs231n")

    rows = [row for row in analysis.rows if row.op in ("conv2d", "maxpool2d", "linear")]
    assert listing() == [(3 * 224 * 224, 0)] + [(row.outputs[0].numel, row.params) for row in rows]
    assert 138_344_128 == sum(weights for _, weights in listing()) == analysis.totals.params


def test_the_volumes_of_cs231n_add_up_to_15_million_values_not_24():
    """N15: "TOTAL memory: 24M * 4 bytes ~= 93MB / image"."""
    analysis = cnnprof.analyze("vgg16_cs231n")
    wrong = {claim.fact.value: claim.shown for claim in check(analysis) if not claim.reproduced}

    assert 15_237_608 == sum(values for values, _ in listing()) == 150_528 + analysis.totals.activations
    assert {"24e6": "15e6", "93": "58"} == wrong


def test_vgg16_with_17_classes_reproduces_every_row_of_deck_0_but_its_slips():
    """N16: the total is right, so the rows that do not add up to it are not."""
    analysis = cnnprof.analyze("vgg16_keras17")
    rows = printed(KERAS)

    corrected = [row._replace(params=SLIPS.get(row.params, row.params)) for row in rows]
    assert corrected == computed(analysis, without_ops=("relu",))
    assert 134_330_193 == sum(row.params for row in corrected) == analysis.totals.params
    assert 134_330_193 != sum(row.params for row in rows)
    assert "512.43" == mib(analysis.totals.param_bytes)


def test_each_slip_of_deck_0_is_shown_with_the_right_figure():
    """N16."""
    wrong = [claim for claim in check(cnnprof.analyze("vgg16_keras17")) if not claim.reproduced]

    assert {f"{bad:,}": f"{good:,}" for bad, good in SLIPS.items()} == {c.fact.value: c.shown for c in wrong}


def test_15_3_billion_is_vgg16_without_its_dense_layers():
    """Deck 1 compares 3.8B with 15.3B "Flops"; the paper it quotes leaves the dense layers out."""
    analysis = cnnprof.analyze("vgg16")

    assert 15_346_630_656 == sum(row.macs for row in analysis.rows if row.op == "conv2d")
    assert ["15.3e9"] == [each.fact.value for each in check(analysis) if each.fact.of == "macs" and not each.reproduced]
