"""What a teacher says beside a formula: the names of sizes and factors, in a few words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cnnprof.formulas.case import Case
from cnnprof.layers import Layer
from cnnprof.layers.convtranspose import ConvTranspose
from cnnprof.layers.linear import Linear
from cnnprof.model.graph import DTYPE_BYTES, Shape

_SPACE = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
_EVENTS = ("muls", "adds", "cmps", "exps", "divs")
_WINDOW = "⌊(size + padding − kernel) / stride⌋ + 1"
_TRANSPOSED = "(size − 1)·stride − 2·padding + dilation·(kernel − 1) + output padding + 1"
_SAID = {
    "flops": "2 per multiply-accumulate",
    "macs_share": "of the network's MACs",
    "param_bytes": "parameters × bytes of one",
    "buffer_bytes": "each buffer in its own type",
    "read_bytes": "inputs, parameters and buffers, each once",
    "write_bytes": "outputs, each once",
    "intensity": "FLOPs ÷ (bytes read + bytes written)",
    "training_macs": "every product of the forward",
    "input_grad_macs": "every product again, for the gradient of what arrived",
    "weight_grad_macs": "every product again, for the gradient of the weights",
    "training_flops": "2 per multiply-accumulate of forward, input and weight gradient",
    "dense_params": "a linear layer between the same two tensors",
    "toeplitz_rows": "one per output of a sample",
    "toeplitz_columns": "one per input of a sample",
    "toeplitz_nonzeros": "entries that are a weight; all others are zero",
    "frozen_params": "they do not train",
}


def words(name: str, case: Case) -> str:
    """Return what to say about a quantity or a size; empty where the formula says it all."""
    if name in _EVENTS and not case.row.macs:
        return _each(getattr(case.row.events, name), case)
    said = _DEPENDS.get(name)
    return _SAID.get(name, "") if said is None else said(case)


def _size(case: Case) -> str:
    if isinstance(case.layer, ConvTranspose):
        return _TRANSPOSED
    return _WINDOW if case.windows is not None and hasattr(case.layer, "stride") else ""


def _channels(case: Case) -> str:
    return "one per filter" if hasattr(case.layer, "out_channels") else ""


def _useful(case: Case) -> str:
    some = "the others multiply a zero of the padding, or are cropped"
    return some if case.row.useful_macs < case.row.macs else "each reads a stored element"


def _ops(case: Case) -> str:
    return "all of them" if case.row.ops else "nothing is computed"


def _each(events: int, case: Case) -> str:
    outputs = case.row.outputs[0].numel
    return "" if events % outputs else f"{events // outputs:,} for each of {outputs:,} outputs"


def _macs(case: Case) -> str:
    macs = case.row.macs
    if isinstance(case.layer, ConvTranspose):
        inputs = case.row.inputs[0].numel
        return f"each of {inputs:,} inputs is spread over {macs // inputs:,} products"
    outputs = case.row.outputs[0].numel
    return "" if macs % outputs else f"{macs // outputs:,} products for each of {outputs:,} outputs"


def _multiplications(case: Case) -> str:
    return "one per multiply-accumulate" if case.row.macs and case.row.events.muls == case.row.macs else ""


def _additions(case: Case) -> str:
    row = case.row
    if not row.macs or row.events.muls != row.macs:
        return ""
    return "a sum's first product needs none" + (", a bias needs one" if row.bias_params or row.share else "")


def _new_storage(case: Case) -> str:
    row = case.row
    return f"elements × {DTYPE_BYTES[row.outputs[0].dtype]} bytes" if row.storage == "new" else ""


_DEPENDS: dict[str, Callable[[Case], str]] = {
    "macs": _macs,
    "adds": _additions,
    "muls": _multiplications,
    "ops": _ops,
    "activation_bytes": _new_storage,
    "useful_share": _useful,
    "channels": _channels,
    **dict.fromkeys(("length", "depth", "height", "width"), _size),
}
"""What is said about a quantity where that depends on the layer."""


def dimension_names(layer: Layer, rank: int) -> tuple[str, ...]:
    """Return what the dimensions of an output are called; by number where the layer does not tell them apart."""
    space = _SPACE.get(getattr(layer, "dims", 0) if isinstance(getattr(layer, "dims", 0), int) else 0, ())
    if space and rank == 2 + len(space):
        return ("batch", "channels", *space)
    return ("batch", *(f"dimension {at}" for at in range(1, rank)))


def about_weight(name: str, layer: Layer, shape: Shape) -> str:
    """Return what the factors of a learnable tensor are."""
    kernel: Any = getattr(layer, "kernel_size", None)
    if name == "weight" and isinstance(kernel, tuple) and len(shape) == 2 + len(kernel):
        return _kernel(layer, shape)
    if name == "weight" and isinstance(layer, Linear):
        return f"{int(shape[1])} values in, {int(shape[0])} out"
    if len(shape) == 1 and name in ("weight", "bias"):
        return "one per filter" if kernel else "one per output" if isinstance(layer, Linear) else "one per channel"
    return f"shape {_times(shape)}"


def _kernel(layer: Layer, shape: Shape) -> str:
    first, second, *sizes = map(int, shape)
    groups = getattr(layer, "groups", 1)
    of_group = f" of each of {groups} groups" if groups > 1 else ""
    if isinstance(layer, ConvTranspose):
        return f"kernel {_times(sizes)}, {first} channels in, {second} out{of_group}"
    return f"kernel {_times(sizes)}, {second} input channels{of_group}, {first} filters"


def _times(sizes: Sequence[int]) -> str:
    return "×".join(str(int(size)) for size in sizes)
