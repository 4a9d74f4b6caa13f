"""An evaluator of formulas that knows nothing of how cnnprof writes them: the grammar of docs/definitions.md, exactly.

    cell     = tensor { "; " tensor }                    (several tensors)
    tensor   = size { " × " size }                       (several sizes)
    size     = sum [ ": " words ]
    sum      = [ "−" ] term { ( " + " | " − " ) term }
    term     = factor { ( "·" | " / " | " mod " ) factor }
    factor   = number | "(" sum ")" | "⌊" sum "⌋" | "⌈" sum "⌉" | ( "max" | "min" ) "(" sum { ", " sum } ")"
    number   = digits, in groups of three separated by commas

Numbers are exact fractions. A ``mod`` is of whole numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

_TOKEN = re.compile(r"\d{1,3}(?:,\d{3})+(?![\d])|\d+|max\(|min\(| \+ | − | / | mod |, |[·()⌊⌋⌈⌉−]")
_NUMBER = re.compile(r"(0|[1-9]\d{0,2}(,\d{3})*)")
_CLOSES = {"⌊": "⌋", "⌈": "⌉", "(": ")"}
_ROUNDS = {"⌊": floor, "⌈": ceil, "(": Fraction}


class MalformedError(ValueError):
    """Not in the grammar."""


class Field(NamedTuple):
    """One axis of a receptive field's formula, evaluated."""

    size: Fraction | None
    stride: Fraction | None
    padding: Fraction | None
    uniform: bool
    is_global: bool


def value(formula: str) -> Fraction:
    """Return the number that a formula is."""
    return _Reader(formula.partition(": ")[0]).all()


def shape(formula: str) -> tuple[Fraction, ...]:
    """Return the sizes of one tensor, or one number per axis."""
    return tuple(value(part) for part in formula.split(" × "))


def shapes(formula: str) -> list[tuple[Fraction, ...]]:
    """Return the sizes of several tensors."""
    return [shape(part) for part in formula.split("; ")]


def fields(formula: str) -> list[Field]:
    """Return the axes of a receptive field; one that stands for all axes is there once."""
    return [_field(part) for part in formula.split(" × ")]


def _field(text: str) -> Field:
    if text == "global":
        return Field(None, None, None, uniform=True, is_global=True)
    inner = re.fullmatch(r"global \(local (.*)\)", text)
    local = inner[1] if inner else text
    named = re.fullmatch(r"(up to )?size ([^;]*); stride ([^;]*); padding ([^;]*)", local)
    if named is None:
        raise MalformedError(text)
    most, *parts = named.groups()
    return Field(*map(value, parts), uniform=most is None, is_global=inner is not None)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self._split(text))
        self.at = 0

    def _split(self, text: str) -> Iterator[str]:
        place = 0
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                raise MalformedError(f"{text!r} at {place}")
            yield found[0]
            place = found.end()

    def all(self) -> Fraction:
        found = self._sum()
        if self.at != len(self.tokens):
            raise MalformedError(f"{self.text!r}: {self.tokens[self.at]!r} is too much")
        return found

    def _next(self) -> str:
        if self.at == len(self.tokens):
            raise MalformedError(f"{self.text!r} ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def _peek(self) -> str | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def _sum(self) -> Fraction:
        negative = self._peek() == "−" and bool(self._next())
        found = self._term()
        found = -found if negative else found
        while self._peek() in (" + ", " − "):
            found = found + self._term() if self._next() == " + " else found - self._term()
        return found

    def _term(self) -> Fraction:
        found = self._factor()
        while (sign := self._peek()) in ("·", " / ", " mod "):
            self._next()
            other = self._factor()
            found = found * other if sign == "·" else found / other if sign == " / " else self._rest(found, other)
        return found

    def _rest(self, one: Fraction, other: Fraction) -> Fraction:
        if one.denominator != 1 or other.denominator != 1:
            raise MalformedError(f"{self.text!r}: mod of a fraction")
        return one % other

    def _factor(self) -> Fraction:
        sign = self._next()
        if sign in _CLOSES:
            found = Fraction(_ROUNDS[sign](self._sum()))
            self._expect(_CLOSES[sign])
            return found
        if sign in ("max(", "min("):
            return self._extreme(max if sign == "max(" else min)
        if not _NUMBER.fullmatch(sign):
            raise MalformedError(f"{self.text!r}: {sign!r} is no number")
        return Fraction(int(sign.replace(",", "")))

    def _extreme(self, choose) -> Fraction:
        found = [self._sum()]
        while self._peek() == ", ":
            self._next()
            found.append(self._sum())
        self._expect(")")
        return choose(found)

    def _expect(self, wanted: str) -> None:
        sign = self._next()
        if sign != wanted:
            raise MalformedError(f"{self.text!r}: {sign!r} instead of {wanted!r}")
