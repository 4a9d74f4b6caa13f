"""Dimensions of whole tensors, batch first: normalising, broadcasting, agreeing. Refusals are LayerErrors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnprof.errors import LayerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnprof.layers.base import Inputs, Ints
    from cnnprof.model.graph import Shape, TensorSpec


def listed(value: Ints | int | Sequence[int]) -> tuple[int, ...]:
    """Return one number or several as a tuple."""
    return (value,) if isinstance(value, int) else tuple(value)


def full(shape: Shape) -> str:
    """Return a shape with its batch, where an error message speaks of all dimensions: ``1×3×224×224``."""
    return "×".join(str(size) for size in shape)


def dimension(dim: int, rank: int, argument: str = "dim") -> int:
    """Return ``dim`` counted from the front, the batch being 0; negative ones count from the end.

    Raises:
        LayerError: the tensor has no such dimension.
    """
    if not -rank <= dim < rank:
        raise LayerError(
            f"{argument} must lie in {-rank}..{rank - 1} for a tensor of {rank} dimensions (the batch is 0), got {dim}",
            argument=argument,
        )
    return dim % rank


def dimensions(dims: Sequence[int], rank: int, argument: str = "dim") -> tuple[int, ...]:
    """Return every one of ``dims`` counted from the front.

    Raises:
        LayerError: there is no such dimension, or one comes twice.
    """
    found = tuple(dimension(dim, rank, argument) for dim in dims)
    if len(set(found)) != len(found):
        raise LayerError(f"{argument} names a dimension twice: {list(dims)}", argument=argument)
    return found


def sample_dimension(dim: int, rank: int, argument: str = "dim") -> int:
    """Return ``dim`` counted from the front.

    Raises:
        LayerError: there is no such dimension, or it is the batch, whose size is not the network's to fix.
    """
    found = dimension(dim, rank, argument)
    if found == 0:
        raise LayerError(f"{argument} is {dim}, the batch; the first dimension of a sample is 1", argument=argument)
    return found


def broadcast(shapes: Sequence[Shape], op: str) -> Shape:
    """Return the common shape by torch's rule: aligned at the end, a size of 1 or none stretches.

    Raises:
        LayerError: two sizes differ and neither is 1.
    """
    rank = max(len(shape) for shape in shapes)
    columns = zip(*((1,) * (rank - len(shape)) + tuple(shape) for shape in shapes), strict=True)
    common = []
    for sizes in columns:
        wide = [size for size in sizes if size != 1] or [1]
        if min(wide) != max(wide):
            raise LayerError(f"{op} cannot broadcast {' and '.join(map(full, shapes))}", code="bad-shape")
        common.append(wide[0])
    return tuple(common)


def one_dtype(inputs: Inputs, op: str) -> str:
    """Return the dtype of all inputs.

    Raises:
        LayerError: they differ; cnnprof does not guess a promotion.
    """
    found = sorted({tensor.dtype for tensor in inputs})
    if len(found) > 1:
        raise LayerError(f"{op} needs inputs of one dtype, got {' and '.join(found)}", code="bad-dtype")
    return found[0]


def floating(tensor: TensorSpec, op: str) -> str:
    """Return the dtype of a tensor of real numbers.

    Raises:
        LayerError: it holds integers, for which the result would be of another dtype.
    """
    if "float" not in tensor.dtype:
        raise LayerError(f"{op} needs floating-point numbers, got {tensor.dtype}", code="bad-dtype")
    return tensor.dtype
