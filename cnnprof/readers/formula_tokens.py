"""The words of a formula, each with its offset."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Token(NamedTuple):
    """``kind`` is ``number``, ``name``, ``text``, ``end``, or the operator itself."""

    kind: str
    text: str
    offset: int


_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)|(?P<name>[^\W\d]\w*)"
    r"|(?P<text>'[^'\\]*'|\"[^\"\\]*\")|(?P<operator>//|\*\*|[=!<>]=|[-+*/%<>()\[\],:])|(?P<end>\Z)|(?P<other>.))",
    re.DOTALL,
)
_WORDS = frozenset({"if", "else", "or", "and", "not", "in"})
ABSENT = {
    "**": "there is no power: multiply",
    "=": "equality is written ==",
    ".": "there are no attributes",
    ":": "a colon stands in a slice only: values[from:to]",
    "\\": "a text has no backslash",
    "'": "the text is not closed",
    '"': "the text is not closed",
    "&": "write and",
    "|": "write or",
    "!": "write not, or != between two values",
    "^": "there is no power: multiply",
}


def tokenise(text: str) -> Iterator[Token]:
    """Yield the words of a formula, the end last. Never fails: what no formula has is of kind ``other``."""
    for match in _TOKEN.finditer(text):
        group = str(match.lastgroup)
        word = match[group]
        is_itself = group == "operator" or word in _WORDS
        yield Token(word if is_itself else group, word, match.start(group))
