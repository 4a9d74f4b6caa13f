"""Convolutions: torch.nn.Conv1d, Conv2d, Conv3d."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from cnnprof.errors import LayerError
from cnnprof.layers.backward import Device, Needs, Saved, kept, kept_input
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
    text,
)
from cnnprof.layers.padding import kept_by
from cnnprof.layers.registry import register
from cnnprof.layers.windowed import (
    PaddingMode,
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


class Conv(Layer, frozen=True):
    """A convolution over ``dims`` spatial axes, N×C×… to N×out_channels×…."""

    dims: ClassVar[int]

    out_channels: int
    kernel_size: Ints
    stride: Ints = ONE
    padding: Ints | Literal["same", "valid"] = ZERO
    dilation: Ints = ONE
    groups: int = 1
    bias: bool = True
    padding_mode: PaddingMode = "zeros"

    def __post_init__(self) -> None:
        check_at_least(self.out_channels, 1, "out_channels")
        check_at_least(self.groups, 1, "groups")
        normalise(self, "kernel_size", self.dims, at_least=1)
        normalise(self, "stride", self.dims, at_least=1)
        normalise(self, "dilation", self.dims, at_least=1)
        if not isinstance(self.padding, str):
            normalise(self, "padding", self.dims, at_least=0)
        check_same_padding(self.padding, self.stride)
        if self.out_channels % self.groups:
            raise LayerError(
                f"groups must divide out_channels, got {self.groups} groups for {self.out_channels}", argument="groups"
            )

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        sizes = one_input(inputs, self.op, self.dims).shape[2:]
        pads = both_sides(self.padding, self.kernel_size, self.dilation)
        return tuple(
            Window(size, kernel, stride, low, high, dilation)
            for size, kernel, stride, (low, high), dilation in zip(
                sizes, self.kernel_size, self.stride, pads, self.dilation, strict=True
            )
        )  # fmt: skip

    def outputs(self, inputs: Inputs) -> Inputs:
        tensor = one_input(inputs, self.op, self.dims)
        if tensor.shape[1] % self.groups:
            raise LayerError(
                f"groups must divide the input channels, got {self.groups} groups for {text(tensor.shape)}",
                argument="groups",
            )
        windows = self.windows(inputs)
        for window in windows:
            self._check_padding(window)
        sizes = fitting_sizes(tensor, windows)
        return (TensorSpec((tensor.shape[0], self.out_channels, *sizes), tensor.dtype),)

    def _check_padding(self, window: Window) -> None:
        """Raise LayerError where torch's padding mode would need more elements than the input has."""
        most = {"reflect": window.size - 1, "circular": window.size}.get(self.padding_mode)
        if most is not None and window.pad_high > most:
            raise LayerError(
                f"padding_mode {self.padding_mode!r} can pad {window.size} elements by at most {most}, "
                f"got {window.pad_high}",
                argument="padding",
                code="bad-shape",
            )

    def parameters(self, inputs: Inputs) -> dict[str, Shape]:
        weight = (self.out_channels, inputs[0].shape[1] // self.groups, *self.kernel_size)
        return {"weight": weight, "bias": (self.out_channels,)} if self.bias else {"weight": weight}

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        count = outputs[0].numel
        taps = product(self.kernel_size) * (inputs[0].shape[1] // self.groups)
        return mac_events(taps * count, count, count if self.bias else 0)

    def useful_macs(self, inputs: Inputs, outputs: Inputs, zeros: Pads | None = None) -> int:
        batch, channels = inputs[0].shape[:2]
        stored = stored_channels(inputs[0], zeros)
        if stored == channels:
            filters = batch * self.out_channels * (channels // self.groups)
        else:  # every channel is read by the filters of its group, whichever are stored
            filters = batch * stored * (self.out_channels // self.groups)
        return filters * useful_taps(self.windows(inputs), zeros, mode=self.padding_mode)

    def equivalent(self, inputs: Inputs, outputs: Inputs) -> Equivalent:
        reads = self.out_channels * (inputs[0].shape[1] // self.groups)
        return as_matrix(inputs[0], outputs[0], self.windows(inputs), reads=reads, bias=self.bias)

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        windows = self.windows(inputs)
        if self.padding_mode == "zeros":
            # What convolutions pad by themselves is the same at both ends; what is left over is padded before.
            extra = [window.pad_high - window.pad_low for window in windows]
            return (self._padded(inputs[0], extra),) if any(extra) else (kept_input(),)
        padded = self._padded(inputs[0], [window.pad_low + window.pad_high for window in windows])
        return (padded, *(kept_by(self.padding_mode) if needs.inputs[0] else ()))

    def _padded(self, tensor: TensorSpec, extra: list[int]) -> Saved:
        """Return a copy of the input with ``extra`` elements more on each axis."""
        sizes = (size + more for size, more in zip(tensor.shape[2:], extra, strict=True))
        return kept(TensorSpec((*tensor.shape[:2], *sizes), tensor.dtype))

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        kind = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[self.dims]
        return kind(
            inputs[0].shape[1], self.out_channels, self.kernel_size, stride=self.stride, padding=self.padding,
            dilation=self.dilation, groups=self.groups, bias=self.bias, padding_mode=self.padding_mode,
        )  # fmt: skip


@register("conv1d")
class Conv1d(Conv, frozen=True):
    """Convolution over a sequence: N×C×L to N×out_channels×L'."""

    dims = 1
    examples = (
        Example({"out_channels": 3, "kernel_size": 3}, ((1, 2, 8),), ((1, 3, 6),)),
        Example({"out_channels": 256, "kernel_size": 10, "stride": 5, "groups": 2}, ((2, 4, 100),), ((2, 256, 19),)),
    )
    choices = {
        "out_channels": (1, 4, 6),
        "kernel_size": (1, 2, 5, (3,), (1, 2)),
        "stride": (1, 2, (3,), 0),
        "padding": (0, 1, (2,), 3, -1, "same", "valid"),
        "dilation": (1, 2, (3,)),
        "groups": (1, 2, 3),
        "bias": (True, False),
        "padding_mode": ("zeros", "reflect", "replicate", "circular"),
    }
    input_choices = (((1, 2, 9),), ((2, 6, 4),), ((3, 3, 1),), ((1, 3, 4, 4),))


@register("conv2d")
class Conv2d(Conv, frozen=True):
    """Convolution over height and width: N×C×H×W to N×out_channels×H'×W'."""

    dims = 2
    examples = (
        Example({"out_channels": 2, "kernel_size": 3}, ((1, 3, 6, 6),), ((1, 2, 4, 4),)),
        Example({"out_channels": 96, "kernel_size": [11, 7], "stride": [4, 2], "padding": 2}, ((1, 3, 224, 112),)),
    )
    choices = {
        "out_channels": (1, 4, 6),
        "kernel_size": (1, 2, 3, (1, 3), (5, 2)),
        "stride": (1, 2, (1, 3)),
        "padding": (0, 1, (2, 1), "same", "valid"),
        "dilation": (1, 2, (1, 2)),
        "groups": (1, 2, 3),
        "bias": (True, False),
        "padding_mode": ("zeros", "reflect", "replicate", "circular"),
    }
    input_choices = (((1, 2, 7, 9),), ((2, 6, 4, 4),), ((3, 3, 1, 5),))


@register("conv3d")
class Conv3d(Conv, frozen=True):
    """Convolution over depth, height and width: N×C×D×H×W to N×out_channels×D'×H'×W'."""

    dims = 3
    examples = (
        Example({"out_channels": 4, "kernel_size": 3}, ((1, 3, 5, 6, 7),), ((1, 4, 3, 4, 5),)),
        Example({"out_channels": 8, "kernel_size": [1, 3, 5], "padding": [0, 1, 2], "groups": 4}, ((2, 4, 3, 6, 8),)),
    )
    choices = {
        "out_channels": (1, 4, 6),
        "kernel_size": (1, 2, 3, (1, 3, 2), (1, 2)),
        "stride": (1, 2, (1, 3, 2)),
        "padding": (0, 1, (2, 1, 0), "same", "valid"),
        "dilation": (1, 2, (1, 2, 1)),
        "groups": (1, 2, 3),
        "bias": (True, False),
        "padding_mode": ("zeros", "reflect", "replicate", "circular"),
    }
    input_choices = (((1, 2, 4, 5, 6),), ((2, 6, 3, 3, 3),), ((1, 3, 1, 2, 4),))
