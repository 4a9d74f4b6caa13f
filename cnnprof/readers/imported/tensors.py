"""What the recorder asks of single tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from cnnprof.errors import UsageError
from cnnprof.model.graph import DTYPE_BYTES, Recorded, TensorSpec
from cnnprof.readers.imported.calls import mapped

if TYPE_CHECKING:
    import torch


def is_parameter(tensor: torch.Tensor) -> bool:
    """Return whether a tensor is learnt."""
    import torch

    return isinstance(tensor, torch.nn.Parameter)


def dtype_name(tensor: torch.Tensor) -> str:
    """Return torch's name of the dtype, ``float32``."""
    return str(tensor.dtype).removeprefix("torch.")


def check_dtype(tensor: torch.Tensor, name: str, where: str) -> None:
    """Refuse numbers whose bytes and arithmetic are not known here: complex, quantised, of fewer than eight bits.

    Raises:
        UsageError: with the tensor's name and where it is.
    """
    dtype = dtype_name(tensor)
    if dtype not in DTYPE_BYTES:
        raise UsageError(
            f"{name}, {where}, is {dtype}, and cnnprof does not count such numbers",
            hint="pass a part of the network that has none of them",
            code="unknown-dtype",
        )


def spec(tensor: torch.Tensor) -> TensorSpec:
    """Return shape and dtype."""
    return TensorSpec(tuple(tensor.shape), dtype_name(tensor))


def sample(tensor: torch.Tensor, batch: int) -> Recorded:
    """Return a tensor as one of ``batch`` samples has it; the dimensions that grow with them have them as a factor."""
    grown = [dim for dim, size in enumerate(tensor.shape) if size and size % batch == 0] if batch > 1 else [0]
    sizes = [size // batch if dim in grown else size for dim, size in enumerate(tensor.shape)]
    return Recorded(tuple(sizes), dtype_name(tensor), tuple(grown))


def frozen(weights: Sequence[torch.Tensor]) -> bool:
    """Return whether there are weights and none of them requires gradients."""
    return bool(weights) and not any(each.requires_grad for each in weights)


def storage(output: torch.Tensor, inputs: Sequence[torch.Tensor]) -> Literal["new", "view"]:
    """Return whether an output shows the memory of an input."""
    held = output.untyped_storage()._cdata  # noqa: SLF001 the only name of a storage without an address
    return "view" if any(each.untyped_storage()._cdata == held for each in inputs) else "new"  # noqa: SLF001


def together(value: Any) -> Any:
    """Return arguments with all tensors on the meta device."""
    return mapped(value, lambda tensor: tensor if tensor.is_meta else tensor.to("meta"))


def names_batch(value: Any, batch: int) -> bool:
    """Return whether a size among a layer's arguments is a multiple of the batch, and would not fit another one."""
    if isinstance(value, dict):
        return any(names_batch(each, batch) for each in value.values())
    if isinstance(value, (list, tuple)):
        return any(names_batch(each, batch) for each in value)
    return type(value) is int and batch > 1 and value != 0 and value % batch == 0


def normalised(args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor | None:
    """Return what a batch norm gives: a tensor like its input; None where torch may refuse it.

    torch computes that in Python, in half of the time that a network takes.
    """
    import torch

    names = ("input", "running_mean", "running_var", "weight", "bias", "training")
    bound = {**dict(zip(names, args, strict=False)), **kwargs}
    value, *vectors = (bound.get(name) for name in names[:5])
    if value is None or not value.is_meta or value.dim() <= 1 or vectors[0] is None:
        return None
    if bound.get("training") and value.numel() == value.shape[1]:
        return None  # of one value there are no statistics
    fits = all(each.shape == value.shape[1:2] and each.dtype == value.dtype for each in vectors if each is not None)
    made = torch.empty(value.shape, dtype=value.dtype, device="meta")
    return made if fits and made.stride() == value.stride() else None
