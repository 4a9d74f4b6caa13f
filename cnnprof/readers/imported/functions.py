"""What torch's functions are as layers: one small function per shape of signature, and the table ``FUNCTIONS``.

A function here may be wrong about a call: the recorder takes a layer only if it has the very outputs that were seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from cnnprof.readers.imported import weighted
from cnnprof.readers.imported.calls import Call, Found, given

if TYPE_CHECKING:
    import torch

Finder = Callable[[Call], Found | None]


def _unary(op: str, names: str = "") -> Finder:
    """Return a finder for a function of one tensor whose other arguments are the layer's, by the same names."""

    def find(call: Call) -> Found:
        bound = call.bound(f"input {names}")
        args = given(bound, " ".join(name for name in names.split() if name != "training"))
        if call.inplace and "inplace" in names:
            args["inplace"] = True
        elif not args.get("inplace"):
            args.pop("inplace", None)
        return Found(op, args, [bound["input"]])

    return find


def _dropout(op: str) -> Finder:
    def find(call: Call) -> Found:
        bound = call.bound("input p training inplace")
        return Found(op, {**given(bound, "p"), **({"inplace": True} if bound.get("inplace") else {})}, [bound["input"]])

    return find


def _sum_like(op: str) -> Finder:
    """Return a finder for an operator of two values, tensors or a tensor and a number."""

    def find(call: Call) -> Found | None:
        bound = call.bound("input other")
        if bound.get("alpha", 1) != 1 or bound.get("rounding_mode"):
            return None
        left, right = bound["input"], bound.get("other")
        inplace = {"inplace": True} if call.inplace else {}
        tensors = [each for each in (left, right) if hasattr(each, "dim")]
        if len(tensors) == 2:  # noqa: PLR2004 both
            return _scaled(call, tensors) or Found(op, inplace, tensors)
        number = right if tensors and tensors[0] is left else left
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not _finite(number):
            return None
        swapped = tensors[0] is not left and op not in ("add", "mul")
        return None if swapped else Found(op, {"other": float(number), **inplace}, tensors)

    return find


def _finite(number: float) -> bool:
    """Return whether a layer can have a number: the language has neither infinities nor what is no float."""
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number beyond all floats
        return False


def _scaled(call: Call, tensors: list[torch.Tensor]) -> Found | None:
    """Return the learnable scale per channel that a product is, where its shape is that of one."""
    import torch

    scales = [each for each in tensors if isinstance(each, torch.nn.Parameter)]
    if call.name != "mul" or call.inplace or len(scales) != 1:
        return None
    (scale,) = scales
    value = tensors[0] if tensors[1] is scale else tensors[1]
    dim = value.dim() - scale.dim()
    fits = 1 <= dim < value.dim() and scale.shape == (value.shape[dim], *(1,) * (scale.dim() - 1))
    return Found("layerscale", {"dim": -1 if scale.dim() == 1 else dim}, [value], [scale]) if fits else None


def _pool(op: str, names: str) -> Finder:
    def find(call: Call) -> Found:
        bound = call.bound(f"input {names}")
        args = given(bound, names)
        for flag in ("ceil_mode", "return_indices"):
            if not args.get(flag):
                args.pop(flag, None)
        if args.get("stride") == []:
            del args["stride"]
        return Found(op, args, [bound["input"]])

    return find


def _pad(call: Call) -> Found:
    bound = call.bound("input pad mode value")
    return Found("pad", {"padding": list(bound["pad"]), **given(bound, "mode value")}, [bound["input"]])


def _upsample(call: Call) -> Found | None:
    bound = call.bound("input size scale_factor mode align_corners recompute_scale_factor antialias")
    if bound.get("antialias"):
        return None
    args = given(bound, "size scale_factor mode align_corners")
    return Found("upsample", args, [bound["input"]])


def _rest(call: Call, name: str) -> list[int]:
    """Return sizes or dimensions that are given one by one or as one list."""
    given = call.args[1:] or (call.kwargs[name],)
    sizes = given[0] if len(given) == 1 and isinstance(given[0], (list, tuple)) else given
    return [int(size) for size in sizes]


def _reshape(call: Call) -> Found | None:
    value, output = call.operands[0], call.outputs[0]
    if value.dim() == 0 or output.dim() < 2 or value.shape[0] != output.shape[0]:  # noqa: PLR2004 batch and one more
        return None
    return Found("reshape", {"shape": list(output.shape[1:])}, [value])


