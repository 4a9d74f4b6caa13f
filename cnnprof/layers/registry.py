"""The one list of layer types, filled by a decorator at each definition."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from cnnprof.layers.base import Layer

if TYPE_CHECKING:
    from collections.abc import Callable

L = TypeVar("L", bound=Layer)

REGISTRY: dict[str, type[Layer]] = {}


def register(op: str) -> Callable[[type[L]], type[L]]:
    """Return a decorator that registers a layer class under ``op``, the torch.nn name in lower case.

    Raises:
        ValueError: the name is taken.
    """

    def add(kind: type[L]) -> type[L]:
        if op in REGISTRY:
            raise ValueError(f"layer {op!r} is already registered by {REGISTRY[op].__module__}")
        kind.op = op
        REGISTRY[op] = kind
        return kind

    return add
