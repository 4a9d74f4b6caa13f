"""Normalisations of every sample on its own: torch.nn's GroupNorm, LayerNorm, RMSNorm and LocalResponseNorm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnprof.errors import LayerError
from cnnprof.layers.backward import Device, Needs, Saved, Source, kept, kept_input
from cnnprof.layers.base import Example, Inputs, Layer, check_at_least, one_input, text
from cnnprof.layers.norm import (
    HALF,
    affine_parameters,
    check_several,
    computed_events,
    space,
    statistic,
    with_shift,
    with_statistics,
)
from cnnprof.layers.registry import register
from cnnprof.model.analysis import Events
from cnnprof.model.graph import Shape, TensorSpec
from cnnprof.model.plain import set_normalised
from cnnprof.shapes import Reads, Taps

if TYPE_CHECKING:
    import torch

    Sizes = tuple[int, ...] | None
else:
    Sizes = int | tuple[int, ...] | None
"""One size or several; None means the last dimension."""


@register("groupnorm")
class GroupNorm(Layer, frozen=True):
    """Norm of every group of channels of every sample over space: N×C×… in and out."""

    makes_what_it_keeps = True
    examples = (
        Example({"num_groups": 2}, ((2, 6, 4, 5),), ((2, 6, 4, 5),)),
        Example({"num_groups": 1, "affine": False}, ((1, 8),), ((1, 8),)),
    )
    choices = {"num_groups": (0, 1, 2, 3), "eps": (1e-5, 0.1), "affine": (True, False), "bias": (True, False)}
    input_choices = (((2, 6, 4, 5),), ((1, 3),), ((2, 3),), ((1, 4, 1, 1),), ((4,),))

    num_groups: int
    eps: float = 1e-5
    affine: bool = True
    bias: bool = True

    def __post_init__(self) -> None:
        check_at_least(self.num_groups, 1, "num_groups")

    def outputs(self, inputs: Inputs) -> Inputs:
        tensor = one_input(inputs, self.op)
        if len(tensor.shape) < 2:  # noqa: PLR2004 batch and channels
            raise LayerError(f"groupnorm needs channels behind the batch, got {text(tensor.shape)}", code="bad-shape")
        if tensor.shape[1] % self.num_groups:
            raise LayerError(
                f"num_groups must divide the channels, got {self.num_groups} groups for {text(tensor.shape)}",
                argument="num_groups",
            )
        # torch refuses one value in all of a group's batch, though it normalises every sample on its own.
        check_several(tensor.numel // self.num_groups, tensor)
        return (tensor,)

    def parameters(self, inputs: Inputs) -> dict[str, Shape]:
        return affine_parameters((inputs[0].shape[1],), scale=self.affine, shift=self.bias)

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        return computed_events(outputs[0].numel)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        return {dim: Taps(dim, whole=True) for dim in space(inputs)}

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        mean = kept(TensorSpec((inputs[0].shape[0], self.num_groups), inputs[0].dtype))
        return (kept_input(), mean, mean)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        module = nn.GroupNorm(self.num_groups, inputs[0].shape[1], self.eps, self.affine)
        return with_shift(module, shift=self.bias)


class LastDimensions(Layer, frozen=True):
    """A norm over the last dimensions, ``normalized_shape``, of every row: any shape in and out."""

    normalized_shape: Sizes = None

    def __post_init__(self) -> None:
        sizes: Any = self.normalized_shape
        if sizes is None:
            return
        sizes = (sizes,) if isinstance(sizes, int) else tuple(sizes)
        check_at_least(len(sizes), 1, "the number of sizes in normalized_shape")
        set_normalised(self, "normalized_shape", sizes)

    def outputs(self, inputs: Inputs) -> Inputs:
        tensor = one_input(inputs, self.op)
        sizes = self._sizes(inputs)
        if tensor.shape[-len(sizes) :] != sizes:
            raise LayerError(
                f"normalized_shape must be the last dimensions of the input, got {list(sizes)} for "
                f"{text(tensor.shape)}",
                argument="normalized_shape",
                code="bad-shape",
            )
        return (tensor,)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        rank = len(inputs[0].shape)
        return with_statistics(inputs, range(rank - len(self._sizes(inputs)), rank))

    def _rows(self, inputs: Inputs) -> Shape:
        """Return the shape of one number per row."""
        behind = len(self._sizes(inputs))
        return (*inputs[0].shape[:-behind], *(1 for _ in range(behind)))

    def _sizes(self, inputs: Inputs) -> Shape:
        return inputs[0].shape[-1:] if self.normalized_shape is None else self.normalized_shape


LAST = {"normalized_shape": (None, 5, (5,), (4, 5), ()), "elementwise_affine": (True, False)}
LAST_INPUTS = (((2, 5),), ((2, 4, 5),), ((1, 3, 4, 5),), ((2, 3, 1),))


@register("layernorm")
class LayerNorm(LastDimensions, frozen=True):
    """Norm over the last dimensions of every row: N×…×normalized_shape in and out."""

    makes_what_it_keeps = True
    examples = (
        Example({"normalized_shape": 768}, ((1, 197, 768),), ((1, 197, 768),)),
        Example({"normalized_shape": [3, 4], "bias": False}, ((2, 5, 3, 4),), ((2, 5, 3, 4),)),
        Example({}, ((2, 7),), ((2, 7),)),
    )
    choices = LAST | {"eps": (1e-5, 0.1), "bias": (True, False)}
    input_choices = LAST_INPUTS

    eps: float = 1e-5
    elementwise_affine: bool = True
    bias: bool = True

    def parameters(self, inputs: Inputs) -> dict[str, Shape]:
        return affine_parameters(self._sizes(inputs), scale=self.elementwise_affine, shift=self.bias)

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        return computed_events(outputs[0].numel)

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        mean = statistic(self._rows(inputs), inputs, device)
        return (kept_input(), mean, mean)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        return nn.LayerNorm(self._sizes(inputs), self.eps, self.elementwise_affine, self.bias)


@register("rmsnorm")
class RMSNorm(LastDimensions, frozen=True):
    """Division of every row by its root mean square: N×…×normalized_shape in and out.

    There is no mean to take off and no shift: 1 addition and 3 multiplications per element.
    """

    examples = (Example({"normalized_shape": 8}, ((2, 5, 8),), ((2, 5, 8),)),)
    choices = LAST | {"eps": (None, 0.1)}
    input_choices = LAST_INPUTS

    eps: float | None = None
    elementwise_affine: bool = True

    def parameters(self, inputs: Inputs) -> dict[str, Shape]:
        return affine_parameters(self._sizes(inputs), scale=self.elementwise_affine, shift=False)

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        return Events(muls=3 * outputs[0].numel, adds=outputs[0].numel)

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        """Return what is kept: a CPU has no operator for it and takes steps, a GPU does.

        The rule for a GPU is ``_fused_rms_norm`` of torch's derivatives.yaml; it was not run on one.
        """
        half = inputs[0].dtype in HALF
        precise = "float32" if half else inputs[0].dtype
        root = kept(TensorSpec(self._rows(inputs), precise))
        if device == "cuda":
            return (kept_input(), root)
        copy = kept(TensorSpec(inputs[0].shape, precise))
        squared = (copy if half else kept_input(), root) if needs.inputs[0] else ()
        return (*squared, copy) if needs.parameters else squared

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        return nn.RMSNorm(self._sizes(inputs), self.eps, self.elementwise_affine)


@register("localresponsenorm")
class LocalResponseNorm(Layer, frozen=True):
    """Division by the squares of ``size`` neighbouring channels (Krizhevsky et al. 2012, 3.3): N×C×… in and out."""

    examples = (Example({"size": 5}, ((1, 96, 6, 6),), ((1, 96, 6, 6),)), Example({"size": 2, "k": 2}, ((2, 3, 4),)))
    choices = {"size": (0, 1, 2, 5), "alpha": (1e-4, 1.0), "beta": (0.75, 1), "k": (1.0, 2)}
    input_choices = (((2, 3, 4),), ((1, 6, 4, 5),), ((1, 2, 3, 4, 5),), ((2, 3),))

    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0

    def __post_init__(self) -> None:
        check_at_least(self.size, 1, "size")

    def outputs(self, inputs: Inputs) -> Inputs:
        tensor = one_input(inputs, self.op)
        if len(tensor.shape) < 3:  # noqa: PLR2004 batch, channels and something
            raise LayerError(
                f"localresponsenorm needs space behind the channels, got {text(tensor.shape)}", code="bad-shape"
            )
        return (tensor,)

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        count = outputs[0].numel
        return Events(muls=count * (self.size + 1), adds=count * self.size, exps=count, divs=count)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        return {dim: Taps(dim) for dim in space(inputs)}

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        # The squares with the channels put around them, which are averaged; the sums, and their power.
        batch, channels, *sizes = inputs[0].shape
        squares = kept(TensorSpec((batch, channels + self.size - 1, *sizes), inputs[0].dtype))
        return (kept_input(), squares, kept(inputs[0]), kept(inputs[0]))

    def forgets(self, inputs: Inputs, outputs: Inputs) -> Inputs:
        return inputs * 2  # at the most: two of the mean, its scaled and shifted form, and the power of that

    def spends(self, inputs: Inputs, outputs: Inputs, source: Source) -> Inputs:
        return inputs * 3  # of the divisor's gradient, −g·((x / d) / d)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        return nn.LocalResponseNorm(self.size, self.alpha, self.beta, self.k)
