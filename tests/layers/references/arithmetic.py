"""Arithmetic between tensors, joining and reducing, element by element."""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any

from tests.layers.contract import specs, we_refuse
from tests.layers.references.counting import Array, Case, Index, Number, Weights, build, indices, reference, total_of

for name in ("add", "sub", "mul", "div"):
    we_refuse(name, "needs two inputs, or one and a number", "unchecked, our module takes any number of operands")

PAIRS = (Case({}, ((2, 3, 2), (2, 3, 2))), Case({}, ((2, 3, 2), (1, 3, 1))), Case({"other": 0.5}, ((2, 3),)))
MANY = (*PAIRS, Case({}, ((2, 3), (1, 3), (2, 1), (2, 3))))
OPERATORS = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv}


def stretched(array: Array, index: Index) -> Number:
    """Return the element that a broadcast array shows at ``index``."""
    own = index[len(index) - len(array.shape) :]
    return array[tuple(place if size > 1 else 0 for place, size in zip(own, array.shape, strict=True))]


@reference("add", *MANY)
@reference("sub", *PAIRS)
@reference("mul", *MANY)
@reference("div", *PAIRS)
def between(layer, inputs: list[Array], _: Weights, **__: object) -> Array:
    shape = layer.outputs(specs(tuple(array.shape for array in inputs)))[0].shape
    numbers: list[Any] = [] if layer.other is None else [layer.other]

    def element(index: Index):
        return reduce(OPERATORS[layer.op], [*(stretched(array, index) for array in inputs), *numbers])

    return build(shape, element)


def reduced(layer, array: Array) -> tuple[list[list[Number]], Index]:
    """Return what is added up for each result, and the results' shape."""
    axes = [dim % len(array.shape) for dim in layer.dim]
    outer = [1 if axis in axes else size for axis, size in enumerate(array.shape)]
    inner = [size if axis in axes else 1 for axis, size in enumerate(array.shape)]
    groups = [
        [array[tuple(map(operator.add, place, offset))] for offset in indices(*inner)] for place in indices(*outer)
    ]
    return groups, layer.outputs(specs((array.shape,)))[0].shape


CASES = (
    Case({"dim": 1}, ((2, 3),)),
    Case({"dim": (2, 3)}, ((2, 2, 3, 2),)),
    Case({"dim": -1, "keepdim": True}, ((2, 3, 4),)),
)


@reference("sum", *CASES)
def sum_over(layer, inputs: list[Array], _: Weights, **__: object) -> Array:
    groups, shape = reduced(layer, inputs[0])
    return Array(shape, [total_of(group) for group in groups])


@reference("mean", *CASES)
def mean_over(layer, inputs: list[Array], _: Weights, **__: object) -> Array:
    groups, shape = reduced(layer, inputs[0])
    return Array(shape, [total_of(group) / len(group) for group in groups])
