"""Pooling with a sliding window: torch.nn's MaxPool, AvgPool and LPPool in one, two and three dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from cnnprof.errors import LayerError
from cnnprof.layers.backward import Device, Needs, Saved, kept, kept_input, with_places
from cnnprof.layers.base import ONE, ZERO, Example, Inputs, Ints, Layer, normalise, one_input, product
from cnnprof.layers.registry import register
from cnnprof.layers.windowed import fitting_sizes
from cnnprof.model.analysis import Events
from cnnprof.model.graph import TensorSpec
from cnnprof.model.plain import set_normalised
from cnnprof.shapes import Window

if TYPE_CHECKING:
    import torch

    Stride = tuple[int, ...]
else:
    Stride = int | tuple[int, ...] | None
"""None means the kernel size; after ``__post_init__`` it is one number per axis."""

KERNEL: Any = None
"""Default of ``stride``."""


class Pool(Layer, frozen=True):
    """What all of them share: a window over ``dims`` axes, each channel on its own."""

    dims: ClassVar[int]
    kernel_size: Ints
    stride: Stride = KERNEL

    def _normalise(self) -> None:
        normalise(self, "kernel_size", self.dims, at_least=1)
        stride: Any = self.stride
        if stride is None:
            set_normalised(self, "stride", self.kernel_size)
        normalise(self, "stride", self.dims, at_least=1)

    def _sliding(self, inputs: Inputs, padding: Ints, dilation: Ints, *, ceil_mode: bool) -> tuple[Window, ...]:
        sizes = one_input(inputs, self.op, self.dims).shape[2:]
        return tuple(
            Window(size, kernel, stride, pad, pad, step, ceil_mode)
            for size, kernel, stride, pad, step in zip(
                sizes, self.kernel_size, self.stride, padding, dilation, strict=True
            )
        )

    def _pooled(self, inputs: Inputs, windows: tuple[Window, ...]) -> TensorSpec:
        tensor = one_input(inputs, self.op, self.dims)
        return TensorSpec((*tensor.shape[:2], *fitting_sizes(tensor, windows)), tensor.dtype)


def check_whole(windows: tuple[Window, ...]) -> None:
    """Raise LayerError where a kernel is larger than its input: torch.nn.AvgPool3d lends it no padding for that."""
    for window in windows:
        if len(windows) == 3 and window.kernel > window.size:  # noqa: PLR2004 depth, height, width
            raise LayerError(
                f"kernel_size must not exceed the input in three dimensions, got {window.kernel} for {window.size}",
                argument="kernel_size",
                code="bad-shape",
            )


def check_half(padding: Ints, kernel: Ints) -> None:
    """Raise LayerError where a window could lie in the padding alone: torch allows half a kernel of it."""
    for pad, size in zip(padding, kernel, strict=True):
        if 2 * pad > size:
            raise LayerError(f"padding must be at most half of the kernel's {size}, got {pad}", argument="padding")


class MaxPool(Pool, frozen=True):
    """The largest of every window, N×C×… to N×C×…; with ``return_indices`` its place too, as a second output."""

    makes_what_it_keeps = True
    padding: Ints = ZERO
    dilation: Ints = ONE
    return_indices: bool = False
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        self._normalise()
        normalise(self, "padding", self.dims, at_least=0)
        normalise(self, "dilation", self.dims, at_least=1)
        check_half(self.padding, self.kernel_size)

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        return self._sliding(inputs, self.padding, self.dilation, ceil_mode=self.ceil_mode)

    def outputs(self, inputs: Inputs) -> Inputs:
        pooled = self._pooled(inputs, self.windows(inputs))
        return (pooled, TensorSpec(pooled.shape, "int64")) if self.return_indices else (pooled,)

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        return Events(cmps=outputs[0].numel * (product(self.kernel_size) - 1))

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        return with_places(outputs)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        kind = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}[self.dims]
        return kind(
            self.kernel_size, self.stride, self.padding, self.dilation, self.return_indices, ceil_mode=self.ceil_mode
        )


class AvgPool(Pool, frozen=True):
    """The mean of every window, N×C×… to N×C×…; padding is read as zeros."""

    padding: Ints = ZERO
    ceil_mode: bool = False
    count_include_pad: bool = True

    def __post_init__(self) -> None:
        self._normalise()
        normalise(self, "padding", self.dims, at_least=0)
        check_half(self.padding, self.kernel_size)

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        return self._sliding(inputs, self.padding, (1,) * self.dims, ceil_mode=self.ceil_mode)

    def outputs(self, inputs: Inputs) -> Inputs:
        windows = self.windows(inputs)
        check_whole(windows)
        return (self._pooled(inputs, windows),)

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        count = outputs[0].numel
        return Events(adds=count * (product(self.kernel_size) - 1), divs=count)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        return nn.AvgPool1d(self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class AvgPoolDivided(AvgPool, frozen=True):
    """An average pooling that may divide by a number of its own, N×C×… to N×C×…."""

    divisor_override: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.divisor_override == 0:
            raise LayerError("divisor_override must not be 0", argument="divisor_override")

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        kind = {2: nn.AvgPool2d, 3: nn.AvgPool3d}[self.dims]
        return kind(
            self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad, self.divisor_override
        )


class LPPool(Pool, frozen=True, kw_only=True):
    """The p-norm of every window, N×C×… to N×C×…: p-th powers, their sum, its p-th root."""

    norm_type: float
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        self._normalise()
        if self.norm_type == 0:
            raise LayerError("norm_type must not be 0", argument="norm_type")

    def windows(self, inputs: Inputs) -> tuple[Window, ...]:
        return self._sliding(inputs, (0,) * self.dims, (1,) * self.dims, ceil_mode=self.ceil_mode)

    def outputs(self, inputs: Inputs) -> Inputs:
        windows = self.windows(inputs)
        check_whole(windows)
        return (self._pooled(inputs, windows),)

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        count, taps = outputs[0].numel, product(self.kernel_size)
        return Events(adds=count * (taps - 1), exps=count * (taps + 1))

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        # The powers, which are averaged; then the means, their signs and sizes, and those times the kernel's elements.
        return (kept_input(), kept(inputs[0]), *(kept(outputs[0]) for _ in range(4)))

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        if self.dims == 1:  # torch multiplies by this kernel size, so it must be a number
            return nn.LPPool1d(self.norm_type, *self.kernel_size, self.stride, self.ceil_mode)
        kind = {2: nn.LPPool2d, 3: nn.LPPool3d}[self.dims]
        return kind(self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


POOLS_1D = {
    "kernel_size": (1, 2, 3, (4,), (2, 2), 0),
    "stride": (None, 1, 2, (3,), 0),
    "padding": (0, 1, (2,), -1),
    "ceil_mode": (True, False),
}
POOLS_2D = {
    "kernel_size": (1, 2, 3, (1, 3), (5, 2)),
    "stride": (None, 1, 2, (1, 3)),
    "padding": (0, 1, (2, 1)),
    "ceil_mode": (True, False),
}
POOLS_3D = {
    "kernel_size": (1, 2, 3, (1, 3, 2)),
    "stride": (None, 1, 2, (1, 3, 2)),
    "padding": (0, 1, (0, 1, 1)),
    "ceil_mode": (True, False),
}
INPUTS_1D = (((1, 2, 9),), ((2, 3, 4),), ((3, 1, 1),), ((1, 2, 4, 4),))
INPUTS_2D = (((1, 2, 7, 9),), ((2, 3, 4, 4),), ((3, 1, 1, 5),))
INPUTS_3D = (((1, 2, 4, 5, 6),), ((2, 3, 3, 3, 3),), ((1, 1, 1, 2, 4),))
"""What the contract test draws from, for all kinds of pooling."""


@register("maxpool1d")
class MaxPool1d(MaxPool, frozen=True):
    """Largest value of every window over a sequence: N×C×L to N×C×L'."""

    dims = 1
    examples = (
        Example({"kernel_size": 2}, ((1, 3, 8),), ((1, 3, 4),)),
        Example({"kernel_size": 3, "stride": 2, "dilation": 2, "return_indices": True}, ((2, 2, 9),)),
    )
    choices = POOLS_1D | {"dilation": (1, 2, (3,), 0), "return_indices": (True, False)}
    input_choices = INPUTS_1D