def _flatten(call: Call) -> Found | None:
    bound = call.bound("input start_dim end_dim")
    start = bound.get("start_dim", 0)
    if start % bound["input"].dim() == 0:
        return None
    args = {"start_dim": start} if start != 1 else {}
    if bound.get("end_dim", -1) != -1:
        args["end_dim"] = bound["end_dim"]
    return Found("flatten", args, [bound["input"]])


def _permute(call: Call) -> Found:
    return Found("permute", {"dims": _rest(call, "dims")}, [call.operands[0]])


def _transpose(call: Call) -> Found:
    bound = call.bound("input dim0 dim1")
    return Found("transpose", given(bound, "dim0 dim1"), [bound["input"]])


def _squeeze(call: Call) -> Found | None:
    bound = call.bound("input dim")
    if "dim" not in bound:
        return None
    dims = bound["dim"]
    return Found("squeeze", {"dim": dims if isinstance(dims, int) else list(dims)}, [bound["input"]])


def _unsqueeze(call: Call) -> Found:
    bound = call.bound("input dim")
    return Found("unsqueeze", {"dim": bound["dim"]}, [bound["input"]])


def _joined(op: str) -> Finder:
    def find(call: Call) -> Found:
        bound = call.bound("tensors dim")
        return Found(op, {"dim": bound.get("dim", 0)}, list(bound["tensors"]))

    return find


def _split(call: Call) -> Found:
    bound = call.bound("input split_size_or_sections dim")
    sections = bound.get("split_size_or_sections", bound.get("split_size"))
    sections = sections if isinstance(sections, int) else list(sections or ())
    return Found("split", {"split_size_or_sections": sections, "dim": bound.get("dim", 0)}, [bound["input"]])


def _chunk(call: Call) -> Found:
    bound = call.bound("input chunks dim")
    return Found("chunk", {"chunks": bound["chunks"], "dim": bound.get("dim", 0)}, [bound["input"]])


def _getitem(call: Call) -> Found | None:
    """Return one index, or one slice, where all dimensions before it are taken whole."""
    value, index = call.args[:2]
    places = list(index) if isinstance(index, tuple) else [index]
    while places and places[-1] in (slice(None), Ellipsis) and not hasattr(places[-1], "dim"):
        places.pop()
    if not places or any(not isinstance(each, slice) or each != slice(None) for each in places[:-1]):
        return None
    last, dim = places[-1], len(places) - 1
    if isinstance(last, slice):
        args = {"dim": dim, "start": last.start, "end": last.stop, "step": last.step}
        return Found("slice", {name: each for name, each in args.items() if each is not None}, [value])
    return Found("getitem", {"index": last, "dim": dim}, [value]) if type(last) is int else None


def _reduced(op: str) -> Finder:
    def find(call: Call) -> Found | None:
        bound = call.bound("input dim keepdim")
        dims = bound.get("dim")
        if dims is None or bound.get("dtype"):
            return None
        keep = {"keepdim": True} if bound.get("keepdim") else {}
        return Found(op, {"dim": dims if isinstance(dims, int) else list(dims), **keep}, [bound["input"]])

    return find


def _softmax(op: str) -> Finder:
    def find(call: Call) -> Found | None:
        bound = call.bound("input dim")
        return None if bound.get("dtype") else Found(op, given(bound, "dim"), [bound["input"]])

    return find


def _matmul(call: Call) -> Found:
    return Found("matmul", {}, call.operands)


def _einsum(call: Call) -> Found | None:
    equation = call.args[0]
    operands = call.operands
    if not isinstance(equation, str):
        return None
    return Found("einsum", {"equation": _lettered(equation, operands)}, operands)


def _lettered(equation: str, operands: list[torch.Tensor]) -> str:
    """Return the equation with letters in place of its dots, which stand for the dimensions without one."""
    equation = equation.replace(" ", "")
    if "..." not in equation:
        return equation
    left, arrow, result = equation.partition("->")
    free = [letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter not in equation]
    terms = left.split(",")
    hidden = [tensor.dim() - len(term.replace("...", "")) for term, tensor in zip(terms, operands, strict=True)]
    letters = "".join(free[: max(each for each, term in zip(hidden, terms, strict=True) if "..." in term)])
    terms = [term.replace("...", letters[len(letters) - each :]) for term, each in zip(terms, hidden, strict=True)]
    return ",".join(terms) + arrow + result.replace("...", letters)


def _attention(call: Call) -> Found | None:
    bound = call.bound("query key value attn_mask dropout_p is_causal scale enable_gqa")
    if bound.get("attn_mask") is not None or bound.get("enable_gqa"):
        return None
    args = {name: bound[name] for name in ("dropout_p", "is_causal", "scale") if bound.get(name)}
    return Found("scaleddotproductattention", args, [bound[name] for name in ("query", "key", "value")])


