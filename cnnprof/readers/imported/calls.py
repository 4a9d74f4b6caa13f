"""One call of a torch function as it was seen, and what a layer type is found for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

_NAMES = {
    "truediv": "div", "rtruediv": "reciprocal", "rdiv": "reciprocal", "itruediv": "div_", "radd": "add", "iadd": "add_",
    "isub": "sub_", "rmul": "mul", "imul": "mul_", "rmatmul": "matmul", "rpow": "pow", "ipow": "pow_",
    "floordiv": "floor_divide", "rfloordiv": "floor_divide", "mod": "remainder", "multiply": "mul", "subtract": "sub",
    "divide": "div", "true_divide": "div", "concat": "cat", "concatenate": "cat", "iand": "and_", "ior": "or_",
    "mm": "matmul", "bmm": "matmul", "absolute": "abs", "clip": "clamp", "invert": "bitwise_not", "negative": "neg",
    "rand": "and", "ror": "or", "linalg_vector_norm": "vector_norm",
}  # fmt: skip
"""Python's operators and torch's synonyms, by the name that is used here."""


def named(names: str) -> frozenset[str]:
    """Return the names in a line of them."""
    return frozenset(names.split())


QUIET = named(
    "size dim numel nelement ndimension stride shape device dtype ndim is_floating_point is_complex is_contiguous "
    "requires_grad layout is_meta is_cuda is_cpu grad grad_fn is_leaf len get_device storage_offset element_size "
    "itemsize nbytes names is_quantized is_sparse is_nested is_mps is_xpu is_inference format repr hash data_ptr "
    "untyped_storage is_mkldnn result_type iter _assert assert_int_or_pair"
)
"""Questions about a tensor: they make none."""
MAKERS = named(
    "new_zeros new_ones new_full new_empty new_tensor zeros_like ones_like full_like empty_like rand_like randn_like "
    "randint_like bernoulli"
)
"""What takes a shape or a dtype from a tensor, and nothing else."""
MOVING = named("to cpu cuda")
"""To another device: while it is traced, the network has one."""
PASSING = named("dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout")
"""Functions that may hand out the very tensor they were given and are layers all the same."""


def function_name(function: Any) -> str:
    """Return the name of a torch function, method, operator or property; work in place ends in ``_``."""
    name: str = (getattr(function, "__name__", "") or str(function)).partition(".")[0]
    if name == "__get__":
        return str(function.__self__.__name__)
    if name.startswith("__") and name.endswith("__"):
        name = name.strip("_")
        return _NAMES.get(name, name)
    stem, ending = (name[:-1], "_") if name.endswith("_") else (name, "")
    return _NAMES.get(stem, stem) + ending


def tensors_in(*values: Any) -> list[torch.Tensor]:
    """Return the tensors in arguments or results, in order, whatever they are nested in."""
    import torch

    found: list[torch.Tensor] = []
    _gather(values, torch.Tensor, found)
    return found


def _gather(values: Iterable[Any], tensor: type, found: list[torch.Tensor]) -> None:
    for each in values:
        if isinstance(each, tensor):
            found.append(each)
        elif isinstance(each, (list, tuple)):
            _gather(each, tensor, found)
        elif isinstance(each, dict):
            _gather(each.values(), tensor, found)


def mapped(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Return arguments or results with other tensors in them, whatever they are nested in."""
    import torch

    return _mapped(value, torch.Tensor, change)


def _mapped(value: Any, tensor: type, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(value, tensor):
        return change(value)
    if isinstance(value, (list, tuple)):
        found = [_mapped(each, tensor, change) for each in value]
        return type(value)(*found) if hasattr(value, "_fields") else type(value)(found)
    if isinstance(value, dict):
        return {name: _mapped(each, tensor, change) for name, each in value.items()}
    return value


def staying(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of ``tensor.to`` without a device; without any others, its own dtype stays."""
    import torch

    kept = tuple(each for each in args[1:] if not isinstance(each, (str, int, torch.device)) or isinstance(each, bool))
    named = {name: each for name, each in kwargs.items() if name != "device"}
    if kept or named.keys() & {"dtype", "other"}:
        return (args[0], *kept), named
    return (args[0], args[0].dtype), named


class Call(NamedTuple):
    """A function's name without its ``_``, its arguments, what came out; whether that was written over the input."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[torch.Tensor, ...]
    inplace: bool

    def bound(self, names: str) -> dict[str, Any]:
        """Return the arguments by the names of a signature; what was not given is missing."""
        return {**dict(zip(names.split(), self.args, strict=False)), **self.kwargs}

    @property
    def operands(self) -> list[torch.Tensor]:
        """The tensors among the arguments."""
        return tensors_in(self.args, self.kwargs)


class Found(NamedTuple):
    """A layer type for a call: its operator and arguments, its inputs, and the tensors that are its own state."""

    op: str
    args: dict[str, Any]
    inputs: Sequence[torch.Tensor]
    state: Sequence[torch.Tensor] = ()
    """Parameters and buffers."""


def plain(value: Any) -> Any:
    """Return an argument as plain data; equal sizes of all axes as one number."""
    if isinstance(value, (list, tuple)):
        numbers = [plain(each) for each in value]
        same = len(numbers) > 1 and all(number == numbers[0] for number in numbers)
        return numbers[0] if same and isinstance(numbers[0], int) else numbers
    return value


def given(bound: dict[str, Any], names: str) -> dict[str, Any]:
    """Return those of the named arguments that were given, as plain data."""
    return {name: plain(bound[name]) for name in names.split() if bound.get(name) is not None}


def values(found: Found, outputs: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
    """Return the outputs that the layer has too: of attention what was attended to, without the weights."""
    return outputs[:1] if found.op == "multiheadattention" else outputs
