"""The multiply-accumulates of gradients, and those that do not touch padding, against what torch really does."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from cnnprof.layers import REGISTRY, Layer
from cnnprof.layers.backward import Needs
from cnnprof.layers.conv import Conv
from cnnprof.layers.convtranspose import ConvTranspose
from cnnprof.layers.local import LocallyConnected
from cnnprof.model.plain import replace
from tests.layers.contract import known_warnings, outcome, specs

REFUSALS = (Exception,)


def cases() -> list[tuple[str, dict, tuple]]:
    """Return layers that multiply and accumulate: their examples, and their arguments on every shape to draw from."""
    found = []
    for op, kind in sorted(REGISTRY.items()):
        for example in kind.examples:
            layer, inputs = kind(**example.args), specs(example.inputs)
            if layer.events(inputs, layer.outputs(inputs)).macs:
                found += [(op, example.args, shapes) for shapes in (example.inputs, *kind.input_choices)]
    return found


def accepted(op: str, args: dict, shapes: tuple) -> Layer | None:
    layer = REGISTRY[op](**args)
    return None if outcome(lambda: layer.outputs(specs(shapes)), REFUSALS)[1] else layer


CASES = [case for case in cases() if accepted(*case)]


def one_group(layer: Layer, shapes: tuple) -> tuple[Layer, tuple, int]:
    """Return one group of a grouped convolution by itself, and how many there are.

    FlopCounterMode counts the backward of a grouped convolution as if it had no groups.
    """
    groups = getattr(layer, "groups", 1)
    if groups == 1:
        return layer, shapes, 1
    (batch, channels, *sizes), *_ = shapes
    alone = replace(layer, groups=1, out_channels=layer.out_channels // groups)
    return alone, ((batch, channels // groups, *sizes),), groups


def backward_flops(layer: Layer, shapes: tuple, needs: Needs) -> int:
    """Return what torch's FlopCounterMode counts in the backward of the built layer."""
    layer, shapes, groups = one_group(layer, shapes)
    torch.manual_seed(0)
    with known_warnings():
        module = layer.build(specs(shapes)).train().requires_grad_(needs.parameters)
        inputs = [torch.randn(shape, requires_grad=needed) for shape, needed in zip(shapes, needs.inputs, strict=True)]
        with sdpa_kernel(SDPBackend.MATH):
            output = module(*inputs)
            with FlopCounterMode(display=False) as counter:
                output.sum().backward()
    return groups * counter.get_total_flops()


def test_every_layer_that_multiplies_and_accumulates_is_tried():
    assert {
        "conv1d", "conv2d", "conv3d", "convtranspose1d", "convtranspose2d", "convtranspose3d", "linear",
        "locallyconnected1d", "locallyconnected2d", "matmul", "einsum", "multiheadattention",
        "scaleddotproductattention",
    } == {op for op, _, _ in CASES}  # fmt: skip


@pytest.mark.parametrize(("op", "args", "shapes"), CASES, ids=str)
def test_the_gradients_of_any_layer_take_the_macs_that_torch_counts(op, args, shapes):
    layer, inputs = REGISTRY[op](**args), specs(shapes)
    products = layer.products(inputs, layer.outputs(inputs))
    trains = (False, True) if layer.parameters(inputs) else (False,)
    for *wanted, parameters in itertools.product(*[(False, True)] * len(shapes), trains):
        needs = Needs(tuple(wanted), parameters)
        if needs.any:
            ours = sum(
                2 * product.macs for product in products for each in (product.left, product.right) if needs.of(each)
            )
            assert backward_flops(layer, shapes, needs) == ours, needs


@pytest.mark.parametrize(("op", "args", "shapes"), CASES, ids=str)
def test_the_products_of_a_layer_are_all_its_macs(op, args, shapes):
    layer, inputs = REGISTRY[op](**args), specs(shapes)
    outputs = layer.outputs(inputs)

    assert layer.events(inputs, outputs).macs == sum(each.macs for each in layer.products(inputs, outputs))


SLIDING = [
    (op, args, shapes)
    for op, args, shapes in CASES
    if issubclass(REGISTRY[op], Conv | ConvTranspose | LocallyConnected)
]
ZEROS = [(0, 0), (1, 2), (2, 1)]


@pytest.mark.parametrize(("op", "args", "shapes"), SLIDING, ids=str)
@pytest.mark.parametrize("zeros", ZEROS)
def test_useful_macs_are_what_a_convolution_of_ones_adds_up_to(op, args, shapes, zeros):
    """On ones with ``zeros`` around them, under a kernel of ones without bias, every useful product adds 1."""
    (shape,) = shapes
    low, high = zeros
    if min(shape[2:]) <= low + high:
        shape = (*shape[:2], *(size + low + high for size in shape[2:]))
    layer, inputs = REGISTRY[op](**{**args, "bias": False}), specs((shape,))
    pads = ((0, 0), (0, 0), *([zeros] * (len(shape) - 2)))
    with torch.no_grad():
        module = layer.build(inputs)
        module.weight.fill_(1)
        ones = torch.ones([size - low - high for size in shape[2:]])
        image = torch.nn.functional.pad(ones, [low, high] * (len(shape) - 2)).expand(shape)
        total = module(image.contiguous()).double().sum().item()

    assert total == layer.useful_macs(inputs, layer.outputs(inputs), pads)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("size", [(5, 6), (3, 9)])
def test_padding_that_copies_what_is_stored_is_useful(mode, size):
    layer, inputs = (
        REGISTRY["conv2d"](out_channels=2, kernel_size=3, padding=1, padding_mode=mode),
        specs(((1, 3, *size),)),
    )
    outputs = layer.outputs(inputs)

    assert layer.events(inputs, outputs).macs == layer.useful_macs(inputs, outputs)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("zeros", [(1, 0), (0, 2), (2, 1), (4, 3)])
@pytest.mark.parametrize("padding", [1, 3, "same"])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(1, 1, 1), (4, 1, 1), (3, 2, 1), (2, 3, 3)])
def test_padding_that_copies_zeros_is_wasted(mode, zeros, padding, kernel, stride, dilation):
    stride = 1 if padding == "same" else stride
    window = {"kernel_size": kernel, "stride": stride, "dilation": dilation}
    layer = REGISTRY["conv1d"](out_channels=1, **window, padding=padding, padding_mode=mode, bias=False)
    inputs, pads = specs(((1, 1, 9),)), ((0, 0), (0, 0), zeros)
    with torch.no_grad():
        module = layer.build(inputs)
        module.weight.fill_(1)
        total = module(torch.nn.functional.pad(torch.ones(1, 1, 9 - sum(zeros)), zeros)).sum().item()

    assert total == layer.useful_macs(inputs, layer.outputs(inputs), pads)


@pytest.mark.parametrize(
    ("op", "groups"), [("conv1d", 1), ("conv1d", 2), ("convtranspose1d", 3), ("locallyconnected1d", 1)]
)
def test_channels_of_zeros_that_a_layer_before_put_in_are_wasted(op, groups):
    args = {"out_channels": 6, "kernel_size": 2} | ({"groups": groups} if groups > 1 else {})
    layer, inputs = REGISTRY[op](**args), specs(((2, 6, 5),))
    macs = layer.events(inputs, layer.outputs(inputs)).macs

    assert macs // 2 == layer.useful_macs(inputs, layer.outputs(inputs), ((0, 0), (2, 1), (0, 0)))
