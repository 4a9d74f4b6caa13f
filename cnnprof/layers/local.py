"""Locally connected layers, which torch lacks: a convolution whose every position has a kernel and a bias of its own.

As Keras 2's LocallyConnected1D and LocallyConnected2D, with the argument names of torch.nn's convolutions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from cnnprof.layers.backward import Device, Needs, Saved, kept
from cnnprof.layers.base import (
    ONE,
    ZERO,
    Example,
    Inputs,
    Ints,
    Layer,
    Pads,
    check_at_least,
    mac_events,
    normalise,
    one_input,
    product,
)
from cnnprof.layers.registry import register
from cnnprof.layers.windowed import (
    as_matrix,
    both_sides,
    check_same_padding,
    fitting_sizes,
    stored_channels,
    useful_taps,
)
from cnnprof.model.analysis import Equivalent, Events
from cnnprof.model.graph import Shape, TensorSpec
from cnnprof.shapes import Window

if TYPE_CHECKING:
    import torch


class LocallyConnected(Layer, frozen=True):
    """A convolution without shared weights, N×C×… to N×out_channels×….

    n outputs that each read s values have n·(s + 1) parameters.
    """

    dims: ClassVar[int]

    out_channels: int
    kernel_size: Ints
    stride: Ints = ONE
    padding: Ints | Literal["same", "valid"] = ZERO
    dilation: Ints = ONE
    bias: bool = True

    def __post_init__(self) -> None:
        check_at_least(self.out_channels, 1, "out_channels")
        for argument in ("kernel_size", "stride", "dilation"):
            normalise(self, argument, self.dims, at_least=1)
        if not isinstance(self.padding, str):
            normalise(self, "padding", self.dims, at_least=0)
        check_same_padding(self.padding, self.stride)

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        sizes = one_input(inputs, self.op, self.dims).shape[2:]
        pads = both_sides(self.padding, self.kernel_size, self.dilation)
        return tuple(
            Window(size, kernel, stride, low, high, dilation)
            for size, kernel, stride, (low, high), dilation in zip(
                sizes, self.kernel_size, self.stride, pads, self.dilation, strict=True
            )
        )

    def outputs(self, inputs: Inputs) -> Inputs:
        tensor = one_input(inputs, self.op, self.dims)
        sizes = fitting_sizes(tensor, self.windows(inputs))
        return (TensorSpec((tensor.shape[0], self.out_channels, *sizes), tensor.dtype),)

    def parameters(self, inputs: Inputs) -> dict[str, Shape]:
        positions = tuple(window.output for window in self.windows(inputs))
        weight = (*positions, self.out_channels, inputs[0].shape[1], *self.kernel_size)
        return {"weight": weight, "bias": (self.out_channels, *positions)} if self.bias else {"weight": weight}

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        count = outputs[0].numel
        taps = product(self.kernel_size) * inputs[0].shape[1]
        return mac_events(taps * count, count, count if self.bias else 0)

    def useful_macs(self, inputs: Inputs, outputs: Inputs, zeros: Pads | None = None) -> int:
        filters = inputs[0].shape[0] * self.out_channels * stored_channels(inputs[0], zeros)
        return filters * useful_taps(self.windows(inputs), zeros)

    def equivalent(self, inputs: Inputs, outputs: Inputs) -> Equivalent:
        reads = self.out_channels * inputs[0].shape[1]
        return as_matrix(inputs[0], outputs[0], self.windows(inputs), reads=reads, bias=self.bias)

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        if not needs.parameters:
            return ()
        batch, channels = inputs[0].shape[:2]
        taps = channels * product(self.kernel_size)
        return (kept(TensorSpec((product(outputs[0].shape[2:]), batch, taps), inputs[0].dtype)),)  # every patch

    def build(self, inputs: Inputs) -> torch.nn.Module:
        shapes = self.parameters(inputs)
        return _module(self.windows(inputs), shapes["weight"], shapes.get("bias"))


def _module(windows: tuple[Window, ...], weight: Shape, bias: Shape | None) -> torch.nn.Module:
    """Return the torch module of these windows and parameter shapes, initialised as torch's convolutions are."""
    import torch

    dims = len(windows)
    positions, out_channels, patch = product(weight[:dims]), weight[dims], product(weight[dims + 1 :])
    # torch.nn.functional.pad wants the last axis first.
    pads = [pad for window in reversed(windows) for pad in (window.pad_low, window.pad_high)]

    class LocallyConnected(torch.nn.Module):  # type: ignore[misc] # torch is not followed
        def __init__(self) -> None:
            super().__init__()
            bound = patch**-0.5
            self.weight = torch.nn.Parameter(torch.empty(weight).uniform_(-bound, bound))
            self.bias = None if bias is None else torch.nn.Parameter(torch.empty(bias).uniform_(-bound, bound))

        def forward(self, tensor: torch.Tensor) -> torch.Tensor:
            """Multiply every position's patch by that position's kernel: N×C×… to N×out_channels×…."""
            batch = tensor.shape[0]
            patches = torch.nn.functional.pad(tensor, pads)
            for axis, window in enumerate(windows, start=2):
                patches = patches.unfold(axis, window.span, window.stride)[..., :: window.dilation]
            # N×C×positions×taps to positions×N×(C·taps)
            order = [*range(2, 2 + dims), 0, 1, *range(2 + dims, 2 + 2 * dims)]
            # A copy also where torch could do with a view: a kernel of one element would keep the whole padded input.
            patches = patches.permute(order).clone(memory_format=torch.contiguous_format).view(positions, batch, patch)
            kernels = self.weight.reshape(positions, out_channels, patch).transpose(1, 2)
            output = torch.bmm(patches, kernels).permute(1, 2, 0).reshape(batch, out_channels, *weight[:dims])
            return output if self.bias is None else output + self.bias

    return LocallyConnected()


@register("locallyconnected1d")
class LocallyConnected1d(LocallyConnected, frozen=True):
    """A kernel and bias for every position of a sequence: N×C×L to N×out_channels×L'."""

    dims = 1
    examples = (
        Example({"out_channels": 4, "kernel_size": 3}, ((1, 2, 10),), ((1, 4, 8),)),
        Example({"out_channels": 2, "kernel_size": 2, "stride": 2, "padding": 1, "bias": False}, ((2, 3, 5),)),
    )
    choices = {
        "out_channels": (1, 4),
        "kernel_size": (1, 2, (3,)),
        "stride": (1, 2, (3,)),
        "padding": (0, 1, (2,), "same", "valid"),
        "dilation": (1, 2, (3,)),
        "bias": (True, False),
    }
    input_choices = (((1, 2, 9),), ((2, 6, 4),), ((3, 3, 1),))


@register("locallyconnected2d")
class LocallyConnected2d(LocallyConnected, frozen=True):
    """A kernel and bias for every position of an image: N×C×H×W to N×out_channels×H'×W'."""

    dims = 2
    examples = (
        Example({"out_channels": 2, "kernel_size": 3}, ((1, 3, 6, 6),), ((1, 2, 4, 4),)),
        Example({"out_channels": 4, "kernel_size": [3, 2], "stride": [2, 1], "padding": [1, 0]}, ((2, 2, 7, 5),)),
    )
    choices = {
        "out_channels": (1, 4),
        "kernel_size": (1, 2, 3, (1, 3)),
        "stride": (1, 2, (1, 3)),
        "padding": (0, 1, (2, 1), "same", "valid"),
        "dilation": (1, 2, (1, 2)),
        "bias": (True, False),
    }
    input_choices = (((1, 2, 7, 9),), ((2, 6, 4, 4),), ((3, 3, 1, 5),))
