"""Transposed convolutions, spreading every input element over the output."""

from __future__ import annotations

from tests.layers.contract import specs, we_refuse
from tests.layers.references.counting import Array, Case, Index, Number, Weights, build, indices, reference

for _op in ("convtranspose1d", "convtranspose2d", "convtranspose3d"):
    we_refuse(_op, "crops everything away", "torch returns a tensor without elements: a network of nothing")


@reference(
    "convtranspose1d",
    Case({"out_channels": 2, "kernel_size": 4, "stride": 2, "padding": 1}, ((2, 3, 4),)),
    Case({"out_channels": 2, "kernel_size": 1, "stride": 3, "output_padding": 2}, ((1, 2, 3),)),
    Case({"out_channels": 1, "kernel_size": 2, "dilation": 3, "bias": False}, ((1, 2, 2),)),
)
@reference(
    "convtranspose2d",
    Case({"out_channels": 2, "kernel_size": 2, "stride": 2}, ((1, 2, 2, 3),)),
    Case({"out_channels": 4, "kernel_size": (3, 2), "stride": 2, "padding": 1, "groups": 2}, ((1, 4, 3, 2),)),
)
@reference(
    "convtranspose3d",
    Case({"out_channels": 2, "kernel_size": (1, 2, 3), "padding": (0, 1, 1)}, ((1, 2, 2, 2, 2),)),
)
def convtranspose(layer, inputs: list[Array], weights: Weights, **_: object) -> Array:
    """Every input element times every weight is added to its output; what falls into the crop is added to waste."""
    volume, weight = inputs[0], weights["weight"]
    shape = layer.outputs(specs((volume.shape,)))[0].shape
    sums: dict[Index, Number] = {}
    waste = Number(0, volume.tally)
    kept = set(indices(*shape[2:]))
    for sample, channel, *position in indices(*volume.shape):
        first = channel // (volume.shape[1] // layer.groups) * weight.shape[1]
        for out, *tap in indices(*weight.shape[1:]):
            volume.tally.macs += 1
            term = volume[sample, channel, *position] * weight[channel, out, *tap]
            axes = zip(position, layer.stride, layer.padding, tap, layer.dilation, strict=True)
            place = tuple(p * stride - pad + t * dilation for p, stride, pad, t, dilation in axes)
            target = (sample, first + out, *place)
            if place not in kept:
                waste = waste + term
            else:
                sums[target] = sums[target] + term if target in sums else term

    def element(index: Index) -> Number:
        total = sums.get(index, Number(0, volume.tally))
        return total + weights["bias"][index[1],] if "bias" in weights else total

    return build(shape, element)
