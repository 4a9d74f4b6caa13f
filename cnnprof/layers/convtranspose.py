"""Transposed convolutions: torch.nn.ConvTranspose1d, ConvTranspose2d, ConvTranspose3d."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from cnnprof.errors import LayerError
from cnnprof.layers.base import (
    ONE,
    ZERO,
    Example,
    Inputs,
    Ints,
    Layer,
    Pads,
    check_at_least,
    normalise,
    one_input,
    product,
    text,
)
from cnnprof.layers.registry import register
from cnnprof.layers.windowed import stored_channels
from cnnprof.model.analysis import Events
from cnnprof.model.graph import Shape, TensorSpec
from cnnprof.shapes import Reads, transposed_output, transposed_reach, transposed_taps, transposed_taps_within

if TYPE_CHECKING:
    import torch


class ConvTranspose(Layer, frozen=True):
    """A transposed convolution over ``dims`` spatial axes, N×C×… to N×out_channels×….

    Every input element spreads a kernel over the output, so the work is counted on the input. ``padding`` crops the
    result. ``windows`` is None: the window slides over the output.
    """

    dims: ClassVar[int]

    out_channels: int
    kernel_size: Ints
    stride: Ints = ONE
    padding: Ints = ZERO
    output_padding: Ints = ZERO
    groups: int = 1
    bias: bool = True
    dilation: Ints = ONE
    padding_mode: Literal["zeros"] = "zeros"

    def __post_init__(self) -> None:
        check_at_least(self.out_channels, 1, "out_channels")
        check_at_least(self.groups, 1, "groups")
        for argument in ("kernel_size", "stride", "dilation"):
            normalise(self, argument, self.dims, at_least=1)
        for argument in ("padding", "output_padding"):
            normalise(self, argument, self.dims, at_least=0)
        if self.padding_mode != "zeros":
            raise LayerError(f"padding_mode must be 'zeros' here, got {self.padding_mode!r}", argument="padding_mode")
        if self.out_channels % self.groups:
            raise LayerError(
                f"groups must divide out_channels, got {self.groups} groups for {self.out_channels}", argument="groups"
            )
        self._check_output_padding()

    def _check_output_padding(self) -> None:
        for extra, stride, dilation in zip(self.output_padding, self.stride, self.dilation, strict=True):
            if extra >= max(stride, dilation):
                raise LayerError(
                    f"output_padding must be smaller than stride or dilation, got {extra} for stride {stride} and "
                    f"dilation {dilation}",
                    argument="output_padding",
                )

    def outputs(self, inputs: Inputs) -> Inputs:
        tensor = one_input(inputs, self.op, self.dims)
        if tensor.shape[1] % self.groups:
            raise LayerError(
                f"groups must divide the input channels, got {self.groups} groups for {text(tensor.shape)}",
                argument="groups",
            )
        sizes = tuple(
            transposed_output(size, kernel, stride, pad, extra, dilation)
            for size, kernel, stride, pad, extra, dilation in zip(
                tensor.shape[2:], self.kernel_size, self.stride, self.padding, self.output_padding, self.dilation,
                strict=True,
            )
        )  # fmt: skip
        if min(sizes) < 1:
            raise LayerError(
                f"padding {list(self.padding)} crops everything away (input {text(tensor.shape)})",
                argument="padding",
                code="bad-shape",
            )
        return (TensorSpec((tensor.shape[0], self.out_channels, *sizes), tensor.dtype),)

    def parameters(self, inputs: Inputs) -> dict[str, Shape]:
        weight = (inputs[0].shape[1], self.out_channels // self.groups, *self.kernel_size)
        return {"weight": weight, "bias": (self.out_channels,)} if self.bias else {"weight": weight}

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        macs = inputs[0].numel * (self.out_channels // self.groups) * product(self.kernel_size)
        # The first product of an output needs no addition; where stride leaves gaps, an output has no product at all.
        firsts = outputs[0].shape[0] * self.out_channels * self._reached(inputs[0], outputs[0])
        return Events(macs=macs, muls=macs, adds=macs - firsts + (outputs[0].numel if self.bias else 0))

    def useful_macs(self, inputs: Inputs, outputs: Inputs, zeros: Pads | None = None) -> int:
        filters = inputs[0].shape[0] * stored_channels(inputs[0], zeros) * (self.out_channels // self.groups)
        ends = ((0, 0),) * self.dims if zeros is None else zeros[2:]
        axes = zip(
            ends, inputs[0].shape[2:], self.kernel_size, self.stride, self.padding, self.dilation,
            outputs[0].shape[2:], strict=True,
        )  # fmt: skip
        return filters * product(
            [transposed_taps_within(low, size - low - high, *axis) for (low, high), size, *axis in axes]
        )

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        axes = zip(self.kernel_size, self.stride, self.padding, self.dilation, strict=True)
        found = {dim: transposed_taps(dim, *axis) for dim, axis in enumerate(axes, start=2)}
        return {dim: taps for dim, taps in found.items() if taps is not None}

    def _reached(self, tensor: TensorSpec, output: TensorSpec) -> int:
        """Return how many positions of one output channel receive a product."""
        axes = zip(
            tensor.shape[2:], self.kernel_size, self.stride, self.padding, self.dilation, output.shape[2:], strict=True
        )
        return product([transposed_reach(*axis) for axis in axes])

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        kind = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[self.dims]
        return kind(
            inputs[0].shape[1], self.out_channels, self.kernel_size, stride=self.stride, padding=self.padding,
            output_padding=self.output_padding, groups=self.groups, bias=self.bias, dilation=self.dilation,
            padding_mode=self.padding_mode,
        )  # fmt: skip


@register("convtranspose1d")
class ConvTranspose1d(ConvTranspose, frozen=True):
    """Transposed convolution over a sequence: N×C×L to N×out_channels×L'."""

    dims = 1
    examples = (
        Example({"out_channels": 3, "kernel_size": 4, "stride": 2, "padding": 1}, ((1, 2, 8),), ((1, 3, 16),)),
        Example({"out_channels": 4, "kernel_size": 1, "stride": 3, "groups": 2}, ((2, 4, 5),), ((2, 4, 13),)),
    )
    choices = {
        "out_channels": (1, 4, 6),
        "kernel_size": (1, 2, 5, (3,)),
        "stride": (1, 2, (3,)),
        "padding": (0, 1, (2,), 3),
        "output_padding": (0, 1, (2,)),
        "groups": (1, 2, 3),
        "bias": (True, False),
        "dilation": (1, 2, (3,)),
        "padding_mode": ("zeros", "reflect"),
    }
    input_choices = (((1, 2, 9),), ((2, 6, 4),), ((3, 3, 1),))


