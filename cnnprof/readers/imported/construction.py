"""Modules made without memory for their weights: each parameter goes to the meta device when it is registered.

A default device of meta would do the same for parameters, but constructors compute with tensors too: RegNet reads its
widths from ``torch.linspace``, Swin its stochastic depth. Those stay real here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from cnnprof.readers.imported.meta import MOST_KEPT
from cnnprof.readers.imported.said import message

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

_DRAWING = ("normal_", "uniform_", "fill_", "zero_", "erfinv_")
"""Methods that initialise: they return the tensor that they were called on."""


_real: ContextVar[bool] = ContextVar("real", default=False)


@contextmanager
def real() -> Iterator[None]:
    """Have ``construct`` make weights, as a network needs that is to be run."""
    token = _real.set(True)
    try:
        yield
    finally:
        _real.reset(token)


def construct(make: Callable[[], T]) -> T:
    """Return what ``make`` makes, where it can be without weights; initialising a parameter then does nothing.

    Not every constructor can do with real tensors beside such parameters: one runs its own backbone, one makes a tensor
    larger than all memory. It is called once more with all its tensors on the meta device; and one that looks into
    values then, with everything real.
    """
    if _real.get():
        return make()
    for withheld in (_without_weights, _without_values):
        try:
            with withheld():
                return make()
        except (RuntimeError, TypeError) as error:  # NotImplementedError among the former
            if not re.search("meta|allocate memory", message(error), re.IGNORECASE):
                raise
    return make()


@contextmanager
def _without_values() -> Iterator[None]:
    import torch

    with torch.device("meta"), _without_weights():
        yield


@contextmanager
def _no_drawing() -> Iterator[None]:
    """Have what initialises a tensor without contents do nothing: torch would still work out what it gives."""
    from torch import Tensor

    for name in _DRAWING:
        setattr(Tensor, name, _unless_meta(getattr(Tensor, name)))
    try:
        yield
    finally:
        for name in _DRAWING:
            delattr(Tensor, name)  # what it inherits was covered, not replaced


def _unless_meta(method: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def drawn(self: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return self if self.is_meta else method(self, *args, **kwargs)

    return drawn


@contextmanager
def _without_weights() -> Iterator[None]:
    """Have parameters, and buffers too large to be tables, on the meta device as soon as a module gets them."""
    from torch import nn

    parameter, buffer = nn.Module.register_parameter, nn.Module.register_buffer
    sent = _Sent()

    def register_parameter(self: nn.Module, name: str, param: nn.Parameter | None) -> None:
        parameter(self, name, param if param is None else sent.parameter(param))

    def register_buffer(
        self: nn.Module,
        name: str,
        tensor: torch.Tensor | None,
        persistent: bool = True,  # noqa: FBT001, FBT002 torch's
    ) -> None:
        buffer(self, name, tensor if tensor is None else sent.buffer(tensor), persistent)

    nn.Module.register_parameter, nn.Module.register_buffer = register_parameter, register_buffer
    try:
        with _no_drawing():
            yield
    finally:
        nn.Module.register_parameter, nn.Module.register_buffer = parameter, buffer


class _Sent:
    """What went to the meta device: a tensor that is registered twice stays one."""

    def __init__(self) -> None:
        from torch.utils.weak import WeakIdKeyDictionary

        self._copies = WeakIdKeyDictionary()

    def parameter(self, tensor: torch.nn.Parameter) -> torch.nn.Parameter:
        """Return a parameter like it; one of another class, lazy ones among them, as it is."""
        import torch

        if type(tensor) is not torch.nn.Parameter or tensor.is_meta:
            return tensor
        if tensor not in self._copies:
            made = torch.nn.Parameter(torch.empty_like(tensor, device="meta"), tensor.requires_grad)
            made.__dict__.update(tensor.__dict__)  # marks that optimizers look for
            self._copies[tensor] = made
        found: torch.nn.Parameter = self._copies[tensor]
        return found

    def buffer(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a large buffer without its contents; a small one may be a table that the forward looks into."""
        import torch

        small = type(tensor) is not torch.Tensor or tensor.numel() * tensor.element_size() <= MOST_KEPT
        return tensor if small else tensor.to("meta")
