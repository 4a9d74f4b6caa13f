"""Tensors as torch lays them out, far enough to say whether a change of shape is a view or makes a copy to keep."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from cnnprof.layers.backward import Saved, kept
from cnnprof.layers.base import product
from cnnprof.model.graph import Shape, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Sequence


class Strided(NamedTuple):
    """Sizes, strides in elements, and in which tensor the elements lie."""

    sizes: Shape
    strides: Shape
    lies: Saved
    dtype: str

    def permuted(self, order: Sequence[int]) -> Strided:
        """Return the dimensions in another order, a view."""
        return Strided(
            tuple(self.sizes[dim] for dim in order), tuple(self.strides[dim] for dim in order), self.lies, self.dtype
        )

    def expanded(self, sizes: Shape) -> Strided:
        """Return sizes of 1, and new dimensions in front, repeated without a copy: their stride is 0."""
        missing = (0,) * (len(sizes) - len(self.sizes))
        old = (*missing, *self.sizes)
        strides = (*missing, *self.strides)
        kept_strides = (stride if size == was else 0 for size, was, stride in zip(sizes, old, strides, strict=True))
        return Strided(sizes, tuple(kept_strides), self.lies, self.dtype)

    def merged(self, *counts: int) -> Strided:
        """Return as many neighbouring dimensions as each of ``counts`` says made one.

        It is a view where the elements of each group follow each other in even steps (torch's ``computeStride``), else
        a copy.
        """
        groups, start = [], 0
        for count in counts:
            groups.append(list(zip(self.sizes, self.strides, strict=True))[start : start + count])
            start += count
        sizes = tuple(product([size for size, _ in group]) for group in groups)
        steps = [[(size, stride) for size, stride in group if size > 1] for group in groups]
        if all(outer[1] == inner[0] * inner[1] for group in steps for outer, inner in pairwise(group)):
            return Strided(sizes, tuple(group[-1][1] if group else 1 for group in steps), self.lies, self.dtype)
        copy = TensorSpec(sizes, self.dtype)
        return contiguous(copy, kept(copy))


def contiguous(tensor: TensorSpec, lies: Saved) -> Strided:
    """Return a tensor whose elements follow each other, the last dimension first."""
    strides = tuple(product(tensor.shape[dim + 1 :]) for dim in range(len(tensor.shape)))
    return Strided(tensor.shape, strides, lies, tensor.dtype)
