"""How others add up a network: linear forms over its layers, one line each.

Only what a published figure needs. Each is exact for the plain networks that its authors print figures of.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cnnprof.model.analysis import Row

SLIDING = ("maxpool", "avgpool")


class Tally(NamedTuple):
    """One way to add up: in words, and what one layer adds."""

    words: str
    of: Callable[[Row], int]
    heads: bool = False
    """Whether layers that run in training only, auxiliary heads, are added up too."""

    def total(self, rows: Iterable[Row]) -> int:
        """Return the sum over some layers."""
        return sum(self.of(row) for row in rows if self.heads or row.when == "always")


def _outputs(row: Row) -> int:
    return sum(tensor.numel for tensor in row.outputs)


def _is(row: Row, *begins: str) -> int:
    return int(row.op.startswith(begins))


def _elements(row: Row, *begins: str) -> int:
    """Return the layer's output elements where it is of these types, else 0."""
    return _is(row, *begins) * _outputs(row)


def _read(row: Row, *begins: str) -> int:
    """Return the elements of what the layer reads first where it is of these types, else 0."""
    return _is(row, *begins) * row.inputs[0].numel if row.inputs else 0


def _with_bias(row: Row, *begins: str) -> int:
    return _elements(row, *begins) if row.bias_params else 0


def _window(row: Row, name: str) -> int:
    """Return the elements of a pooling's ``kernel_size`` or ``stride``; a stride that is not given is the window."""
    value = row.args.get(name) or row.args["kernel_size"]
    return int(value ** (len(row.outputs[0].shape) - 2) if isinstance(value, int) else prod(value))


def fvcore_macs(row: Row) -> int:
    """MACs + 2 batch-normalised + 5 layer- or group-normalised elements + what adaptive average pooling reads."""
    norms = 2 * _elements(row, "batchnorm") + 5 * _elements(row, "layernorm", "groupnorm")
    return row.macs + norms + _read(row, "adaptiveavgpool")


def thop_macs(row: Row) -> int:
    """MACs + 4 batch-normalised elements + what adaptive average pooling reads and writes."""
    pooled = _read(row, "adaptiveavgpool") + _elements(row, "adaptiveavgpool")
    return row.macs + 4 * _elements(row, "batchnorm") + pooled


def ptflops_macs(row: Row) -> int:
    """MACs + biases added + 2 batch-normalised elements + rectified ones + what pooling reads."""
    pooled = _read(row, "maxpool", "avgpool", "adaptive")
    activated = 2 * _elements(row, "batchnorm") + _elements(row, "relu")
    return row.macs + _with_bias(row, "conv", "linear") + activated + pooled


def calflops(row: Row) -> int:
    """2 per MAC + biases that convolutions add + 2 batch-normalised elements + rectified ones + what pooling reads."""
    return ptflops_macs(row) + row.macs - _with_bias(row, "linear")


def burden_flops(row: Row) -> int:
    """MACs + biases added + 2 rectified elements + 2 per value pooled, once for each step of the stride + sums.

    Of a local response norm over C channels, an element each, and 2 + 2·C per position. A pooling of all there is has
    its window for a stride. Batch norms are merged, softmax is left out.
    """
    if row.op == "localresponsenorm":
        _, channels, *sizes = row.outputs[0].shape
        return _outputs(row) + (2 + 2 * channels) * prod(sizes)
    strides = _window(row, "stride") if _is(row, *SLIDING) else 0
    pooled = 2 * strides * _elements(row, *SLIDING) + 2 * _read(row, "adaptive")
    worked = row.training_macs + _with_bias(row, "conv", "linear")
    return worked + 2 * _elements(row, "relu") + pooled + _elements(row, "add")


def burden_feature_bytes(row: Row) -> int:
    """4 bytes for every value that a layer gives, but rectifiers work in place, flattening and dropout give nothing.

    Sums are stored whether torch adds in place or not, and one tensor alone is not put together.
    """
    alone = row.op == "concat" and len(row.edges) == 1
    return 0 if alone or _is(row, "relu", "dropout", "flatten") else 4 * _outputs(row)


def slim_flops(row: Row) -> int:
    """2 per MAC of a convolution + biases that it adds + the window of every value pooled; no dense layers."""
    pooled = _window(row, "kernel_size") * _outputs(row) if _is(row, *SLIDING) else 0
    return 2 * row.macs * _is(row, "conv") + _with_bias(row, "conv") + pooled


TALLIES: dict[str, Tally] = {
    "fvcore_macs": Tally("MACs as fvcore adds them up", fvcore_macs),
    "thop_macs": Tally("MACs as thop adds them up", thop_macs),
    "ptflops_macs": Tally("MACs as ptflops adds them up", ptflops_macs),
    "calflops": Tally("FLOPs as calflops adds them up", calflops),
    "burden_flops": Tally("operations as convnet-burden adds them up", burden_flops, heads=True),
    "burden_feature_bytes": Tally("feature memory of convnet-burden", burden_feature_bytes, heads=True),
    "slim_flops": Tally("FLOPs of TensorFlow's profiler, without dense layers", slim_flops),
}
