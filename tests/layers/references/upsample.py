"""Upsampling, every output element the weighted sum of its neighbours; the weights are constants of the position."""

from __future__ import annotations

import math

from tests.layers.contract import signature_differs, specs, we_refuse
from tests.layers.references.counting import Array, Case, Index, Number, Weights, build, indices, reference, total_of

signature_differs("upsample", "recompute_scale_factor", "it changes which float is used, and no figure")
we_refuse("upsample", "the size that scale_factor gives must be >= 1", "torch makes an empty tensor")

Taps = list[tuple[int, float]]
"""Input positions and their weights."""


def linear_taps(source: float, size: int) -> Taps:
    low = min(int(max(source, 0.0)), size - 1)
    share = min(max(source, 0.0) - low, 1.0)
    return [(low, 1 - share), (min(low + 1, size - 1), share)]


def cubic_weight(distance: float) -> float:
    """Return Keys' kernel with a = −0.75 (torch's choice)."""
    a, x = -0.75, abs(distance)
    return ((a + 2) * x - (a + 3)) * x * x + 1 if x <= 1 else ((a * x - 5 * a) * x + 8 * a) * x - 4 * a


def cubic_taps(source: float, size: int) -> Taps:
    low = math.floor(source)
    return [(min(max(p, 0), size - 1), cubic_weight(source - p)) for p in range(low - 1, low + 3)]


def nearest_taps(source: float, size: int) -> Taps:
    return [(min(math.floor(source), size - 1), 1.0)]


TAPS = {"linear": linear_taps, "bilinear": linear_taps, "trilinear": linear_taps, "bicubic": cubic_taps,
        "nearest": nearest_taps, "nearest-exact": nearest_taps}  # fmt: skip


def source_of(layer, place: int, size: int, new: int, axis: int) -> float:
    """Return where output position ``place`` lies in the input, by the mode's rule."""
    if layer.align_corners:
        return place * (size - 1) / (new - 1) if new > 1 else 0.0
    factors = layer.scale_factor
    factor = factors[axis] if isinstance(factors, tuple) else factors
    ratio = 1 / factor if factor else size / new
    if layer.mode == "nearest":
        return place * ratio
    centre = (place + 0.5) * ratio
    return centre if layer.mode == "nearest-exact" else centre - 0.5


@reference(
    "upsample",
    Case({"scale_factor": 2.0}, ((2, 1, 3),)),
    Case({"size": 5, "mode": "nearest-exact"}, ((1, 2, 3),)),
    Case({"size": 5, "mode": "linear"}, ((1, 2, 3),)),
    Case({"size": (4, 3), "mode": "bilinear"}, ((1, 2, 2, 5),)),
    Case({"scale_factor": (1.5, 2.0), "mode": "bilinear", "align_corners": True}, ((1, 1, 3, 2),)),
    Case({"scale_factor": 1.5, "mode": "bicubic"}, ((1, 1, 3, 4),)),
    Case({"size": 3, "mode": "trilinear"}, ((1, 1, 2, 2, 2),)),
)
def upsample(layer, inputs: list[Array], _: Weights, **__: object) -> Array:
    old = inputs[0].shape[2:]
    shape = layer.outputs(specs((inputs[0].shape,)))[0].shape

    def element(index: Index) -> Number:
        taps = [
            TAPS[layer.mode](source_of(layer, place, size, new, axis), size)
            for axis, (place, size, new) in enumerate(zip(index[2:], old, shape[2:], strict=True))
        ]
        chosen = [[axis_taps[k] for axis_taps, k in zip(taps, pick, strict=True)] for pick in indices(*map(len, taps))]
        values = [inputs[0][(*index[:2], *(place for place, _ in taps_here))] for taps_here in chosen]
        if len(chosen) == 1:
            return values[0]
        weights = [math.prod(weight for _, weight in taps_here) for taps_here in chosen]
        return total_of([value * weight for value, weight in zip(values, weights, strict=True)])

    return build(shape, element)
