"""Integers that remember how they were computed: the same arithmetic gives a number and its formula.

A layer's counts are integer arithmetic on shapes. Run on ``Traced`` sizes, that arithmetic yields the same number with
the formula a teacher would write: ``3·3·3·64 + 64``. Nothing about the number changes: it compares, hashes, indexes
and counts as an int does. What goes through anything but the operators below (``int()``, ``math.gcd``, an f-string)
comes out as a plain number and is written as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

SUM, QUOTIENT, PRODUCT, ATOM = range(4)
"""How tightly the outermost operator of a text binds; what binds less than its place demands gets parentheses."""


class Text(NamedTuple):
    """A formula as it is written, and how tightly its outermost operator binds."""

    text: str
    level: int = ATOM

    def at_least(self, level: int) -> str:
        """Return the text, in parentheses where it binds less than ``level``."""
        return self.text if self.level >= level else f"({self.text})"

    @property
    def behind(self) -> str:
        """The text as it stands behind a plus."""
        return f"({self.text})" if self.text.startswith("−") else self.text


class Traced(int):
    """An int that knows its formula. Plain neutral elements (·1, + 0) leave none; traced ones are written."""

    text: Text
    opposite: Text | None
    """The formula of the negative number, where there is a better one than a minus before this one."""

    def __new__(cls, value: int, text: Text | None = None, opposite: Text | None = None) -> Self:
        self = super().__new__(cls, value)
        self.text = text or _number(value)
        self.opposite = opposite
        return self

    def __add__(self, other: Any) -> Any:
        return _add(self, other) if isinstance(other, int) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        return _add(other, self) if isinstance(other, int) else NotImplemented

    def __sub__(self, other: Any) -> Any:
        return _subtract(self, other) if isinstance(other, int) else NotImplemented

    def __rsub__(self, other: Any) -> Any:
        return _subtract(other, self) if isinstance(other, int) else NotImplemented

    def __mul__(self, other: Any) -> Any:
        return _multiply(self, other) if isinstance(other, int) else NotImplemented

    def __rmul__(self, other: Any) -> Any:
        return _multiply(other, self) if isinstance(other, int) else NotImplemented

    def __floordiv__(self, other: Any) -> Any:
        return _divide(self, other) if isinstance(other, int) else NotImplemented

    def __rfloordiv__(self, other: Any) -> Any:
        return _divide(other, self) if isinstance(other, int) else NotImplemented

    def __mod__(self, other: Any) -> Any:
        return _remainder(self, other) if isinstance(other, int) else NotImplemented

    def __rmod__(self, other: Any) -> Any:
        return _remainder(other, self) if isinstance(other, int) else NotImplemented

    def __neg__(self) -> Traced:
        opposite = self.opposite or Text(f"−{self.text.at_least(QUOTIENT)}", SUM)
        return Traced(-int(self), opposite, self.text)


def _number(value: int) -> Text:
    number = int(value)
    return Text(f"{number:,}") if number >= 0 else Text(f"−{-number:,}", SUM)


def _of(value: int) -> Text:
    return value.text if isinstance(value, Traced) else _number(value)


def _is(value: int, neutral: int) -> bool:
    """Return whether a number is neutral and plain: a traced one is there to be seen."""
    return value == neutral and not isinstance(value, Traced)


def _add(one: int, other: int) -> int:
    if _is(one, 0):
        return other
    if _is(other, 0):
        return one
    if other < 0 and not isinstance(other, Traced):
        return _subtract(one, -other)
    return Traced(int(one) + int(other), Text(f"{_of(one).text} + {_of(other).behind}", SUM))


def _subtract(one: int, other: int) -> int:
    if _is(other, 0):
        return one
    if _is(one, 0):
        return -other
    left, right = _of(one), _of(other)
    return Traced(int(one) - int(other), _minus(left, right), _minus(right, left))


def _minus(left: Text, right: Text) -> Text:
    return Text(f"{left.text} − {right.at_least(QUOTIENT)}", SUM)


def _multiply(one: int, other: int) -> int:
    if _is(one, 1):
        return other
    if _is(other, 1):
        return one
    if _is(one, 0) or _is(other, 0):
        return 0
    text = f"{_of(one).at_least(PRODUCT)}·{_of(other).at_least(PRODUCT)}"
    return Traced(int(one) * int(other), Text(text, PRODUCT))


def _divide(one: int, other: int) -> int:
    """Return the quotient rounded down. One of numbers and products that comes out even is written without brackets."""
    if _is(other, 1):
        return one
    value, rest = divmod(int(one), int(other))
    above, below = _of(one), _of(other).at_least(ATOM)
    if not rest and above.level > SUM:
        return Traced(value, Text(f"{above.at_least(PRODUCT)} / {below}", QUOTIENT))
    opposite = one.opposite if isinstance(one, Traced) else None
    upwards = opposite and Text(f"⌈{opposite.at_least(PRODUCT)} / {below}⌉")
    return Traced(value, Text(f"⌊{above.at_least(PRODUCT)} / {below}⌋"), upwards)


def _remainder(one: int, other: int) -> int:
    text = f"{_of(one).at_least(PRODUCT)} mod {_of(other).at_least(ATOM)}"
    return Traced(int(one) % int(other), Text(text, QUOTIENT))


def written(value: int) -> str:
    """Return the formula of a number; of a plain one, the number."""
    return _of(value).text


def factor(value: int) -> str:
    """Return the formula of a number as it stands between others: a sum or a quotient in parentheses."""
    return _of(value).at_least(PRODUCT)


def number(value: int) -> Traced:
    """Return the number as such: what came before it is not written any more."""
    return Traced(int(value))


def largest(*values: int) -> Traced:
    """Return the largest number, written as ``max(…)`` where there are several; a max among them is taken in."""
    parts = list(dict.fromkeys(written(value) for value in values))
    if len(parts) == 1:
        return Traced(max(map(int, values)), _of(values[0]))
    return Traced(max(map(int, values)), Text(f"max({', '.join(parts)})"))


def ratio(above: int, below: int) -> str:
    """Return the formula of a fraction, not rounded."""
    return f"{_of(above).at_least(PRODUCT)} / {_of(below).at_least(ATOM)}"


def total(values: Sequence[int]) -> int:
    """Return the sum, written out."""
    return sum(values[1:], values[0]) if values else 0
