"""Numbers that count what is done to them, arrays of them, and the register of references."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cnnprof.model.analysis import Events

Index = tuple[int, ...]


@dataclass
class Tally:
    """How many operations of each kind were done; subtractions are additions."""

    macs: int = 0
    muls: int = 0
    adds: int = 0
    cmps: int = 0
    exps: int = 0
    divs: int = 0

    def events(self) -> Events:
        return Events(self.macs, self.muls, self.adds, self.cmps, self.exps, self.divs)


class Number:
    """A float whose ``+ - * /`` and comparisons are tallied. ``.value`` is the bare float, for work not counted."""

    __slots__ = ("tally", "value")
    __hash__ = None

    def __init__(self, value: float, tally: Tally) -> None:
        self.value = float(value)
        self.tally = tally

    def _new(self, value: float) -> Number:
        return Number(value, self.tally)

    def __add__(self, other: Number | float) -> Number:
        self.tally.adds += 1
        return self._new(self.value + bare(other))

    def __sub__(self, other: Number | float) -> Number:
        self.tally.adds += 1
        return self._new(self.value - bare(other))

    def __rsub__(self, other: float) -> Number:
        self.tally.adds += 1
        return self._new(other - self.value)

    def __mul__(self, other: Number | float) -> Number:
        self.tally.muls += 1
        return self._new(self.value * bare(other))

    def __truediv__(self, other: Number | float) -> Number:
        self.tally.divs += 1
        return self._new(self.value / bare(other))

    def __rtruediv__(self, other: float) -> Number:
        self.tally.divs += 1
        return self._new(other / self.value)

    __radd__ = __add__
    __rmul__ = __mul__

    def _compared(self, outcome: bool) -> bool:  # noqa: FBT001 - private, one caller per operator
        self.tally.cmps += 1
        return outcome

    def __lt__(self, other: Number | float) -> bool:
        return self._compared(self.value < bare(other))

    def __le__(self, other: Number | float) -> bool:
        return self._compared(self.value <= bare(other))

    def __gt__(self, other: Number | float) -> bool:
        return self._compared(self.value > bare(other))

    def __ge__(self, other: Number | float) -> bool:
        return self._compared(self.value >= bare(other))


def bare(number: Number | float) -> float:
    """Return the float without counting anything."""
    return number.value if isinstance(number, Number) else number


def exponential(function: Callable[[float], float], number: Number) -> Number:
    """Return ``function(number)``, counted as one exponential: exp, tanh, erf, log and pow are all one."""
    number.tally.exps += 1
    return Number(function(number.value), number.tally)


def dot(pairs: Iterable[tuple[Number, Number]]) -> Number:
    """Return the sum of products, each a multiply-accumulate; the first product needs no addition."""
    total: Number | None = None
    for left, right in pairs:
        left.tally.macs += 1
        total = left * right if total is None else total + left * right
    assert total is not None, "a dot product of nothing"
    return total


def total_of(numbers: Sequence[Number]) -> Number:
    """Return the sum: one addition fewer than numbers."""
    result = numbers[0]
    for number in numbers[1:]:
        result = result + number
    return result


def largest_of(numbers: Sequence[Number]) -> Number:
    """Return the maximum: one comparison fewer than numbers."""
    result = numbers[0]
    for number in numbers[1:]:
        result = max(result, number)
    return result


@dataclass
class Array:
    """A tensor of numbers in row-major order. Indices outside, counted from the start, read ``padding``."""

    shape: Index
    values: list[Number]
    padding: Number | None = field(default=None)

    def __getitem__(self, index: Index) -> Number:
        flat = 0
        for position, size in zip(index, self.shape, strict=True):
            if not 0 <= position < size:
                assert self.padding is not None, f"{index} is outside {self.shape}"
                return self.padding
            flat = flat * size + position
        return self.values[flat]

    @property
    def tally(self) -> Tally:
        return self.values[0].tally

    def padded_with(self, value: float) -> Array:
        """Return the same array with ``value`` all around it."""
        return Array(self.shape, self.values, Number(value, self.tally))

    def map(self, function: Callable[[Number], Number]) -> Array:
        """Return the array with ``function`` applied to every element."""
        return Array(self.shape, [function(value) for value in self.values])


def indices(*sizes: int) -> Iterator[Index]:
    """Yield every index of a shape in row-major order."""
    return itertools.product(*map(range, sizes))


def build(shape: Sequence[int], element: Callable[[Index], Number]) -> Array:
    """Return the array whose element at each index is ``element(index)``."""
    return Array(tuple(shape), [element(index) for index in indices(*shape)])


def number_array(shape: Sequence[int], values: Iterable[float], tally: Tally) -> Array:
    """Return plain floats as counting numbers."""
    array = Array(tuple(shape), [Number(value, tally) for value in values])
    assert math.prod(shape) == len(array.values)
    return array


Weights = dict[str, Array]
"""Parameters and buffers by torch's names."""


@dataclass(frozen=True)
class Case:
    """A tiny use of a layer: its arguments and input shapes, batch first."""

    args: dict[str, Any]
    inputs: tuple[Index, ...]


@dataclass(frozen=True)
class Reference:
    """A layer written out: ``run(layer, inputs, weights, training=...)`` returns an Array or a tuple of them."""

    run: Callable[..., Array | tuple[Array, ...]]
    cases: tuple[Case, ...]
    random: str | None
    """Why its results in training cannot be compared with torch's; None where they are."""


REFERENCES: dict[str, Reference] = {}


def reference(op: str, *cases: Case, random: str | None = None) -> Callable[[Any], Any]:
    """Return a decorator that registers ``run(layer, inputs, weights, training=...)`` as the reference of ``op``."""
    assert cases, f"the reference of {op} needs a case"

    def add(run: Any) -> Any:
        assert op not in REFERENCES, f"{op} has two references"
        REFERENCES[op] = Reference(run, cases, random)
        return run

    return add
