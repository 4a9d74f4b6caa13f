"""What every layer with a sliding window shares: its windows, its output sizes, itself as a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from cnnprof.errors import LayerError
from cnnprof.layers.base import Pads, product, text
from cnnprof.model.analysis import Equivalent
from cnnprof.shapes import Window, less, same_padding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cnnprof.model.graph import TensorSpec

    Ints = tuple[int, ...]
    Ends = tuple[int, int]

PaddingMode: TypeAlias = Literal["zeros", "reflect", "replicate", "circular"]


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


def useful_taps(windows: Sequence[Window], zeros: Pads | None, *, mode: PaddingMode = "zeros") -> int:
    """Return the products of a tap with an element that is no zero put in, over the positions of all axes.

    ``zeros``: per dimension of the input, batch first, how many elements at either end are zeros that a layer before
    put in. ``mode``: what the windows' own padding is of; but for "zeros" of elements of the input, repeated.
    """
    pads = ((0, 0),) * len(windows) if zeros is None else zeros[2:]
    return product([_useful(window, *ends, mode) for window, ends in zip(windows, pads, strict=True)])


def stored_channels(tensor: TensorSpec, zeros: Pads | None) -> int:
    """Return the channels of an input but those that a layer before put in as zeros."""
    channels = tensor.shape[1]
    return channels if zeros is None or not any(zeros[1]) else channels - sum(zeros[1])


def _useful(window: Window, low: int, high: int, mode: PaddingMode) -> int:
    if mode != "zeros":
        wasted = [window.taps_on(first, end - first) for first, end in _zeros_and_copies(window, low, high, mode)]
        return window.all_taps - sum(wasted)
    return less(window.all_taps, window.taps_on(low, window.size - low - high)) if low or high else window.taps


def _zeros_and_copies(window: Window, low: int, high: int, mode: PaddingMode) -> Iterator[tuple[int, int]]:
    """Yield where zeros are, each from its first element to behind its last: at either end, and in the padding."""
    size = int(window.size)
    before, behind = (-int(window.pad_low), 0), (size, size + int(window.pad_high))
    for first, end in ((0, low), (size - high, size)):
        if first == end:
            continue
        yield first, end
        for (start, stop), copy in zip((before, behind), _copies(first, end, size, mode), strict=True):
            if max(start, copy[0]) < min(stop, copy[1]):
                yield max(start, copy[0]), min(stop, copy[1])


def _copies(first: int, end: int, size: int, mode: PaddingMode) -> tuple[Ends, Ends]:
    """Return where a padding without an end repeats elements ``first`` to ``end`` before all ``size``, and behind."""
    if mode == "reflect":  # around the outermost element
        return (1 - end, 1 - first), (2 * size - 1 - end, 2 * size - 1 - first)
    if mode == "circular":
        return (first - size, end - size), (first + size, end + size)
    # Only the outermost element is repeated, and for ever: as far as a window can reach.
    far = 2**63
    return (-far if first == 0 else 0, 0), (size, far if end == size else size)


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
