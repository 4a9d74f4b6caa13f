"""Pooling, window by window."""

from __future__ import annotations

import math

from tests.layers.contract import backward_is_at_fault, specs, torch_refuses_half_precision, we_refuse
from tests.layers.references.counting import (
    Array,
    Case,
    Index,
    Number,
    build,
    exponential,
    indices,
    largest_of,
    reference,
    total_of,
)

for _dims in (1, 2, 3):
    for _kind in ("avg", "max"):
        we_refuse(
            f"adaptive{_kind}pool{_dims}d",
            "output_size must be >= 1, got 0",
            "torch returns a tensor without elements: a network of nothing",
        )


def a_window_misses(layer, inputs) -> bool:
    """Return whether all taps of some window lie on the padding, between whose elements the input slips through."""
    return any(
        not any(0 <= place * window.stride - window.pad_low + tap * window.dilation < window.size for tap in taps)
        for window in layer.windows(inputs)
        for place in range(window.output)
        for taps in [range(window.kernel)]
    )


for _dims in (1, 2, 3):
    backward_is_at_fault(
        f"maxpool{_dims}d",
        a_window_misses,
        "torch gives an empty window a place outside of the input, and its backward writes there",
    )

for _op in ("avgpool3d", "lppool3d", "localresponsenorm"):
    torch_refuses_half_precision(_op, '"avg_pool3d_out_frame" not implemented', "a mean over three axes")


def starts_of(layer, volume: Array, index: Index) -> list[int]:
    """Return where the window of an output begins on each axis; negative in the padding."""
    windows = layer.windows(specs((volume.shape,)))
    return [place * window.stride - window.pad_low for place, window in zip(index[2:], windows, strict=True)]


def pooled_shape(layer, volume: Array) -> Index:
    return layer.outputs(specs((volume.shape,)))[0].shape


