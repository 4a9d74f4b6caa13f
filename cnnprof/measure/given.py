"""What a module is called with, and the tensors of what it returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch


class Given(NamedTuple):
    """What a module is called with."""

    args: tuple[torch.Tensor, ...] = ()
    kwargs: Mapping[str, torch.Tensor] = MappingProxyType({})

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """All of it."""
        return *self.args, *self.kwargs.values()


def tensors(value: Any) -> list[torch.Tensor]:
    """Return the tensors in whatever a forward returns, in order."""
    import torch

    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, Mapping):
        held: Iterable[Any] = value.values()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        held = [getattr(value, field.name) for field in dataclasses.fields(value)]
    else:
        held = value if isinstance(value, (list, tuple)) else ()
    return [each for part in held for each in tensors(part)]
