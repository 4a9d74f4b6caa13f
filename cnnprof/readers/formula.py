"""Formulas of the specification language: arithmetic, comparisons, choices and lists, nothing else.

An own parser, not Python's: what is not in this grammar does not exist. There are no attributes, no powers, no
definitions, no names but those of the specification, and no calls but those of ``arithmetic.FUNCTIONS``.

    formula    = choice
    choice     = or {"if" or "else" or}                       a if c else b; only what is chosen is evaluated
    or, and    = … "or" …, … "and" …                          of true and false only; the right side only where needed
    not        = "not" comparison
    comparison = sum {("==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in") sum}      chains as in Python
    sum        = product {("+" | "-") product}
    product    = sign {("*" | "//" | "%" | "/") sign}          / always gives a float, as in Python
    sign       = ("-" | "+") sign | element
    element    = atom {"[" (choice | [choice] ":" [choice]) "]"}      an index, or a slice as in Python
    atom       = number | text | name | true | false | null | "(" choice ")" | "[" list "]" | function "(" list ")"
    list       = [choice {"," choice} [","]]

``==`` compares any two values, ``<`` only numbers; ``+`` and ``*`` numbers only: no truth values, texts or lists.
``in`` asks whether a list has a value. A text is written in single or double quotes and has no backslash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NoReturn, TypeVar

from cnnprof.readers.arithmetic import (
    ADDITIVE,
    FUNCTIONS,
    MOST_ITEMS,
    MULTIPLICATIVE,
    Binary,
    FormulaError,
    calculate,
    checked,
    collect,
    compare,
    element,
    negate,
    stretch,
    too_long,
    truth,
)
from cnnprof.readers.formula_tokens import ABSENT, Token, tokenise

Value = int | float | bool | str | list["Value"] | None
Scope = Mapping[str, Value]
Compiled = Callable[[Scope], Any]
"""A part of a formula, ready to be evaluated."""

Part = TypeVar("Part")
Index = tuple[Compiled | None, ...]
"""What stands in brackets: one position, or the ends of a slice."""

LONGEST = 1_000
"""Characters in a formula."""
DEEPEST = 32
"""Brackets, signs and ``not`` inside each other."""
MOST_NAMES = 20
"""Names that an error lists."""


class Formula:
    """A parsed formula; ``names`` are those it reads."""

    __slots__ = ("_compiled", "names", "text")

    def __init__(self, text: str, names: frozenset[str], compiled: Compiled) -> None:
        self.text = text
        self.names = names
        self._compiled = compiled

    def evaluate(self, scope: Scope) -> Value:
        """Return the value with the names of ``scope``.

        Raises:
            FormulaError: an unknown name, a wrong type, a division by zero, a result out of bounds.
        """
        try:
            return self._compiled(scope)  # type: ignore[no-any-return]
        except RecursionError:
            raise FormulaError("formula-too-deep", "evaluated from too deep inside", 0) from None


@lru_cache(maxsize=4096)
def parse(text: str) -> Formula:
    """Return the formula written as ``text``, without its leading ``=``.

    Raises:
        FormulaError: it is none.
    """
    if len(text) > LONGEST:
        raise FormulaError("formula-too-long", f"{len(text):,} characters; a formula has at most {LONGEST:,}", LONGEST)
    try:
        parser = _Parser(text)
        compiled = parser.whole()
    except RecursionError:
        raise FormulaError("formula-too-deep", "parsed from too deep inside", 0) from None
    return Formula(text, frozenset(parser.names), compiled)


# -- grammar ----------------------------------------------------------------------------------------------------------


_LITERALS: dict[str, Value] = {
    "true": True, "True": True, "false": False, "False": False, "null": None, "None": None,
}  # fmt: skip
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in", "not"})


class _Parser:
    """One method for each rule at the top of this file; each returns the compiled part."""

    def __init__(self, text: str) -> None:
        self.tokens = tokenise(text)
        self.next = next(self.tokens)
        self.depth = 0
        self.names: set[str] = set()

    def whole(self) -> Compiled:
        compiled = self.choice()
        if self.next.kind != "end":
            self.unexpected("an operator or the end")
        return compiled

    def choice(self) -> Compiled:
        value = self.logic("or")
        chosen: list[tuple[Compiled, Compiled, int]] = []
        while self.next.kind == "if":
            offset = self.take().offset
            test = self.logic("or")
            self.expect("else")
            chosen.append((test, value, offset))
            value = self.logic("or")
        return _choice(chosen, value) if chosen else value

    def logic(self, word: str) -> Compiled:
        inner: Callable[[], Compiled] = self.negation if word == "and" else lambda: self.logic("and")
        parts = [inner()]
        offset = self.next.offset
        while self.next.kind == word:
            self.take()
            parts.append(inner())
        return _logic(word, parts, offset) if len(parts) > 1 else parts[0]

    def negation(self) -> Compiled:
        if self.next.kind != "not":
            return self.comparison()
        offset = self.take().offset
        inner = self.nested(self.negation)
        return lambda scope: not truth(inner(scope), "not", offset)

    def comparison(self) -> Compiled:
        first = self.series(ADDITIVE, lambda: self.series(MULTIPLICATIVE, self.sign))
        rest = []
        while self.next.kind in _COMPARISONS:
            symbol, _, offset = self.take()
            if symbol == "not":
                self.expect("in")
                symbol = "not in"
            rest.append((symbol, offset, self.series(ADDITIVE, lambda: self.series(MULTIPLICATIVE, self.sign))))
        return _comparison(first, rest) if rest else first

    def series(self, symbols: Mapping[str, Binary], inner: Callable[[], Compiled]) -> Compiled:
        first = inner()
        rest = []
        while self.next.kind in symbols:
            symbol, _, offset = self.take()
            rest.append((symbol, symbols[symbol], offset, inner()))
        return _series(first, rest) if rest else first

    def sign(self) -> Compiled:
        if self.next.kind not in ("-", "+"):
            return self.element()
        symbol, _, offset = self.take()
        inner = self.nested(self.sign)
        return lambda scope: negate(inner(scope), symbol, offset)

    def element(self) -> Compiled:
        value = self.atom()
        indices: list[tuple[Index, int]] = []
        while self.next.kind == "[":
            offset = self.take().offset
            indices.append((self.nested(self.index), offset))
            self.expect("]")
        return _elements(value, indices) if indices else value

    def index(self) -> Index:
        """Parse ``3``, ``1:``, ``:3``, ``1:3`` or ``:``: one position, or the two ends of a slice."""
        start = None if self.next.kind == ":" else self.choice()
        if self.next.kind != ":":
            return (start or self.choice(),)
        self.take()
        return (start, None if self.next.kind == "]" else self.choice())

    def atom(self) -> Compiled:
        kind, text, offset = self.next
        if kind == "name":
            return self.name()
        if kind == "number":
            return self.number()
        if kind == "text":
            self.take()
            return _constant(text[1:-1])
        if kind == "(":
            self.take()
            inner = self.nested(self.choice)
            self.expect(")")
            return inner
        if kind == "[":
            self.take()
            items = self.items("]")
            return lambda scope: collect(_values(items, scope, offset), offset)
        return self.unexpected("a value")

    def number(self) -> Compiled:
        _, text, offset = self.take()
        if self.next.kind in ("name", "number") and self.next.offset == offset + len(text):
            raise FormulaError("formula-syntax", f"{text + self.next.text!r} is neither a number nor a name", offset)
        return _constant(checked(int(text) if text.isdecimal() else float(text), offset))

    def name(self) -> Compiled:
        _, name, offset = self.take()
        if self.next.kind == "(":
            return self.call(name, offset)
        if name in _LITERALS:
            return _constant(_LITERALS[name])
        self.names.add(name)
        return _lookup(name, offset)

    def call(self, name: str, offset: int) -> Compiled:
        if name not in FUNCTIONS:
            message = f"a formula cannot call {name!r}"
            raise FormulaError("unknown-function", message, offset, _nearest(name, FUNCTIONS))
        self.take()
        function, arguments = FUNCTIONS[name], self.items(")")
        return lambda scope: function(_values(arguments, scope, offset), offset)

    def items(self, closing: str) -> list[Compiled]:
        items: list[Compiled] = []
        while self.next.kind != closing:
            items.append(self.nested(self.choice))
            if self.next.kind != ",":
                break
            self.take()
        self.expect(closing)
        return items

    # -- tokens ---------------------------------------------------------------------------------------------------

    def take(self) -> Token:
        """Step over the next word, which is not the end, and return it."""
        taken, self.next = self.next, next(self.tokens)
        return taken

    def expect(self, kind: str) -> None:
        if self.next.kind != kind:
            self.unexpected(kind)
        self.take()

    def nested(self, part: Callable[[], Part]) -> Part:
        self.depth += 1
        if self.depth > DEEPEST:
            raise FormulaError("formula-too-deep", f"nested deeper than {DEEPEST}", self.next.offset)
        compiled = part()
        self.depth -= 1
        return compiled

    def unexpected(self, wanted: str) -> NoReturn:
        kind, text, offset = self.next
        came = "the end" if kind == "end" else repr(text)
        message = f"expected {wanted}, got {came}"
        raise FormulaError("formula-syntax", message, offset, ABSENT.get(text) if text else None)


# -- closures ---------------------------------------------------------------------------------------------------------


def _constant(value: Value) -> Compiled:
    return lambda _scope: value


def _lookup(name: str, offset: int) -> Compiled:
    def look_up(scope: Scope) -> Value:
        try:
            return scope[name]
        except KeyError:
            hint = f"{name} is a function: {name}(…)" if name in FUNCTIONS else _nearest(name, scope)
            raise FormulaError("unknown-name", f"nothing is called {name!r} here", offset, hint) from None

    return look_up


def _nearest(name: str, choices: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # only where there is an error to explain

    names = sorted(choices)
    found = get_close_matches(name, names, n=1)
    if found:
        return f"did you mean {found[0]!r}?"
    return f"there are {', '.join(names)}" if 0 < len(names) <= MOST_NAMES else None


def _choice(chosen: list[tuple[Compiled, Compiled, int]], otherwise: Compiled) -> Compiled:
    def choose(scope: Scope) -> Any:
        for test, value, offset in chosen:
            if truth(test(scope), "if", offset):
                return value(scope)
        return otherwise(scope)

    return choose


def _logic(word: str, parts: list[Compiled], offset: int) -> Compiled:
    decisive = word == "or"

    def decide(scope: Scope) -> bool:
        for part in parts:
            if truth(part(scope), word, offset) is decisive:
                return decisive
        return not decisive

    return decide


def _comparison(first: Compiled, rest: list[tuple[str, int, Compiled]]) -> Compiled:
    def hold(scope: Scope) -> bool:
        left = first(scope)
        for symbol, offset, compiled in rest:
            right = compiled(scope)
            if not compare(symbol, left, right, offset):
                return False
            left = right
        return True

    return hold


def _series(first: Compiled, rest: list[tuple[str, Binary, int, Compiled]]) -> Compiled:
    # A loop, not closures inside closures: a sum of 500 terms must not be 500 calls deep.
    def add_up(scope: Scope) -> Any:
        value = first(scope)
        for symbol, function, offset, compiled in rest:
            value = calculate(symbol, function, value, compiled(scope), offset)
        return value

    return add_up


def _values(items: list[Compiled], scope: Scope, offset: int) -> list[Any]:
    """Return the values of the items; those that do not fit into a list together are not all computed first."""
    values = []
    left = MOST_ITEMS
    for item in items:
        value = item(scope)
        left -= len(value) if isinstance(value, list) else 1
        if left < 0:
            raise too_long(offset)
        values.append(value)
    return values


def _elements(value: Compiled, indices: list[tuple[Index, int]]) -> Compiled:
    def pick(scope: Scope) -> Any:
        found = value(scope)
        for index, offset in indices:
            ends = [None if end is None else end(scope) for end in index]
            found = element(found, ends[0], offset) if len(ends) == 1 else stretch(found, ends[0], ends[1], offset)
        return found

    return pick
