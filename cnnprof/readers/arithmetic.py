"""What formulas may compute: checked operations on numbers, truth values, text and lists.

Every whole number stays within ±(2^63 − 1), every other number is finite, every list has at most ``MOST_ITEMS``
values, nested ones included. Nothing is converted silently: a truth value is no number, a text is no list.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from cnnprof.readers.scalars import LARGEST

MOST_ITEMS = 100_000
"""Values in one list, those of lists inside it included."""

MOST_LEVELS = 16
"""Lists inside each other."""


MOST_WORK = 5_000_000
"""List values that the formulas of one specification may make in all; a loop could otherwise make lists for hours."""
_work_left: ContextVar[list[int] | None] = ContextVar("work_left", default=None)


def begin_work() -> None:
    """Let the formulas evaluated from now on share a budget of ``MOST_WORK`` list values."""
    _work_left.set([MOST_WORK])


class FormulaError(Exception):
    """A formula that cannot be parsed or evaluated. ``offset`` counts characters from the formula's start."""

    def __init__(self, code: str, message: str, offset: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.offset = offset
        self.hint = hint


def show(value: object) -> str:
    """Return a value as error messages print it, never long."""
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else repr(value)


def is_number(value: object) -> bool:
    """Return whether ``value`` is a number; true and false are none."""
    return type(value) is int or type(value) is float


def checked(value: Any, offset: int) -> Any:
    """Return a number if it is within bounds.

    Raises:
        FormulaError: code ``too-large`` or ``not-finite``.
    """
    if type(value) is int:
        if not -LARGEST <= value <= LARGEST:
            raise FormulaError("too-large", "the result is beyond ±(2^63 − 1)", offset)
    elif not math.isfinite(value):
        raise FormulaError("not-finite", "the result is not a finite number", offset)
    return value


def truth(value: object, what: str, offset: int) -> bool:
    """Return ``value``, which must be true or false."""
    if isinstance(value, bool):
        return value
    raise FormulaError("bad-type", f"{what} needs true or false, got {show(value)}", offset)


# -- operators --------------------------------------------------------------------------------------------------------

Binary = Callable[[Any, Any], Any]
ADDITIVE: dict[str, Binary] = {"+": operator.add, "-": operator.sub}
MULTIPLICATIVE: dict[str, Binary] = {
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
    "/": operator.truediv,
}
ORDERS: dict[str, Binary] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def calculate(symbol: str, function: Binary, left: Any, right: Any, offset: int) -> Any:
    """Return ``left symbol right`` of two numbers.

    Raises:
        FormulaError: no numbers, a division by zero, or a result out of bounds.
    """
    try:
        if type(left) is int and type(right) is int:
            result = function(left, right)
            if type(result) is int and -LARGEST <= result <= LARGEST:
                return result
        elif is_number(left) and is_number(right):
            result = function(left, right)
        else:
            wrong = right if is_number(left) else left
            raise FormulaError("bad-type", f"{symbol} needs two numbers, got {show(wrong)}", offset)
    except ZeroDivisionError:
        raise FormulaError("division-by-zero", f"{show(left)} {symbol} {show(right)} divides by zero", offset) from None
    except OverflowError:
        raise FormulaError("not-finite", "the result is not a finite number", offset) from None
    return checked(result, offset)


def negate(value: Any, symbol: str, offset: int) -> Any:
    """Return ``+value`` or ``−value`` of a number."""
    if not is_number(value):
        raise FormulaError("bad-type", f"{symbol} needs a number, got {show(value)}", offset)
    return -value if symbol == "-" else value


def compare(symbol: str, left: Any, right: Any, offset: int) -> bool:
    """Return ``left symbol right``: equality of any two values, order of two numbers, ``in`` a list."""
    if symbol in ("==", "!="):
        return bool((left == right) == (symbol == "=="))
    if symbol in ("in", "not in"):
        if not isinstance(right, list):
            raise FormulaError("bad-type", f"{symbol} needs a list on its right, got {show(right)}", offset)
        return (left in right) == (symbol == "in")
    if not (is_number(left) and is_number(right)):
        wrong = right if is_number(left) else left
        raise FormulaError("bad-type", f"{symbol} needs two numbers, got {show(wrong)}", offset)
    return bool(ORDERS[symbol](left, right))


def element(values: Any, index: Any, offset: int) -> Any:
    """Return ``values[index]`` of a list; −1 is the last."""
    if not isinstance(values, list):
        raise FormulaError("bad-type", f"only a list has elements, got {show(values)}", offset)
    if type(index) is not int:
        raise FormulaError("bad-type", f"an index is a whole number, got {show(index)}", offset)
    if not -len(values) <= index < len(values):
        raise FormulaError("bad-index", f"index {index} is outside {show(values)}", offset)
    return values[index]


def stretch(values: Any, start: Any, stop: Any, offset: int) -> Any:
    """Return ``values[start:stop]`` of a list; None is the end on that side, as an omitted bound."""
    if not isinstance(values, list):
        raise FormulaError("bad-type", f"only a list has a slice, got {show(values)}", offset)
    for bound in (start, stop):
        if bound is not None and type(bound) is not int:
            raise FormulaError("bad-type", f"a slice goes between whole numbers, got {show(bound)}", offset)
    spend(len(values[start:stop]), offset)
    return values[start:stop]


def collect(values: list[Any], offset: int) -> list[Any]:
    """Return ``values``, a new list, if it is not too long with all lists inside it.

    Lists share their parts, so a few formulas could name a list that no memory could hold when it is written out.
    """
    spend(len(values), offset)
    left, level, depth = MOST_ITEMS, [values], 0
    while level:
        left -= sum(map(len, level))
        depth += 1
        if left < 0 or depth > MOST_LEVELS:
            raise too_long(offset)
        level = [value for inner in level for value in inner if isinstance(value, list)]
    return values


def spend(values: int, offset: int) -> None:
    """Take ``values`` from the budget of the specification, where one is set.

    Raises:
        FormulaError: code ``too-much-work``; it is used up.
    """
    left = _work_left.get()
    if left is None:
        return
    left[0] -= values
    if left[0] < 0:
        message = f"the formulas of this specification make more than {MOST_WORK:,} list values"
        raise FormulaError("too-much-work", message, offset)


def too_long(offset: int) -> FormulaError:
    """Return the error of a list beyond its bounds."""
    message = f"a list may have {MOST_ITEMS:,} values and {MOST_LEVELS} levels, lists inside it included"
    return FormulaError("list-too-long", message, offset)


# -- functions --------------------------------------------------------------------------------------------------------


def _numbers(name: str, values: Any, offset: int) -> list[Any]:
    for value in values:
        if not is_number(value):
            raise FormulaError("bad-type", f"{name} needs numbers, got {show(value)}", offset)
    return list(values)


def _count(name: str, arguments: list[Any], least: int, most: int, offset: int) -> None:
    if not least <= len(arguments) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise FormulaError("bad-call", f"{name} takes {wanted} value{'s' * (most > 1)}, got {len(arguments)}", offset)


def _extreme(name: str, function: Callable[[list[Any]], Any]) -> Function:
    def call(arguments: list[Any], offset: int) -> Any:
        values = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], list) else arguments
        if values is arguments and len(arguments) == 1:
            raise FormulaError("bad-type", f"{name} needs a list or several numbers, got {show(values[0])}", offset)
        if not values:
            raise FormulaError("bad-call", f"{name} of nothing", offset)
        return function(_numbers(name, values, offset))

    return call