@register("maxpool2d")
class MaxPool2d(MaxPool, frozen=True):
    """Largest value of every window over height and width: N×C×H×W to N×C×H'×W'."""

    dims = 2
    examples = (
        Example({"kernel_size": 2, "stride": 2}, ((1, 64, 224, 224),), ((1, 64, 112, 112),)),
        Example({"kernel_size": 3, "stride": 2, "padding": 1}, ((1, 64, 112, 112),), ((1, 64, 56, 56),)),
        Example({"kernel_size": 3, "stride": 2, "ceil_mode": True}, ((2, 4, 110, 55),), ((2, 4, 55, 27),)),
    )
    choices = POOLS_2D | {"dilation": (1, 2, (1, 2)), "return_indices": (True, False)}
    input_choices = INPUTS_2D


@register("maxpool3d")
class MaxPool3d(MaxPool, frozen=True):
    """Largest value of every window over depth, height and width: N×C×D×H×W to N×C×D'×H'×W'."""

    dims = 3
    examples = (
        Example({"kernel_size": [1, 2, 2]}, ((1, 4, 3, 8, 8),), ((1, 4, 3, 4, 4),)),
        Example({"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}, ((2, 2, 4, 5, 6),)),
    )
    choices = POOLS_3D | {"dilation": (1, 2, (1, 2, 1)), "return_indices": (True, False)}
    input_choices = INPUTS_3D


@register("avgpool1d")
class AvgPool1d(AvgPool, frozen=True):
    """Mean of every window over a sequence: N×C×L to N×C×L'."""

    dims = 1
    examples = (
        Example({"kernel_size": 2}, ((1, 3, 8),), ((1, 3, 4),)),
        Example({"kernel_size": [3], "stride": [2], "padding": [1], "ceil_mode": True}, ((2, 2, 8),)),
    )
    choices = POOLS_1D | {"count_include_pad": (True, False)}
    input_choices = INPUTS_1D


@register("avgpool2d")
class AvgPool2d(AvgPoolDivided, frozen=True):
    """Mean of every window over height and width: N×C×H×W to N×C×H'×W'."""

    dims = 2
    examples = (
        Example({"kernel_size": 2}, ((1, 6, 28, 28),), ((1, 6, 14, 14),)),
        Example({"kernel_size": [3, 2], "padding": 1, "count_include_pad": False}, ((2, 4, 9, 8),)),
        Example({"kernel_size": 3, "stride": 1, "divisor_override": 2}, ((1, 2, 5, 5),), ((1, 2, 3, 3),)),
    )
    choices = POOLS_2D | {"count_include_pad": (True, False), "divisor_override": (None, 1, 3, 0)}
    input_choices = INPUTS_2D


@register("avgpool3d")
class AvgPool3d(AvgPoolDivided, frozen=True):
    """Mean of every window over depth, height and width: N×C×D×H×W to N×C×D'×H'×W'."""

    dims = 3
    examples = (
        Example({"kernel_size": 2}, ((1, 4, 4, 8, 8),), ((1, 4, 2, 4, 4),)),
        Example({"kernel_size": [1, 3, 2], "stride": 2, "ceil_mode": True}, ((2, 2, 4, 6, 7),)),
    )
    choices = POOLS_3D | {"count_include_pad": (True, False), "divisor_override": (None, 1, 3, 0)}
    input_choices = INPUTS_3D


@register("lppool1d")
class LPPool1d(LPPool, frozen=True):
    """P-norm of every window over a sequence: N×C×L to N×C×L'."""

    dims = 1
    examples = (Example({"norm_type": 2, "kernel_size": 3}, ((1, 3, 9),), ((1, 3, 3),)),)
    choices = {
        "norm_type": (1, 2, 1.5, 0),
        "kernel_size": (1, 2, 3, (4,)),
        "stride": (None, 1, 2, (3,)),
        "ceil_mode": (True, False),
    }
    input_choices = INPUTS_1D


@register("lppool2d")
class LPPool2d(LPPool, frozen=True):
    """P-norm of every window over height and width: N×C×H×W to N×C×H'×W'."""

    dims = 2
    examples = (Example({"norm_type": 2, "kernel_size": [3, 2], "stride": 2}, ((1, 3, 9, 8),), ((1, 3, 4, 4),)),)
    choices = {
        "norm_type": (1, 2, 1.5, 0),
        "kernel_size": (1, 2, (1, 3)),
        "stride": (None, 1, (1, 3)),
        "ceil_mode": (True, False),
    }
    input_choices = INPUTS_2D


@register("lppool3d")
class LPPool3d(LPPool, frozen=True):
    """P-norm of every window over depth, height and width: N×C×D×H×W to N×C×D'×H'×W'."""

    dims = 3
    examples = (
        Example({"norm_type": 1.5, "kernel_size": 2, "ceil_mode": True}, ((1, 3, 5, 4, 4),), ((1, 3, 3, 2, 2),)),
    )
    choices = {
        "norm_type": (1, 2, 1.5, 0),
        "kernel_size": (1, 2, (1, 3, 2)),
        "stride": (None, 1, (1, 3, 2)),
        "ceil_mode": (True, False),
    }
    input_choices = INPUTS_3D