@register("convtranspose2d")
class ConvTranspose2d(ConvTranspose, frozen=True):
    """Transposed convolution over height and width: N×C×H×W to N×out_channels×H'×W'."""

    dims = 2
    examples = (
        Example({"out_channels": 64, "kernel_size": 2, "stride": 2}, ((1, 128, 28, 28),), ((1, 64, 56, 56),)),
        Example(
            {"out_channels": 4, "kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1, "groups": 2},
            ((2, 6, 5, 7),),
            ((2, 4, 10, 14),),
        ),
    )
    choices = {
        "out_channels": (1, 4, 6),
        "kernel_size": (1, 2, 3, (1, 3), (5, 2)),
        "stride": (1, 2, (1, 3)),
        "padding": (0, 1, (2, 1)),
        "output_padding": (0, 1, (0, 2)),
        "groups": (1, 2, 3),
        "bias": (True, False),
        "dilation": (1, 2, (1, 2)),
        "padding_mode": ("zeros",),
    }
    input_choices = (((1, 2, 7, 9),), ((2, 6, 4, 4),), ((3, 3, 1, 5),))


@register("convtranspose3d")
class ConvTranspose3d(ConvTranspose, frozen=True):
    """Transposed convolution over depth, height and width: N×C×D×H×W to N×out_channels×D'×H'×W'."""

    dims = 3
    examples = (
        Example({"out_channels": 2, "kernel_size": 2, "stride": 2}, ((1, 4, 3, 4, 5),), ((1, 2, 6, 8, 10),)),
        Example({"out_channels": 2, "kernel_size": [1, 3, 3], "padding": [0, 1, 1]}, ((2, 1, 2, 3, 4),)),
    )
    choices = {
        "out_channels": (1, 4, 6),
        "kernel_size": (1, 2, 3, (1, 3, 2)),
        "stride": (1, 2, (1, 3, 2)),
        "padding": (0, 1, (2, 1, 0)),
        "output_padding": (0, 1, (0, 2, 1)),
        "groups": (1, 2, 3),
        "bias": (True, False),
        "dilation": (1, 2, (1, 2, 1)),
        "padding_mode": ("zeros",),
    }
    input_choices = (((1, 2, 4, 5, 3),), ((2, 6, 3, 3, 3),), ((1, 3, 1, 2, 4),))
