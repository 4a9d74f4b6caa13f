"""Normalisations of torch.nn: BatchNorm and InstanceNorm in 1, 2 and 3 dimensions, GroupNorm, LayerNorm, RMSNorm, LRN.

With stored statistics a norm is one multiplication and one addition per element. Computing them costs, per element: an
addition into the mean, a subtraction of it, a square added into the variance, a multiplication by the reciprocal
deviation, then scale and shift: 4 additions and 3 multiplications, counted alike where scale and shift are 1 and 0.
Work per channel or group, such as that reciprocal or the update of running statistics, is not counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from cnnprof.errors import LayerError
from cnnprof.layers.base import Example, Inputs, Layer, check_at_least, one_input, product, text
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


def stored_events(count: int) -> Events:
    """Return the events of ``count`` elements normalised with stored statistics."""
    return Events(muls=count, adds=count)


def computed_events(count: int) -> Events:
    """Return the events of ``count`` elements whose mean and variance are computed first."""
    return Events(muls=3 * count, adds=4 * count)


def check_several(count: int, tensor: TensorSpec) -> None:
    """Raise LayerError where a statistic would be computed from one value: its deviation is 0."""
    if count < 2:  # noqa: PLR2004 a deviation needs two values
        raise LayerError(
            f"a norm that computes statistics needs more than 1 value for each, got {text(tensor.shape)}",
            code="bad-shape",
        )


def space(inputs: Inputs) -> range:
    """Return the dimensions behind the channels."""
    return range(2, len(inputs[0].shape))


def with_statistics(inputs: Inputs, dims: range) -> dict[int, Taps]:
    """Return what a norm reads that computes statistics over ``dims``: all of those, and itself."""
    return {dim: Taps(dim, whole=dim in dims) for dim in range(len(inputs[0].shape))}


def affine_parameters(size: Shape, *, scale: bool, shift: bool) -> dict[str, Shape]:
    """Return weight and bias of one shape, those that there are."""
    named = {"weight": size} if scale else {}
    return named | {"bias": size} if scale and shift else named


class RunningNorm(Layer, frozen=True):
    """A norm per channel that may keep running statistics: N×C×… in and out."""

    dims: ClassVar[int]

    eps: float = 1e-5
    momentum: float | None = 0.1
    affine: bool = True
    track_running_stats: bool = True
    bias: bool = True

    def parameters(self, inputs: Inputs) -> dict[str, Shape]:
        return affine_parameters((inputs[0].shape[1],), scale=self.affine, shift=self.bias)

    def buffers(self, inputs: Inputs) -> dict[str, TensorSpec]:
        if not self.track_running_stats:
            return {}
        statistic = TensorSpec((inputs[0].shape[1],), inputs[0].dtype)
        return {
            "running_mean": statistic,
            "running_var": statistic,
            "num_batches_tracked": TensorSpec((), "int64"),
        }

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        stored = self.track_running_stats and not training
        return stored_events(outputs[0].numel) if stored else computed_events(outputs[0].numel)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        return "pointwise" if self.track_running_stats else with_statistics(inputs, space(inputs))


class BatchNorm(RunningNorm, frozen=True):
    """A norm of every channel over the batch and space: N×C×… in and out."""

    def outputs(self, inputs: Inputs) -> Inputs:
        tensor = self._input(inputs)
        if not self.track_running_stats:
            check_several(tensor.numel // tensor.shape[1], tensor)
        return (tensor,)

    def _input(self, inputs: Inputs) -> TensorSpec:
        return one_input(inputs, self.op, self.dims)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        kind = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[self.dims]
        return kind(inputs[0].shape[1], self.eps, self.momentum, self.affine, self.track_running_stats, bias=self.bias)


class InstanceNorm(RunningNorm, frozen=True):
    """A norm of every channel of every sample over space: N×C×… in and out."""

    affine: bool = False
    track_running_stats: bool = False

    def outputs(self, inputs: Inputs) -> Inputs:
        tensor = one_input(inputs, self.op, self.dims)
        if not self.track_running_stats:
            check_several(product(tensor.shape[2:]), tensor)
        return (tensor,)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        kind = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}[self.dims]
        return kind(inputs[0].shape[1], self.eps, self.momentum, self.affine, self.track_running_stats, bias=self.bias)


RUNNING = {
    "eps": (1e-5, 0.1),
    "momentum": (0.1, None),
    "affine": (True, False),
    "track_running_stats": (True, False),
    "bias": (True, False),
}
INPUTS_2D = (((2, 3, 4, 5),), ((1, 4, 3, 3),), ((1, 2, 1, 1),), ((2, 3, 4, 5, 6),))
INPUTS_3D = (((2, 3, 4, 5, 2),), ((1, 4, 3, 3, 1),), ((1, 2, 1, 1, 1),), ((2, 3, 4, 5, 2, 1),))
"""What the contract test draws from."""


@register("batchnorm1d")
class BatchNorm1d(BatchNorm, frozen=True):
    """Norm of every channel over batch and length: N×C or N×C×L in and out."""

    dims = 1
    examples = (
        Example({}, ((4, 10),), ((4, 10),)),
        Example({"affine": False}, ((2, 3, 8),), ((2, 3, 8),)),
    )
    choices = RUNNING
    input_choices = (((4, 3),), ((1, 3),), ((2, 3, 5),), ((1, 2, 1),), ((2, 3, 4, 5),))

    def _input(self, inputs: Inputs) -> TensorSpec:
        tensor = one_input(inputs, self.op)
        if len(tensor.shape) not in (2, 3):
            raise LayerError(
                f"batchnorm1d needs an input of 1 dimension (channels) or 2 (channels, length), got "
                f"{text(tensor.shape)}",
                code="bad-shape",
            )
        return tensor


@register("batchnorm2d")
class BatchNorm2d(BatchNorm, frozen=True):
    """Norm of every channel over batch, height and width: N×C×H×W in and out."""

    dims = 2
    examples = (
        Example({}, ((2, 64, 8, 8),), ((2, 64, 8, 8),)),
        Example({"momentum": None, "bias": False}, ((1, 3, 4, 5),), ((1, 3, 4, 5),)),
        Example({"track_running_stats": False}, ((2, 3, 4, 5),), ((2, 3, 4, 5),)),
    )
    choices = RUNNING
    input_choices = INPUTS_2D


@register("batchnorm3d")
class BatchNorm3d(BatchNorm, frozen=True):
    """Norm of every channel over batch, depth, height and width: N×C×D×H×W in and out."""

    dims = 3
    examples = (Example({}, ((2, 4, 3, 5, 5),), ((2, 4, 3, 5, 5),)),)
    choices = RUNNING
    input_choices = INPUTS_3D


@register("instancenorm1d")
class InstanceNorm1d(InstanceNorm, frozen=True):
    """Norm of every channel of every sample over length: N×C×L in and out."""

    dims = 1
    examples = (
        Example({}, ((2, 3, 8),), ((2, 3, 8),)),
        Example({"affine": True, "track_running_stats": True}, ((2, 3, 8),), ((2, 3, 8),)),
    )
    choices = RUNNING
    input_choices = (((2, 3, 5),), ((1, 2, 1),), ((2, 3, 4, 5),))


@register("instancenorm2d")
class InstanceNorm2d(InstanceNorm, frozen=True):
    """Norm of every channel of every sample over height and width: N×C×H×W in and out."""

    dims = 2
    examples = (Example({"affine": True}, ((2, 3, 4, 5),), ((2, 3, 4, 5),)),)
    choices = RUNNING
    input_choices = INPUTS_2D


@register("instancenorm3d")
class InstanceNorm3d(InstanceNorm, frozen=True):
    """Norm of every channel of every sample over depth, height and width: N×C×D×H×W in and out."""

    dims = 3
    examples = (Example({}, ((2, 3, 4, 5, 2),), ((2, 3, 4, 5, 2),)),)
    choices = RUNNING
    input_choices = INPUTS_3D


@register("groupnorm")
class GroupNorm(Layer, frozen=True):
    """Norm of every group of channels of every sample over space: N×C×… in and out."""

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

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        return nn.GroupNorm(self.num_groups, inputs[0].shape[1], self.eps, self.affine, bias=self.bias)


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

    def _sizes(self, inputs: Inputs) -> Shape:
        return inputs[0].shape[-1:] if self.normalized_shape is None else self.normalized_shape


LAST = {"normalized_shape": (None, 5, (5,), (4, 5), ()), "elementwise_affine": (True, False)}
LAST_INPUTS = (((2, 5),), ((2, 4, 5),), ((1, 3, 4, 5),), ((2, 3, 1),))


@register("layernorm")
class LayerNorm(LastDimensions, frozen=True):
    """Norm over the last dimensions of every row: N×…×normalized_shape in and out."""

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

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        return nn.LocalResponseNorm(self.size, self.alpha, self.beta, self.k)
