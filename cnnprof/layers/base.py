"""What a layer type is: one class that knows everything about itself.

A layer class is a frozen record of its arguments (``torch.nn``'s names and defaults, without what can be inferred) with
class methods for its behaviour. Counts are plain integer arithmetic on shapes, so that the same code serves numbers and
their formulas. torch is imported in ``build`` only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from cnnprof.errors import LayerError
from cnnprof.layers.backward import Device, Needs, Product, Saved, Source, kept_input
from cnnprof.model.analysis import Equivalent, Events
from cnnprof.model.graph import Shape, TensorSpec
from cnnprof.model.plain import Plain, set_normalised
from cnnprof.shapes import Reads, Window

if TYPE_CHECKING:
    import torch

    Ints = tuple[int, ...]
else:
    Ints = int | tuple[int, ...]
"""An argument that torch takes as one number or one per axis; after ``__post_init__`` it is one per axis."""

ONE: Any = 1
ZERO: Any = 0
"""Defaults of ``Ints`` arguments, before they are normalised."""

Inputs = tuple[TensorSpec, ...]
Storage = Literal["new", "view", "inplace"]
Pads = tuple[tuple[int, int], ...]
"""Elements put in before and after, per dimension."""


class Example(Plain, frozen=True):
    """A layer in use: argument values, input shapes (batch first) and, where a textbook says so, what comes out."""

    args: dict[str, Any]
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...] | None = None


class Layer(Plain, frozen=True):
    """The base of every layer type. Subclasses add their arguments as fields and override what differs."""

    op: ClassVar[str] = ""
    """Registered name; set by ``register``."""
    arity: ClassVar[tuple[int, int | None]] = (1, 1)
    """Fewest and most inputs; None: any number."""
    call: ClassVar[Literal["module", "function"]] = "module"
    """How hand-written torch code calls it; torchsummary sees modules only."""
    torch_name: ClassVar[str | None] = None
    """Dotted name of torch's own class or function, where it is not the ``torch.nn`` class of this name."""
    examples: ClassVar[tuple[Example, ...]] = ()
    """At least one; the contract test runs each against torch."""
    choices: ClassVar[Mapping[str, Sequence[Any]]] = {}
    """Argument values to draw from when the contract test searches for disagreements with torch."""
    input_choices: ClassVar[Sequence[tuple[Shape, ...]]] = ()
    """Input shapes to draw from, likewise."""
    keeps: ClassVar[tuple[Saved, ...]] = (kept_input(),)
    """What autograd keeps of a training forward, where that is always the same; ``saved`` says the rest."""
    makes_what_it_keeps: ClassVar[bool] = False
    """In evaluation too the layer makes the tensors of its own that autograd keeps in training, and forgets them."""

    def outputs(self, inputs: Inputs) -> Inputs:
        """Return the shape and dtype of every output.

        Raises:
            LayerError: the inputs do not fit this layer.
        """
        return inputs

    def parameters(self, inputs: Inputs) -> dict[str, Shape]:
        """Return the learnable tensors by torch's names (``weight``, ``bias``)."""
        return {}

    def buffers(self, inputs: Inputs) -> dict[str, TensorSpec]:
        """Return the tensors that are state but not learnable, by torch's names."""
        return {}

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        """Return the arithmetic of one forward over the whole batch."""
        return Events()

    def products(self, inputs: Inputs, outputs: Inputs) -> tuple[Product, ...]:
        """Return the multiply-accumulates with their two operands, as the backward repeats them per operand."""
        macs = self.events(inputs, outputs).macs
        return (Product(macs, (0,), ("weight",)),) if macs else ()

    def useful_macs(self, inputs: Inputs, outputs: Inputs, zeros: Pads | None = None) -> int:
        """Return the multiply-accumulates that read a stored element, neither a zero put in nor cropped afterwards.

        ``zeros``: of the input, per dimension, the elements at either end that a layer before has put in as zeros.
        """
        return self.events(inputs, outputs).macs

    def zeros(self, inputs: Inputs) -> Pads | None:
        """Return the zeros this layer puts around its input, per dimension of the output; None where it does not."""
        return None

    def storage(self, *, training: bool = False) -> Storage:
        """Return whether the output is new memory, a view of the input, or the input overwritten."""
        return "new"

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        """Return what autograd keeps of one training forward; inputs are taken as contiguous.

        Asked only where ``needs.any``. Parameters and buffers are there anyway and not among it, and neither is what
        torch keeps on the host (a number that a tensor is multiplied by). ``device``: whose operators run.
        """
        return self.keeps

    def forgets(self, inputs: Inputs, outputs: Inputs) -> Inputs:
        """Return the tensors that a forward makes beside its outputs where autograd does not keep them.

        Results of torch's operators that nobody reads, as the places of max pooling; no workspace of an algorithm.
        """
        if not self.makes_what_it_keeps:
            return ()
        needs = Needs((True,) * len(inputs), parameters=True)
        return tuple([each.tensor for each in self.saved(inputs, outputs, needs) if each.tensor is not None])

    def spends(self, inputs: Inputs, outputs: Inputs, source: Source) -> Inputs:
        """Return what the backward makes on the way to the gradient of ``source``, and forgets when it has all."""
        return ()

    def gradients(self, inputs: Inputs, source: int = 0) -> Storage:
        """Return whether the gradient of input ``source`` is new memory or a view of the output's gradient."""
        return "view" if self.storage(training=True) == "view" else "new"

    def windows(self, inputs: Inputs) -> tuple[Window, ...] | None:
        """Return the sliding window of each spatial axis; None where the layer has none."""
        return None

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        """Return which positions of input ``source`` a unit of output ``target`` depends on: the receptive field.

        What slides a window reads its windows; anything else the element at its own place. A layer that mixes
        positions in another way has to say so.
        """
        return "windows"

    def equivalent(self, inputs: Inputs, outputs: Inputs) -> Equivalent | None:
        """Return the layer written as a matrix; None where that makes no sense."""
        return None

    def build(self, inputs: Inputs) -> torch.nn.Module:
        """Return the real module, whose ``forward`` takes the inputs in order; several outputs are a tuple."""
        raise LayerError(f"{self.op} cannot be built as a torch module", code="not-buildable")


