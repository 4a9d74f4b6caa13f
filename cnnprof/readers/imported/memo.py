"""What torch gave for tensors of these shapes, strides and dtypes, given again without asking it.

A tensor without contents is no more than that. torch works it out in Python for every layer anew, and most layers of a
network are like an earlier one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnprof.readers.imported.calls import named

if TYPE_CHECKING:
    import torch

PURE = named(
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linear matmul "
    "scaled_dot_product_attention batch_norm instance_norm layer_norm group_norm rms_norm local_response_norm "
    "normalize max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d "
    "adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d relu relu6 "
    "selu silu mish hardswish hardsigmoid hardtanh leaky_relu elu celu gelu sigmoid tanh softplus prelu glu dropout "
    "dropout1d dropout2d dropout3d softmax log_softmax pad interpolate cat stack roll masked_fill mean sum add sub "
    "mul div exp log sqrt rsqrt pow clamp maximum minimum"
)
"""Functions, without the ``_`` of work in place, that give a tensor of their own or write into one of their operands
without changing its shape: what they give depends on nothing but their arguments."""


class _Fresh(NamedTuple):
    """A tensor that a function made."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype


class Memo:
    """Runs functions on tensors without contents, each once for equal arguments."""

    def __init__(self) -> None:
        import torch

        self._torch = torch
        self._plain = {int, float, bool, str, type(None), torch.dtype}
        self._known: dict[Any, _Fresh | int] = {}
        """By function and arguments: what it made, or which of its operands it handed out."""

    def run(self, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what a function of this name gives for its arguments, with torch's metadata to the stride."""
        pure = name.removesuffix("_") in PURE and "out" not in kwargs  # which is given the shape that is needed
        key = self._key(function, args, kwargs) if pure else None
        if key is None or self._torch.is_grad_enabled():
            return function(*args, **kwargs)
        operands, asked = key
        found = self._known.get(asked)
        if found is None:
            result = function(*args, **kwargs)
            self._learn(asked, operands, result)
            return result
        if isinstance(found, int):
            return operands[found]
        return self._torch.empty_strided(found.shape, found.strides, dtype=found.dtype, device="meta")

    def _learn(self, asked: Any, operands: list[torch.Tensor], result: Any) -> None:
        if type(result) is not self._torch.Tensor:
            return
        same = [at for at, each in enumerate(operands) if each is result]
        if same:
            self._known[asked] = same[0]
        elif _alone(result, operands):
            self._known[asked] = _Fresh(tuple(result.shape), result.stride(), result.dtype)

    def _key(self, function: Any, args: Any, kwargs: dict[str, Any]) -> tuple[list[torch.Tensor], Any] | None:
        """Return the operands and what tells these arguments from others; None where there is more to them."""
        operands: list[torch.Tensor] = []
        try:
            parts = (self._part(args, operands), *((name, self._part(each, operands)) for name, each in kwargs.items()))
        except TypeError:
            return None
        return operands, (function, parts)

    def _part(self, value: Any, operands: list[torch.Tensor]) -> Any:
        kind = type(value)
        if kind is self._torch.Tensor or kind is self._torch.nn.Parameter:
            if not value.is_meta or value.layout is not self._torch.strided:
                raise TypeError
            operands.append(value)
            return value.shape, value.stride(), value.dtype
        if kind in self._plain:
            return kind, value
        if kind in (tuple, list, self._torch.Size):
            return (kind, *[self._part(each, operands) for each in value])
        raise TypeError(kind)


def _alone(result: torch.Tensor, operands: list[torch.Tensor]) -> bool:
    """Return whether a tensor is on the meta device and shares its memory with none of these."""
    held = result.untyped_storage()._cdata  # noqa: SLF001 the only name of a storage without an address
    return result.is_meta and all(each.untyped_storage()._cdata != held for each in operands)  # noqa: SLF001
