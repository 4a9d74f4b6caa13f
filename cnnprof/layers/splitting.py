"""Parts of a tensor, as views: split, chunk, slice; and one of several: getitem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnprof.errors import LayerError
from cnnprof.layers.base import Example, Inputs, Storage, check_at_least, text
from cnnprof.layers.calls import ViewLayer, functional
from cnnprof.layers.dims import dimension, listed
from cnnprof.layers.registry import register
from cnnprof.model.graph import TensorSpec
from cnnprof.model.plain import set_normalised
from cnnprof.shapes import Reads, Taps

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch


MOST_PIECES = 10_000
"""Outputs of one layer: beyond any network, and small enough to list."""


def resized(tensor: TensorSpec, axis: int, size: int) -> TensorSpec:
    """Return the tensor with another size along one dimension."""
    return TensorSpec((*tensor.shape[:axis], size, *tensor.shape[axis + 1 :]), tensor.dtype)


def part(tensor: TensorSpec, axis: int, start: int, step: int = 1) -> dict[int, Taps]:
    """Return what the part of a tensor reads that begins at ``start`` of one dimension and takes each ``step``-th."""
    return {dim: Taps(dim) for dim in range(len(tensor.shape))} | {axis: Taps(axis, (start,), (start,), step)}


def piece(inputs: Inputs, outputs: Inputs, dim: int, target: int) -> dict[int, Taps]:
    """Return what output ``target`` reads of a tensor cut along ``dim`` into all ``outputs``."""
    axis = dimension(dim, len(inputs[0].shape))
    return part(inputs[0], axis, sum(each.shape[axis] for each in outputs[:target]))


def parts(size: int, each: int, argument: str) -> list[int]:
    """Return the sizes of ``size`` cut into pieces of ``each``, the last one smaller where it does not divide.

    Raises:
        LayerError: there would be more than ``MOST_PIECES``.
    """
    if size > each * MOST_PIECES:
        raise LayerError(f"{size} in pieces of {each} makes more than {MOST_PIECES} outputs", argument=argument)
    return [each] * (size // each) + ([size % each] if size % each else [])


def single(pieces: tuple[torch.Tensor, ...]) -> Any:
    """Return the only piece, or all of several: a module with one output gives a tensor."""
    return pieces if len(pieces) > 1 else pieces[0]


@register("split")
class Split(ViewLayer, frozen=True):
    """Pieces of a size or of listed sizes along ``dim``: N×C×H×W to N×C₁×H×W, N×C₂×H×W, … as torch.split.

    Of one size given, the last piece may be smaller. ``dim`` is 1 by default, the channels; torch's own default 0
    would cut the batch.
    """

    examples = (
        Example({"split_size_or_sections": 2}, ((2, 5, 4),), ((2, 2, 4), (2, 2, 4), (2, 1, 4))),
        Example({"split_size_or_sections": [1, 3], "dim": -1}, ((2, 5, 4),), ((2, 5, 1), (2, 5, 3))),
    )
    choices = {"split_size_or_sections": (1, 2, 7, (1, 3), (2, 2, 2)), "dim": (1, 2, -1)}
    input_choices = (((1, 4),), ((2, 6, 4),), ((2, 3, 6, 1),))

    split_size_or_sections: int | tuple[int, ...]
    dim: int = 1

    def __post_init__(self) -> None:
        for size in listed(self.split_size_or_sections):
            check_at_least(size, 1, "split_size_or_sections")
        if not isinstance(self.split_size_or_sections, int):
            set_normalised(self, "split_size_or_sections", tuple(self.split_size_or_sections))

    def outputs(self, inputs: Inputs) -> Inputs:
        axis = dimension(self.dim, len(inputs[0].shape))
        return tuple(resized(inputs[0], axis, size) for size in self._sizes(inputs[0].shape[axis]))

    def _sizes(self, size: int) -> Sequence[int]:
        asked = self.split_size_or_sections
        if isinstance(asked, int):
            return parts(size, asked, "split_size_or_sections")
        if sum(asked) != size:
            raise LayerError(
                f"sections {list(asked)} add up to {sum(asked)}, but dimension {self.dim} has {size}",
                argument="split_size_or_sections",
            )
        return asked

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        return piece(inputs, outputs, self.dim, target)

    def gradients(self, inputs: Inputs, source: int = 0) -> Storage:
        return "new"  # the pieces put together

    def build(self, inputs: Inputs) -> torch.nn.Module:
        return functional(self, lambda value: single(value.split(self.split_size_or_sections, self.dim)))


@register("chunk")
class Chunk(ViewLayer, frozen=True):
    """At most ``chunks`` equal pieces along ``dim``: N×C×H×W to N×(C/2)×H×W twice for 2, as torch.chunk.

    The last piece may be smaller. ``dim`` is 1 by default, the channels; torch's own default 0 would cut the batch.
    """

    examples = (Example({"chunks": 2}, ((2, 6, 4),), ((2, 3, 4), (2, 3, 4))),)
    choices = {"chunks": (1, 2, 3, 4, 9), "dim": (1, 2, -1)}
    input_choices = (((1, 5),), ((2, 6, 4),), ((2, 3, 6, 1),))

    chunks: int
    dim: int = 1

    def __post_init__(self) -> None:
        check_at_least(self.chunks, 1, "chunks")

    def outputs(self, inputs: Inputs) -> Inputs:
        axis = dimension(self.dim, len(inputs[0].shape))
        size = inputs[0].shape[axis]
        each = -(-size // self.chunks)
        return tuple(resized(inputs[0], axis, piece) for piece in parts(size, each, "chunks"))

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        return piece(inputs, outputs, self.dim, target)

    def gradients(self, inputs: Inputs, source: int = 0) -> Storage:
        return "new"  # the pieces put together

    def build(self, inputs: Inputs) -> torch.nn.Module:
        return functional(self, lambda value: single(value.chunk(self.chunks, self.dim)))


@register("slice")
class Slice(ViewLayer, frozen=True):
    """Positions ``start`` to ``end`` (excluded) of ``dim``, each ``step``-th, as Python slices: N×C×… to N×C'×…."""

    examples = (
        Example({"end": 2}, ((2, 5, 4),), ((2, 2, 4),)),
        Example({"dim": 2, "start": -3, "step": 2}, ((2, 5, 4),), ((2, 5, 2),)),
    )
    choices = {"dim": (1, 2, -1), "start": (None, 1, -2), "end": (None, 2, -1, 9), "step": (1, 2)}
    input_choices = (((1, 5),), ((2, 6, 4),), ((2, 3, 6, 2),))

    dim: int = 1
    start: int | None = None
    end: int | None = None
    step: int = 1

    def __post_init__(self) -> None:
        check_at_least(self.step, 1, "step")

    def outputs(self, inputs: Inputs) -> Inputs:
        tensor = inputs[0]
        axis = dimension(self.dim, len(tensor.shape))
        first, beyond, step = slice(self.start, self.end, self.step).indices(tensor.shape[axis])
        size = -((first - beyond) // step)
        if size < 1:
            raise LayerError(
                f"nothing lies between start {self.start} and end {self.end} in dimension {axis} of "
                f"{text(tensor.shape)}",
                argument="end" if self.start is None else "start",
                code="bad-shape",
            )
        return (resized(tensor, axis, size),)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        axis = dimension(self.dim, len(inputs[0].shape))
        first, _, step = slice(self.start, self.end, self.step).indices(inputs[0].shape[axis])
        return part(inputs[0], axis, first, step)

    def gradients(self, inputs: Inputs, source: int = 0) -> Storage:
        return "new"  # zeros around the part

    def build(self, inputs: Inputs) -> torch.nn.Module:
        import torch

        cut = torch.ops.aten.slice.Tensor
        return functional(self, lambda value: cut(value, self.dim, self.start, self.end, self.step))


@register("getitem")
class GetItem(ViewLayer, frozen=True):
    """The ``index``-th of several inputs of any shapes; with ``dim``, that position of one tensor: N×L×C to N×C.

    ``getitem: {index: 0, dim: 1}`` is torch's ``x[:, 0]``.
    """

    arity = (1, None)
    examples = (
        Example({"index": 1}, ((2, 3), (2, 4, 5)), ((2, 4, 5),)),
        Example({"index": 0, "dim": 1}, ((2, 197, 8),), ((2, 8),)),
    )
    choices = {"index": (0, 1, -1), "dim": (None, 1, -1)}
    input_choices = (((2, 3), (2, 4)), ((2, 3, 4),))

    index: int
    dim: int | None = None

    def outputs(self, inputs: Inputs) -> Inputs:
        if self.dim is None:
            self._check(len(inputs), "values arrive")
            return (inputs[self.index],)
        if len(inputs) > 1:
            raise LayerError(f"dim selects within one tensor, but {len(inputs)} arrive", argument="dim")
        shape = inputs[0].shape
        axis = dimension(self.dim, len(shape))
        self._check(shape[axis], f"positions has dimension {axis} of {text(shape)}")
        return (TensorSpec((*shape[:axis], *shape[axis + 1 :]), inputs[0].dtype),)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        if self.dim is None:
            return "pointwise" if source == self.index % len(inputs) else "nothing"
        rank = len(inputs[0].shape)
        axis = dimension(self.dim, rank)
        return {dim: Taps(dim - (dim > axis)) for dim in range(rank) if dim != axis}

    def _check(self, count: int, what: str) -> None:
        if not -count <= self.index < count:
            raise LayerError(f"index is {self.index}, but only {count} {what}", argument="index")

    def gradients(self, inputs: Inputs, source: int = 0) -> Storage:
        return "view" if self.dim is None else "new"

    def build(self, inputs: Inputs) -> torch.nn.Module:
        if self.dim is None:
            return functional(self, lambda *values: values[self.index])
        return functional(self, lambda value: value.select(self.dim, self.index))
