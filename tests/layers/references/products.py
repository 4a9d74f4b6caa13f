"""Matrix products and einsum, one dot product per result."""

from __future__ import annotations

from tests.layers.contract import specs, we_refuse
from tests.layers.references.arithmetic import stretched
from tests.layers.references.counting import (
    Array,
    Case,
    Index,
    Number,
    Weights,
    build,
    dot,
    indices,
    reference,
    total_of,
)  # fmt: skip

we_refuse("einsum", "repeats a letter, a diagonal", "torch takes diagonals, which no network in use does")
we_refuse("einsum", r"letter in place of '\.\.\.'", "torch takes '...'; letters say the same")


@reference("matmul", Case({}, ((2, 3), (3, 4))), Case({}, ((2, 1, 2, 3), (2, 3, 2))), Case({}, ((2, 3, 4), (4, 2))))
def matmul(layer, inputs: list[Array], _: Weights, **__: object) -> Array:
    left, right = inputs
    shape = layer.outputs(specs((left.shape, right.shape)))[0].shape

    def element(index: Index):
        *batch, row, column = index
        steps = range(left.shape[-1])
        return dot((stretched(left, (*batch, row, k)), stretched(right, (*batch, k, column))) for k in steps)

    return build(shape, element)


def without_lonely(array: Array, term: str, others: str) -> tuple[Array, str]:
    """Return the array with the letters that stand nowhere else added up, and the letters left."""
    kept = "".join(label for label in term if label in others)
    if kept == term:
        return array, term
    sizes = dict(zip(term, array.shape, strict=True))
    gone = [label for label in term if label not in others]

    def element(index: Index):
        place = dict(zip(kept, index, strict=True))
        offsets = indices(*(sizes[label] for label in gone))
        wholes = [place | dict(zip(gone, offset, strict=True)) for offset in offsets]
        return total_of([array[tuple(whole[label] for label in term)] for whole in wholes])

    return build([sizes[label] for label in kept], element), kept


@reference(
    "einsum",
    Case({"equation": "bij,bjk->bik"}, ((2, 2, 3), (2, 3, 2))),
    Case({"equation": "bij,bjk->bk"}, ((2, 2, 3), (2, 3, 2))),
    Case({"equation": "bij,bik"}, ((2, 2, 3), (2, 2, 2))),
    Case({"equation": "nchw,nc->nchw"}, ((1, 2, 2, 3), (1, 2))),
    Case({"equation": "bi,bj->b"}, ((2, 3), (2, 2))),
    Case({"equation": "bij->b"}, ((2, 3, 2),)),
    Case({"equation": "bij->jbi"}, ((2, 3, 2),)),
)
def einsum(layer, inputs: list[Array], _: Weights, **__: object) -> Array:
    left, _, result = layer.equation.partition("->")
    terms = left.split(",")
    result = result or "".join(sorted(label for label in set(left) - {","} if left.count(label) == 1))
    arrays, kept = [], []
    for n, (array, term) in enumerate(zip(inputs, terms, strict=True)):
        others = result + "".join(terms[:n] + terms[n + 1 :])
        summed, letters = without_lonely(array, term, others)
        arrays.append(summed)
        kept.append(letters)
    lengths = [size for array in arrays for size in array.shape]
    sizes = dict(zip("".join(kept), lengths, strict=True))
    contracted = [label for label in sizes if label not in result]

    def element(index: Index) -> Number:
        place = dict(zip(result, index, strict=True))
        if len(arrays) == 1:
            return at(0, place)
        if not contracted:
            return at(0, place) * at(1, place)
        steps = indices(*(sizes[label] for label in contracted))
        places = (place | dict(zip(contracted, step, strict=True)) for step in steps)
        return dot((at(0, where), at(1, where)) for where in places)

    def at(n: int, place: dict[str, int]) -> Number:
        return arrays[n][tuple(place[label] for label in kept[n])]

    return build([sizes[label] for label in result], element)
