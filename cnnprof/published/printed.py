"""A published number as it is printed: its last digit is its tolerance.

``3.8e9`` speaks of two digits, ``25,557,032`` of all of them.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

from cnnprof.errors import UsageError

_PRINTED = re.compile(r"(?P<whole>\d+|\d{1,3}(?:,\d{3})+)(?:\.(?P<decimals>\d+))?(?:e(?P<power>\d{1,2}))?", re.ASCII)
_LONGEST = 40
"""Characters; every count has fewer, and arithmetic on longer ones need not end."""


class Printed(NamedTuple):
    """A number and how it was written."""

    value: Decimal
    decimals: int
    power: int | None
    """What stands behind the ``e``."""
    separator: str
    digits: int
    """Significant ones; those of a whole number all are."""

    @property
    def unit(self) -> Decimal:
        """What one more in the last digit is worth."""
        return Decimal(10) ** ((self.power or 0) - self.decimals)

    def is_rounded(self, number: float) -> bool:
        """Return whether ``number`` rounds to this; half of the last digit may go either way."""
        return 2 * abs(Decimal(number) - self.value) <= self.unit

    def is_cut_off(self, number: float) -> bool:
        """Return whether ``number`` begins with these digits, but rounds to others."""
        return self.unit < 2 * (Decimal(number) - self.value) < 2 * self.unit

    def write(self, number: float) -> str:
        """Return ``number`` in this notation and precision."""
        scaled = Decimal(number).scaleb(-(self.power or 0))
        return f"{scaled:{self.separator}.{self.decimals}f}" + (f"e{self.power}" if self.power is not None else "")


def printed(text: str) -> Printed:
    """Return the number that ``text`` prints.

    Raises:
        UsageError: it is no number.
    """
    match = _PRINTED.fullmatch(text)
    if match is None or len(text) > _LONGEST:
        raise UsageError(f"the value of a fact is a number such as 1,792 or 3.8e9, got {text!r}", code="bad-value")
    whole, decimals = match["whole"].replace(",", ""), match["decimals"] or ""
    return Printed(
        value=Decimal(text.replace(",", "")),
        decimals=len(decimals),
        power=None if match["power"] is None else int(match["power"]),
        separator="," if "," in match["whole"] else "",
        digits=max(1, len((whole + decimals).lstrip("0"))),
    )
