"""What names mean: the values formulas see, and the dotted names that ``from`` sees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cnnprof.model.graph import Edge
from cnnprof.readers.statements import Expression, Loop
from cnnprof.readers.tree import ExpressionError

Value = tuple[Edge, ...]
"""What flows along a chain: one value, or several after a split."""


class Scope(dict[str, Any]):
    """The names a formula sees. ``shaped`` are those whose value follows from a shape: no bound may use them."""

    def __init__(self, values: dict[str, Any], shaped: frozenset[str] = frozenset()) -> None:
        super().__init__(values)
        self.shaped = shaped
        self.lost: frozenset[str] = frozenset()
        """Names that have no value because something before them failed, which was reported there."""

    def extended(self, values: dict[str, Any]) -> Scope:
        """Return a copy with more names; a name that is set anew no longer follows from a shape."""
        found = Scope(self, self.shaped - values.keys())
        found.update(values)
        found.lost = self.lost - values.keys()
        return found

    def without(self, names: Iterable[str]) -> Scope:
        """Return a copy that does not know ``names``."""
        gone = set(names)
        return Scope({name: value for name, value in self.items() if name not in gone}, self.shaped)


def zipped(loop: Loop, evaluate: Callable[[Expression], tuple[Any] | None]) -> range | Iterator[dict[str, Any]] | None:
    """Return the rounds of a loop: a range for ``repeat``, the variables of each round for ``for``.

    None where ``evaluate`` says that a bound is not known.

    Raises:
        ExpressionError: a bound of a wrong kind, or zipped lists of unequal length.
    """
    if loop.count is not None:
        count = evaluate(loop.count)
        return None if count is None else _repeat(loop.count, count[0])
    lists: dict[str, list[Any]] = {}
    for name, expression in loop.variables.items():
        found = evaluate(expression)
        if found is None:
            return None
        if not isinstance(found[0], list):
            raise ExpressionError(expression.tree, "bad-value", f"for: {name} must be a list, got {found[0]!r}")
        lists[name] = found[0]
    if len({len(values) for values in lists.values()}) > 1:
        lengths = ", ".join(f"{name} has {len(values)}" for name, values in lists.items())
        raise ExpressionError(loop.tree, "unequal-lists", f"the zipped lists of a for differ in length: {lengths}")
    return (dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True))


def _repeat(expression: Expression, count: object) -> range:
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        message = f"repeat needs a whole number >= 0, got {count!r}"
        raise ExpressionError(expression.tree, "bad-value", message)
    return range(count)


class Names:
    """The dotted names of one chain and what each stands for.

    A chain nested in another (a loop's round, a group, a named branch) has a parent whose names it sees; a block's
    body has none: it sees its own names only.
    """

    def __init__(self, prefix: str = "", parent: Names | None = None) -> None:
        self.prefix = prefix
        self.parent = parent
        self.taken: dict[str, int] = {}
        self.values: dict[str, Value | None] = {}
        self.next_index = 0

    def path(self, name: str) -> str:
        """Return the full dotted path of a name of this chain."""
        return f"{self.prefix}.{name}" if self.prefix else name

    def claim(self, base: str) -> str:
        """Return ``base``, or ``base_2``, ``base_3`` … where it is taken."""
        count = self.taken.get(base, 0) + 1
        name = base if count == 1 else f"{base}_{count}"
        while count > 1 and name in self.taken:
            count += 1
            name = f"{base}_{count}"
        self.taken[base] = count
        self.taken.setdefault(name, 1)
        return name

    def index(self) -> str:
        """Return the next free index: unnamed loops of one chain go on counting."""
        self.next_index += 1
        return str(self.next_index - 1)

    def remember(self, name: str, value: Value | None) -> None:
        """Let ``from: name`` find ``value``, here and, under the longer path, in the parents; None: it failed."""
        full = self.path(name)
        names: Names | None = self
        while names is not None:
            names.values[full[len(names.prefix) + 1 :] if names.prefix else full] = value
            names = names.parent

    def find(self, name: str) -> Value | None:
        """Return what an earlier name stands for, looking outwards.

        Raises:
            KeyError: there is no such name.
        """
        names: Names | None = self
        while names is not None:
            if name in names.values:
                return names.values[name]
            names = names.parent
        raise KeyError(name)

    def visible(self) -> list[str]:
        """Return every name ``from`` can use here."""
        outer = self.parent.visible() if self.parent else []
        return [*self.values, *outer]
