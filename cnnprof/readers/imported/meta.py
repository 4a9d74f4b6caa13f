"""A module's parameters and buffers replaced by tensors without contents, for as long as it is traced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cnnprof.errors import UsageError

if TYPE_CHECKING:
    import torch

MOST_KEPT = 2**20
"""Bytes of an integer or boolean buffer up to which its contents are kept: tables that a forward may look into."""


@contextmanager
def on_meta(module: torch.nn.Module, *, training: bool) -> Iterator[None]:
    """Have parameters and buffers on the meta device, and every part in the asked-for mode; put all back afterwards.

    A tensor under two names stays one. The forward may write into what stands there in the meantime.

    Raises:
        UsageError: a lazy module has not been run yet and has no shapes.
    """
    import torch

    places = list(_places(module))
    modes = [(each, each.training) for each in module.modules()]
    copies: dict[int, Any] = {}
    try:
        for held, name, tensor in places:
            if torch.nn.parameter.is_lazy(tensor):
                raise UsageError(
                    f"{name} has no shape yet: the module is lazy",
                    hint="run it once on a real input before cnnprof sees it",
                    code="lazy-module",
                )
            if id(tensor) not in copies:
                copies[id(tensor)] = _empty(tensor)
            held[name] = copies[id(tensor)]
        for each, _ in modes:
            each.training = training
        yield
    finally:
        for held, name, tensor in places:
            held[name] = tensor
        for each, mode in modes:
            each.training = mode


def _places(module: torch.nn.Module) -> Iterator[tuple[dict[str, Any], str, Any]]:
    for each in module.modules():
        for held in (each._parameters, each._buffers):  # noqa: SLF001 where torch.func puts its tensors too
            yield from [(held, name, tensor) for name, tensor in held.items() if tensor is not None]


def _empty(tensor: torch.Tensor) -> torch.Tensor:
    import torch

    if isinstance(tensor, torch.nn.Parameter):
        return torch.nn.Parameter(to_meta(tensor.data), requires_grad=tensor.requires_grad)
    small = tensor.numel() * tensor.element_size() <= MOST_KEPT
    return tensor.clone() if small and not tensor.is_floating_point() and not tensor.is_meta else to_meta(tensor)


def to_meta(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor of this shape on the meta device; of floating point, float32: what is stored is told later."""
    import torch

    dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
    return torch.empty(tensor.shape, dtype=dtype, device="meta")
