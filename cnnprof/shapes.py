"""Shape arithmetic of windows, shared by all layers. Plain integers in, plain integers out; no layer, no torch."""

from __future__ import annotations

import math
from typing import NamedTuple


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
        return self.dilation * (self.kernel - 1) + 1

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
        if not self.ceil_mode:
            return (self.padded - self.span) // self.stride + 1
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
            return self.kernel * max(0, self.output)
        positions, taps = (self.output, self.stride), (self.kernel, self.dilation)
        return _sums_within(positions, taps, self.pad_low, self.size)


def same_padding(kernel: int, dilation: int) -> tuple[int, int]:
    """Return the padding before and after that keeps the size at stride 1 (torch: the odd element goes after)."""
    total = dilation * (kernel - 1)
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
    return places - _sums_within(*again, pad - stride * dilation // shared, output)


def adaptive_reads(size: int, output: int) -> int:
    """Return how many elements the windows of adaptive pooling read together: size + output − gcd(size, output).

    Window i of ``output`` reaches from ⌊i·size/output⌋ to ⌈(i + 1)·size/output⌉ (torch.nn.AdaptiveAvgPool1d), so two
    neighbours share an element except at the gcd(size, output) − 1 borders that fall between two elements.
    """
    return size + output - math.gcd(size, output)


Steps = tuple[int, int]
"""How many steps, and how far each goes: the numbers 0, step, 2·step, …."""


def _sums_within(first: Steps, second: Steps, low: int, size: int) -> int:
    """Return how many pairs, a number of ``first`` and one of ``second``, have a sum in [low, low + size)."""
    return _sums_below(first, second, low + size) - _sums_below(first, second, low)


def _sums_below(first: Steps, second: Steps, limit: int) -> int:
    """Return how many pairs have a sum below ``limit``; without a loop, for windows may be of any size."""
    (count, step), (most, width) = first, second
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