def _rounded(name: str, function: Callable[[Any], int]) -> Function:
    def call(arguments: list[Any], offset: int) -> Any:
        _count(name, arguments, 1, 1, offset)
        return checked(function(*_numbers(name, arguments, offset)), offset)

    return call


def _one_list(name: str, arguments: list[Any], offset: int) -> list[Any]:
    _count(name, arguments, 1, 1, offset)
    if not isinstance(arguments[0], list):
        raise FormulaError("bad-type", f"{name} needs a list, got {show(arguments[0])}", offset)
    return arguments[0]


def _sum(arguments: list[Any], offset: int) -> Any:
    try:
        return checked(sum(_numbers("sum", _one_list("sum", arguments, offset), offset)), offset)
    except OverflowError:  # a whole number, beyond all bounds by now, meets a float
        raise FormulaError("too-large", "the result is beyond ±(2^63 − 1)", offset) from None


def _len(arguments: list[Any], offset: int) -> int:
    return len(_one_list("len", arguments, offset))


def _range(arguments: list[Any], offset: int) -> list[int]:
    _count("range", arguments, 1, 3, offset)
    for value in arguments:
        if type(value) is not int:
            raise FormulaError("bad-type", f"range needs whole numbers, got {show(value)}", offset)
    if arguments[2:] == [0]:
        raise FormulaError("bad-call", "range with a step of 0 never ends", offset)
    numbers = range(*arguments)
    if numbers[MOST_ITEMS:]:
        raise FormulaError("list-too-long", f"range may give {MOST_ITEMS:,} numbers", offset)
    spend(len(numbers), offset)
    return list(numbers)


Function = Callable[[list[Any], int], Any]
FUNCTIONS: Mapping[str, Function] = {
    "min": _extreme("min", min),
    "max": _extreme("max", max),
    "round": _rounded("round", round),
    "len": _len,
    "floor": _rounded("floor", math.floor),
    "ceil": _rounded("ceil", math.ceil),
    "sum": _sum,
    "range": _range,
}
"""Everything a formula may call. ``round`` takes halves to the even number, as Python's does."""
