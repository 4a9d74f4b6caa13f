"""What a call is recorded as where no layer type fits: torch's own name, the operands, what the counts need to know."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cnnprof.readers.imported.calls import Call

if TYPE_CHECKING:
    import torch

Fallback = tuple[str, dict[str, Any], list[Any]]
"""Name, arguments, operands."""


def fallback(call: Call) -> Fallback:
    """Return a call by torch's name for it, with the operands in the order in which its work is counted."""
    special = _SPECIAL.get(call.name)
    return special(call) if special is not None else (call.name, {}, call.operands)


def _added(call: Call) -> Fallback:
    """Return bias + left·right as left, right, bias."""
    bias, left, right = call.operands
    return call.name, {}, [left, right, bias]


def _softmax(call: Call) -> Fallback:
    bound = call.bound("input dim")
    value: torch.Tensor = bound["input"]
    dim = bound.get("dim")
    return call.name, {"length": value.shape[-1 if dim is None else dim]}, [value]


def _interpolated(call: Call) -> Fallback:
    bound = call.bound("input size scale_factor mode")
    mode = bound.get("mode", "nearest")
    ending = "_nearest" if "nearest" in mode else "_bicubic" if mode == "bicubic" else ""
    return call.name + ending, {}, call.operands


def _larger(call: Call) -> Fallback:
    both = len(call.operands) > 1
    return {"max": "maximum", "min": "minimum"}[call.name] if both else call.name, {}, call.operands


def _by_number(call: Call) -> Fallback:
    """Return a product with a number that no layer can have, or a quotient: autograd keeps nothing for it."""
    return call.name if len(call.operands) > 1 else f"{call.name}_number", {}, call.operands


def _einsum(call: Call) -> Fallback:
    operands = call.operands
    if len(operands) > 2 or not isinstance(call.args[0], str):  # noqa: PLR2004 their order would be torch's choice
        return "einsum_of_several", {}, operands
    sizes: dict[str, int] = {}
    for term, tensor in zip(call.args[0].replace(" ", "").partition("->")[0].split(","), operands, strict=True):
        sizes.update(zip(term, tensor.shape, strict=False))
    combinations = 1
    for size in sizes.values():
        combinations *= size
    return call.name, {"terms": max(1, combinations // max(1, call.outputs[0].numel()))}, operands


_SPECIAL: dict[str, Callable[[Call], Fallback]] = {
    "addmm": _added,
    "baddbmm": _added,
    "softmax": _softmax,
    "log_softmax": _softmax,
    "interpolate": _interpolated,
    "max": _larger,
    "min": _larger,
    "einsum": _einsum,
    "mul": _by_number,
    "div": _by_number,
}
