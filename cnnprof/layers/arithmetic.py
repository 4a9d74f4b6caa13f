"""Sums and products of whole tensors, element by element: add, sub, mul, div.

Shapes broadcast by torch's rule. With one input the second operand is the number ``other``.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar

from cnnprof.errors import LayerError
from cnnprof.layers.backward import Device, Needs, Saved, Source, kept, kept_input
from cnnprof.layers.base import Example, Inputs, Storage
from cnnprof.layers.calls import FunctionLayer, functional
from cnnprof.layers.counting import times
from cnnprof.layers.dims import broadcast, floating, full, one_dtype
from cnnprof.layers.registry import register
from cnnprof.model.analysis import Events
from cnnprof.model.graph import Shape, TensorSpec

if TYPE_CHECKING:
    import torch


class Arithmetic(FunctionLayer, frozen=True):
    """Several tensors, or one and the number ``other``, made into one by an operator between each two.

    ``inplace`` writes the result over the first input (``out += identity``), whose shape it must have.
    """

    work: ClassVar[Events]
    """What one operator does per output element."""
    choices = {"other": (None, 0.5), "inplace": (False, True)}
    input_choices: ClassVar[tuple[tuple[Shape, ...], ...]] = (
        ((2, 3, 4),), ((2, 3, 4), (2, 3, 4)), ((2, 3, 4), (1, 3, 1)), ((1, 3, 1), (2, 3, 4)), ((2, 3), (2, 4)),
        ((2, 3, 4), (3, 1)),
    )  # fmt: skip

    other: float | None = None
    inplace: bool = False

    def storage(self, *, training: bool = False) -> Storage:
        return "inplace" if self.inplace else "new"

    def outputs(self, inputs: Inputs) -> Inputs:
        if (self.other is None) == (len(inputs) == 1):
            raise LayerError(
                f"{self.op} needs two inputs, or one and a number as other; got {len(inputs)} and other {self.other}",
                argument="other",
            )
        dtype = floating(inputs[0], self.op) if len(inputs) == 1 else one_dtype(inputs, self.op)
        shape = broadcast([tensor.shape for tensor in inputs], self.op)
        if self.inplace and shape != inputs[0].shape:
            raise LayerError(
                f"{full(shape)} cannot be written over the first input, {full(inputs[0].shape)}",
                argument="inplace",
                code="bad-shape",
            )
        return (TensorSpec(shape, dtype),)

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        return times(self.work, max(1, len(inputs) - 1) * outputs[0].numel)

    def _operator(self) -> Any:
        import operator

        return getattr(operator, f"i{self._python_name()}" if self.inplace else self._python_name())

    def _python_name(self) -> str:
        return {"div": "truediv"}.get(self.op, self.op)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        numbers = () if self.other is None else (self.other,)
        return functional(self, lambda *tensors: reduce(self._operator(), (*tensors, *numbers)))


@register("add")
class Add(Arithmetic, frozen=True):
    """The sum of n tensors of broadcasting shapes: n − 1 additions per output element."""

    arity = (1, None)
    work = Events(adds=1)
    examples = (
        Example({}, ((2, 3, 4, 5), (2, 3, 4, 5)), ((2, 3, 4, 5),)),
        Example({"inplace": True}, ((2, 5, 8), (1, 5, 8), (2, 5, 8)), ((2, 5, 8),)),
        Example({"other": 3.0}, ((2, 3, 4),), ((2, 3, 4),)),
    )
    input_choices = (*Arithmetic.input_choices, ((2, 3), (2, 1), (1, 3)))
    keeps = ()

    def gradients(self, inputs: Inputs, source: int = 0) -> Storage:
        # Where it was broadcast, its gradient is summed up.
        return "view" if inputs[source].shape == self.outputs(inputs)[0].shape else "new"


@register("sub")
class Sub(Arithmetic, frozen=True):
    """The first of two broadcasting shapes minus the second: 1 addition per output element."""

    arity = (1, 2)
    work = Events(adds=1)
    examples = (
        Example({}, ((2, 3, 4), (2, 3, 4)), ((2, 3, 4),)),
        Example({"other": 0.5}, ((2, 3, 4),), ((2, 3, 4),)),
    )
    keeps = ()

    def gradients(self, inputs: Inputs, source: int = 0) -> Storage:
        kept_whole = source == 0 and inputs[0].shape == self.outputs(inputs)[0].shape
        return "view" if kept_whole else "new"


@register("mul")
class Mul(Arithmetic, frozen=True):
    """The product of n tensors of broadcasting shapes: n − 1 multiplications per output element.

    A squeeze-excitation gate is N×C×H×W times N×C×1×1.
    """

    arity = (1, None)
    work = Events(muls=1)
    examples = (
        Example({}, ((2, 3, 4, 5), (2, 3, 1, 1)), ((2, 3, 4, 5),)),
        Example({"other": 0.17}, ((2, 3, 4),), ((2, 3, 4),)),
    )
    input_choices = (*Arithmetic.input_choices, ((2, 3), (2, 1), (1, 3)))

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        found, left = [], kept_input()
        shape, needed = inputs[0].shape, needs.inputs[0]
        for index, right in enumerate(inputs[1:], start=1):
            if needed:
                found.append(kept_input(index))
            if needs.inputs[index]:
                # What is overwritten is copied before.
                found.append(kept(TensorSpec(shape, right.dtype)) if self.inplace else left)
            shape, needed = broadcast([shape, right.shape], self.op), needed or needs.inputs[index]
            left = kept(TensorSpec(shape, right.dtype))
        return tuple(found)

    def spends(self, inputs: Inputs, outputs: Inputs, source: Source) -> Inputs:
        # What was broadcast gets a gradient of the product's shape first, which is summed up.
        return outputs if isinstance(source, int) and inputs[source].shape != outputs[0].shape else ()


@register("div")
class Div(Arithmetic, frozen=True):
    """The first of two broadcasting shapes divided by the second: 1 division per output element."""

    arity = (1, 2)
    work = Events(divs=1)
    examples = (
        Example({}, ((2, 3, 4), (2, 3, 1)), ((2, 3, 4),)),
        Example({"other": 8.0}, ((2, 3, 4),), ((2, 3, 4),)),
    )

    def outputs(self, inputs: Inputs) -> Inputs:
        for tensor in inputs:
            floating(tensor, self.op)
        return super().outputs(inputs)

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        found = [kept_input(index) for index in range(1, len(inputs))]
        if needs.inputs[1:] == (True,):
            found.append(kept(inputs[0]) if self.inplace else kept_input())
        return tuple(found)
