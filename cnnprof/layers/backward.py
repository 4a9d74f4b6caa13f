"""What a training step asks of a layer: which products its gradients repeat, and what is kept for them."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from cnnprof.model.graph import TensorSpec

Source = int | str
"""What a value is computed from: an input of the layer by its index, or one of its parameters by name."""
Device = Literal["cpu", "cuda"]
"""Whose operators run: some keep other tensors than those of another device."""
DEVICES: tuple[Device, ...] = get_args(Device)


class Product(NamedTuple):
    """Multiply-accumulates of two operands; each operand that needs a gradient repeats all of them in the backward.

    An operand is what it is computed from: ``(0,)`` is the layer's input itself, ``("weight",)`` a parameter, and
    ``(0, 1)`` something made of two inputs, such as attention's weights.
    """

    macs: int
    left: tuple[Source, ...]
    right: tuple[Source, ...]


class Needs(NamedTuple):
    """What requires gradients: every input, and the layer's own parameters."""

    inputs: tuple[bool, ...]
    parameters: bool

    @property
    def any(self) -> bool:
        """True where the layer takes part in the backward at all."""
        return self.parameters or any(self.inputs)

    def of(self, sources: tuple[Source, ...]) -> bool:
        """Return whether what is computed from ``sources`` needs a gradient."""
        return any(self.parameters if isinstance(source, str) else self.inputs[source] for source in sources)


class Saved(NamedTuple):
    """A tensor that autograd keeps from the forward to the backward: an input or an output, or one of its own."""

    what: Literal["input", "output", "own"]
    at: int = 0
    """Which input or output."""
    tensor: TensorSpec | None = None
    """Shape and dtype of a tensor that is neither, such as the mask of a dropout. Parameters are there anyway."""


def kept_input(at: int = 0) -> Saved:
    """Return that an input is kept."""
    return Saved("input", at)


def kept_output(at: int = 0) -> Saved:
    """Return that an output is kept."""
    return Saved("output", at)


def kept(tensor: TensorSpec) -> Saved:
    """Return that a tensor is kept that nobody else has."""
    return Saved("own", tensor=tensor)


def with_places(outputs: tuple[TensorSpec, ...]) -> tuple[Saved, ...]:
    """Return what max pooling keeps: its input, and where each maximum was, an output of its own or not."""
    places = kept_output(1) if len(outputs) > 1 else kept(TensorSpec(outputs[0].shape, "int64"))
    return (kept_input(), places)
