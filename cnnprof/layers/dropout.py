"""Random layers that rest in evaluation: torch.nn's dropout family, and stochastic depth.

In evaluation, or with p = 0, they hand their input on: no arithmetic, a view. In training a value is
drawn and compared with p once per element or channel (1 comparison; the draw itself is not arithmetic), and every
element is multiplied by 0 or by the constant 1 / (1 − p).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from cnnprof.errors import LayerError
from cnnprof.layers.backward import Device, Needs, Saved, kept
from cnnprof.layers.base import Example, Inputs, Layer, Storage, one_input, product
from cnnprof.layers.registry import register
from cnnprof.model.analysis import Events
from cnnprof.model.graph import Shape, TensorSpec

if TYPE_CHECKING:
    import torch

BOTH = (False, True)
RATES = (0.0, 0.5, 1.0)


def noise(tensor: TensorSpec, p: float) -> tuple[Saved, ...]:
    """Return what a product with random zeros keeps: the zeros and 1 / (1 − p), or one zero where all are dropped."""
    if p == 0:
        return ()
    return (kept(TensorSpec((), tensor.dtype) if p == 1 else tensor),)


def mask(tensor: TensorSpec, p: float, device: Device) -> tuple[Saved, ...]:
    """Return what dropout of single elements keeps: on a GPU one operator does it, and keeps booleans.

    The rule for a GPU is ``is_fused_kernel_acceptable`` of torch's ``Dropout.cpp``; it was not run on one.
    """
    fused = device == "cuda" and 0 < p < 1
    return (kept(TensorSpec(tensor.shape, "bool")),) if fused else noise(tensor, p)


class Random(Layer, frozen=True):
    """Work in training, the input itself in evaluation."""

    p: float

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise LayerError(f"p is a probability, 0 to 1, got {self.p}", argument="p")

    def _at_rest(self, *, training: bool) -> bool:
        return not training or self.p == 0

    def storage(self, *, training: bool = False) -> Storage:
        if self._at_rest(training=training):
            return "view"
        return "inplace" if getattr(self, "inplace", False) else "new"

    def _drawn(self, tensor: TensorSpec) -> Shape:
        """Return the shape of the values that are drawn."""
        return tensor.shape

    def _draws(self, tensor: TensorSpec) -> int:
        return product(self._drawn(tensor))

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        if self._at_rest(training=training):
            return Events()
        return Events(cmps=self._draws(inputs[0]), muls=inputs[0].numel)

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        return noise(TensorSpec(self._drawn(inputs[0]), inputs[0].dtype), self.p)


class DropoutFamily(Random, frozen=True):
    """A torch.nn dropout: named as in torch.nn, with its two arguments."""

    dims: ClassVar[int | None] = None
    """Spatial axes demanded; None: any shape."""
    examples = (Example({}, ((2, 3, 4, 5),), ((2, 3, 4, 5),)),)
    choices = {"p": RATES, "inplace": BOTH}
    input_choices: ClassVar[tuple[tuple[Shape, ...], ...]] = (
        ((2, 6),), ((1, 3, 4),), ((2, 3, 4, 5),), ((1, 2, 2, 3, 1),),
    )  # fmt: skip

    p: float = 0.5
    inplace: bool = False

    def outputs(self, inputs: Inputs) -> Inputs:
        one_input(inputs, self.op, self.dims)
        return inputs

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        module: torch.nn.Module = getattr(nn, type(self).__name__)(self.p, self.inplace)
        return module


class ChannelDropout(DropoutFamily, frozen=True):
    """Whole channels are dropped: one draw per sample and channel."""

    def _drawn(self, tensor: TensorSpec) -> Shape:
        return (*tensor.shape[:2], *(1 for _ in tensor.shape[2:]))


@register("dropout")
class Dropout(DropoutFamily, frozen=True):
    """Each element dropped with probability ``p``, for any shape.

    In training per element 1 comparison, 1 multiplication.
    """

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        # In place it is a product on every device.
        return mask(inputs[0], self.p, "cpu" if self.inplace else device)


@register("dropout1d")
class Dropout1d(ChannelDropout, frozen=True):
    """Channels of N×C×L dropped. In training 1 comparison per channel, 1 multiplication per element."""

    dims = 1
    examples = (Example({"p": 0.2}, ((2, 3, 4),), ((2, 3, 4),)),)
    input_choices = (((1, 3, 4),), ((2, 1, 5),))


@register("dropout2d")
class Dropout2d(ChannelDropout, frozen=True):
    """Channels of N×C×H×W dropped. In training 1 comparison per channel, 1 multiplication per element."""

    dims = 2
    examples = (Example({"p": 0.2}, ((2, 3, 4, 5),), ((2, 3, 4, 5),)),)
    input_choices = (((1, 3, 4, 5),), ((2, 1, 2, 2),))


@register("dropout3d")
class Dropout3d(ChannelDropout, frozen=True):
    """Channels of N×C×D×H×W dropped. In training 1 comparison per channel, 1 multiplication per element."""

    dims = 3
    examples = (Example({"p": 0.2}, ((2, 3, 2, 4, 5),), ((2, 3, 2, 4, 5),)),)
    input_choices = (((1, 3, 4, 5, 2),), ((2, 1, 2, 2, 1),))


@register("alphadropout")
class AlphaDropout(DropoutFamily, frozen=True):
    """Dropout that keeps mean and variance (for SELU), for any shape: a·x + b, or a constant where dropped.

    In training per element 1 comparison, 1 multiplication, 1 addition; a and b are constants of ``p``. torch takes
    ``inplace`` and does not heed it.
    """

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        if self._at_rest(training=training):
            return Events()
        return Events(cmps=self._draws(inputs[0]), muls=inputs[0].numel, adds=inputs[0].numel)

    def storage(self, *, training: bool = False) -> Storage:
        return "view" if self._at_rest(training=training) else "new"


@register("featurealphadropout")
class FeatureAlphaDropout(AlphaDropout, ChannelDropout, frozen=True):
    """Alpha dropout of whole channels of N×C×….

    In training 1 comparison per channel, 1 multiplication and 1 addition per element.
    """

    def outputs(self, inputs: Inputs) -> Inputs:
        if len(inputs[0].shape) < 2:  # noqa: PLR2004 batch and channels
            raise LayerError(f"{self.op} needs channels, got a single number per sample", code="bad-shape")
        return inputs


@register("stochasticdepth")
class StochasticDepth(Random, frozen=True):
    """Whole samples dropped (``mode: row``), or the whole batch, of any shape: torchvision.ops.StochasticDepth.

    For the end of a residual branch. In training 1 comparison per sample (row) or one in all (batch), and
    1 multiplication per element.
    """

    examples = (Example({"p": 0.2, "mode": "row"}, ((2, 3, 4, 5),), ((2, 3, 4, 5),)),)
    choices = {"p": RATES, "mode": ("batch", "row")}
    input_choices = (((2, 6),), ((1, 3, 4, 5),))

    p: float
    mode: Literal["batch", "row"]

    def _drawn(self, tensor: TensorSpec) -> Shape:
        return (tensor.shape[0] if self.mode == "row" else 1, *(1 for _ in tensor.shape[1:]))

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        drawn = TensorSpec(self._drawn(inputs[0]), inputs[0].dtype)
        return () if self.p == 0 else (kept(drawn),)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        import torch

        rest, per_sample, p = self._at_rest(training=True), self.mode == "row", self.p

        class StochasticDepth(torch.nn.Module):  # type: ignore[misc] # torch is not followed
            def forward(self, value: torch.Tensor) -> torch.Tensor:
                if rest or not self.training:
                    return value
                draws = (value.shape[0] if per_sample else 1,) + (1,) * (value.ndim - 1)
                noise = torch.empty(draws, dtype=value.dtype, device=value.device).bernoulli_(1 - p)
                # Where nothing can be kept there is nothing to rescale, and 1 / (1 − p) would be a division by 0.
                return value * (noise.div_(1 - p) if p < 1 else noise)

        return StochasticDepth()
