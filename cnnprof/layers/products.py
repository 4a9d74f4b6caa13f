"""Matrix products of two values: matmul, and einsum of one or two."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from cnnprof.errors import LayerError
from cnnprof.layers.backward import Device, Needs, Product, Saved, kept, kept_input
from cnnprof.layers.base import Example, Inputs, Storage, mac_events, product
from cnnprof.layers.calls import FunctionLayer, functional
from cnnprof.layers.counting import together
from cnnprof.layers.dims import broadcast, floating, full, one_dtype
from cnnprof.layers.registry import register
from cnnprof.layers.strided import Strided, contiguous
from cnnprof.model.analysis import Events
from cnnprof.model.graph import TensorSpec
from cnnprof.shapes import Reads, Taps

if TYPE_CHECKING:
    import torch


def operands(inputs: Inputs) -> list[Strided]:
    """Return the inputs as they lie in memory."""
    return [contiguous(tensor, kept_input(index)) for index, tensor in enumerate(inputs)]


def either(left: Strided, right: Strided, needs: Needs) -> tuple[Saved, ...]:
    """Return what a product keeps: each operand where the other one needs a gradient."""
    asked = zip((right, left), needs.inputs, strict=True)
    return tuple(operand.lies for operand, needed in asked if needed)


@register("matmul")
class Matmul(FunctionLayer, frozen=True):
    """The matrix product …×L×K times …×K×M = …×L×M of two values, leading dimensions broadcast: torch.matmul.

    L·K·M multiply-accumulates per pair of matrices.
    """

    arity = (2, 2)
    examples = (
        Example({}, ((2, 3, 4, 5), (2, 3, 5, 6)), ((2, 3, 4, 6),)),
        Example({}, ((2, 4, 5), (5, 6)), ((2, 4, 6),)),
    )
    input_choices = (
        ((2, 3), (3, 4)), ((2, 3, 4), (1, 4, 5)), ((2, 1, 3, 4), (3, 4, 2)), ((2, 3, 4), (2, 3, 4)),
        ((2, 3, 4), (3, 4, 2)),
    )  # fmt: skip

    def outputs(self, inputs: Inputs) -> Inputs:
        left, right = (tensor.shape for tensor in inputs)
        if min(len(left), len(right)) < 2 or left[-1] != right[-2]:  # noqa: PLR2004 a matrix has two dimensions
            raise LayerError(
                f"{self.op} needs …×L×K and …×K×M, got {full(left)} and {full(right)}",
                code="bad-shape",
            )
        batch = broadcast([left[:-2], right[:-2]], self.op)
        return (TensorSpec((*batch, left[-2], right[-1]), one_dtype(inputs, self.op)),)

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        results = outputs[0].numel
        return mac_events(results * inputs[0].shape[-1], results)

    def products(self, inputs: Inputs, outputs: Inputs) -> tuple[Product, ...]:
        return (Product(self.events(inputs, outputs).macs, (0,), (1,)),)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        rank, result = len(inputs[source].shape), len(outputs[0].shape)
        own = rank - 1 if source else rank - 2  # columns of the right one, rows of the left one
        found = {own: Taps(own + result - rank)}
        for dim, size in enumerate(inputs[source].shape[:-2]):
            if size == outputs[0].shape[dim + result - rank]:
                found[dim] = Taps(dim + result - rank)
        return found

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        """Return the operands, or the copies that torch makes of them: of what is broadcast, mostly.

        Leading dimensions of one operand are folded into its rows where the other has none, else both are expanded and
        made one dimension: ``_matmul_impl`` and ``should_fold`` of torch's LinearAlgebra.cpp.
        """
        left, right = operands(inputs)
        ranks = len(left.sizes), len(right.sizes)
        if ranks == (2, 2):
            return either(left, right, needs)
        if ranks[1] == 2:  # noqa: PLR2004 a matrix
            return either(left.merged(ranks[0] - 1, 1), right, needs)
        alone = ranks == (3, 3) and left.sizes[0] == 1 != right.sizes[0]
        if needs.inputs[0] and (alone or ranks[0] == 2):  # noqa: PLR2004 a matrix
            columns = (*range(ranks[1] - 2), ranks[1] - 1, ranks[1] - 2)
            return either(left, right.permuted(columns).merged(ranks[1] - 1, 1), needs)
        batch = outputs[0].shape[:-2]
        left, right = (each.expanded(batch + each.sizes[-2:]).merged(len(batch), 1, 1) for each in (left, right))
        return either(left, right, needs)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        import torch

        return functional(self, torch.matmul)


class Terms(NamedTuple):
    """An einsum equation taken apart: the labels of each operand and of the result."""

    operands: tuple[str, ...]
    result: str


def parse(equation: str) -> Terms:
    """Return the terms of ``equation``, whose result is sorted as torch does where it is left out.

    Raises:
        LayerError: it is not an equation that cnnprof can count.
    """
    left, arrow, result = equation.replace(" ", "").partition("->")
    operands = tuple(left.split(","))
    _check_terms(operands, result, equation)
    if not arrow:
        result = "".join(sorted(label for label in set(left) - {","} if left.count(label) == 1))
    strange = set(result) - set(left)
    if strange:
        raise LayerError(f"{equation!r}: {min(strange)!r} stands in the result only", argument="equation")
    return Terms(operands, result)


def _check_terms(operands: tuple[str, ...], result: str, equation: str) -> None:
    if "." in equation:
        raise LayerError(f"{equation!r}: write every dimension as a letter in place of '...'", argument="equation")
    if len(operands) > 2:  # noqa: PLR2004 their order of contraction would be torch's choice
        raise LayerError(f"{equation!r}: at most two operands; nest einsums for more", argument="equation")
    for term in (*operands, result):
        if not re.fullmatch("[a-zA-Z]*", term):
            raise LayerError(f"{equation!r}: {term!r} is not a row of letters", argument="equation")
        if len(set(term)) != len(term):
            raise LayerError(f"{equation!r}: {term!r} repeats a letter, a diagonal", argument="equation")


@register("einsum")
class Einsum(FunctionLayer, frozen=True):
    """The sum of products that ``equation`` names, such as ``bij,bjk->bik``, for any shapes: torch.einsum.

    A letter of one operand only that is not in the result is added up first. Letters of both operands that are not in
    the result are contracted: one multiply-accumulate for each combination of all letters left. Without such letters
    the operands are multiplied element by element. One operand is permuted, which is a view, and added up.
    """

    arity = (1, 2)
    examples = (
        Example({"equation": "bij,bjk->bik"}, ((2, 3, 4), (2, 4, 5)), ((2, 3, 5),)),
        Example({"equation": "nchw,nc->nchw"}, ((2, 3, 4, 5), (2, 3)), ((2, 3, 4, 5),)),
        Example({"equation": "b i j -> b j i"}, ((2, 3, 4),), ((2, 4, 3),)),
        Example({"equation": "bij->b"}, ((2, 3, 4),), ((2,),)),
    )
    choices = {
        "equation": (
            "bij,bjk->bik", "bij,bjk", "bij,bik->bjk", "bij,bij->b", "bij,bij->bij", "bij,bjk->bk", "bij,bkj->bik",
            "bi,bj->bij", "bij->bji", "bij->b", "bij", "bii->b", "bij,bjk->bx", "...ij->...ji", "bij,bjk,bkl->bil",
            "bi-j",
        ),
    }  # fmt: skip
    input_choices = (((2, 3, 4), (2, 4, 5)), ((2, 3, 4), (2, 3, 4)), ((2, 3, 4),), ((2, 3), (2, 4)))

    equation: str

    def __post_init__(self) -> None:
        parse(self.equation)

    def _sizes(self, inputs: Inputs) -> dict[str, int]:
        """Return the size of every letter."""
        operands = parse(self.equation).operands
        shapes = [tensor.shape for tensor in inputs]
        if [len(term) for term in operands] != [len(shape) for shape in shapes]:
            raise LayerError(
                f"{self.equation!r} does not fit {' and '.join(map(full, shapes))}: a letter per dimension, "
                "the batch among them",
                argument="equation",
                code="bad-shape",
            )
        sizes: dict[str, int] = {}
        for label, size in zip("".join(operands), (size for shape in shapes for size in shape), strict=True):
            if sizes.setdefault(label, size) != size:
                raise LayerError(
                    f"{self.equation!r}: {label!r} is both {sizes[label]} and {size}",
                    argument="equation",
                    code="bad-shape",
                )
        return sizes

    def outputs(self, inputs: Inputs) -> Inputs:
        sizes = self._sizes(inputs)
        dtype = one_dtype(inputs, self.op)
        for tensor in inputs:
            floating(tensor, self.op)
        return (TensorSpec(tuple(sizes[label] for label in parse(self.equation).result), dtype),)

    def storage(self, *, training: bool = False) -> Storage:
        operands, result = parse(self.equation)
        return "view" if len(operands) == 1 and len(operands[0]) == len(result) else "new"

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        sizes = self._sizes(inputs)
        operands, result = parse(self.equation)
        others = [*operands[1:], ""], [*operands[:1], ""]
        kept = [
            "".join(label for label in term if label in result or any(label in other for other in rest))
            for term, rest in zip(operands, others, strict=False)
        ]
        sums = [self._summing(term, rest, sizes) for term, rest in zip(operands, kept, strict=True)]
        return together(*sums, self._joining(kept, result, sizes))

    def products(self, inputs: Inputs, outputs: Inputs) -> tuple[Product, ...]:
        return (Product(self.events(inputs, outputs).macs, (0,), (1,)),) if len(inputs) > 1 else ()

    def _summing(self, term: str, kept: str, sizes: dict[str, int]) -> Events:
        """Return the additions that take a term's lonely letters away."""
        if term == kept:
            return Events()
        gone = product([sizes[label] for label in term if label not in kept])
        return Events(adds=product([sizes[label] for label in kept]) * (gone - 1))

    def _joining(self, kept: list[str], result: str, sizes: dict[str, int]) -> Events:
        """Return the products of two operands."""
        if len(kept) == 1:
            return Events()
        results = product([sizes[label] for label in result])
        contracted = [label for label in kept[0] if label not in result]
        if not contracted:
            return Events(muls=results)
        return mac_events(results * product([sizes[label] for label in contracted]), results)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        operands, result = parse(self.equation)
        return {dim: Taps(result.index(label)) for dim, label in enumerate(operands[source]) if label in result}

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        operands, result = parse(self.equation)
        if len(operands) == 1:
            return ()
        sizes = self._sizes(inputs)
        together = {label for label in operands[0] if label in operands[1] and label not in result and sizes[label] > 1}
        # torch puts every operand's letters in one order: the result's, then those that are added up.
        letters = result + "".join(sorted(set("".join(operands)) - set(result)))
        left, right = (self._aligned(tensor, at, letters, together | set(result)) for at, tensor in enumerate(inputs))
        if together:
            left, right = _for_matrices(left, right, [letters.index(label) for label in sorted(together)])
        return either(left, right, needs)

    def _aligned(self, tensor: TensorSpec, at: int, letters: str, stay: set[str]) -> Strided:
        """Return an operand with all ``letters``; what is in no other is added up first, into a tensor of its own."""
        term = parse(self.equation).operands[at]
        lonely = any(label not in stay and size > 1 for label, size in zip(term, tensor.shape, strict=True))
        held = dict(zip(term, zip(tensor.shape, contiguous(tensor, kept_input(at)).strides, strict=True), strict=True))
        sizes = [held[label][0] if label in held and (label in stay or not lonely) else 1 for label in letters]
        if lonely:
            added = TensorSpec(tuple(sizes), tensor.dtype)
            return contiguous(added, kept(added))
        strides = [held[label][1] if label in held else 1 for label in letters]
        return Strided(tuple(sizes), tuple(strides), kept_input(at), tensor.dtype)

    def gradients(self, inputs: Inputs, source: int = 0) -> Storage:
        # Of one operand the gradient is permuted, and expanded where it was added up.
        return "view" if len(inputs) == 1 else "new"

    def build(self, inputs: Inputs) -> torch.nn.Module:
        import torch

        return functional(self, lambda *tensors: torch.einsum(self.equation, *tensors))


def _for_matrices(left: Strided, right: Strided, summed: list[int]) -> tuple[Strided, Strided]:
    """Return both operands as torch hands them to a batched matrix product: batch, rows or columns, what is added up.

    ``sumproduct_pair`` of torch's Linear.cpp.
    """
    rest = [dim for dim in range(len(left.sizes)) if dim not in summed]
    batch = [dim for dim in rest if left.sizes[dim] > 1 and right.sizes[dim] > 1]
    rows = [dim for dim in rest if left.sizes[dim] > 1 and right.sizes[dim] == 1]
    columns = [dim for dim in rest if left.sizes[dim] == 1]
    first = left.permuted(batch + rows + summed + columns)
    second = right.permuted(batch + summed + columns + rows)
    return (
        first.merged(len(batch), len(rows), len(summed) + len(columns)),
        second.merged(len(batch), len(summed), len(columns) + len(rows)),
    )
