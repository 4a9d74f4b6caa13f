"""Padding as a layer of its own: torch.nn.functional.pad and torch.nn's …Pad1d, …Pad2d, …Pad3d. Copies, no arithmetic.

Sizes are given pair by pair from the last dimension backwards, as in torch: (left, right, top, bottom, front, back).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from cnnprof.errors import LayerError
from cnnprof.layers.backward import Device, Needs, Saved, kept_input
from cnnprof.layers.base import Example, Inputs, Ints, Layer, Pads, normalise, one_input, text
from cnnprof.layers.calls import FunctionLayer, functional
from cnnprof.layers.dims import listed
from cnnprof.layers.registry import register
from cnnprof.model.graph import Shape, TensorSpec
from cnnprof.model.plain import set_normalised
from cnnprof.shapes import Reads, Taps

if TYPE_CHECKING:
    import torch

Mode = Literal["constant", "reflect", "replicate", "circular"]
MODES: tuple[Mode, ...] = ("constant", "reflect", "replicate", "circular")


def padded(tensor: TensorSpec, padding: tuple[int, ...], mode: Mode) -> TensorSpec:
    """Return the tensor with its last dimensions grown.

    Raises:
        LayerError: the mode needs more elements than there are, or nothing is left.
    """
    sizes = list(tensor.shape)
    for pair in range(len(padding) // 2):
        axis, (low, high) = len(sizes) - 1 - pair, padding[2 * pair : 2 * pair + 2]
        _check_pair(sizes[axis], low, high, mode, tensor.shape)
        sizes[axis] = sizes[axis] + low + high
    return TensorSpec(tuple(sizes), tensor.dtype)


def shifted(tensor: TensorSpec, padding: tuple[int, ...]) -> dict[int, Taps]:
    """Return what a padded tensor reads of ``tensor``: everything moves by the padding in front of it."""
    rank = len(tensor.shape)
    found = {dim: Taps(dim) for dim in range(rank)}
    for pair, low in enumerate(padding[::2], start=1):
        found[rank - pair] = Taps(rank - pair, (-low,), (-low,))
    return found


def zeros_around(tensor: TensorSpec, padding: tuple[int, ...], mode: Mode, value: float) -> Pads | None:
    """Return the zeros put around ``tensor`` per dimension; None where they are no zeros. A cut puts in nothing."""
    if mode != "constant" or value != 0:
        return None
    pairs = [(max(0, low), max(0, high)) for low, high in zip(padding[::2], padding[1::2], strict=True)]
    return (*((0, 0),) * (len(tensor.shape) - len(pairs)), *reversed(pairs))


def kept_by(mode: Mode) -> tuple[Saved, ...]:
    """Return what padding in a mode keeps: the operators for reflect and replicate ask their input for its shape."""
    return (kept_input(),) if mode in ("reflect", "replicate") else ()


def _check_pair(size: int, low: int, high: int, mode: Mode, shape: Shape) -> None:
    most = {"reflect": size - 1, "circular": size}.get(mode)
    if most is not None and max(low, high) > most:
        raise LayerError(
            f"mode {mode!r} pads {size} elements by at most {most} on a side, got {max(low, high)} in {text(shape)}",
            argument="padding",
            code="bad-shape",
        )
    # In these modes torch cuts before it puts anything in; where nothing is left then, it fails or leaves gaps.
    cut = -min(0, low) - min(0, high) if mode in ("constant", "circular") else 0
    if size + low + high < 1 or size < cut:
        raise LayerError(
            f"padding {low} and {high} leaves nothing of {size} elements of {text(shape)}",
            argument="padding",
            code="bad-shape",
        )


@register("pad")
class Pad(FunctionLayer, frozen=True):
    """The last dimensions grown by ``padding``, N×C×H×W to N×C×(top + H + bottom)×(left + W + right) for four numbers.

    A negative padding cuts off. With mode constant any dimension but the batch may change, by elements of ``value``;
    the other modes pad all dimensions behind the channels, or those and the channels, at most three.
    """

    examples = (
        Example({"padding": [1, 2, 3, 4]}, ((2, 3, 4, 5),), ((2, 3, 11, 8),)),
        Example({"padding": [0, 0, 0, 0, 4, 4]}, ((2, 3, 4, 5),), ((2, 11, 4, 5),)),
        Example({"padding": [1, 2], "mode": "reflect"}, ((2, 3, 5),), ((2, 3, 8),)),
    )
    choices = {
        "padding": ((1, 2), (0, 3, 2, 1), (1, 0, 0, 1, 2, 2), (-1, 1), (0, -2, 1, 0)),
        "mode": MODES,
        "value": (0.0, 1.5),
    }
    input_choices = (((2, 3, 4),), ((1, 2, 4, 3),), ((2, 2, 3, 4, 4),), ((2, 6),))

    padding: tuple[int, ...]
    mode: Mode = "constant"
    value: float = 0.0

    def __post_init__(self) -> None:
        padding = listed(self.padding)
        set_normalised(self, "padding", padding)
        if not padding or len(padding) % 2:
            raise LayerError(f"padding needs a pair of numbers per dimension, got {list(padding)}", argument="padding")
        if self.mode != "constant" and self.value != 0:
            raise LayerError(f"mode {self.mode!r} takes no value", argument="value")

    def outputs(self, inputs: Inputs) -> Inputs:
        tensor, axes = inputs[0], len(self.padding) // 2
        least, most = (1, len(tensor.shape) - 1) if self.mode == "constant" else (len(tensor.shape) - 2, 3)
        if not least <= axes <= min(most, len(tensor.shape) - 1):
            raise LayerError(
                f"mode {self.mode!r} cannot pad {axes} dimensions of {text(tensor.shape)}",
                argument="padding",
                code="bad-shape",
            )
        return (padded(tensor, self.padding, self.mode),)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        return shifted(inputs[0], self.padding)

    def zeros(self, inputs: Inputs) -> Pads | None:
        return zeros_around(inputs[0], self.padding, self.mode, self.value)

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        return kept_by(self.mode)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch.nn.functional import pad

        return functional(self, lambda tensor: pad(tensor, self.padding, self.mode, self.value))


class PadModule(Layer, frozen=True):
    """A padding of torch.nn: ``padding`` is one number for all sides, or a pair per spatial axis, last first."""

    dims: ClassVar[int]
    mode: ClassVar[Mode]

    padding: Ints

    def __post_init__(self) -> None:
        normalise(self, "padding", 2 * self.dims)

    def outputs(self, inputs: Inputs) -> Inputs:
        return (padded(one_input(inputs, self.op, self.dims), listed(self.padding), self.mode),)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        return shifted(inputs[0], listed(self.padding))

    def zeros(self, inputs: Inputs) -> Pads | None:
        return zeros_around(inputs[0], listed(self.padding), self.mode, getattr(self, "value", 0.0))

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        return kept_by(self.mode)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        module: torch.nn.Module = getattr(nn, type(self).__name__)(self.padding)
        return module


class Pad1d(PadModule, frozen=True):
    """The modules that pad N×C×L."""

    dims = 1
    examples = (Example({"padding": [1, 2]}, ((2, 3, 4),), ((2, 3, 7),)),)
    choices = {"padding": (0, 2, (1, 2), (0, 3), (1, 1, 1))}
    input_choices = (((1, 3, 4),), ((2, 1, 3),), ((2, 3, 4, 5),))


class Pad2d(PadModule, frozen=True):
    """The modules that pad N×C×H×W."""

    dims = 2
    examples = (Example({"padding": [1, 2, 3, 0]}, ((2, 3, 4, 5),), ((2, 3, 7, 8),)),)
    choices = {"padding": (0, 2, (1, 2, 0, 1), (0, 3, 1, 1), (1, 2))}
    input_choices = (((1, 3, 4, 5),), ((2, 1, 3, 4),), ((2, 6),))


class Pad3d(PadModule, frozen=True):
    """The modules that pad N×C×D×H×W."""

    dims = 3
    examples = (Example({"padding": [1, 2, 1, 0, 0, 1]}, ((2, 3, 2, 3, 4),), ((2, 3, 3, 4, 7),)),)
    choices = {"padding": (0, 1, (1, 2, 0, 1, 1, 0), (1, 2))}
    input_choices = (((1, 3, 2, 4, 5),), ((2, 1, 3, 3, 4),), ((2, 3, 4, 5),))


@register("zeropad1d")
class ZeroPad1d(Pad1d, frozen=True):
    """Zeros around N×C×L."""

    mode = "constant"


@register("zeropad2d")
class ZeroPad2d(Pad2d, frozen=True):
    """Zeros around N×C×H×W."""

    mode = "constant"


@register("zeropad3d")
class ZeroPad3d(Pad3d, frozen=True):
    """Zeros around N×C×D×H×W."""

    mode = "constant"


@register("reflectionpad1d")
class ReflectionPad1d(Pad1d, frozen=True):
    """N×C×L mirrored at its edges, the edge elements once."""

    mode = "reflect"


@register("reflectionpad2d")
class ReflectionPad2d(Pad2d, frozen=True):
    """N×C×H×W mirrored at its edges, the edge elements once."""

    mode = "reflect"


@register("reflectionpad3d")
class ReflectionPad3d(Pad3d, frozen=True):
    """N×C×D×H×W mirrored at its edges, the edge elements once."""

    mode = "reflect"


@register("replicationpad1d")
class ReplicationPad1d(Pad1d, frozen=True):
    """N×C×L with its edge elements repeated."""

    mode = "replicate"


@register("replicationpad2d")
class ReplicationPad2d(Pad2d, frozen=True):
    """N×C×H×W with its edge elements repeated."""

    mode = "replicate"


@register("replicationpad3d")
class ReplicationPad3d(Pad3d, frozen=True):
    """N×C×D×H×W with its edge elements repeated."""

    mode = "replicate"


@register("circularpad1d")
class CircularPad1d(Pad1d, frozen=True):
    """N×C×L continued from its other end."""

    mode = "circular"


@register("circularpad2d")
class CircularPad2d(Pad2d, frozen=True):
    """N×C×H×W continued from its other ends."""

    mode = "circular"


@register("circularpad3d")
class CircularPad3d(Pad3d, frozen=True):
    """N×C×D×H×W continued from its other ends."""

    mode = "circular"


class ConstantPad(PadModule, frozen=True):
    """The modules that pad by a number of the user's."""

    mode = "constant"

    value: float

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        module: torch.nn.Module = getattr(nn, type(self).__name__)(self.padding, self.value)
        return module


@register("constantpad1d")
class ConstantPad1d(ConstantPad, Pad1d, frozen=True):
    """``value`` around N×C×L."""

    examples = (Example({"padding": 2, "value": 1.0}, ((2, 3, 4),), ((2, 3, 8),)),)
    choices = {**Pad1d.choices, "value": (0.0, -1.0)}


@register("constantpad2d")
class ConstantPad2d(ConstantPad, Pad2d, frozen=True):
    """``value`` around N×C×H×W."""

    examples = (Example({"padding": [1, 0, -1, 0], "value": 1.0}, ((2, 3, 4, 5),), ((2, 3, 3, 6),)),)
    choices = {**Pad2d.choices, "value": (0.0, -1.0)}


@register("constantpad3d")
class ConstantPad3d(ConstantPad, Pad3d, frozen=True):
    """``value`` around N×C×D×H×W."""

    examples = (Example({"padding": 1, "value": 1.0}, ((2, 3, 2, 3, 4),), ((2, 3, 4, 5, 6),)),)
    choices = {**Pad3d.choices, "value": (0.0, -1.0)}
