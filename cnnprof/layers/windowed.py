"""What every layer with a sliding window shares: its windows, its output sizes, itself as a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cnnprof.errors import LayerError
from cnnprof.layers.base import Pads, product, text
from cnnprof.model.analysis import Equivalent
from cnnprof.shapes import Window, less, same_padding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnprof.model.graph import TensorSpec

    Ints = tuple[int, ...]


def both_sides(padding: Ints | Literal["same", "valid"], kernel: Ints, dilation: Ints) -> list[tuple[int, int]]:
    """Return the padding before and after, per axis; torch's "same" puts an odd element after."""
    if isinstance(padding, tuple):
        return [(pad, pad) for pad in padding]
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    return [same_padding(size, step) for size, step in zip(kernel, dilation, strict=True)]


def check_same_padding(padding: Ints | str, stride: Ints) -> None:
    """Raise LayerError where padding "same" meets a stride: torch defines it for stride 1 only."""
    if padding == "same" and max(stride) > 1:
        raise LayerError(f"padding 'same' needs stride 1, got {list(stride)}", argument="padding")


def fitting_sizes(tensor: TensorSpec, windows: Sequence[Window]) -> tuple[int, ...]:
    """Return the number of positions per axis.

    Raises:
        LayerError: a window is larger than its padded input.
    """
    sizes = tuple([window.output for window in windows])
    for window, size in zip(windows, sizes, strict=True):
        if size < 1:
            raise LayerError(
                f"kernel of {window.span} (dilation·(kernel − 1) + 1) does not fit into {window.padded} "
                f"(input {text(tensor.shape)} with padding)",
                argument="kernel_size",
                code="bad-shape",
            )
    return sizes


def useful_taps(windows: Sequence[Window], zeros: Pads | None, *, stored: bool = False) -> int:
    """Return the products of a tap with an element that is no zero put in, over the positions of all axes.

    ``zeros``: per dimension of the input, batch first, how many elements at either end are zeros that a layer before
    put in. ``stored``: the padding of the windows itself is of real elements (reflect, replicate, circular).
    """
    pads = ((0, 0),) * len(windows) if zeros is None else zeros[2:]
    return product([_useful(window, *ends, stored=stored) for window, ends in zip(windows, pads, strict=True)])


def _useful(window: Window, low: int, high: int, *, stored: bool) -> int:
    if stored:
        wasted = window.taps_on(0, low) + window.taps_on(window.size - high, high)
        return window.all_taps - wasted
    return less(window.all_taps, window.taps_on(low, window.size - low - high)) if low or high else window.taps


def as_matrix(
    tensor: TensorSpec, output: TensorSpec, windows: Sequence[Window], *, reads: int, bias: bool
) -> Equivalent:
    """Return the layer as one matrix from a flattened sample to its flattened output.

    ``reads`` is the number of kernel weights behind one spatial tap: out_channels · in_channels of a group. A weight
    that falls on the padding is in no column, so the entries that are weights are the taps on stored elements.
    """
    rows, columns = output.numel // output.shape[0], tensor.numel // tensor.shape[0]
    return Equivalent(
        dense_params=rows * columns + (rows if bias else 0),
        toeplitz_rows=rows,
        toeplitz_columns=columns,
        toeplitz_nonzeros=product([window.taps for window in windows]) * reads,
    )
