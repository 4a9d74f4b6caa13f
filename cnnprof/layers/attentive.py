"""What scaled dot-product attention keeps for its backward, by the operator that torch chooses for it."""

from __future__ import annotations

from typing import Literal

from cnnprof.layers.backward import Device, Saved, kept
from cnnprof.layers.base import Inputs
from cnnprof.layers.dropout import mask
from cnnprof.layers.norm import HALF
from cnnprof.model.graph import TensorSpec

QUERY, KEY, VALUE, OUTPUT = range(4)

Operator = Literal["flash", "efficient", "math"]


def attention_keeps(
    trio: Inputs, needed: tuple[bool, ...], rate: float, device: Device
) -> tuple[set[int], tuple[Saved, ...]]:
    """Return which of QUERY, KEY, VALUE and OUTPUT are kept as they are, and what else.

    ``trio``: queries …×L×E, keys …×S×E, values …×S×Eᵥ, of which ``needed`` says what needs a gradient. A fused operator
    keeps all four and a number per query; in single steps the scores are kept, up to three times with dropout. A GPU's
    generator state, 16 bytes, is left out.
    """
    operator = chosen(trio, rate, device)
    if operator == "math":
        return _steps(trio, needed, rate, device)
    batch, heads, rows = trio[QUERY].shape[:3]
    if operator == "efficient":
        rows = -(-rows // 32) * 32  # kAlignLSE of torch's memory-efficient kernel
    double = "float64" if trio[QUERY].dtype == "float64" else "float32"
    return {QUERY, KEY, VALUE, OUTPUT}, (kept(TensorSpec((batch, heads, rows), double)),)


def chosen(trio: Inputs, rate: float, device: Device) -> Operator:
    """Return the operator that torch takes by default.

    Fused ones want batch, heads, positions and width. A CPU has one, without dropout, for values as wide as the keys
    (``use_flash_attention_cpp`` of torch's sdp_utils_cpp.cpp). A GPU, by sdp_utils.cpp (it was not run on one), has
    that for half precision and widths up to 256, and another for widths that are whole vectors of 16 bytes.
    """
    query, value = trio[QUERY], trio[VALUE]
    if len(query.shape) != 4:  # noqa: PLR2004 batch, heads, positions, width
        return "math"
    same, half = query.shape[-1] == value.shape[-1], query.dtype in HALF
    if device == "cpu":
        return "flash" if same and rate == 0 else "math"
    if half and same and query.shape[-1] <= 256:  # noqa: PLR2004 the widest head
        return "flash"
    aligned = not any(tensor.shape[-1] % (8 if half else 4) for tensor in (query, value))
    return "efficient" if aligned and query.dtype != "float64" else "math"


def _steps(trio: Inputs, needed: tuple[bool, ...], rate: float, device: Device) -> tuple[set[int], tuple[Saved, ...]]:
    """Return what single steps keep: scaled queries and keys, a softmax, a dropout, and a product with the values.

    Half precision is left for single precision first: ``_scaled_dot_product_attention_math``.
    """
    query, key, value = trio
    half = query.dtype in HALF
    precise = "float32" if half else query.dtype
    scores = TensorSpec((*query.shape[:-1], key.shape[-2]), precise)
    scored = needed[QUERY] or needed[KEY]
    own = [kept(TensorSpec(key.shape, precise))] if needed[QUERY] else []
    own += [kept(TensorSpec(query.shape, precise))] if needed[KEY] else []
    own += [kept(scores), *mask(scores, rate, device)] if scored else []
    own += [kept(TensorSpec(value.shape, precise))] if scored and half else []
    own += [kept(scores)] if needed[VALUE] and (rate > 0 or not scored) else []
    return {VALUE} if scored and not half else set(), tuple(own)
