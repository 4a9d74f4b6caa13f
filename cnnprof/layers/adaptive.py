"""Adaptive pooling: torch.nn's AdaptiveAvgPool and AdaptiveMaxPool in one, two and three dimensions.

Window i of o over s elements reaches from ⌊i·s/o⌋ to ⌈(i + 1)·s/o⌉, so windows overlap where o does not divide s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from cnnprof.errors import LayerError
from cnnprof.layers.backward import Device, Needs, Saved, kept_input, with_places
from cnnprof.layers.base import Example, Inputs, Layer, check_at_least, one_input, product
from cnnprof.layers.registry import register
from cnnprof.model.analysis import Events
from cnnprof.model.graph import TensorSpec
from cnnprof.model.plain import set_normalised
from cnnprof.shapes import Reads, Window, adaptive_reads, adaptive_taps

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    OutputSize = tuple[int | None, ...]
else:
    OutputSize = int | tuple[int | None, ...]
"""One number, or one per axis; None keeps that axis' size. After ``__post_init__`` it is one per axis."""


class AdaptivePool(Layer, frozen=True):
    """What all of them share: N×C×… to N×C×output_size, each channel on its own."""

    dims: ClassVar[int]
    output_size: OutputSize

    def __post_init__(self) -> None:
        size: Any = self.output_size
        sizes = (size,) * self.dims if isinstance(size, int) else tuple(size or ())
        if len(sizes) != self.dims:
            raise LayerError(
                f"output_size needs a number or a list of {self.dims}, got {_shown(size)}", argument="output_size"
            )
        if self.dims == 1 and None in sizes:
            raise LayerError("output_size of a single axis must be a number, got null", argument="output_size")
        for number in sizes:
            check_at_least(1 if number is None else number, 1, "output_size")
        set_normalised(self, "output_size", sizes)

    def _sizes(self, inputs: Inputs) -> Sequence[tuple[int, int]]:
        """Return input and output size of every axis."""
        sizes = one_input(inputs, self.op, self.dims).shape[2:]
        wanted = zip(sizes, self.output_size, strict=True)
        return [(size, size if output is None else output) for size, output in wanted]

    def windows(self, inputs: Inputs) -> tuple[Window, ...] | None:
        """Return the windows where they are all alike; None where the output does not divide the input."""
        axes = self._sizes(inputs)
        if any(size % output for size, output in axes):
            return None
        return tuple(Window(size, size // output, size // output) for size, output in axes)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        axes = enumerate(self._sizes(inputs), start=2)
        # One window is everything there is, whatever the size of the input: it has no place of its own.
        found = {dim: adaptive_taps(dim, size, output) for dim, (size, output) in axes if output > 1}
        return {dim: taps for dim, taps in found.items() if taps is not None}

    def _pooled(self, inputs: Inputs) -> TensorSpec:
        sizes = [output for _, output in self._sizes(inputs)]
        return TensorSpec((*inputs[0].shape[:2], *sizes), inputs[0].dtype)

    def _reads(self, inputs: Inputs) -> int:
        """Return the elements of all windows together, over the whole batch."""
        return product(inputs[0].shape[:2]) * product([adaptive_reads(*axis) for axis in self._sizes(inputs)])


def _shown(size: object) -> str:
    """Return an argument as a specification writes it."""
    if isinstance(size, list | tuple):
        return f"[{', '.join(_shown(number) for number in size)}]"
    return "null" if size is None else str(size)


class AdaptiveAvgPool(AdaptivePool, frozen=True):
    """The mean of every window, N×C×… to N×C×output_size."""

    def outputs(self, inputs: Inputs) -> Inputs:
        return (self._pooled(inputs),)

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        return Events(adds=self._reads(inputs) - outputs[0].numel, divs=outputs[0].numel)

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        # Of one window torch takes the mean, whose derivative is a constant.
        return () if all(output == 1 for _, output in self._sizes(inputs)) else (kept_input(),)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        kind = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}[self.dims]
        return kind(self.output_size)


class AdaptiveMaxPool(AdaptivePool, frozen=True):
    """The largest of every window, N×C×… to N×C×output_size; with ``return_indices`` its place too."""

    makes_what_it_keeps = True
    return_indices: bool = False

    def outputs(self, inputs: Inputs) -> Inputs:
        pooled = self._pooled(inputs)
        return (pooled, TensorSpec(pooled.shape, "int64")) if self.return_indices else (pooled,)

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        return Events(cmps=self._reads(inputs) - outputs[0].numel)

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        return with_places(outputs)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        kind = {1: nn.AdaptiveMaxPool1d, 2: nn.AdaptiveMaxPool2d, 3: nn.AdaptiveMaxPool3d}[self.dims]
        return kind(self.output_size, self.return_indices)


SIZES_1D = (1, 3, (4,), 12, 0, None, (None,), (2, 2))
SIZES_2D = (1, 3, (2, 5), (None, 3), 12, 0, None, (1, 2, 3))
SIZES_3D = (1, 2, (2, 5, 1), (None, 3, None), 0, None)
INPUTS_1D = (((1, 2, 9),), ((2, 3, 4),), ((3, 1, 1),), ((1, 2, 4, 4),))
INPUTS_2D = (((1, 2, 7, 9),), ((2, 3, 4, 4),), ((3, 1, 1, 5),))
INPUTS_3D = (((1, 2, 4, 5, 6),), ((2, 3, 3, 3, 3),), ((1, 1, 1, 2, 4),))
"""What the contract test draws from."""


@register("adaptiveavgpool1d")
class AdaptiveAvgPool1d(AdaptiveAvgPool, frozen=True):
    """Mean of a chosen number of windows over a sequence: N×C×L to N×C×L'."""

    dims = 1
    examples = (
        Example({"output_size": 1}, ((1, 3, 8),), ((1, 3, 1),)),
        Example({"output_size": [5]}, ((2, 2, 7),)),
    )
    choices = {"output_size": SIZES_1D}
    input_choices = INPUTS_1D


@register("adaptiveavgpool2d")
class AdaptiveAvgPool2d(AdaptiveAvgPool, frozen=True):
    """Mean of a chosen number of windows over height and width: N×C×H×W to N×C×H'×W'."""

    dims = 2
    examples = (
        Example({"output_size": [6, 6]}, ((1, 256, 6, 6),)),
        Example({"output_size": 1}, ((2, 512, 7, 7),), ((2, 512, 1, 1),)),
        Example({"output_size": [None, 3]}, ((1, 4, 5, 7),), ((1, 4, 5, 3),)),
    )
    choices = {"output_size": SIZES_2D}
    input_choices = INPUTS_2D


@register("adaptiveavgpool3d")
class AdaptiveAvgPool3d(AdaptiveAvgPool, frozen=True):
    """Mean of a chosen number of windows over depth, height and width: N×C×D×H×W to N×C×D'×H'×W'."""

    dims = 3
    examples = (
        Example({"output_size": 1}, ((1, 4, 2, 7, 7),), ((1, 4, 1, 1, 1),)),
        Example({"output_size": [3, None, 4]}, ((2, 2, 5, 3, 6),)),
    )
    choices = {"output_size": SIZES_3D}
    input_choices = INPUTS_3D


@register("adaptivemaxpool1d")
class AdaptiveMaxPool1d(AdaptiveMaxPool, frozen=True):
    """Largest value of a chosen number of windows over a sequence: N×C×L to N×C×L'."""

    dims = 1
    examples = (
        Example({"output_size": 1}, ((1, 3, 8),), ((1, 3, 1),)),
        Example({"output_size": [5], "return_indices": True}, ((2, 2, 7),)),
    )
    choices = {"output_size": SIZES_1D, "return_indices": (True, False)}
    input_choices = INPUTS_1D


@register("adaptivemaxpool2d")
class AdaptiveMaxPool2d(AdaptiveMaxPool, frozen=True):
    """Largest value of a chosen number of windows over height and width: N×C×H×W to N×C×H'×W'."""

    dims = 2
    examples = (
        Example({"output_size": [6, 6], "return_indices": True}, ((1, 256, 6, 6),)),
        Example({"output_size": 1}, ((2, 512, 7, 7),), ((2, 512, 1, 1),)),
        Example({"output_size": [None, 3]}, ((1, 4, 5, 7),), ((1, 4, 5, 3),)),
    )
    choices = {"output_size": SIZES_2D, "return_indices": (True, False)}
    input_choices = INPUTS_2D


@register("adaptivemaxpool3d")
class AdaptiveMaxPool3d(AdaptiveMaxPool, frozen=True):
    """Largest value of a chosen number of windows over depth, height and width: N×C×D×H×W to N×C×D'×H'×W'."""

    dims = 3
    examples = (
        Example({"output_size": 1}, ((1, 4, 2, 7, 7),), ((1, 4, 1, 1, 1),)),
        Example({"output_size": [3, None, 4], "return_indices": True}, ((2, 2, 5, 3, 6),)),
    )
    choices = {"output_size": SIZES_3D, "return_indices": (True, False)}
    input_choices = INPUTS_3D
