"""Activations along one dimension: torch.nn.Softmax, Softmin, Softmax2d, LogSoftmax and GLU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnprof.errors import LayerError
from cnnprof.layers.backward import kept_output
from cnnprof.layers.base import Example, Inputs, Layer, one_input, text
from cnnprof.layers.counting import softmax_events
from cnnprof.layers.dims import dimension
from cnnprof.layers.registry import register
from cnnprof.model.analysis import Events
from cnnprof.model.graph import TensorSpec
from cnnprof.shapes import Reads, Taps

if TYPE_CHECKING:
    import torch


class Normalising(Layer, frozen=True):
    """Every row along ``dim`` made into probabilities; the shape stays.

    ``dim`` counts torch's way, the batch being 0. torch's implicit choice (None, deprecated there) is refused.
    """

    choices = {"dim": (0, 1, 2, -1, -2)}
    input_choices = (((1, 3, 4),), ((2, 5),), ((2, 1, 3, 2),))
    keeps = (kept_output(),)

    dim: int | None

    def __post_init__(self) -> None:
        if self.dim is None:
            raise LayerError(
                f"{self.op} needs dim, the dimension along which the results sum to 1",
                argument="dim",
                hint="dim: 1 for scores of classes",
            )

    def outputs(self, inputs: Inputs) -> Inputs:
        self._length(inputs)
        return inputs

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        rank = len(inputs[0].shape)
        along = dimension(self.dim or 0, rank)
        return {dim: Taps(dim, whole=dim == along) for dim in range(rank)}

    def _length(self, inputs: Inputs) -> int:
        shape = inputs[0].shape
        return shape[dimension(self.dim or 0, len(shape))]

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        length = self._length(inputs)
        return softmax_events(inputs[0].numel // length, length)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        module: torch.nn.Module = getattr(nn, type(self).__name__)(dim=self.dim)
        return module


@register("softmax")
class Softmax(Normalising, frozen=True):
    """exp(xₖ) / Σᵢ exp(xᵢ) along dim; the shape stays.

    Per row of L values L − 1 comparisons (the maximum), L subtractions of it, L exponentials, L − 1 additions,
    L divisions.
    """

    examples = (Example({"dim": 1}, ((1, 4),), ((1, 4),)), Example({"dim": -3}, ((2, 3, 4, 5),), ((2, 3, 4, 5),)))


@register("softmin")
class Softmin(Normalising, frozen=True):
    """exp(−xₖ) / Σᵢ exp(−xᵢ) along dim; the shape stays.

    As many operations as softmax, with the minimum in place of the maximum.
    """

    examples = (Example({"dim": 1}, ((1, 4),), ((1, 4),)),)

    def forgets(self, inputs: Inputs, outputs: Inputs) -> Inputs:
        return inputs  # −x


@register("logsoftmax")
class LogSoftmax(Normalising, frozen=True):
    """xₖ − log Σᵢ exp(xᵢ) along dim, the maximum taken off first; the shape stays.

    Per row of L values L − 1 comparisons, L subtractions, L exponentials, L − 1 additions, 1 exponential (the
    logarithm), L subtractions.
    """

    examples = (Example({"dim": 1}, ((1, 10),), ((1, 10),)),)

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        length = self._length(inputs)
        rows = inputs[0].numel // length
        return Events(
            cmps=rows * (length - 1),
            adds=2 * rows * length + rows * (length - 1),
            exps=rows * length + rows,
        )


@register("softmax2d")
class Softmax2d(Layer, frozen=True):
    """Softmax over the channels of every position, N×C×H×W."""

    examples = (Example({}, ((2, 3, 4, 5),), ((2, 3, 4, 5),)),)
    input_choices = (((1, 3, 4, 5),), ((2, 1, 2, 2),), ((2, 6),))
    keeps = (kept_output(),)

    def outputs(self, inputs: Inputs) -> Inputs:
        one_input(inputs, self.op, 2)
        return inputs

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        length = inputs[0].shape[1]
        return softmax_events(inputs[0].numel // length, length)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        return {dim: Taps(dim) for dim in (2, 3)}

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        return nn.Softmax2d()


@register("glu")
class GLU(Layer, frozen=True):
    """Gated linear unit a·sigmoid(b), a and b the two halves along ``dim``: N×2C to N×C.

    Per output element 1 exponential, 1 addition, 1 division, 1 multiplication.
    """

    examples = (Example({"dim": 1}, ((2, 6, 4),), ((2, 3, 4),)), Example({}, ((2, 3, 8),), ((2, 3, 4),)))
    choices = {"dim": (0, 1, 2, -1, -2)}
    input_choices = (((1, 4, 6),), ((2, 8),), ((2, 4, 3, 2),))

    dim: int = -1

    def outputs(self, inputs: Inputs) -> Inputs:
        shape = list(inputs[0].shape)
        axis = dimension(self.dim, len(shape))
        if shape[axis] % 2:
            raise LayerError(
                f"dimension {axis} is halved and must be even, got {shape[axis]} in {text(inputs[0].shape)}",
                argument="dim",
            )
        shape[axis] = shape[axis] // 2
        return (TensorSpec(tuple(shape), inputs[0].dtype),)

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        count = outputs[0].numel
        return Events(exps=count, adds=count, divs=count, muls=count)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        return nn.GLU(dim=self.dim)
