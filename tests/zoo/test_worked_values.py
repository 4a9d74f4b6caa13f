"""F13: the sums the decks work out by hand, done by the torch modules that the specification's layers build."""

from __future__ import annotations

import pytest
import torch

from cnnprof.layers import REGISTRY
from cnnprof.model.graph import TensorSpec
from tests.zoo.test_vgg import listing

SOBEL = [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]
DECK_0_SMALL = [[1, 1, 0, 1], [0, 0, 0, 1], [1, 1, 1, 0], [1, 0, 0, 1]]
DECK_0_LARGE = [
    [3, 1, 3, 5, 3, 3],
    [2, 2, 8, 8, 3, 9],
    [3, 4, 7, 7, 2, 7],
    [5, 3, 6, 8, 4, 7],
    [3, 8, 8, 5, 7, 4],
    [7, 9, 6, 4, 6, 9],
]
DECK_3 = [
    [3, 0, 1, 2, 7, 4],
    [1, 5, 8, 9, 3, 1],
    [2, 7, 2, 5, 1, 3],
    [0, 1, 3, 1, 7, 8],
    [4, 2, 1, 6, 2, 8],
    [2, 4, 5, 2, 3, 9],
]


def run(op: str, image: list[list[float]], **arguments: object) -> list[list[float]]:
    """Return what a layer without weights makes of one map."""
    batch = torch.tensor(image, dtype=torch.float32)[None, None]
    module = REGISTRY[op](**arguments).build((TensorSpec(tuple(batch.shape)),))
    result: list[list[float]] = module(batch)[0, 0].tolist()
    return result


def convolve(image: list[list[float]], kernel: list[list[float]], **arguments: object) -> list[list[float]]:
    """Return what a convolution with these weights and no bias makes of one map."""
    batch = torch.tensor(image, dtype=torch.float32)[None, None]
    layer = REGISTRY["conv2d"](out_channels=1, kernel_size=(len(kernel), len(kernel[0])), bias=False, **arguments)
    module = layer.build((TensorSpec(tuple(batch.shape)),))
    with torch.no_grad():
        module.weight.copy_(torch.tensor(kernel)[None, None])
        result: list[list[float]] = module(batch)[0, 0].tolist()
    return result


def test_deck_0_convolves_a_4x4_image():
    """Two of its four sums are written with other values than they use; the printed results are right."""
    assert [[1, 1], [1, 0]] == convolve(DECK_0_SMALL, SOBEL)


def test_deck_0_convolves_a_6x6_image_with_stride_1():
    assert [[10, 13, 7, 4], [3, -3, -1, 0], [9, 4, 2, 5], [14, 2, -6, 2]] == convolve(DECK_0_LARGE, SOBEL)


def test_deck_0_convolves_a_6x6_image_with_stride_2():
    assert [[10, 7], [9, 2]] == convolve(DECK_0_LARGE, SOBEL, stride=2)


def test_deck_0_pads_a_4x4_image_with_zeros():
    expected = [[0, 0, 1, 2], [0, 1, 1, -1], [2, 1, 0, 0], [-3, -4, -3, -1]]
    assert expected == convolve(DECK_0_SMALL, SOBEL, padding=1) == convolve(DECK_0_SMALL, SOBEL, padding="same")


def test_padding_and_stride_2_take_every_second_value_of_the_padded_response():
    """Deck 0, "Impact on Tensor Dimension": 4×4 with p = 1, s = 2."""
    padded = convolve(DECK_0_SMALL, SOBEL, padding=1)
    assert [row[::2] for row in padded[::2]] == convolve(DECK_0_SMALL, SOBEL, padding=1, stride=2) == [[0, 1], [2, 0]]


def test_deck_1_convolves_a_4x4_tensor():
    image = [[4, 5, 8, 7], [1, 8, 8, 8], [3, 6, 6, 4], [6, 5, 7, 8]]
    assert [[122, 148], [126, 134]] == convolve(image, [[1, 4, 1], [1, 4, 3], [3, 3, 1]])


def test_deck_3_convolves_a_6x6_image():
    expected = [[-5, -4, 0, 8], [-10, -2, 2, 3], [0, -2, -4, -7], [-3, -2, -3, -16]]
    assert expected == convolve(DECK_3, [[1, 0, -1]] * 3)


def test_deck_3_pools_a_6x6_image_by_its_largest_values():
    assert [[5, 9, 7], [7, 5, 8], [4, 6, 9]] == run("maxpool2d", DECK_3, kernel_size=2, stride=2)


def test_deck_3_pools_a_6x6_image_by_its_means():
    assert [[2.25, 5, 3.75], [2.5, 2.75, 4.75], [3, 3.5, 5.5]] == run("avgpool2d", DECK_3, kernel_size=2, stride=2)


def test_deck_4_correlates_a_3x3_array_with_a_2x2_kernel():
    assert [[19, 25], [37, 43]] == convolve([[0, 1, 2], [3, 4, 5], [6, 7, 8]], [[0, 1], [2, 3]])


@pytest.mark.parametrize(("index", "printed"), [(0, "0.9998"), (1, "0.000041"), (2, "0.00000056"), (3, "0.00016")])
def test_deck_2_takes_the_softmax_of_four_numbers(index, printed):
    vector = torch.tensor([[10.1, 0, -4.3, 1.33]], dtype=torch.float64)
    value = REGISTRY["softmax"](dim=1).build((TensorSpec((1, 4)),))(vector)[0, index].item()

    decimals = len(printed) - 2
    assert printed == f"{value:.{decimals}f}"


def test_deck_4_lists_138_344_128_weights_for_vgg16():
    assert 138_344_128 == sum(weights for _, weights in listing())
