"""Random weights for a network without any, and the same weights for another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from cnnprof.errors import LayerError
from cnnprof.validator.alignment import Owner

if TYPE_CHECKING:
    import torch

NAMES = ("running_mean", "running_var", "num_batches_tracked")
"""The buffers that can be drawn; others have values that building on the meta device lost."""


FAINT = 1 / 32
"""Size of what arrives at a norm: beside its variance of 1/1000 even an eps of 1e-6 is not lost."""
LARGE = 8.0
"""A bias that takes a channel beyond 6, where relu6 and hardswish end."""


def draw(module: torch.nn.Module, owners: Sequence[Owner], seed: int = 0) -> None:
    """Move a module from the meta device to the CPU, every parameter and running statistic drawn at random.

    Matrices are uniform with variance 2 ÷ fan-in (He et al. 2015), so that values neither die out nor grow in depth;
    factors and variances are between 1/2 and 3/2, biases and means between −1/2 and 1/2, one bias of each layer
    ``LARGE``. Nothing is left at 0 or 1, where a missing layer would not show. What comes before a norm is ``FAINT``,
    and so are the norm's statistics.

    Args:
        module: the network.
        owners: its layers with weights, in order of execution.
        seed: of the drawing.

    Raises:
        LayerError: a buffer that is not a norm's statistic.
    """
    import torch

    _check_buffers(module)
    module.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    faint = {owners[each].path for owner in owners if _is_norm(owner) for each in owner.before}
    with torch.no_grad():
        for path, tensor in (*module.named_parameters(), *module.named_buffers()):
            owner, _, name = path.rpartition(".")
            if tensor.is_floating_point():
                low, high = _bounds(name, tensor, faint=owner in faint)
                tensor.uniform_(low, high, generator=generator)
                if name == "bias" and owner not in faint:
                    tensor[int(torch.randint(len(tensor), (), generator=generator))] = LARGE
            else:
                tensor.fill_(3)  # batches seen; any number but 0


def _is_norm(owner: Owner) -> bool:
    """Return whether an owner has one number per channel and no more: a norm, and a few activations."""
    return all(len(shape) <= 1 for shape in (*owner.parameters, *owner.buffers))


def _check_buffers(module: torch.nn.Module) -> None:
    strange = [name for name, _ in module.named_buffers() if name.rpartition(".")[2] not in NAMES]
    if strange:
        raise LayerError(
            f"the reference has a buffer {strange[0]!r} that is no running statistic, so it cannot be drawn",
            hint="run without this check",
            code="not-buildable",
        )


def _bounds(name: str, tensor: torch.Tensor, *, faint: bool) -> tuple[float, float]:
    fan_in = tensor.numel() // max(1, tensor.shape[0]) if tensor.ndim > 1 else 1
    if name == "running_var":
        return 0.5 * FAINT**2, 1.5 * FAINT**2
    if name == "running_mean":
        return -0.5 * FAINT, 0.5 * FAINT
    size = FAINT if faint and (fan_in > 1 or name == "bias") else 1
    if fan_in > 1:
        return -size * math.sqrt(6 / fan_in), size * math.sqrt(6 / fan_in)
    return (-0.5 * size, 0.5 * size) if name == "bias" else (0.5, 1.5)


def give(pairs: Iterable[tuple[Owner, Owner]], ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    """Give our module the tensors of theirs: the same parameters, copies of the buffers; other layers keep their own.

    Parameters are shared and not copied: the largest network of the zoo has 2.6 GB of them.
    """
    new: dict[int, Any] = {}
    for mine, other in pairs:
        new.update(_counterparts(ours.get_submodule(mine.path), theirs.get_submodule(other.path)))
    for part in ours.modules():
        for held in (part._parameters, part._buffers):  # noqa: SLF001 a tensor that several share moves for all
            held.update({name: new.get(id(each), each) for name, each in held.items() if each is not None})


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
