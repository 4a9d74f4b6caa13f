"""Activations along a dimension, row by row."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tests.layers.contract import signature_differs
from tests.layers.references.activations import exp, negative, sigmoid_of
from tests.layers.references.counting import (
    Array,
    Case,
    Index,
    Number,
    Weights,
    build,
    exponential,
    indices,
    largest_of,
    reference,
    total_of,
)  # fmt: skip

for name in ("softmax", "softmin", "logsoftmax"):
    signature_differs(name, "dim", "torch guesses a dimension for None and warns that it will not for long")
for argument in ("args", "kwargs"):
    signature_differs("softmax2d", argument, "torch takes and ignores anything")

ROWS = (Case({"dim": 1}, ((2, 4),)), Case({"dim": -2}, ((2, 3, 2),)))


def rowwise(array: Array, dim: int, function: Callable[[Sequence[Number]], list[Number]]) -> Array:
    """Return the array with ``function`` applied to every row along ``dim``."""
    axis = dim % len(array.shape)
    done: dict[Index, Number] = {}
    for start in indices(*(1 if position == axis else size for position, size in enumerate(array.shape))):
        places = [(*start[:axis], k, *start[axis + 1 :]) for k in range(array.shape[axis])]
        done |= dict(zip(places, function([array[place] for place in places]), strict=True))
    return build(array.shape, done.__getitem__)


def softmax_of(row: Sequence[Number]) -> list[Number]:
    top = largest_of(row)
    powers = [exp(x - top) for x in row]
    total = total_of(powers)
    return [power / total for power in powers]


def softmin_of(row: Sequence[Number]) -> list[Number]:
    return softmax_of([negative(x) for x in row])


def logsoftmax_of(row: Sequence[Number]) -> list[Number]:
    top = largest_of(row)
    lowered = [x - top for x in row]
    total = exponential(math.log, total_of([exp(x) for x in lowered]))
    return [x - total for x in lowered]


@reference("softmax", *ROWS)
def softmax(layer, inputs: list[Array], _: Weights, **__: object) -> Array:
    return rowwise(inputs[0], layer.dim, softmax_of)


@reference("softmin", *ROWS)
def softmin(layer, inputs: list[Array], _: Weights, **__: object) -> Array:
    return rowwise(inputs[0], layer.dim, softmin_of)


@reference("logsoftmax", *ROWS)
def logsoftmax(layer, inputs: list[Array], _: Weights, **__: object) -> Array:
    return rowwise(inputs[0], layer.dim, logsoftmax_of)


@reference("softmax2d", Case({}, ((2, 3, 2, 2),)))
def softmax2d(_, inputs: list[Array], __: Weights, **___: object) -> Array:
    return rowwise(inputs[0], 1, softmax_of)


@reference("glu", Case({}, ((2, 3, 4),)), Case({"dim": 1}, ((2, 4, 3),)))
def glu(layer, inputs: list[Array], _: Weights, **__: object) -> Array:
    axis = layer.dim % len(inputs[0].shape)
    half = inputs[0].shape[axis] // 2

    def element(index: Index):
        gate = (*index[:axis], index[axis] + half, *index[axis + 1 :])
        return inputs[0][index] * sigmoid_of(inputs[0][gate])

    return build([half if place == axis else size for place, size in enumerate(inputs[0].shape)], element)