def ntuple(value: int | Sequence[int], count: int, argument: str, *, at_least: int | None = None) -> tuple[int, ...]:
    """Return ``value`` once per axis.

    Raises:
        LayerError: a sequence of another length, or a number below ``at_least``.
    """
    values = (value,) * count if isinstance(value, int) else tuple(value)
    if len(values) != count:
        raise LayerError(f"{argument} needs a number or a list of {count}, got {list(values)}", argument=argument)
    for number in values:
        check_at_least(number, at_least, argument)
    return values


def check_at_least(number: int, least: int | None, argument: str) -> None:
    """Raise LayerError unless ``number`` >= ``least``."""
    if least is not None and number < least:
        raise LayerError(f"{argument} must be >= {least}, got {number}", argument=argument)


def normalise(layer: Layer, argument: str, count: int, *, at_least: int | None = None) -> None:
    """Replace an argument by its value per axis, inside ``__post_init__``."""
    set_normalised(layer, argument, ntuple(getattr(layer, argument), count, argument, at_least=at_least))


def one_input(inputs: Inputs, op: str, dims: int | None = None) -> TensorSpec:
    """Return the only input; ``dims`` demands batch, channels and that many spatial axes.

    Raises:
        LayerError: another rank.
    """
    (tensor,) = inputs
    if dims is not None and len(tensor.shape) != dims + 2:
        raise LayerError(
            f"{op} needs an input of {dims + 1} dimensions (channels and {dims} spatial), got {text(tensor.shape)}",
            code="bad-shape",
        )
    return tensor


def text(shape: Shape) -> str:
    """Return a shape without its batch, as error messages print it: ``3×224×224``."""
    return "×".join(str(size) for size in shape[1:]) or "a single number"


def mac_events(macs: int, sums: int, bias_adds: int = 0) -> Events:
    """Return the events of ``macs`` products added up into ``sums`` results (the first product needs no addition)."""
    return Events(macs=macs, muls=macs, adds=macs - sums + bias_adds)


def product(values: Sequence[int]) -> int:
    """Return the product; of nothing, 1."""
    return math.prod(values)
