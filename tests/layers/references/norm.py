"""Normalisations. Reciprocals of deviations are work per channel or group, done on bare floats and not counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable

from tests.layers.contract import signature_differs, torch_refuses_in_training
from tests.layers.references.counting import (
    Array,
    Case,
    Index,
    Number,
    Weights,
    build,
    exponential,
    indices,
    reference,
    total_of,
)

for _dims in (1, 2, 3):
    torch_refuses_in_training(
        f"batchnorm{_dims}d", "Expected more than 1 value per channel", "with stored statistics evaluation needs none"
    )
    torch_refuses_in_training(
        f"instancenorm{_dims}d", "Expected more than 1 spatial element", "with stored statistics evaluation needs none"
    )
for _op in ("layernorm", "rmsnorm"):
    signature_differs(_op, "normalized_shape", "None, our default, is the last dimension: what follows is not written")

Group = Callable[[Index], Hashable]


def computed(volume: Array, group: Group, scale: Group, eps: float, weights: Weights) -> Array:
    """Return (x − mean)/deviation·weight + bias with the statistics of each group, 4 additions and 3 multiplications.

    ``scale`` says which element of weight and bias an index uses. Sums begin at 0, so every element is added.
    """
    members: dict[Hashable, list[Index]] = {}
    for index in indices(*volume.shape):
        members.setdefault(group(index), []).append(index)
    zero, one = Number(0, volume.tally), Number(1, volume.tally)
    results: dict[Index, Number] = {}
    for places in members.values():
        mean = sum((volume[place] for place in places), zero).value / len(places)
        centred = [volume[place] - mean for place in places]
        variance = sum((value * value for value in centred), zero).value / len(places)
        reciprocal = (variance + eps) ** -0.5
        for place, value in zip(places, centred, strict=True):
            weight = weights["weight"][scale(place)] if "weight" in weights else one
            bias = weights["bias"][scale(place)] if "bias" in weights else zero
            results[place] = value * reciprocal * weight + bias
    return build(volume.shape, results.__getitem__)


def stored(volume: Array, eps: float, weights: Weights) -> Array:
    """Return x·factor + shift, both known beforehand from the running statistics."""

    def element(index: Index) -> Number:
        channel = (index[1],)
        weight = weights["weight"][channel].value if "weight" in weights else 1
        bias = weights["bias"][channel].value if "bias" in weights else 0
        factor = weight * (weights["running_var"][channel].value + eps) ** -0.5
        return volume[index] * factor + (bias - weights["running_mean"][channel].value * factor)

    return build(volume.shape, element)


@reference("batchnorm1d", Case({}, ((3, 2),)), Case({"affine": False}, ((2, 2, 3),)))
@reference(
    "batchnorm2d",
    Case({}, ((2, 2, 2, 3),)),
    Case({"track_running_stats": False, "eps": 0.1}, ((2, 2, 2, 3),)),
    Case({"bias": False}, ((1, 2, 2, 2),)),
)
@reference("batchnorm3d", Case({}, ((2, 2, 1, 2, 3),)))
def batchnorm(layer, inputs: list[Array], weights: Weights, *, training: bool) -> Array:
    """Stored statistics in evaluation; otherwise those of each channel."""
    if layer.track_running_stats and not training:
        return stored(inputs[0], layer.eps, weights)
    return computed(inputs[0], lambda index: index[1], lambda index: (index[1],), layer.eps, weights)


@reference("instancenorm1d", Case({}, ((2, 2, 3),)), Case({"track_running_stats": True}, ((2, 2, 3),)))
@reference(
    "instancenorm2d",
    Case({"affine": True}, ((2, 2, 2, 3),)),
    Case({"affine": True, "track_running_stats": True, "eps": 0.1}, ((1, 2, 2, 2),)),
)
@reference("instancenorm3d", Case({}, ((1, 2, 2, 1, 3),)))
def instancenorm(layer, inputs: list[Array], weights: Weights, *, training: bool) -> Array:
    """Stored statistics in evaluation if there are any; otherwise those of each channel of each sample."""
    if layer.track_running_stats and not training:
        return stored(inputs[0], layer.eps, weights)
    return computed(inputs[0], lambda index: index[:2], lambda index: (index[1],), layer.eps, weights)


@reference("groupnorm", Case({"num_groups": 2}, ((2, 4, 3),)), Case({"num_groups": 1, "affine": False}, ((2, 3),)))
def groupnorm(layer, inputs: list[Array], weights: Weights, **_: object) -> Array:
    """Statistics of each group of neighbouring channels of each sample."""
    size = inputs[0].shape[1] // layer.num_groups
    return computed(inputs[0], lambda index: (index[0], index[1] // size), lambda i: (i[1],), layer.eps, weights)


@reference(
    "layernorm",
    Case({}, ((2, 2, 3),)),
    Case({"normalized_shape": (2, 3), "bias": False}, ((2, 2, 2, 3),)),
    Case({"elementwise_affine": False}, ((2, 3),)),
)
def layernorm(layer, inputs: list[Array], weights: Weights, **_: object) -> Array:
    """Statistics of each row, which is all last dimensions together."""
    rank = len(layer.normalized_shape or (0,))
    return computed(inputs[0], lambda index: index[:-rank], lambda index: index[-rank:], layer.eps, weights)


@reference("rmsnorm", Case({}, ((2, 2, 3),)), Case({"eps": 0.1, "elementwise_affine": False}, ((2, 3),)))
def rmsnorm(layer, inputs: list[Array], weights: Weights, **_: object) -> Array:
    """x/√(mean of squares)·weight: a square, its sum, two products."""
    volume = inputs[0]
    eps = 2**-52 if layer.eps is None else layer.eps  # torch takes the dtype's epsilon
    zero, one = Number(0, volume.tally), Number(1, volume.tally)
    last = volume.shape[-1]

    def reciprocal(row: Index) -> float:
        squares = (volume[*row, column] * volume[*row, column] for column in range(last))
        return (sum(squares, zero).value / last + eps) ** -0.5

    factors = {row: reciprocal(row) for row in indices(*volume.shape[:-1])}
    weight = weights["weight"] if "weight" in weights else Array((last,), [one] * last)
    return build(volume.shape, lambda index: volume[index] * factors[index[:-1]] * weight[index[-1],])


@reference("localresponsenorm", Case({"size": 3}, ((1, 4, 2),)), Case({"size": 2, "alpha": 1, "k": 2}, ((2, 3, 2, 2),)))
def localresponsenorm(layer, inputs: list[Array], _weights: object, **_: object) -> Array:
    """x/(k + alpha/size·Σ neighbours²)^beta; channels outside are zeros and are squared too."""
    volume = inputs[0].padded_with(0)

    def element(index: Index) -> Number:
        sample, channel, *place = index
        first = channel - layer.size // 2
        neighbours = [volume[sample, first + step, *place] for step in range(layer.size)]
        base = total_of([value * value for value in neighbours]) * (layer.alpha / layer.size) + layer.k
        return volume[index] / exponential(lambda x: math.pow(x, layer.beta), base)

    return build(volume.shape, element)
