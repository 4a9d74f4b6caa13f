"""Small images worked out by hand in textbooks, through the modules that the layers build."""

from __future__ import annotations

from typing import Any

import torch

from cnnprof.layers import REGISTRY
from cnnprof.model.graph import TensorSpec

SOBEL = [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]
BINARY = [[1, 1, 0, 1], [0, 0, 0, 1], [1, 1, 1, 0], [1, 0, 0, 1]]
SIX = [
    [3, 1, 3, 5, 3, 3],
    [2, 2, 8, 8, 3, 9],
    [3, 4, 7, 7, 2, 7],
    [5, 3, 6, 8, 4, 7],
    [3, 8, 8, 5, 7, 4],
    [7, 9, 6, 4, 6, 9],
]
POOLED = [
    [3, 0, 1, 2, 7, 4],
    [1, 5, 8, 9, 3, 1],
    [2, 7, 2, 5, 1, 3],
    [0, 1, 3, 1, 7, 8],
    [4, 2, 1, 6, 2, 8],
    [2, 4, 5, 2, 3, 9],
]


def response(op: str, image: list[list[int]], kernel: list[list[int]] | None = None, **args: Any) -> list[list[float]]:
    """Return a layer's output on a grey image, with ``kernel`` for its only filter."""
    tensor = torch.tensor([[image]], dtype=torch.float32)
    if kernel:
        args |= {"out_channels": 1, "kernel_size": (len(kernel), len(kernel[0])), "bias": False}
    module = REGISTRY[op](**args).build((TensorSpec(tuple(tensor.shape)),))
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.tensor(kernel).expand(weight.shape))
        return module(tensor)[0, 0].tolist()


class TestConvolution:
    def test_sobel_on_4x4(self):
        assert response("conv2d", BINARY, SOBEL) == [[1, 1], [1, 0]]

    def test_sobel_on_4x4_with_padding_one(self):
        expected = [[0, 0, 1, 2], [0, 1, 1, -1], [2, 1, 0, 0], [-3, -4, -3, -1]]

        assert expected == response("conv2d", BINARY, SOBEL, padding=1)
        assert expected == response("conv2d", BINARY, SOBEL, padding="same")

    def test_sobel_on_6x6_at_stride_one(self):
        expected = [[10, 13, 7, 4], [3, -3, -1, 0], [9, 4, 2, 5], [14, 2, -6, 2]]

        assert expected == response("conv2d", SIX, SOBEL)

    def test_sobel_on_6x6_at_stride_two(self):
        assert response("conv2d", SIX, SOBEL, stride=2) == [[10, 7], [9, 2]]

    def test_a_vertical_edge_on_6x6(self):
        expected = [[-5, -4, 0, 8], [-10, -2, 2, 3], [0, -2, -4, -7], [-3, -2, -3, -16]]

        assert expected == response("conv2d", POOLED, [[1, 0, -1]] * 3)

    def test_the_example_that_is_also_written_as_a_toeplitz_matrix(self):
        image = [[4, 5, 8, 7], [1, 8, 8, 8], [3, 6, 6, 4], [6, 5, 7, 8]]

        assert response("conv2d", image, [[1, 4, 1], [1, 4, 3], [3, 3, 1]]) == [[122, 148], [126, 134]]

    def test_2x2_on_3x3(self):
        assert response("conv2d", [[0, 1, 2], [3, 4, 5], [6, 7, 8]], [[0, 1], [2, 3]]) == [[19, 25], [37, 43]]

    def test_the_same_kernel_at_every_position_makes_a_locally_connected_layer_a_convolution(self):
        assert response("locallyconnected2d", SIX, SOBEL, stride=2) == [[10, 7], [9, 2]]
        assert response("conv2d", SIX, SOBEL, dilation=2) == response("locallyconnected2d", SIX, SOBEL, dilation=2)


class TestPooling:
    def test_the_largest_of_2x2(self):
        assert response("maxpool2d", POOLED, kernel_size=2, stride=2) == [[5, 9, 7], [7, 5, 8], [4, 6, 9]]

    def test_the_mean_of_2x2(self):
        expected = [[2.25, 5, 3.75], [2.5, 2.75, 4.75], [3, 3.5, 5.5]]

        assert expected == response("avgpool2d", POOLED, kernel_size=2, stride=2)

    def test_adaptive_pooling_to_3x3_is_the_same(self):
        assert response("adaptivemaxpool2d", POOLED, output_size=3) == [[5, 9, 7], [7, 5, 8], [4, 6, 9]]
