"""Convolutions, position by position."""

from __future__ import annotations

from collections.abc import Callable

from tests.layers.contract import specs, torch_warns, we_refuse
from tests.layers.references.counting import Array, Case, Index, Weights, build, dot, indices, reference

torch_warns("Using padding='same' with even kernel", "torch pads on one side by a copy; the figures are the same")

for _op in ("conv1d", "conv2d", "conv3d"):
    we_refuse(_op, "padding must be >= 0, got -", "torch crops in every padding_mode but zeros, where it refuses too")

SOURCES: dict[str, Callable[[int, int], int]] = {
    "zeros": lambda place, _: place,
    "replicate": lambda place, size: min(max(place, 0), size - 1),
    "circular": lambda place, size: place % size,
    "reflect": lambda place, size: (size - 1) - abs((size - 1) - abs(place)),
}
"""Where an element at ``place``, perhaps outside, is read; zeros are read outside."""


@reference(
    "conv1d",
    Case({"out_channels": 2, "kernel_size": 3, "padding": 1}, ((2, 2, 5),)),
    Case({"out_channels": 2, "kernel_size": 2, "padding": "same", "dilation": 3}, ((1, 1, 4),)),
)
@reference(
    "conv2d",
    Case({"out_channels": 2, "kernel_size": 3}, ((1, 3, 6, 6),)),
    Case({"out_channels": 4, "kernel_size": (2, 3), "stride": (1, 2), "padding": 1, "groups": 2}, ((2, 4, 3, 5),)),
    Case({"out_channels": 1, "kernel_size": (1, 2), "dilation": 2, "padding": "same", "bias": False}, ((1, 2, 3, 4),)),
    Case({"out_channels": 2, "kernel_size": 2, "padding": 2, "padding_mode": "reflect"}, ((1, 1, 3, 4),)),
    Case({"out_channels": 2, "kernel_size": 2, "padding": 2, "padding_mode": "replicate"}, ((1, 1, 3, 4),)),
    Case({"out_channels": 2, "kernel_size": 2, "padding": 2, "padding_mode": "circular"}, ((1, 1, 3, 4),)),
)
@reference("conv3d", Case({"out_channels": 2, "kernel_size": (1, 2, 3), "padding": (0, 1, 1)}, ((1, 2, 2, 3, 3),)))
def conv(layer, inputs: list[Array], weights: Weights, **_: object) -> Array:
    """Every output is one dot product over channels and taps, plus its bias; padded zeros are multiplied too."""
    volume, weight = inputs[0].padded_with(0), weights["weight"]
    shape = layer.outputs(specs((volume.shape,)))[0].shape
    depth, taps = weight.shape[1], list(indices(*weight.shape[2:]))
    pads = [window.pad_low for window in layer.windows(specs((volume.shape,)))]
    source = SOURCES[layer.padding_mode]

    def element(index: Index):
        sample, out, *position = index
        first = out // (layer.out_channels // layer.groups) * depth

        def place(tap: Index) -> list[int]:
            starts = zip(position, layer.stride, pads, tap, layer.dilation, volume.shape[2:], strict=True)
            return [source(p * stride - pad + t * dilation, size) for p, stride, pad, t, dilation, size in starts]

        reads = ((channel, tap) for channel in range(depth) for tap in taps)
        total = dot((volume[sample, first + c, *place(tap)], weight[out, c, *tap]) for c, tap in reads)
        return total + weights["bias"][out,] if "bias" in weights else total

    return build(shape, element)