@reference(
    "maxpool1d",
    Case({"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2}, ((2, 2, 7),)),
    Case({"kernel_size": 2, "return_indices": True}, ((1, 2, 4),)),
)
@reference(
    "maxpool2d",
    Case({"kernel_size": 2}, ((1, 2, 4, 5),)),
    Case({"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}, ((1, 2, 4, 3),)),
    Case({"kernel_size": (1, 2), "return_indices": True}, ((1, 2, 2, 4),)),
)
@reference("maxpool3d", Case({"kernel_size": (1, 2, 3), "padding": (0, 1, 1)}, ((1, 2, 2, 2, 3),)))
def maxpool(layer, inputs: list[Array], _weights: object, **_: object) -> Array | tuple[Array, Array]:
    """The largest of a window; padding is minus infinity and is compared like the rest."""
    volume = inputs[0].padded_with(-math.inf)

    def window(index: Index) -> list[Index]:
        start = starts_of(layer, volume, index)
        return [
            (*index[:2], *(s + t * d for s, t, d in zip(start, tap, layer.dilation, strict=True)))
            for tap in indices(*layer.kernel_size)
        ]

    shape = pooled_shape(layer, volume)
    largest = build(shape, lambda index: largest_of([volume[place] for place in window(index)]))
    if not layer.return_indices:
        return largest
    return largest, build(shape, lambda index: place_of(volume, window(index), largest[index]))


def place_of(volume: Array, window: list[Index], largest: Number) -> Number:
    """Return the flat spatial index of the maximum, which its comparisons have already found."""
    found = next(place for place in window if volume[place].value == largest.value)
    flat = 0
    for position, size in zip(found[2:], volume.shape[2:], strict=True):
        flat = flat * size + position
    return Number(flat, volume.tally)


@reference("avgpool1d", Case({"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}, ((2, 2, 6),)))
@reference(
    "avgpool2d",
    Case({"kernel_size": 2}, ((1, 2, 4, 5),)),
    Case({"kernel_size": (3, 2), "padding": 1, "count_include_pad": False}, ((1, 2, 3, 4),)),
    Case({"kernel_size": 2, "stride": 2, "ceil_mode": True}, ((1, 1, 3, 3),)),
    Case({"kernel_size": 2, "divisor_override": 3}, ((1, 2, 2, 4),)),
)
@reference("avgpool3d", Case({"kernel_size": (1, 2, 3), "stride": 1, "padding": (0, 1, 1)}, ((1, 2, 2, 3, 4),)))
def avgpool(layer, inputs: list[Array], _weights: object, **_: object) -> Array:
    """The sum of a window, padding included, divided by a number that depends on the arguments alone."""
    volume = inputs[0].padded_with(0)

    def element(index: Index) -> Number:
        start = starts_of(layer, volume, index)
        places = [[s + t for s, t in zip(start, tap, strict=True)] for tap in indices(*layer.kernel_size)]
        total = total_of([volume[*index[:2], *place] for place in places])
        override = getattr(layer, "divisor_override", None)
        return total / (override or divisor(layer, places, volume.shape[2:]))

    return build(pooled_shape(layer, volume), element)


def divisor(layer, places: list[list[int]], sizes: Index) -> int:
    """Return how many places of a window count: those in the input, or also those in the padding, never beyond it."""
    pads = layer.padding if layer.count_include_pad else (0,) * layer.dims
    bounds = list(zip(pads, sizes, strict=True))
    return sum(
        all(-pad <= place < size + pad for place, (pad, size) in zip(position, bounds, strict=True))
        for position in places
    )


@reference("lppool1d", Case({"norm_type": 2, "kernel_size": 3, "stride": 2}, ((2, 2, 7),)))
@reference("lppool2d", Case({"norm_type": 2, "kernel_size": (3, 2)}, ((1, 2, 3, 4),)))
@reference("lppool3d", Case({"norm_type": 4, "kernel_size": (1, 2, 2)}, ((1, 2, 2, 2, 4),)))
def lppool(layer, inputs: list[Array], _weights: object, **_: object) -> Array:
    """The p-th root of the sum of p-th powers; a power and a root are one exponential each."""
    volume, power = inputs[0], layer.norm_type

    def element(index: Index) -> Number:
        start = starts_of(layer, volume, index)
        places = [[s + t for s, t in zip(start, tap, strict=True)] for tap in indices(*layer.kernel_size)]
        powers = [exponential(lambda x: x**power, volume[*index[:2], *place]) for place in places]
        return exponential(lambda x: x ** (1 / power), total_of(powers))

    return build(pooled_shape(layer, volume), element)


def adaptive_places(volume: Array, shape: Index, index: Index) -> list[Index]:
    """Return the elements of one real window: axis by axis from ⌊i·s/o⌋ to ⌈(i + 1)·s/o⌉."""
    axes = [
        range(place * size // output, math.ceil((place + 1) * size / output))
        for place, size, output in zip(index[2:], volume.shape[2:], shape[2:], strict=True)
    ]
    offsets = indices(*(len(axis) for axis in axes))
    return [(*index[:2], *(axis[k] for axis, k in zip(axes, offset, strict=True))) for offset in offsets]


@reference("adaptiveavgpool1d", Case({"output_size": 3}, ((2, 2, 7),)), Case({"output_size": 5}, ((1, 1, 3),)))
@reference(
    "adaptiveavgpool2d", Case({"output_size": 1}, ((2, 2, 3, 4),)), Case({"output_size": (None, 3)}, ((1, 2, 2, 5),))
)
@reference("adaptiveavgpool3d", Case({"output_size": (1, 2, 4)}, ((1, 2, 2, 3, 6),)))
def adaptiveavgpool(layer, inputs: list[Array], _weights: object, **_: object) -> Array:
    """The mean of every real window."""
    volume = inputs[0]
    shape = pooled_shape(layer, volume)

    def element(index: Index) -> Number:
        values = [volume[place] for place in adaptive_places(volume, shape, index)]
        return total_of(values) / len(values)

    return build(shape, element)


@reference("adaptivemaxpool1d", Case({"output_size": 3}, ((2, 2, 7),)))
@reference(
    "adaptivemaxpool2d",
    Case({"output_size": (2, None)}, ((2, 2, 3, 4),)),
    Case({"output_size": 2, "return_indices": True}, ((1, 2, 3, 5),)),
)
@reference("adaptivemaxpool3d", Case({"output_size": (1, 2, 4)}, ((1, 2, 2, 3, 6),)))
def adaptivemaxpool(layer, inputs: list[Array], _weights: object, **_: object) -> Array | tuple[Array, Array]:
    """The largest of every real window."""
    volume = inputs[0]
    shape = pooled_shape(layer, volume)
    windows = {index: adaptive_places(volume, shape, index) for index in indices(*shape)}
    largest = build(shape, lambda index: largest_of([volume[place] for place in windows[index]]))
    if not layer.return_indices:
        return largest
    return largest, build(shape, lambda index: place_of(volume, windows[index], largest[index]))