def _roll(call: Call) -> Found:
    bound = call.bound("input shifts dims")
    args = {name: bound[name] for name in ("shifts", "dims") if bound.get(name) is not None}
    return Found(
        "roll", {name: list(each) if isinstance(each, tuple) else each for name, each in args.items()}, [bound["input"]]
    )


def _slice(call: Call) -> Found:
    bound = call.bound("input dim start end step")
    return Found("slice", given(bound, "dim start end step"), [bound["input"]])


_LOCAL = "inplace"
_ELEMENTWISE: dict[str, str] = {
    "relu": _LOCAL, "relu6": _LOCAL, "selu": _LOCAL, "silu": _LOCAL, "mish": _LOCAL, "hardswish": _LOCAL,
    "hardsigmoid": _LOCAL, "hardtanh": "min_val max_val inplace", "leaky_relu": "negative_slope inplace",
    "threshold": "threshold value inplace", "elu": "alpha inplace", "celu": "alpha inplace", "gelu": "approximate",
    "sigmoid": "", "tanh": "", "tanhshrink": "", "softsign": "", "logsigmoid": "", "softplus": "beta threshold",
    "softshrink": "lambd", "hardshrink": "lambd",
}  # fmt: skip
_WINDOW = "kernel_size stride padding"

FUNCTIONS: dict[str, Finder] = {
    **{f"conv{dims}d": weighted.conv for dims in (1, 2, 3)},
    **{f"conv_transpose{dims}d": weighted.conv_transpose for dims in (1, 2, 3)},
    **{
        f"max_pool{dims}d{ending}": _pool(f"maxpool{dims}d", f"{_WINDOW} dilation ceil_mode return_indices")
        for dims in (1, 2, 3)
        for ending in ("", "_with_indices")
    },
    "avg_pool1d": _pool("avgpool1d", f"{_WINDOW} ceil_mode count_include_pad"),
    **{
        f"avg_pool{dims}d": _pool(f"avgpool{dims}d", f"{_WINDOW} ceil_mode count_include_pad divisor_override")
        for dims in (2, 3)
    },
    **{f"adaptive_avg_pool{dims}d": _pool(f"adaptiveavgpool{dims}d", "output_size") for dims in (1, 2, 3)},
    **{
        f"adaptive_max_pool{dims}d": _pool(f"adaptivemaxpool{dims}d", "output_size return_indices")
        for dims in (1, 2, 3)
    },
    **{name: _unary(name.replace("_", ""), names) for name, names in _ELEMENTWISE.items()},
    **{name: _dropout(name) for name in ("dropout", "dropout1d", "dropout2d", "dropout3d")},
    "alpha_dropout": _dropout("alphadropout"),
    "feature_alpha_dropout": _dropout("featurealphadropout"),
    "linear": weighted.linear,
    "batch_norm": weighted.batch_norm,
    "instance_norm": weighted.instance_norm,
    "layer_norm": weighted.layer_norm,
    "group_norm": weighted.group_norm,
    "rms_norm": weighted.rms_norm,
    "prelu": weighted.prelu,
    "local_response_norm": _unary("localresponsenorm", "size alpha beta k"),
    "softmax": _softmax("softmax"),
    "log_softmax": _softmax("logsoftmax"),
    "glu": _softmax("glu"),
    "pad": _pad,
    "interpolate": _upsample,
    "reshape": _reshape,
    "view": _reshape,
    "unflatten": _reshape,
    "flatten": _flatten,
    "permute": _permute,
    "transpose": _transpose,
    "swapaxes": _transpose,
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
    "cat": _joined("concat"),
    "stack": _joined("stack"),
    "split": _split,
    "chunk": _chunk,
    "getitem": _getitem,
    "mean": _reduced("mean"),
    "sum": _reduced("sum"),
    "add": _sum_like("add"),
    "sub": _sum_like("sub"),
    "mul": _sum_like("mul"),
    "div": _sum_like("div"),
    "matmul": _matmul,
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": weighted.multihead_attention,
    "roll": _roll,
    "slice": _slice,
    "pixel_shuffle": _unary("pixelshuffle", "upscale_factor"),
    "pixel_unshuffle": _unary("pixelunshuffle", "downscale_factor"),
    "channel_shuffle": _unary("channelshuffle", "groups"),
}
"""torch's functions, without the ``_`` of work in place, to what finds a layer for a call."""
