"""Quantities to text, in one place. Standard library only; nothing here knows a layer or a format.

Memory is divided by 1024 and says so (KiB, MiB). Keras and torchsummary divide by 1024 too but print "KB" and "MB";
``memory`` writes the figure Keras' ``summary()`` prints (two decimals, the unit grows) and ``mebibytes`` the one
torchsummary prints (always in MiB), both under their right name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Layout = Literal["chw", "hwc"]

_FLOATS = 1e-9
"""What the sum of a million shares may be off for being made of floats."""
_SI = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_TIMES = ("s", "ms", "µs", "ns")
_SIGNIFICANT = 4
_ASCII = str.maketrans(
    {
        "×": "x", "·": "*", "−": "-", "–": "-", "≥": ">=", "÷": "/", "≤": "<=", "≈": "~", "…": "...", "→": "->",
        "⌊": "floor(", "⌋": ")", "─": "-", "█": "#", "µ": "u", "±": "+/-",
        "²": "^2", "α": "alpha", "β": "beta",
    }
)  # fmt: skip
_IMAGE_RANKS = (4, 5)


def count(number: int) -> str:
    """Return an exact integer with thousands separators: ``1,792``."""
    return f"{number:,}"


def si(number: float, unit: str = "") -> str:
    """Return a number to four significant digits with an SI prefix: ``15.47 G``; below 1,000 an integer is exact.

    ``unit`` follows the prefix: ``si(15470264320, "MACs")`` is ``15.47 GMACs``.
    """
    power, scaled = 0, float(number)
    # 999,950 rounds to 1000.0 k at four digits: it is 1.000 M.
    while power < len(_SI) - 1 and float(f"{abs(scaled):.{_SIGNIFICANT}g}") >= 1000:  # noqa: PLR2004 SI's own step
        power, scaled = power + 1, scaled / 1000
    exact = power == 0 and number == int(number)
    digits = str(int(number)) if exact else f"{scaled:.{_decimals(scaled)}f}"
    return f"{digits} {_SI[power]}{unit}".rstrip()


def _decimals(scaled: float) -> int:
    rounded = float(f"{abs(scaled):.{_SIGNIFICANT}g}")
    return max(0, _SIGNIFICANT - len(str(int(rounded))))


def memory(size: int) -> str:
    """Return bytes in the unit that fits, divided by 1024: ``784 B``, ``109.38 KiB``, ``12.25 MiB``.

    The figures of Keras' ``summary()``, which calls them B, KB and MB.
    """
    power, scaled = 0, float(size)
    while power < len(_BINARY) - 1 and round(abs(scaled), 2 if power else 0) >= 1024:  # noqa: PLR2004
        power, scaled = power + 1, scaled / 1024
    return f"{scaled:,.2f} {_BINARY[power]}" if power else f"{size} B"


def mebibytes(size: int) -> str:
    """Return bytes in MiB with two decimals: ``218.78 MiB``. The figures of torchsummary, which calls them MB."""
    return f"{size / 2**20:,.2f} MiB"


def duration(seconds: float, digits: int = _SIGNIFICANT) -> str:
    """Return a time to four significant digits in the unit that fits: ``12.34 µs``, ``1.234 ms``, ``2.500 s``.

    What is not nothing is never rounded to it: on either side of 0, ``<0.001 ns``.
    """
    if not seconds:
        return "0 s"
    unit, scaled = 0, float(seconds)
    while unit < len(_TIMES) - 1 and abs(float(f"{scaled:.{digits}g}")) < 1:
        unit, scaled = unit + 1, scaled * 1000
    rounded = float(f"{scaled:.{digits}g}")
    decimals = max(0, digits - len(str(int(abs(rounded)))))
    return f"{_nonzero(scaled, decimals)} {_TIMES[unit]}"


def _nonzero(number: float, decimals: int) -> str:
    """Return a number other than 0 with so many decimals; ``<0.001`` where those say nothing, whatever its sign."""
    text = f"{number:,.{decimals}f}"
    return text if text.strip("-0.") else f"<{10**-decimals:.{decimals}f}"


_BYTES = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*(?:([kmgt])(i?)b?|b)\s*", re.IGNORECASE)


def parse_bytes(text: str) -> int:
    """Return the bytes that ``16GiB``, ``512 MB`` or ``80g`` says: ``i`` is for powers of 1024, without it of 1000.

    A bare number is refused: ``16`` means gigabytes to some and bytes to others.

    Raises:
        ValueError: anything else, or less than one byte.
    """
    match = _BYTES.fullmatch(text)
    size = 0
    if match is not None:
        number, prefix, binary = match.groups()
        size = int(float(number) * (1024 if binary else 1000) ** " kmgt".index((prefix or " ").lower()))
    if size < 1:
        raise ValueError(f"a memory is written 16GiB, 512MiB or 80GB, got {text!r}")
    return size


def percent(fraction: float) -> str:
    """Return a share with one decimal: ``12.0 %``. What is not nothing (or not all) is never rounded to it.

    A share below 0 that is next to nothing reads as one above it does: ``<0.1 %``. A sum of shares is all of it where
    only floats keep it from that.
    """
    if fraction == 0 or abs(fraction - 1) < _FLOATS:
        return f"{100 * round(fraction)} %"
    text = _nonzero(100 * fraction, 1)
    if text == "100.0":
        return ">99.9 %" if fraction < 1 else "100 %"
    return f"{text} %"


def signed_percent(fraction: float) -> str:
    """Return an error with its sign and two decimals: ``-0.16 %``; exactly ``0 %`` where there is none."""
    return f"{100 * fraction:+.2f} %" if fraction else "0 %"


def ratio(number: float) -> str:
    """Return a quotient to four significant digits: ``19.20``, ``0.1234``, ``1,234``; never ``1.0000``."""
    if not number:
        return f"{0:.{_SIGNIFICANT}f}"
    below_one = abs(float(f"{number:.{_SIGNIFICANT}g}")) < 1
    return _nonzero(number, _SIGNIFICANT if below_one else _decimals(number))


def displayed(shape: Sequence[int], *, batch: int = 1, layout: Layout = "chw") -> tuple[int, ...]:
    """Return the sizes of a tensor as shown to a reader.

    The batch is left out where it is 1 and comes first; a larger batch, or a first size that is not the batch, is shown
    with the whole shape. ``hwc`` moves the channels of images and volumes (rank 4 and 5) to the end; other ranks stay,
    because nothing tells the channels of a sequence from its steps.
    """
    sizes = tuple(shape)
    if layout == "hwc" and len(sizes) in _IMAGE_RANKS:
        sizes = (sizes[0], *sizes[2:], sizes[1])
    return sizes[1:] if batch == 1 and len(sizes) > 1 and sizes[0] == 1 else sizes


def dimensions(sizes: Sequence[int]) -> str:
    """Return sizes as the field writes them: ``64×224×224``; of a tensor without axes, ``scalar``."""
    return "×".join(str(size) for size in sizes) or "scalar"


def shape(shape: Sequence[int], *, batch: int = 1, layout: Layout = "chw") -> str:
    """Return ``displayed`` sizes as text."""
    return dimensions(displayed(shape, batch=batch, layout=layout))


def at_least(text: str) -> str:
    """Mark a quantity as a lower bound: ``≥ 1,792``."""
    return f"≥ {text}"


def to_ascii(text: str) -> str:
    """Return the text for a device without Unicode: ``x`` for ×, ``>=`` for ≥, ``#`` for a bar, else escapes."""
    return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")
