"""Tensors put together, and dimensions added up: concat, stack, mean, sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnprof.errors import LayerError
from cnnprof.layers.base import Example, Inputs, Ints, Storage, check_at_least, product
from cnnprof.layers.calls import FunctionLayer, functional
from cnnprof.layers.dims import dimension, dimensions, floating, full, listed, one_dtype
from cnnprof.layers.registry import register
from cnnprof.model.analysis import Events
from cnnprof.model.graph import Shape, TensorSpec
from cnnprof.model.plain import set_normalised
from cnnprof.shapes import Reads, Taps

if TYPE_CHECKING:
    import torch


@register("concat")
class Concat(FunctionLayer, frozen=True):
    """Tensors one behind the other along ``dim``: N×C₁×H×W and N×C₂×H×W to N×(C₁ + C₂)×H×W. A copy: torch.cat.

    ``dim`` is 1 by default, the channels; torch's own default 0 would join batches.
    """

    arity = (1, None)
    examples = (
        Example({}, ((2, 3, 4, 5), (2, 6, 4, 5), (2, 1, 4, 5)), ((2, 10, 4, 5),)),
        Example({"dim": -1}, ((2, 3, 4), (2, 3, 5)), ((2, 3, 9),)),
    )
    choices = {"dim": (0, 1, 2, -1)}
    input_choices = (((2, 3),), ((2, 3, 4), (2, 5, 4)), ((2, 3, 4), (1, 3, 4), (2, 3, 4)), ((2, 3), (2, 3, 4)))
    keeps = ()

    dim: int = 1

    def outputs(self, inputs: Inputs) -> Inputs:
        shapes = [tensor.shape for tensor in inputs]
        axis = dimension(self.dim, len(shapes[0]))
        if len({(len(shape), shape[:axis], shape[axis + 1 :]) for shape in shapes}) > 1:
            raise LayerError(
                f"{self.op} along dimension {axis} needs equal sizes elsewhere, got {' and '.join(map(full, shapes))}",
                code="bad-shape",
            )
        size = sum([shape[axis] for shape in shapes[1:]], shapes[0][axis])
        return (TensorSpec((*shapes[0][:axis], size, *shapes[0][axis + 1 :]), one_dtype(inputs, self.op)),)

    def gradients(self, inputs: Inputs, source: int = 0) -> Storage:
        return "view"  # a part of the output's

    def build(self, inputs: Inputs) -> torch.nn.Module:
        import torch

        return functional(self, lambda *tensors: torch.cat(tensors, self.dim))


@register("stack")
class Stack(FunctionLayer, frozen=True):
    """K tensors of one shape N×C×… along a new dimension ``dim``: N×K×C×…. A copy: torch.stack.

    ``dim`` is 1 by default; torch's own default 0 would put the new dimension before the batch.
    """

    arity = (1, None)
    examples = (Example({"dim": 2}, ((2, 3, 4), (2, 3, 4)), ((2, 3, 2, 4),)),)
    choices = {"dim": (0, 1, 2, -1)}
    input_choices = (((2, 3),), ((2, 3, 4), (2, 3, 4)), ((2, 3), (2, 3), (2, 4)))
    keeps = ()

    dim: int = 1

    def outputs(self, inputs: Inputs) -> Inputs:
        shapes = [tensor.shape for tensor in inputs]
        if len(set(shapes)) > 1:
            raise LayerError(
                f"{self.op} needs tensors of one shape, got {' and '.join(map(full, shapes))}", code="bad-shape"
            )
        axis = dimension(self.dim, len(shapes[0]) + 1)
        return (TensorSpec((*shapes[0][:axis], len(inputs), *shapes[0][axis:]), one_dtype(inputs, self.op)),)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        rank = len(outputs[0].shape)
        axis = dimension(self.dim, rank)
        return {dim: Taps(dim + (dim >= axis)) for dim in range(rank - 1)}

    def gradients(self, inputs: Inputs, source: int = 0) -> Storage:
        return "view"  # a part of the output's

    def build(self, inputs: Inputs) -> torch.nn.Module:
        import torch

        return functional(self, lambda *tensors: torch.stack(tensors, self.dim))


class Reduction(FunctionLayer, frozen=True):
    """Dimensions ``dim`` put into one number; they go away, or stay with size 1 (``keepdim``)."""

    choices = {"dim": (1, -1, (2, 3), (1, -1), (1, 1)), "keepdim": (False, True)}
    input_choices = (((2, 3),), ((1, 3, 4),), ((2, 3, 4, 5),))
    keeps = ()

    dim: Ints
    keepdim: bool = False

    def __post_init__(self) -> None:
        set_normalised(self, "dim", listed(self.dim))
        check_at_least(len(self.dim), 1, "the number of dimensions in dim")

    def _axes(self, shape: Shape) -> tuple[int, ...]:
        return dimensions(listed(self.dim), len(shape))

    def outputs(self, inputs: Inputs) -> Inputs:
        shape = inputs[0].shape
        axes = self._axes(shape)
        sizes = [1 if axis in axes else size for axis, size in enumerate(shape) if self.keepdim or axis not in axes]
        return (TensorSpec(tuple(sizes), floating(inputs[0], self.op)),)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        shape = inputs[0].shape
        kept = [dim for dim in range(len(shape)) if dim not in self._axes(shape)]
        return {dim: Taps(dim if self.keepdim else place) for place, dim in enumerate(kept)}

    def _additions(self, inputs: Inputs, outputs: Inputs) -> int:
        shape = inputs[0].shape
        return (product([shape[axis] for axis in self._axes(shape)]) - 1) * outputs[0].numel


@register("mean")
class Mean(Reduction, frozen=True):
    """The mean over dimensions ``dim``: N×C×H×W to N×C for [2, 3]; with keepdim to N×C×1×1.

    Per output element K − 1 additions and 1 division, K being the number of elements averaged.
    """

    examples = (
        Example({"dim": [2, 3]}, ((2, 3, 4, 5),), ((2, 3),)),
        Example({"dim": -1, "keepdim": True}, ((2, 3, 4),), ((2, 3, 1),)),
    )

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        return Events(adds=self._additions(inputs, outputs), divs=outputs[0].numel)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        return functional(self, lambda value: value.mean(self.dim, self.keepdim))


@register("sum")
class Sum(Reduction, frozen=True):
    """The sum over dimensions ``dim``: N×C×H×W to N×C for [2, 3]; K − 1 additions per output element."""

    examples = (Example({"dim": 1, "keepdim": True}, ((2, 3, 4, 5),), ((2, 1, 4, 5),)),)

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        return Events(adds=self._additions(inputs, outputs))

    def gradients(self, inputs: Inputs, source: int = 0) -> Storage:
        return "view"  # the output's, expanded

    def build(self, inputs: Inputs) -> torch.nn.Module:
        return functional(self, lambda value: value.sum(self.dim, self.keepdim))
