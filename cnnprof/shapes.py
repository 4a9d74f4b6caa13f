"""Shape arithmetic of windows, shared by all layers. Plain integers in, plain integers out; no layer, no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from operator import mul
from typing import Literal, NamedTuple


class Window(NamedTuple):
    """One spatial axis of a sliding window over ``size`` input elements.

    ``pad_low`` and ``pad_high`` elements are added before and after; ``dilation`` is the distance of two taps.
    """

    size: int
    kernel: int
    stride: int = 1
    pad_low: int = 0
    pad_high: int = 0
    dilation: int = 1
    ceil_mode: bool = False

    @property
    def span(self) -> int:
        """Input elements from the first tap to the last: dilation·(kernel − 1) + 1."""
        return self.kernel if self.dilation == 1 else self.dilation * (self.kernel - 1) + 1

    @property
    def padded(self) -> int:
        """Input elements with the padding."""
        return self.size + self.pad_low + self.pad_high

    @property
    def output(self) -> int:
        """Number of positions: ⌊(size + pads − span) / stride⌋ + 1; below 1 where the window does not fit.

        With ``ceil_mode`` the quotient is rounded up, but no window starts behind the input and its low padding
        (torch.nn.MaxPool2d's rule).
        """
        if not self.ceil_mode:  # asked a dozen times per layer: without a step over other properties
            span = self.kernel if self.dilation == 1 else self.dilation * (self.kernel - 1) + 1
            return (self.size + self.pad_low + self.pad_high - span) // self.stride + 1
        count = -((self.span - self.padded) // self.stride) + 1
        return count - 1 if (count - 1) * self.stride >= self.size + self.pad_low else count

    @property
    def cut(self) -> int:
        """Input elements at the far end that no window reads, because the windows do not tile the input."""
        reached = (self.output - 1) * self.stride + self.span - self.pad_low
        return max(0, self.size - max(0, reached))

    @property
    def taps(self) -> int:
        """Products of a tap with a stored element, over all positions; taps on the padding are not among them."""
        if not self.pad_low and not self.pad_high and not self.ceil_mode:
            return self.all_taps
        return less(self.all_taps, self.taps_on(0, self.size))

    @property
    def all_taps(self) -> int:
        """Products over all positions, those with the padding included."""
        return self.kernel * max(0, int(self.output))

    def taps_on(self, first: int, count: int) -> int:
        """Return the products of a tap with one of ``count`` elements from element ``first`` on, over all positions.

        Elements are counted from the first stored one; those of the padding before it are negative.
        """
        positions, taps = (self.output, self.stride), (self.kernel, self.dilation)
        return _sums_within(positions, taps, self.pad_low + first, count)


def less(whole: int, part: int) -> int:
    """Return ``part`` as ``whole`` less what is missing: of a count that is found by a search, that is its formula."""
    return whole - (int(whole) - int(part))


def same_padding(kernel: int, dilation: int) -> tuple[int, int]:
    """Return the padding before and after that keeps the size at stride 1 (torch: the odd element goes after)."""
    total = int(dilation) * (int(kernel) - 1)  # a formula shows the padding as a number
    return total // 2, total - total // 2


def transposed_output(size: int, kernel: int, stride: int, pad: int, extra: int, dilation: int) -> int:
    """Return the output of a transposed window: (size − 1)·stride − 2·pad + dilation·(kernel − 1) + extra + 1.

    ``pad`` is cropped from both ends; ``extra`` is torch's output_padding. Below 1 where everything is cropped.
    """
    return (size - 1) * stride - 2 * pad + dilation * (kernel - 1) + extra + 1


def transposed_reach(size: int, kernel: int, stride: int, pad: int, dilation: int, output: int) -> int:
    """Return how many of the ``output`` positions of a transposed window receive at least one product.

    All do, unless the stride is wider than the kernel, the dilation leaves gaps, or output padding adds an edge.
    """
    shared = math.gcd(stride, dilation)
    places = _sums_within((size, stride), (kernel, dilation), pad, output)
    # Element i + dilation/shared under tap t lands where element i under tap t + stride/shared does: of each such
    # couple one is counted too many.
    again = (size - dilation // shared, stride), (kernel - stride // shared, dilation)
    return less(output, places - _sums_within(*again, pad - stride * dilation // shared, output))


def transposed_taps_within(
    first: int, size: int, kernel: int, stride: int, pad: int, dilation: int, output: int
) -> int:
    """Return how many products of ``size`` input elements from ``first`` on with a tap fall into the output.

    The others fall where ``pad`` crops.
    """
    return less(size * kernel, _sums_within((size, stride), (kernel, dilation), pad - first * stride, output))


def adaptive_reads(size: int, output: int) -> int:
    """Return how many elements the windows of adaptive pooling read together: size + output − gcd(size, output).

    Window i of ``output`` reaches from ⌊i·size/output⌋ to ⌈(i + 1)·size/output⌉ (torch.nn.AdaptiveAvgPool1d), so two
    neighbours share an element except at the gcd(size, output) − 1 borders that fall between two elements.
    """
    shared = math.gcd(size, output)
    return size if shared == output else size + output - shared


Steps = tuple[int, int]
"""How many steps, and how far each goes: the numbers 0, step, 2·step, …."""


@lru_cache(maxsize=1024)  # the axes of a square image ask the same, and so do the blocks of a network
def _sums_within(first: Steps, second: Steps, low: int, size: int) -> int:
    """Return how many pairs, a number of ``first`` and one of ``second``, have a sum in [low, low + size)."""
    return _sums_below(first, second, low + size) - _sums_below(first, second, low)


def _sums_below(first: Steps, second: Steps, limit: int) -> int:
    """Return how many pairs have a sum below ``limit``; without a loop, for windows may be of any size."""
    (count, step), (most, width), limit = map(int, first), map(int, second), int(limit)
    if limit <= 0 or count <= 0 or most <= 0:
        return 0
    some = min(count, (limit - 1) // step + 1)
    full = max(0, min(some, (limit - 1 - (most - 1) * width) // step + 1))
    rest = some - full
    return full * most + rest + _floor_sum(rest, width, step, limit - 1 - (some - 1) * step)


def _floor_sum(count: int, divisor: int, step: int, start: int) -> int:
    """Return Σ ⌊(start + i·step) / divisor⌋ for i < count, in Euclid's steps (AtCoder Library, ``floor_sum``)."""
    total = 0
    while count > 0:
        total += count * (count - 1) // 2 * (step // divisor) + count * (start // divisor)
        reach = step % divisor * count + start % divisor
        # What is left counts lattice points under a line; mirrored, they lie under a flatter one.
        count, start, step, divisor = reach // divisor, reach % divisor, divisor, step % divisor
    return total


MOST_PHASES = 1024
"""Different windows that are followed along one dimension. With more of them, a unit's place says little."""


class Taps(NamedTuple):
    """How positions along one dimension of an output read positions along one dimension of an input.

    Windows may differ, with a period of ``len(lows)`` positions: position ``period·q + r`` of dimension ``dim`` reads
    from ``step·q + lows[r]`` to ``step·q + highs[r]``, padding included (nothing where the high end is the smaller).
    """

    dim: int
    lows: tuple[int, ...] = (0,)
    highs: tuple[int, ...] = (0,)
    step: int = 1
    whole: bool = False
    """True: every other position is read besides, as by a norm that computes statistics."""


Reads = Mapping[int, Taps] | Literal["windows", "pointwise", "nothing"]
"""What an output reads of an input, by the input's dimensions, the batch being 0.

A dimension that is missing is read as a whole by every unit. ``"pointwise"``: each dimension whose size stays is read
at its own position, shapes aligned at the end as in broadcasting; any other as a whole. ``"windows"``: what the layer's
windows cover; without windows, pointwise.
"""


def sliding(windows: Sequence[Window]) -> Reads:
    """Return what windows over the dimensions behind the channels read; of windows of one element, that."""
    for window in windows:
        if window.kernel > 1 or window.stride > 1 or window.pad_low:
            break
    else:
        return "pointwise"
    return {
        dim: Taps(dim, (-window.pad_low,), (window.span - 1 - window.pad_low,), window.stride)
        for dim, window in enumerate(windows, start=2)
    }


def adaptive_taps(dim: int, size: int, output: int) -> Taps | None:
    """Return what adaptive pooling of ``size`` elements to ``output`` reads: ⌊i·size/output⌋ to ⌈(i + 1)·size/output⌉.

    None: there are more different windows than are followed.
    """
    shared = math.gcd(size, output)
    period, step = output // shared, size // shared
    if period > MOST_PHASES:
        return None
    lows = tuple(index * step // period for index in range(period))
    highs = tuple(-(-(index + 1) * step // period) - 1 for index in range(period))
    return Taps(dim, lows, highs, step)


def transposed_taps(dim: int, kernel: int, stride: int, pad: int, dilation: int) -> Taps | None:
    """Return what a transposed window reads: position j the inputs i with j = stride·i − pad + dilation·tap.

    With both a stride and a dilation some of the positions between the ends are not read. None: there are more
    different windows than are followed.
    """
    if stride > MOST_PHASES:
        return None
    span = dilation * (kernel - 1)
    lows = tuple(-((span - pad - phase) // stride) for phase in range(stride))
    highs = tuple((pad + phase) // stride for phase in range(stride))
    return Taps(dim, lows, highs)


def kept_dimensions(before: Sequence[int], after: Sequence[int]) -> dict[int, Taps]:
    """Return which dimensions are the same before and after a change of shape that keeps the order of elements.

    They are those of equal size with as many elements before them; the others are split or merged.
    """
    places = {size: place for place, size in enumerate(_preceded(after))}
    return {dim: Taps(places[size]) for dim, size in enumerate(_preceded(before)) if size in places}


def _preceded(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Return every size with the number of elements of all dimensions before it."""
    return list(zip(sizes, accumulate(sizes, mul, initial=1), strict=False))
