"""Measures of pooling and upsampling that tools take from arguments and not from shapes."""

from __future__ import annotations

import math
from typing import Any

from cnnprof.layers import REGISTRY
from cnnprof.model.analysis import Row


def pooled_elements(row: Row) -> int:
    """Return the elements in all windows of an average pooling; padding counts where the pooling counts it."""
    layer: Any = REGISTRY[row.op](**row.args)
    before, after = row.inputs[0].shape, row.outputs[0].shape
    found = math.prod(before[:2])
    axes = zip(before[2:], after[2:], layer.kernel_size, layer.stride, layer.padding, strict=True)
    for size, output, kernel, stride, padding in axes:
        low, high = (-padding, size + padding) if layer.count_include_pad else (0, size)
        starts = [at * stride - padding for at in range(output)]
        found *= sum(max(min(start + kernel, high) - max(start, low), 0) for start in starts)
    return found


def patched_upsampling(row: Row) -> int:
    """Return what ptflops' patch makes of an upsampling: of several scales the whole parts are multiplied."""
    scale, values = row.args.get("scale_factor"), row.inputs[0]
    if scale is None:
        return row.outputs[0].numel
    if isinstance(scale, list | tuple):
        return values.numel * math.prod(int(each) for each in scale)
    return int(values.numel * scale ** (len(values.shape) - 2))


def upsampling_without_scale(row: Row) -> int:
    """Return what calflops makes of an upsampling: a size that is given, or the elements in: the scale is dropped."""
    return row.inputs[0].numel if row.args.get("size") is None else _size(row.args["size"])


def upsampling_by_scale(row: Row) -> int:
    """Return what DeepSpeed makes of an upsampling: a size that is given, or the elements in times the scale."""
    scale, values = row.args.get("scale_factor"), row.inputs[0]
    if scale is None:
        return _size(row.args["size"])
    scales = scale if isinstance(scale, list | tuple) else [scale] * (len(values.shape) - 2)
    return int(values.numel * math.prod(scales))


def _size(size: int | list[int]) -> int:
    return size if isinstance(size, int) else math.prod(size)
