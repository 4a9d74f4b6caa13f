"""Figures that no tool prints, against tensors of torch: what windows cut off, equivalent matrices, bytes moved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import cnnprof
from cnnprof.model.graph import Graph

CONVOLUTIONS: dict[str, tuple[str, str]] = {
    "as the deck has it": ("[1, 4, 4]", "conv2d: {out_channels: 1, kernel_size: 3, bias: false}"),
    "padded": ("[3, 5, 6]", "conv2d: {out_channels: 2, kernel_size: 3, padding: 1}"),
    "strided, wider than high": ("[2, 6, 9]", "conv2d: {out_channels: 4, kernel_size: [3, 2], stride: 2}"),
    "grouped and dilated": (
        "[4, 7, 7]", "conv2d: {out_channels: 8, kernel_size: 3, padding: 2, dilation: 2, groups: 2, bias: false}",
    ),
    "of one dimension": ("[2, 11]", "conv1d: {out_channels: 3, kernel_size: 4, stride: 3, padding: 2}"),
}  # fmt: skip


def network(folder: Path, size: str, layer: str) -> Graph:
    path = folder / "one.yaml"
    path.write_text(f"{{cnnprof: 1, name: one, input: {size}, layers: [{{{layer}}}]}}", encoding="utf-8")
    return cnnprof.load(str(path))


def of_ones(graph: Graph) -> Any:
    """Return the module with all weights 1 and all biases 0."""
    module = cnnprof.build(graph).eval().requires_grad_(requires_grad=False)
    for name, each in module.named_parameters():
        each.fill_(0.0 if name.endswith("bias") else 1.0)
    return module


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_the_matrix_of_a_convolution_is_what_it_makes_of_every_unit_vector(tmp_path, name):
    graph = network(tmp_path, *CONVOLUTIONS[name])
    shape = graph.inputs[0].shape
    size = torch.Size(shape).numel()

    matrix = of_ones(graph)(torch.eye(size).reshape(size, *shape)).flatten(1).T
    found = cnnprof.analyze(graph).rows[0].equivalent
    assert (*matrix.shape, int((matrix != 0).sum())) == (
        found.toeplitz_rows, found.toeplitz_columns, found.toeplitz_nonzeros,
    )  # fmt: skip


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_the_dense_equivalent_has_the_parameters_of_torchs_linear_layer(tmp_path, name):
    graph = network(tmp_path, *CONVOLUTIONS[name])
    row = cnnprof.analyze(graph).rows[0]
    sizes = torch.Size(row.inputs[0].shape[1:]).numel(), torch.Size(row.outputs[0].shape[1:]).numel()

    linear = torch.nn.Linear(*sizes, bias=row.bias_params > 0, device="meta")
    if row.bias_params:  # one per output of a dense layer
        assert sizes[1] == linear.bias.numel()
    assert sum(each.numel() for each in linear.parameters()) == row.equivalent.dense_params


WINDOWS: dict[str, tuple[str, str, tuple[int, int]]] = {
    "convolution": ("[1, 8, 9]", "conv2d: {out_channels: 1, kernel_size: 4, stride: 3}", (1, 2)),
    "padded": ("[2, 9, 8]", "conv2d: {out_channels: 1, kernel_size: 4, stride: 4, padding: 1}", (2, 1)),
    "dilated": ("[1, 10, 11]", "conv2d: {out_channels: 1, kernel_size: 3, dilation: 2, stride: 3}", (2, 0)),
    "pooling": ("[1, 7, 6]", "avgpool2d: {kernel_size: 2}", (1, 0)),
    "tiled": ("[1, 8, 8]", "avgpool2d: {kernel_size: 2}", (0, 0)),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_what_windows_cut_off_has_no_gradient_and_what_is_before_it_has_one(tmp_path, name):
    size, layer, expected = WINDOWS[name]
    graph = network(tmp_path, size, layer)
    image = torch.ones(1, *graph.inputs[0].shape, requires_grad=True)

    of_ones(graph)(image).sum().backward()
    read = image.grad[0].sum(0) > 0
    rows, columns = read.any(1).nonzero().max(), read.any(0).nonzero().max()
    cut = read.shape[0] - 1 - int(rows), read.shape[1] - 1 - int(columns)
    assert expected == cut == cnnprof.analyze(graph).rows[0].window_cut


@pytest.mark.parametrize("name", ["lenet5", "resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "googlenet"])
def test_bytes_read_and_written_are_those_of_the_tensors_that_go_in_and_come_out(name):
    analysis = cnnprof.analyze(name, batch=2)
    module = cnnprof.build(name, device="meta").eval()
    moved: dict[str, tuple[int, int]] = {}

    def hook(layer: str) -> Any:
        def note(part: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            given = {id(each): each for each in (*inputs, *part.parameters(), *part.buffers())}
            made = output if isinstance(output, tuple) else (output,)
            moved[layer] = sum(each.nbytes for each in given.values()), sum(each.nbytes for each in made)

        return note

    for layer, path in module.paths.items():
        module.get_submodule(path).register_forward_hook(hook(layer))
    module(*(torch.empty(2, *each.shape, device="meta") for each in analysis.inputs))

    moving = [row for row in analysis.rows if row.read_bytes]
    assert {row.name: moved[row.name] for row in moving} == {
        row.name: (row.read_bytes, row.write_bytes) for row in moving
    }
    assert {"conv2d", "linear"} <= {row.op for row in moving}
