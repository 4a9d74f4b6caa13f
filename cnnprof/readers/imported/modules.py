"""Modules that are a layer type: those of torch.nn, and the few of other libraries that the language has too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnprof.layers import REGISTRY
from cnnprof.readers.imported.calls import Found, plain, tensors_in

if TYPE_CHECKING:
    import torch

_OTHERS = {"StochasticDepth": ("torchvision", "stochasticdepth"), "DropPath": ("timm", "stochasticdepth")}
"""Classes of other libraries, by name: the library, and the layer type."""
_TESTED = {"bias": "bias", "add_bias_kv": "bias_k"}
"""Arguments that a module keeps as a tensor or None."""
_RENAMED = {"p": "drop_prob", "dropout_p": "dropout"}
_ATTENTION = ("query", "key", "value")


def layer_type(module: torch.nn.Module) -> str | None:
    """Return the layer type whose forward this module has; None where it is none, or has one of its own."""
    own = type(module)
    if own.__name__ in _OTHERS and own.__module__.startswith(_OTHERS[own.__name__][0]):
        return _OTHERS[own.__name__][1]
    for base in own.__mro__:
        name = base.__name__.lower()
        if base.__module__.startswith("torch.nn.modules.") and name in REGISTRY:
            same = own.forward is base.forward and "forward" not in vars(module)  # type: ignore[attr-defined]
            return name if same else None
    return None


def is_list(module: torch.nn.Module) -> bool:
    """Return whether a module only holds others in order: no tool that hooks modules counts its output again."""
    from torch import nn

    return isinstance(module, (nn.Sequential, nn.ModuleList))


def find(op: str, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Found:
    """Return what the module is as a layer of type ``op``, called with these arguments."""
    inputs = tensors_in(args, kwargs)
    if op == "multiheadattention" and len({id(each) for each in inputs}) == 1:
        inputs = inputs[:1]
    state = [*module.parameters(), *module.buffers()]
    return Found(op, arguments(op, module), inputs, state)


def arguments(op: str, module: torch.nn.Module) -> dict[str, Any]:
    """Return the layer's arguments as the module has them, without those at their defaults."""
    kind = REGISTRY[op]
    defaults = dict(zip(kind.__struct_fields__[::-1], kind.__struct_defaults__[::-1], strict=False))
    found: dict[str, Any] = {}
    for name in kind.__struct_fields__:
        if name in _TESTED:
            held = getattr(module, _TESTED[name], getattr(module, "in_proj_bias", None))
            value: Any = held is not None
        elif hasattr(module, name):
            value = getattr(module, name)
        elif hasattr(module, _RENAMED.get(name, "")):
            value = getattr(module, _RENAMED[name])
        else:
            continue
        if name not in defaults or plain(value) != defaults[name]:
            found[name] = plain(value)
    return found
