"""A document as a tree in which every node knows its line and column. The same for YAML, JSON and patterns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnprof.errors import CnnprofError, Place
from cnnprof.readers.source import shown, split_lines

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    Plain = int | float | bool | str | None


class Tree:
    """A node; ``line`` and ``column`` are 1-based."""

    __slots__ = ("column", "line")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column


class Scalar(Tree):
    """One value. ``plain`` tells ``64`` (True) from ``"64"`` (False)."""

    __slots__ = ("plain", "value")

    def __init__(self, line: int, column: int, value: Plain, *, plain: bool = True) -> None:
        super().__init__(line, column)
        self.value = value
        self.plain = plain

    @classmethod
    def of(cls, where: Tree, value: Plain) -> Scalar:
        """Return a value that stands where ``where`` stands."""
        return cls(where.line, where.column, value)

    def __repr__(self) -> str:
        return f"Scalar({self.value!r} at {self.line}:{self.column})"


class Sequence(Tree):
    """A list."""

    __slots__ = ("items",)

    def __init__(self, line: int, column: int, items: list[Tree]) -> None:
        super().__init__(line, column)
        self.items = items

    @classmethod
    def of(cls, where: Tree, items: list[Tree]) -> Sequence:
        """Return a list that stands where ``where`` stands."""
        return cls(where.line, where.column, items)

    def __repr__(self) -> str:
        return f"Sequence({len(self.items)} items at {self.line}:{self.column})"


class Mapping(Tree):
    """Keys with their values, in the order written. No key twice."""

    __slots__ = ("_index", "entries")

    def __init__(self, line: int, column: int, entries: list[tuple[Scalar, Tree]]) -> None:
        super().__init__(line, column)
        self.entries: list[tuple[Scalar, Tree]] = []
        self._index: dict[Hashable, tuple[Scalar, Tree]] = {}
        for key, value in entries:
            self.add(key, value)

    @classmethod
    def of(cls, where: Tree, entries: list[tuple[Scalar, Tree]]) -> Mapping:
        """Return a mapping that stands where ``where`` stands."""
        return cls(where.line, where.column, entries)

    def add(self, key: Scalar, value: Tree) -> Scalar | None:
        """Add an entry; where the key is there already, return the earlier one and add nothing."""
        entry = self._index.setdefault(_identity(key), (key, value))
        if entry[0] is not key:
            return entry[0]
        self.entries.append(entry)
        return None

    def get(self, name: str) -> Tree | None:
        """Return the value under the key ``name``, None where there is none."""
        entry = self._index.get(name)
        return None if entry is None else entry[1]

    def __repr__(self) -> str:
        return f"Mapping({', '.join(repr(key.value) for key, _ in self.entries)} at {self.line}:{self.column})"


class Document:
    """A whole text: its ``root``, and the places of its nodes."""

    __slots__ = ("_lines", "root", "source", "text")

    def __init__(self, source: str, text: str, root: Tree) -> None:
        self.source = shown(source)
        self.text = text
        self.root = root
        self._lines: list[str] | None = None

    @property
    def lines(self) -> list[str]:
        """The lines of the text without their ends."""
        if self._lines is None:
            self._lines = split_lines(self.text)
        return self._lines

    def place(self, tree: Tree, *, key: bool = False, offset: int = 0) -> Place:
        """Return where ``tree`` stands, with the line for a caret.

        ``key``: where the key stands whose value ``tree`` is (``tree`` itself in a list).
        ``offset``: so many characters into the value of a scalar; the start where quoting or folding hides it.
        """
        if key:
            tree = self._key_of(tree)
        line = self.lines[tree.line - 1] if tree.line <= len(self.lines) else ""
        return Place(self.source, tree.line, tree.column + _shift(tree, line, offset), line)

    def _key_of(self, wanted: Tree) -> Tree:
        return next((key for key, value in _entries(self.root) if value is wanted), wanted)


def compose(text: str, source: str, *, json: bool = False) -> Document:
    """Return the tree of a YAML text, or of a JSON text read strictly.

    Raises:
        SpecError: everything that is wrong with it, up to where it cannot be read further.
    """
    # Here, because a pattern needs the tree and not the parser, whose import costs 30 ms.
    from cnnprof.readers import composer

    return Document(source, text, composer.root(text, source, json=json))


def _identity(key: Scalar) -> Hashable:
    # In Python 1 == 1.0 == True; as keys they are three.
    return key.value if isinstance(key.value, str) else (type(key.value), key.value)


def _entries(root: Tree) -> Iterator[tuple[Scalar, Tree]]:
    waiting = [root]
    while waiting:
        tree = waiting.pop()
        if isinstance(tree, Mapping):
            yield from tree.entries
            waiting += [value for _, value in tree.entries]
        elif isinstance(tree, Sequence):
            waiting += tree.items


def _shift(tree: Tree, line: str, offset: int) -> int:
    if not (offset and isinstance(tree, Scalar) and isinstance(tree.value, str)):
        return 0
    start = tree.column - 1 if tree.plain else tree.column
    return start + offset - tree.column + 1 if line.startswith(tree.value, start) else 0


class ExpressionError(CnnprofError):
    """A formula or value that cannot be evaluated, and the tree it stands in."""

    def __init__(self, tree: Tree, code: str, message: str, *, hint: str | None = None, offset: int = 0) -> None:
        super().__init__(message, code=code, hint=hint)
        self.tree = tree
        self.offset = offset
        """Characters into the tree's text at which it goes wrong."""
