"""One layer as its formulas see it: the row, and the layer's own arithmetic run on numbers that remember it."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import product as combinations
from typing import Any

from cnnprof.formulas.traced import Traced, number, total
from cnnprof.layers import REGISTRY, Layer, of
from cnnprof.layers.backward import Needs, Product
from cnnprof.layers.base import Pads
from cnnprof.model.analysis import Analysis, Equivalent, Events, Row, Totals
from cnnprof.model.graph import DTYPE_BYTES, Shape, TensorSpec
from cnnprof.model.plain import set_normalised
from cnnprof.shapes import Window

Tensors = tuple[TensorSpec, ...]

_LEFT_OUT = {"groups": 1, "dilation": 1}
"""Arguments that a textbook's formula has only where they differ from these. A 0, no padding, is never written."""


def plain(row: Row) -> Layer:
    """Return the layer of a row, whose operator is known."""
    return of(row)


def traced(layer: Layer) -> Layer:
    """Return the layer with every whole number among its arguments traced."""
    found = copy.copy(layer)
    for name in layer.__struct_fields__:
        value = getattr(layer, name)
        changed = tuple(_argument(name, each) for each in value) if isinstance(value, tuple) else _argument(name, value)
        set_normalised(found, name, changed)
    return found


def _argument(name: str, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int) or value == _LEFT_OUT.get(name, 0):
        return value
    return Traced(value)


def sizes(tensor: TensorSpec) -> TensorSpec:
    """Return the tensor with its sizes traced. A batch of 1 is not written."""
    first, *others = tensor.shape or (1,)
    found = (first if first == 1 else Traced(first), *map(Traced, others)) if tensor.shape else ()
    return TensorSpec(found, tensor.dtype)


def elements(shape: Shape) -> int:
    """Return the elements of a weight as a teacher multiplies them: kernel, then what comes in, then what goes out."""
    return TensorSpec((*shape[2:], *shape[1::-1])).numel


class Case:
    """A row with its layer's arithmetic, every part computed when it is first asked for.

    ``zeros`` are those that the layer before has put around the first input.
    """

    def __init__(self, row: Row, analysis: Analysis, zeros: Pads | None = None) -> None:
        self.row = row
        self.totals: Totals = analysis.totals
        self.dtype = analysis.dtype
        self.zeros = zeros
        self.inputs: Tensors = tuple(map(sizes, row.inputs))
        self.outputs: Tensors = tuple(map(sizes, row.outputs))

    @cached_property
    def layer(self) -> Layer:
        """The layer, its arguments traced."""
        return traced(plain(self.row))

    @property
    def runs(self) -> bool:
        """False where the layer works in training only."""
        return self.row.when == "always"

    @cached_property
    def computed(self) -> Tensors:
        """The outputs as the layer computes their sizes, where ``outputs`` has them as numbers."""
        return self.layer.outputs(self.inputs) if self.row.op in REGISTRY else self.outputs

    @cached_property
    def weights(self) -> Mapping[str, Shape]:
        """The learnable tensors, whoever counts them."""
        return self.layer.parameters(self.inputs)

    @cached_property
    def buffers(self) -> Mapping[str, TensorSpec]:
        """The buffers, whoever counts them, as they are stored."""
        return {name: self._stored(tensor) for name, tensor in self.layer.buffers(self.inputs).items()}

    def _stored(self, tensor: TensorSpec) -> TensorSpec:
        return TensorSpec(tensor.shape, self.dtype) if tensor.dtype == "float32" else tensor

    @cached_property
    def params(self) -> int:
        """Elements of the learnable tensors."""
        return total([elements(shape) for shape in self.weights.values()])

    @cached_property
    def weight_bytes(self) -> int:
        """Bytes of the learnable tensors."""
        return number(self.params) * DTYPE_BYTES[self.dtype] if self.params else 0

    @cached_property
    def buffer_bytes(self) -> int:
        """Bytes of the buffers."""
        return total([tensor.nbytes for tensor in self.buffers.values()])

    @cached_property
    def events(self) -> Events:
        """What a forward computes; nothing where the layer works in training only."""
        return self.layer.events(self.inputs, self.outputs) if self.runs else Events()

    @cached_property
    def useful_macs(self) -> int:
        """The multiply-accumulates that read a stored element."""
        return self.layer.useful_macs(self.inputs, self.outputs, self.zeros) if self.events.macs else 0

    @cached_property
    def windows(self) -> tuple[Window, ...] | None:
        """The sliding windows, one per axis."""
        return self.layer.windows(self.inputs)

    @cached_property
    def equivalent(self) -> Equivalent | None:
        """The layer as a matrix."""
        return self.layer.equivalent(self.inputs, self.outputs)

    @cached_property
    def products(self) -> tuple[Product, ...]:
        """What the backward repeats per operand, also of a layer that works in training only."""
        return self.layer.products(self.inputs, self.outputs) if self.row.training_macs else ()

    @property
    def weight_grads(self) -> list[int]:
        """The products repeated for weights."""
        own = (self.products, True, (False,) * len(self.inputs))
        return [macs for macs, weights in _repeated(*own) if weights] if self.row.weight_grad_macs else []

    @property
    def input_grads(self) -> list[int]:
        """The products repeated for what arrives: for those inputs that need gradients.

        Which do is the network's affair, so it is read off the number; where several readings fit, they are equal.
        """
        for own, *needed in combinations((True, False), repeat=1 + len(self.inputs)):
            found = [macs for macs, weights in _repeated(self.products, own, tuple(needed)) if not weights]
            if sum(map(int, found)) == self.row.input_grad_macs:
                return found
        return [number(self.row.input_grad_macs)]


def _repeated(products: Iterable[Product], own: bool, inputs: tuple[bool, ...]) -> list[tuple[int, bool]]:  # noqa: FBT001
    """Return the products that gradients repeat, and whether the gradient is one of weights alone."""
    needs = Needs(inputs, own)
    return [
        (product.macs, all(isinstance(source, str) for source in operand))
        for product in products
        for operand in (product.left, product.right)
        if needs.of(operand)
    ]
