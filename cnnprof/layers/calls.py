"""Layers that hand-written torch code calls as functions, not as modules."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from cnnprof.layers.base import Layer, Storage
from cnnprof.model.plain import to_builtins

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


class FunctionLayer(Layer, frozen=True):
    """The base of layers that are functions in torch; their ``build`` wraps the function in a module."""

    call: ClassVar[Literal["module", "function"]] = "function"


class ViewLayer(FunctionLayer, frozen=True):
    """A function whose output shows its (contiguous) input's storage in another way: no arithmetic, no memory."""

    keeps = ()

    def storage(self, *, training: bool = False) -> Storage:
        return "view"


def functional(layer: Layer, function: Callable[..., Any]) -> torch.nn.Module:
    """Return a module that applies ``function`` to its inputs and prints as the layer with its arguments."""
    module: torch.nn.Module = _module_class()(layer, function)
    return module


@cache
def _module_class() -> Any:
    from torch import nn

    class Functional(nn.Module):  # type: ignore[misc] # torch is not followed
        def __init__(self, layer: Layer, function: Callable[..., Any]) -> None:
            super().__init__()
            self.layer = layer
            self.function = function

        def forward(self, *inputs: torch.Tensor) -> Any:
            return self.function(*inputs)

        def _get_name(self) -> str:
            return type(self.layer).__name__

        def extra_repr(self) -> str:
            return ", ".join(f"{name}={value}" for name, value in to_builtins(self.layer).items())

    return Functional
