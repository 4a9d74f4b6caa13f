"""Dense and locally connected layers."""

from __future__ import annotations

from tests.layers.contract import specs, torch_warns, we_refuse
from tests.layers.references.counting import Array, Case, Index, Number, Weights, build, dot, indices, reference

torch_warns("Initializing zero-element tensors", "linear without output features, which is refused here")
we_refuse("linear", "out_features must be >= 1", "torch returns a tensor without elements: a network of nothing")
we_refuse("linear", "features behind the batch", "the first dimension is the batch; one number has no features")

for _op in ("locallyconnected1d", "locallyconnected2d"):
    we_refuse(_op, "padding 'same' needs stride 1", "torch lacks the layer; its convolutions refuse this")


@reference(
    "linear",
    Case({"out_features": 3}, ((2, 4),)),
    Case({"out_features": 2, "bias": False}, ((2, 3, 2),)),
)
def linear(_layer, inputs: list[Array], weights: Weights, **_: object) -> Array:
    """Every output is one dot product over the last dimension, plus its bias."""
    rows, weight = inputs[0], weights["weight"]

    def element(index: Index) -> Number:
        *row, out = index
        total = dot((rows[*row, feature], weight[out, feature]) for feature in range(weight.shape[1]))
        return total + weights["bias"][out,] if "bias" in weights else total

    return build((*rows.shape[:-1], weight.shape[0]), element)


@reference(
    "locallyconnected1d",
    Case({"out_channels": 2, "kernel_size": 2, "stride": 2, "padding": 1}, ((2, 2, 4),)),
    Case({"out_channels": 1, "kernel_size": 2, "padding": "same", "dilation": 3, "bias": False}, ((1, 2, 4),)),
)
@reference("locallyconnected2d", Case({"out_channels": 2, "kernel_size": (2, 3), "padding": (0, 1)}, ((1, 2, 3, 3),)))
def locallyconnected(layer, inputs: list[Array], weights: Weights, **_: object) -> Array:
    """A convolution whose weights and bias are looked up by position."""
    volume, weight = inputs[0].padded_with(0), weights["weight"]
    windows = layer.windows(specs((volume.shape,)))
    channels, *taps = weight.shape[layer.dims + 1 :]

    def element(index: Index) -> Number:
        sample, out, *position = index

        def place(tap: list[int]) -> list[int]:
            axes = zip(position, tap, windows, strict=True)
            return [p * axis.stride - axis.pad_low + t * axis.dilation for p, t, axis in axes]

        total = dot(
            (volume[sample, channel, *place(tap)], weight[*position, out, channel, *tap])
            for channel, *tap in indices(channels, *taps)
        )
        return total + weights["bias"][out, *position] if "bias" in weights else total

    return build(layer.outputs(specs((volume.shape,)))[0].shape, element)
