"""The same elements in another shape: flatten, unflatten, reshape, squeeze, unsqueeze, expand, identity.

All are views of a contiguous input and compute nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from cnnprof.errors import LayerError
from cnnprof.layers.base import Example, Inputs, Ints, Storage, check_at_least, product, text
from cnnprof.layers.calls import ViewLayer, functional
from cnnprof.layers.dims import dimension, dimensions, listed, sample_dimension
from cnnprof.layers.registry import register
from cnnprof.model.graph import Shape, TensorSpec
from cnnprof.model.plain import set_normalised
from cnnprof.shapes import Reads, kept_dimensions

if TYPE_CHECKING:
    import torch


UNKNOWN = -1
"""torch's sign for a size that follows from the others, or that stays."""


def check_sizes(sizes: Shape, argument: str) -> None:
    """Raise LayerError unless all sizes are positive, one -1 excepted."""
    for size in sizes:
        if size != UNKNOWN:
            check_at_least(size, 1, argument)
    if sizes.count(UNKNOWN) > 1:
        raise LayerError(f"{argument} can leave one size open (-1), got {list(sizes)}", argument=argument)


def fill(sizes: Shape, elements: int, argument: str) -> Shape:
    """Return ``sizes`` with the -1 replaced, for ``elements`` elements.

    Raises:
        LayerError: they do not hold that many.
    """
    known = product([size for size in sizes if size != UNKNOWN])
    fits = elements % known == 0 if UNKNOWN in sizes else elements == known
    if not fits:
        raise LayerError(
            f"{argument} {list(sizes)} cannot hold {elements} elements", argument=argument, code="bad-shape"
        )
    return tuple(elements // known if size == UNKNOWN else size for size in sizes)


@register("identity")
class Identity(ViewLayer, frozen=True):
    """The input itself, of any shape: torch.nn.Identity."""

    call = "module"
    examples = (Example({}, ((2, 3, 4, 5),), ((2, 3, 4, 5),)),)
    input_choices = (((1, 3),), ((2, 3, 4),))

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        return nn.Identity()


class Reordering(ViewLayer, frozen=True):
    """A view with the same elements in the same order: a dimension is kept, or split, merged or left out."""

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        return kept_dimensions(inputs[0].shape, outputs[0].shape)


@register("flatten")
class Flatten(Reordering, frozen=True):
    """Dimensions ``start_dim`` to ``end_dim`` as one: N×C×H×W to N×(C·H·W). The batch (0) stays."""

    examples = (
        Example({}, ((2, 3, 4, 5),), ((2, 60),)),
        Example({"start_dim": 2}, ((2, 3, 4, 5),), ((2, 3, 20),)),
    )
    choices = {"start_dim": (1, 2, -2), "end_dim": (1, 2, -1)}
    input_choices = (((1, 3),), ((2, 3, 4),), ((2, 3, 4, 5),))

    start_dim: int = 1
    end_dim: int = -1

    def outputs(self, inputs: Inputs) -> Inputs:
        shape = inputs[0].shape
        first = sample_dimension(self.start_dim, len(shape), "start_dim")
        last = dimension(self.end_dim, len(shape), "end_dim")
        if last < first:
            raise LayerError(
                f"end_dim {self.end_dim} comes before start_dim {self.start_dim} in {text(shape)}", argument="end_dim"
            )
        sizes = (*shape[:first], product(shape[first : last + 1]), *shape[last + 1 :])
        return (TensorSpec(sizes, inputs[0].dtype),)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        return nn.Flatten(self.start_dim, self.end_dim)


@register("unflatten")
class Unflatten(Reordering, frozen=True):
    """Dimension ``dim`` as several of ``unflattened_size``, one of which may be -1: N×(C·H·W) to N×C×H×W."""

    call = "module"
    examples = (Example({"dim": 1, "unflattened_size": [2, 3]}, ((4, 6, 5),), ((4, 2, 3, 5),)),)
    choices = {"dim": (1, 2, -1), "unflattened_size": ((2, 3), (-1, 2), (1, 6, 1), (5, -1))}
    input_choices = (((1, 6),), ((2, 6, 10),), ((2, 6, 6),))

    dim: int
    unflattened_size: tuple[int, ...]

    def __post_init__(self) -> None:
        set_normalised(self, "unflattened_size", listed(self.unflattened_size))
        check_at_least(len(self.unflattened_size), 1, "the number of sizes in unflattened_size")
        check_sizes(self.unflattened_size, "unflattened_size")

    def outputs(self, inputs: Inputs) -> Inputs:
        shape = inputs[0].shape
        axis = sample_dimension(self.dim, len(shape))
        sizes = fill(self.unflattened_size, shape[axis], "unflattened_size")
        return (TensorSpec((*shape[:axis], *sizes, *shape[axis + 1 :]), inputs[0].dtype),)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        return nn.Unflatten(self.dim, self.unflattened_size)


@register("reshape")
class Reshape(Reordering, frozen=True):
    """Each sample in another shape. ``shape`` is without the batch, as ``input:`` is; one size may be -1.

    torch's ``x.reshape(x.shape[0], *shape)``.
    """

    examples = (
        Example({"shape": [2, 10]}, ((3, 4, 5),), ((3, 2, 10),)),
        Example({"shape": [5, -1, 2]}, ((3, 4, 5),), ((3, 5, 2, 2),)),
    )
    choices = {"shape": ((-1,), (4, 15), (3, -1), (2, 2, -1, 5))}
    input_choices = (((1, 60),), ((2, 3, 4, 5),), ((2, 9),))

    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        set_normalised(self, "shape", listed(self.shape))
        check_sizes(self.shape, "shape")

    def outputs(self, inputs: Inputs) -> Inputs:
        tensor = inputs[0]
        sizes = fill(self.shape, product(tensor.shape[1:]), "shape")
        return (TensorSpec((tensor.shape[0], *sizes), tensor.dtype),)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        return functional(self, lambda value: value.reshape(value.shape[0], *self.shape))


@register("squeeze")
class Squeeze(Reordering, frozen=True):
    """Dimensions of size 1 left out, N×C×1×1 to N×C: those in ``dim``, by default all but the batch."""

    examples = (
        Example({"dim": [2, 3]}, ((2, 3, 1, 1),), ((2, 3),)),
        Example({}, ((1, 3, 1, 4),), ((1, 3, 4),)),
    )
    choices = {"dim": (None, 1, (2, 3), -1)}
    input_choices = (((1, 1, 3, 1),), ((2, 1),), ((2, 3, 1, 4),))

    dim: Ints | None = None

    def _kept(self, shape: Shape) -> list[int]:
        rank = len(shape)
        named = range(1, rank) if self.dim is None else dimensions(listed(self.dim), rank)
        for dim in named:
            sample_dimension(dim, rank)
        return [axis for axis in range(rank) if axis not in named or shape[axis] != 1]

    def outputs(self, inputs: Inputs) -> Inputs:
        shape = inputs[0].shape
        return (TensorSpec(tuple(shape[axis] for axis in self._kept(shape)), inputs[0].dtype),)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        named = tuple(range(1, len(inputs[0].shape))) if self.dim is None else self.dim
        return functional(self, lambda value: value.squeeze(named))


@register("unsqueeze")
class Unsqueeze(Reordering, frozen=True):
    """A new dimension of size 1 at ``dim``, N×C to N×1×C for 1: torch.unsqueeze."""

    examples = (Example({"dim": 1}, ((2, 3),), ((2, 1, 3),)), Example({"dim": -1}, ((2, 3),), ((2, 3, 1),)))
    choices = {"dim": (0, 1, 3, -1, -3)}
    input_choices = (((1, 3),), ((2, 3, 4),))

    dim: int

    def outputs(self, inputs: Inputs) -> Inputs:
        shape = inputs[0].shape
        axis = dimension(self.dim, len(shape) + 1)
        return (TensorSpec((*shape[:axis], 1, *shape[axis:]), inputs[0].dtype),)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        return functional(self, lambda value: value.unsqueeze(self.dim))


@register("expand")
class Expand(ViewLayer, frozen=True):
    """Dimensions of size 1 repeated without a copy, 1×1×C to N×1×C: torch.Tensor.expand.

    ``size`` is each sample's, without the batch; -1 keeps a size, and null keeps all. A second input gives the batch:
    ``expand: {}`` from ``[token, patches]`` is torch's ``token.expand(patches.shape[0], -1, -1)``.
    """

    arity: ClassVar[tuple[int, int | None]] = (1, 2)
    examples = (
        Example({"size": [3, -1]}, ((2, 1, 4),), ((2, 3, 4),)),
        Example({}, ((1, 1, 8), (5, 196, 8)), ((5, 1, 8),)),
    )
    choices = {"size": (None, (3, 4), (-1, 4), (2, -1))}
    input_choices = (((2, 3, 1),), ((1, 1, 4), (5, 7)), ((2, 1, 1), (2, 3)))

    size: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.size is None:
            return
        set_normalised(self, "size", listed(self.size))
        for size in listed(self.size):
            if size != UNKNOWN:
                check_at_least(size, 1, "size")

    def outputs(self, inputs: Inputs) -> Inputs:
        tensor = inputs[0]
        asked = (inputs[-1].shape[0], *(self.size or (UNKNOWN,) * (len(tensor.shape) - 1)))
        fits = len(asked) == len(tensor.shape) and all(
            new in (UNKNOWN, old) or old == 1 for old, new in zip(tensor.shape, asked, strict=True)
        )
        if not fits:
            raise LayerError(
                f"a tensor of {text(tensor.shape)} and batch {tensor.shape[0]} cannot expand to {list(asked[1:])} "
                f"and batch {asked[0]}: only sizes of 1 grow",
                argument="size",
                code="bad-shape",
            )
        sizes = tuple(old if new == UNKNOWN else new for old, new in zip(tensor.shape, asked, strict=True))
        return (TensorSpec(sizes, tensor.dtype),)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        return "nothing" if source else "pointwise"

    def gradients(self, inputs: Inputs, source: int = 0) -> Storage:
        return "view" if self.outputs(inputs)[0].shape == inputs[0].shape else "new"

    def build(self, inputs: Inputs) -> torch.nn.Module:
        size = self.size or (UNKNOWN,) * (len(inputs[0].shape) - 1)
        return functional(self, lambda *values: values[0].expand(values[-1].shape[0], *size))
