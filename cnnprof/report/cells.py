"""Cells to text, and text that cannot act: what a name holds is shown, never obeyed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from cnnprof.report.base import AtLeast, Below, Column, Names, Value
from cnnprof.units import at_least, count, dimensions, duration, memory, percent, ratio

UNKNOWN_TEXT = "?"
NOT_DEFINED = "–"
"""A quotient of which the divisor is nothing, a time that was not measured."""

_NUMBERS: dict[str, Callable[[Any], str]] = {
    "count": count, "bytes": memory, "time": duration, "share": percent, "fraction": percent, "ratio": ratio,
}  # fmt: skip
_COMMAND = re.compile(r"^(\s*):(?=:)|#(?=#\[)")
"""How a build log recognises commands: ``::error::`` at the start of a line, ``##[error]`` anywhere."""


def text(column: Column, value: Value) -> str:
    """Return a cell as people read it: separators, units, ``≥`` for lower bounds, ``?`` for what is unknown.

    The text of names is unescaped still; each format escapes for itself.
    """
    if value is None:
        return NOT_DEFINED if column.kind in ("fraction", "ratio", "time") else ""
    if isinstance(value, AtLeast | Below | Names):
        return _said(column, value)
    if isinstance(value, int | float) and column.kind in _NUMBERS:
        return _NUMBERS[column.kind](value)
    if isinstance(value, tuple):
        return _sizes(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={plain(each)}" for key, each in value.items())
    return str(value)


def _said(column: Column, value: AtLeast | Below | Names) -> str:
    if isinstance(value, Names):
        return value.short
    if isinstance(value, Below):
        return f"< {duration(value.limit, 2)}"
    return at_least(text(column, value.value)) if value.value else UNKNOWN_TEXT


def _sizes(value: tuple[Any, ...]) -> str:
    """Return ``64×56×56, 64×56×56`` for shapes, ``0×1`` for one number per axis."""
    if value and isinstance(value[0], int):
        return dimensions(value)
    return ", ".join(dimensions(each) for each in value)


def plain(value: Any) -> str:
    """Return an argument as the specification language writes it: ``true``, ``null``, ``[3, 3]``."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(plain(each) for each in value)}]"
    return str(value)


def visible(value: str) -> str:
    """Return text with everything that could act on a terminal or in a build log shown as an escape.

    That is: control characters (ESC, newlines, C1), bidirectional and other invisible characters, lone surrogates,
    and the marks of workflow commands.
    """
    shown = value
    if not value.isprintable():
        shown = "".join(char if char.isprintable() else _escaped(char) for char in value)
    return _COMMAND.sub(lambda found: f"{found[1] or ''}\\x{ord(found[0][-1]):02x}", shown)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
