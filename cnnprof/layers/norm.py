"""Normalisations of torch.nn: BatchNorm and InstanceNorm in 1, 2 and 3 dimensions.

With stored statistics a norm is one multiplication and one addition per element. Computing them costs, per element: an
addition into the mean, a subtraction of it, a square added into the variance, a multiplication by the reciprocal
deviation, then scale and shift: 4 additions and 3 multiplications, counted alike where scale and shift are 1 and 0.
Work per channel or group, such as that reciprocal or the update of running statistics, is not counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from cnnprof.errors import LayerError
from cnnprof.layers.backward import Device, Needs, Saved, kept, kept_input
from cnnprof.layers.base import Example, Inputs, Layer, one_input, product, text
from cnnprof.layers.registry import register
from cnnprof.model.analysis import Events
from cnnprof.model.graph import Shape, TensorSpec
from cnnprof.shapes import Reads, Taps

if TYPE_CHECKING:
    import torch


HALF = ("float16", "bfloat16")


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


def statistic(shape: Shape, inputs: Inputs, device: Device) -> Saved:
    """Return a mean or a reciprocal deviation that is kept: on a GPU never in half precision.

    As torch's ``Normalization.cu`` and ``layer_norm_kernel.cu`` allocate them; it was not run on a GPU.
    """
    dtype = inputs[0].dtype
    return kept(TensorSpec(shape, "float32" if device == "cuda" and dtype in HALF else dtype))


def with_shift(module: torch.nn.Module, *, shift: bool) -> torch.nn.Module:
    """Return a norm as torch makes it, without its shift where it has none: those of torch 2.11 take no ``bias``."""
    if not shift:
        module.register_parameter("bias", None)
    return module


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

    def saved_at_rest(self, inputs: Inputs) -> tuple[Saved, ...]:
        """Return what autograd keeps where the stored statistics stand still: none that were computed."""
        return (kept_input(),)


class BatchNorm(RunningNorm, frozen=True):
    """A norm of every channel over the batch and space: N×C×… in and out."""

    def outputs(self, inputs: Inputs) -> Inputs:
        tensor = self._input(inputs)
        if not self.track_running_stats:
            check_several(tensor.numel // tensor.shape[1], tensor)
        return (tensor,)

    def _input(self, inputs: Inputs) -> TensorSpec:
        return one_input(inputs, self.op, self.dims)

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        mean = statistic((inputs[0].shape[1],), inputs, device)
        return (kept_input(), mean, mean)

    def forgets(self, inputs: Inputs, outputs: Inputs) -> Inputs:
        if self.track_running_stats:
            return ()
        return (TensorSpec((inputs[0].shape[1],), inputs[0].dtype),) * 2

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        kind = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[self.dims]
        module = kind(inputs[0].shape[1], self.eps, self.momentum, self.affine, self.track_running_stats)
        return with_shift(module, shift=self.bias)


class InstanceNorm(RunningNorm, frozen=True):
    """A norm of every channel of every sample over space: N×C×… in and out."""

    affine: bool = False
    track_running_stats: bool = False

    def outputs(self, inputs: Inputs) -> Inputs:
        tensor = one_input(inputs, self.op, self.dims)
        if not self.track_running_stats:
            check_several(product(tensor.shape[2:]), tensor)
        return (tensor,)

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        mean = statistic((inputs[0].shape[0] * inputs[0].shape[1],), inputs, device)
        return (*self.saved_at_rest(inputs), mean, mean)

    def saved_at_rest(self, inputs: Inputs) -> tuple[Saved, ...]:
        # It is a batch norm of every sample's channels, for which weight and running statistics are repeated.
        repeated = kept(TensorSpec((inputs[0].shape[0] * inputs[0].shape[1],), inputs[0].dtype))
        return (kept_input(), *(repeated,) * (self.affine + 2 * self.track_running_stats))

    def forgets(self, inputs: Inputs, outputs: Inputs) -> Inputs:
        # Weight, bias and stored statistics repeated for every sample, or the statistics computed.
        repeated = TensorSpec((inputs[0].shape[0] * inputs[0].shape[1],), inputs[0].dtype)
        return (repeated,) * (2 + len(self.parameters(inputs)))

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        kind = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}[self.dims]
        module = kind(inputs[0].shape[1], self.eps, self.momentum, self.affine, self.track_running_stats)
        return with_shift(module, shift=self.bias)


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
