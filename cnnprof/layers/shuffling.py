"""The same elements in another order: permute, transpose, roll, and torch.nn's pixel and channel shuffles.

None computes anything. Permute and transpose are views; the others copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnprof.errors import LayerError
from cnnprof.layers.base import Example, Inputs, Ints, Layer, check_at_least, one_input, text
from cnnprof.layers.calls import FunctionLayer, ViewLayer, functional
from cnnprof.layers.dims import dimension, dimensions, listed
from cnnprof.layers.registry import register
from cnnprof.model.graph import TensorSpec
from cnnprof.model.plain import set_normalised
from cnnprof.shapes import MOST_PHASES, Reads, Taps

if TYPE_CHECKING:
    import torch


@register("permute")
class Permute(ViewLayer, frozen=True):
    """Dimensions in the order ``dims``, the batch (0) among them: N×C×H×W to N×H×W×C for [0, 2, 3, 1]."""

    examples = (Example({"dims": [0, 2, 3, 1]}, ((2, 3, 4, 5),), ((2, 4, 5, 3),)),)
    choices = {"dims": ((0, 2, 1), (1, 0, -1), (0, 1, 2), (0, 3, 1, 2), (0, 1))}
    input_choices = (((1, 3, 4),), ((2, 3, 4, 5),), ((2, 6),))

    dims: tuple[int, ...]

    def __post_init__(self) -> None:
        set_normalised(self, "dims", listed(self.dims))

    def outputs(self, inputs: Inputs) -> Inputs:
        shape = inputs[0].shape
        if len(self.dims) != len(shape):
            raise LayerError(
                f"dims must order the {len(shape)} dimensions of {text(shape)} and the batch, got {list(self.dims)}",
                argument="dims",
            )
        order = dimensions(self.dims, len(shape), "dims")
        return (TensorSpec(tuple(shape[axis] for axis in order), inputs[0].dtype),)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        order = dimensions(self.dims, len(inputs[0].shape), "dims")
        return {dim: Taps(place) for place, dim in enumerate(order)}

    def build(self, inputs: Inputs) -> torch.nn.Module:
        return functional(self, lambda value: value.permute(self.dims))


@register("transpose")
class Transpose(ViewLayer, frozen=True):
    """Two dimensions exchanged, the batch being 0: N×C×L to N×L×C for 1 and 2."""

    examples = (Example({"dim0": 1, "dim1": 2}, ((2, 3, 4, 5),), ((2, 4, 3, 5),)),)
    choices = {"dim0": (0, 1, -2), "dim1": (1, 2, -1)}
    input_choices = (((1, 3, 4),), ((2, 3, 4, 5),), ((2, 6),))

    dim0: int
    dim1: int

    def outputs(self, inputs: Inputs) -> Inputs:
        shape = list(inputs[0].shape)
        first = dimension(self.dim0, len(shape), "dim0")
        second = dimension(self.dim1, len(shape), "dim1")
        shape[first], shape[second] = shape[second], shape[first]
        return (TensorSpec(tuple(shape), inputs[0].dtype),)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        rank = len(inputs[0].shape)
        swapped = {self.dim0 % rank: self.dim1 % rank, self.dim1 % rank: self.dim0 % rank}
        return {dim: Taps(swapped.get(dim, dim)) for dim in range(rank)}

    def build(self, inputs: Inputs) -> torch.nn.Module:
        return functional(self, lambda value: value.transpose(self.dim0, self.dim1))


@register("roll")
class Roll(FunctionLayer, frozen=True):
    """Elements moved by ``shifts`` along ``dims``, and round the end to the start; the shape stays: torch.roll."""

    examples = (Example({"shifts": [-3, -3], "dims": [1, 2]}, ((2, 8, 8, 3),), ((2, 8, 8, 3),)),)
    choices = {"shifts": (1, -2, (1, 2)), "dims": (1, -1, (1, 2))}
    input_choices = (((1, 6),), ((2, 3, 4),), ((2, 3, 4, 5),))
    keeps = ()

    shifts: Ints
    dims: Ints

    def __post_init__(self) -> None:
        set_normalised(self, "shifts", listed(self.shifts))
        set_normalised(self, "dims", listed(self.dims))
        check_at_least(len(self.shifts), 1, "the number of shifts")
        if len(self.shifts) != len(self.dims):
            raise LayerError(
                f"shifts needs one number per dimension of dims, got {list(self.shifts)} for {list(self.dims)}",
                argument="shifts",
            )

    def outputs(self, inputs: Inputs) -> Inputs:
        for dim in self.dims:
            dimension(dim, len(inputs[0].shape), "dims")
        return inputs

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        rank = len(inputs[0].shape)
        moves = dict.fromkeys(range(rank), 0)
        for shift, dim in zip(listed(self.shifts), listed(self.dims), strict=True):
            moves[dim % rank] -= shift
        return {dim: Taps(dim, (move,), (move,)) for dim, move in moves.items()}

    def build(self, inputs: Inputs) -> torch.nn.Module:
        return functional(self, lambda value: value.roll(self.shifts, self.dims))


@register("pixelshuffle")
class PixelShuffle(Layer, frozen=True):
    """Channels spread over space by r = ``upscale_factor``: N×(C·r·r)×H×W to N×C×(H·r)×(W·r)."""

    examples = (Example({"upscale_factor": 2}, ((2, 12, 3, 4),), ((2, 3, 6, 8),)),)
    choices = {"upscale_factor": (1, 2, 3)}
    input_choices = (((1, 36, 1, 2),), ((2, 8, 3, 3),))
    keeps = ()

    upscale_factor: int

    def __post_init__(self) -> None:
        check_at_least(self.upscale_factor, 1, "upscale_factor")

    def outputs(self, inputs: Inputs) -> Inputs:
        batch, channels, height, width = one_input(inputs, self.op, 2).shape
        factor = self.upscale_factor
        if channels % (factor * factor):
            raise LayerError(
                f"upscale_factor squared, {factor * factor}, must divide the channels of {text(inputs[0].shape)}",
                argument="upscale_factor",
            )
        shape = (batch, channels // (factor * factor), height * factor, width * factor)
        return (TensorSpec(shape, inputs[0].dtype),)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        if self.upscale_factor > MOST_PHASES:
            return {}
        zeros = (0,) * self.upscale_factor
        return {dim: Taps(dim, zeros, zeros) for dim in (2, 3)}

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        return nn.PixelShuffle(self.upscale_factor)


@register("pixelunshuffle")
class PixelUnshuffle(Layer, frozen=True):
    """Space folded into channels by r = ``downscale_factor``: N×C×(H·r)×(W·r) to N×(C·r·r)×H×W."""

    examples = (Example({"downscale_factor": 2}, ((2, 3, 6, 8),), ((2, 12, 3, 4),)),)
    choices = {"downscale_factor": (1, 2, 3)}
    input_choices = (((1, 3, 6, 6),), ((2, 1, 4, 2),))
    keeps = ()

    downscale_factor: int

    def __post_init__(self) -> None:
        check_at_least(self.downscale_factor, 1, "downscale_factor")

    def outputs(self, inputs: Inputs) -> Inputs:
        batch, channels, height, width = one_input(inputs, self.op, 2).shape
        factor = self.downscale_factor
        if height % factor or width % factor:
            raise LayerError(
                f"downscale_factor {factor} must divide height and width of {text(inputs[0].shape)}",
                argument="downscale_factor",
            )
        shape = (batch, channels * factor * factor, height // factor, width // factor)
        return (TensorSpec(shape, inputs[0].dtype),)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        factor = self.downscale_factor
        return {dim: Taps(dim, (0,), (factor - 1,), factor) for dim in (2, 3)}

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        return nn.PixelUnshuffle(self.downscale_factor)


@register("channelshuffle")
class ChannelShuffle(Layer, frozen=True):
    """Channels of ``groups`` groups of N×C×… dealt out in turn (ShuffleNet): torch.nn.ChannelShuffle."""

    examples = (Example({"groups": 2}, ((2, 6, 3, 4),), ((2, 6, 3, 4),)),)
    choices = {"groups": (1, 2, 3)}
    input_choices = (((1, 6, 2, 3),), ((2, 4, 3),), ((2, 6),))
    keeps = ()

    groups: int

    def __post_init__(self) -> None:
        check_at_least(self.groups, 1, "groups")

    def outputs(self, inputs: Inputs) -> Inputs:
        shape = inputs[0].shape
        if len(shape) < 3:  # noqa: PLR2004 batch, channels, one spatial axis: torch's own condition
            raise LayerError(f"{self.op} needs channels and a spatial axis, got {text(shape)}", code="bad-shape")
        if shape[1] % self.groups:
            raise LayerError(
                f"groups must divide the channels, got {self.groups} groups for {text(shape)}", argument="groups"
            )
        return inputs

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        return {dim: Taps(dim) for dim in range(2, len(inputs[0].shape))}

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        return nn.ChannelShuffle(self.groups)
