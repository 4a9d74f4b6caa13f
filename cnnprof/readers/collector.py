"""All problems of one text, gathered so that they can be reported at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from cnnprof.errors import CnnprofError, Problem, SpecError
from cnnprof.readers.tree import Document, ExpressionError, Tree

MOST = 25
"""More problems than this are not gathered: the first ones usually explain the rest."""


class Collector:
    """Gathers problems with their places; the same sentence at the same place counts once."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: dict[tuple[int, int, str], Problem] = {}

    def add(self, code: str, message: str, tree: Tree, hint: str | None = None, *, offset: int = 0) -> None:
        """Record a problem, ``offset`` characters into the tree's text; at ``MOST`` of them, stop."""
        key = (tree.line, tree.column, message)
        self.problems.setdefault(key, Problem(code, message, self.document.place(tree, offset=offset), hint))
        if len(self.problems) >= MOST:
            self.stop()

    def add_error(self, error: CnnprofError, tree: Tree, prefix: str = "") -> None:
        """Record an error that knows its code; an expression knows its own place, others stand at ``tree``."""
        where, offset = (error.tree, error.offset) if isinstance(error, ExpressionError) else (tree, 0)
        self.add(error.code, prefix + error.message, where, error.hint, offset=offset)

    def stop(self) -> NoReturn:
        """Raise all problems in the order of their places."""
        raise SpecError(self.problems[key] for key in sorted(self.problems))

    def check(self) -> None:
        """Raise if there is any problem."""
        if self.problems:
            self.stop()


def near(word: str, choices: Iterable[str]) -> list[str]:
    """Return the nearest right name, or nothing where none is near. Swapped letters are nearer than others."""
    import difflib

    found = difflib.get_close_matches(word, list(choices), n=5, cutoff=0.6)
    swapped = [each for each in found if sorted(each) == sorted(word)]
    return (swapped or found)[:1]


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return "did you mean …?" for the nearest right name, None where none is near."""
    found = near(word, choices)
    return f"did you mean {found[0]!r}?" if found else None
