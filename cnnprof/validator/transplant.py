"""Random weights for a network without any, and the same weights for another."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cnnprof.errors import LayerError
from cnnprof.validator.alignment import Owner

if TYPE_CHECKING:
    import torch

NAMES = ("running_mean", "running_var", "num_batches_tracked")
"""The buffers that can be drawn; others have values that building on the meta device lost."""


def draw(module: torch.nn.Module, seed: int = 0) -> None:
    """Move a module from the meta device to the CPU, every parameter and running statistic drawn at random.

    Matrices are uniform with variance 2 ÷ fan-in (He et al. 2015), so that values neither die out nor grow in depth;
    factors and variances are between 1/2 and 3/2, biases and means between −1/2 and 1/2. Nothing is left at 0 or 1,
    where a missing layer would not show.

    Raises:
        LayerError: a buffer that is not a norm's statistic.
    """
    import torch

    _check_buffers(module)
    module.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if tensor.is_floating_point():
                tensor.uniform_(*_bounds(name.rpartition(".")[2], tensor), generator=generator)
            else:
                tensor.fill_(3)  # batches seen; any number but 0


def _check_buffers(module: torch.nn.Module) -> None:
    strange = [name for name, _ in module.named_buffers() if name.rpartition(".")[2] not in NAMES]
    if strange:
        raise LayerError(
            f"the reference has a buffer {strange[0]!r} that is no running statistic, so it cannot be drawn",
            hint="run without this check",
            code="not-buildable",
        )


def _bounds(name: str, tensor: torch.Tensor) -> tuple[float, float]:
    fan_in = tensor.numel() // max(1, tensor.shape[0]) if tensor.ndim > 1 else 1
    if fan_in > 1:
        return -math.sqrt(6 / fan_in), math.sqrt(6 / fan_in)
    return (-0.5, 0.5) if name in ("bias", "running_mean") else (0.5, 1.5)


def give(pairs: Iterable[tuple[Owner, Owner]], ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    """Give our module, on the meta device, the tensors of theirs: the same parameters, copies of the buffers.

    Parameters are shared and not copied: the largest network of the zoo has 2.6 GB of them.
    """
    new: dict[int, Any] = {}
    for mine, other in pairs:
        new.update(_counterparts(ours.get_submodule(mine.path), theirs.get_submodule(other.path)))
    for part in ours.modules():
        for held in (part._parameters, part._buffers):  # noqa: SLF001 a tensor that several share moves for all
            held.update({name: new[id(each)] for name, each in held.items() if each is not None})


def _counterparts(mine: torch.nn.Module, other: torch.nn.Module) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for here, there, copied in _own(mine, other):
        by_name = here.keys() == there.keys()
        for position, (name, tensor) in enumerate(here.items()):
            given = there[name] if by_name else list(there.values())[position]
            found[id(tensor)] = given.clone() if copied else given
    return found


def _own(mine: torch.nn.Module, other: torch.nn.Module) -> list[tuple[dict[str, Any], dict[str, Any], bool]]:
    def there(held: dict[str, Any]) -> dict[str, Any]:
        return {name: tensor for name, tensor in held.items() if tensor is not None}

    return [
        (there(mine._parameters), there(other._parameters), False),  # noqa: SLF001
        (there(mine._buffers), there(other._buffers), True),  # noqa: SLF001
    ]
