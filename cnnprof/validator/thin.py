"""A network reduced to its geometry: windows slide in torch over one channel, what looks at one place rests.

Windows, strides, paddings and dilations are those of the layers; channels, weights and values are not.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from cnnprof import builder
from cnnprof.layers import REGISTRY
from cnnprof.layers.adaptive import AdaptiveMaxPool, AdaptivePool
from cnnprof.layers.arithmetic import Arithmetic
from cnnprof.layers.conv import Conv
from cnnprof.layers.convtranspose import ConvTranspose
from cnnprof.layers.elementwise import Elementwise
from cnnprof.layers.linear import Linear
from cnnprof.layers.local import LocallyConnected
from cnnprof.layers.norm import RunningNorm
from cnnprof.layers.pooling import MaxPool, Pool
from cnnprof.layers.samplenorm import GroupNorm, LastDimensions
from cnnprof.layers.upsample import Upsample
from cnnprof.model.analysis import Row
from cnnprof.model.graph import Graph, TensorSpec
from cnnprof.model.plain import replace
from cnnprof.validator.fake import off_meta

if TYPE_CHECKING:
    import torch

MULTIPLYING = (Conv, ConvTranspose, LocallyConnected)
_PER_CHANNEL = (Pool, AdaptivePool, Upsample)
_POINTWISE = (Elementwise, RunningNorm, GroupNorm, LastDimensions)
"""What stands aside: layers that change no position, and norms, whose statistics are no part of a local field."""


def thin(layer: Any, tensor: TensorSpec) -> torch.nn.Module:
    """Return the layer from one channel to one, of ones without a bias: the same windows and sizes."""
    import torch

    alone = replace(layer, out_channels=1, bias=False, **({"groups": 1} if hasattr(layer, "groups") else {}))
    module: torch.nn.Module = alone.build((TensorSpec((1, 1, *tensor.shape[2:])),))
    for weight in module.parameters():
        torch.nn.init.ones_(weight)
    return module.requires_grad_(requires_grad=False)


def reduced(graph: Graph, rows: Iterable[Row]) -> Any:
    """Return the built network with stand-ins, in evaluation mode; ``rows`` are those of ``graph``.

    A maximum passes its gradient on to one place only, so that the mean of the same windows takes its place. Wherever
    windows are read, values are brought back to at most 1, and gradients to where they are not 0.
    """
    import torch

    module: Any = builder.build(graph, device="meta")
    for row in rows:
        stand_in = _stand_in(row)
        if stand_in is not None:
            parent, _, name = module.paths[row.name].rpartition(".")
            setattr(module.get_submodule(parent), name, stand_in)
    off_meta(module, lambda tensor: torch.ones(tensor.shape, dtype=tensor.dtype))
    return module.eval().requires_grad_(requires_grad=False)


def _stand_in(row: Row) -> Any:
    import torch

    layer: Any = REGISTRY[row.op](**row.args)
    if isinstance(layer, _POINTWISE):
        return torch.nn.Identity()
    spread: Any = _spread()
    if isinstance(layer, Linear):
        return spread(torch.nn.Identity(), -1, layer.out_features)
    if isinstance(layer, MULTIPLYING):
        return spread(thin(layer, row.inputs[0]), 1, layer.out_channels)
    if isinstance(layer, _PER_CHANNEL) and len(row.outputs) == 1:
        module = _mean(layer) or layer.build(row.inputs)
        return spread(module, 1, row.outputs[0].shape[1])
    if isinstance(layer, Arithmetic):
        made = replace(layer, inplace=False).build(row.inputs)  # what is expanded cannot be overwritten
        shapes = {tensor.shape for tensor in row.inputs}
        return spread(made, 1, row.outputs[0].shape[1]) if len(shapes) == 1 else made
    return None


def _mean(layer: Any) -> Any:
    """Return the mean of the windows of max pooling; None where it is no such layer, or its windows have gaps."""
    from torch import nn

    kind: Any = getattr(nn, type(layer).__name__.replace("Max", "Avg"), None)
    if isinstance(layer, AdaptiveMaxPool):
        return kind(layer.output_size)
    if not isinstance(layer, MaxPool) or any(step > 1 for step in layer.dilation):
        return None
    return kind(layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode)


@cache
def _spread() -> Any:
    import torch

    one, many = _one(), _many()

    class Spread(torch.nn.Module):  # type: ignore[misc] # torch is not followed
        """Channels put into one, what the layer does with that, and the result once for every channel that leaves."""

        def __init__(self, inside: torch.nn.Module, dim: int, channels: int) -> None:
            super().__init__()
            self.inside, self.dim, self.channels = inside, dim, channels

        def forward(self, *values: torch.Tensor) -> torch.Tensor:
            found = self.inside(*(one.apply(value, self.dim) for value in values))
            found = found / found.detach().abs().max().clamp(min=1)
            if found.requires_grad:
                found.register_hook(lambda gradient: (gradient != 0).to(gradient.dtype))
            return many.apply(found, self.dim, self.channels)

    return Spread


@cache
def _one() -> Any:
    import torch

    class One(torch.autograd.Function):  # type: ignore[misc] # torch is not followed
        """The mean over a dimension, and for its gradient where one is: no element is made that is like another."""

        @staticmethod
        def forward(ctx: Any, value: torch.Tensor, dim: int) -> torch.Tensor:
            ctx.shape = value.shape
            return value.narrow(dim, 0, 1).contiguous() if value.stride(dim) == 0 else value.mean(dim, keepdim=True)

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> Any:
            return gradient.expand(ctx.shape), None

    return One


@cache
def _many() -> Any:
    import torch

    class Many(torch.autograd.Function):  # type: ignore[misc] # torch is not followed
        """One channel seen as several, a view."""

        @staticmethod
        def forward(ctx: Any, value: torch.Tensor, dim: int, channels: int) -> torch.Tensor:
            ctx.dim = dim
            sizes = [-1] * value.dim()
            sizes[dim] = channels
            return value.expand(sizes)

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> Any:
            alike = gradient.stride(ctx.dim) == 0
            found = gradient.narrow(ctx.dim, 0, 1) if alike else gradient.sum(ctx.dim, keepdim=True)
            return found, None, None

    return Many
