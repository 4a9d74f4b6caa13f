"""Plain scalars by the core schema of YAML 1.2: ``no``, ``on``, ``1_000`` are text, ``0o17``, ``0x1F`` numbers.

https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

import math
import re

LARGEST = 2**63 - 1
"""Every whole number stays within ±LARGEST."""

WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_NUMBER = re.compile(
    r"(?P<int>[-+]?[0-9]+)|0o(?P<octal>[0-7]+)|0x(?P<hex>[0-9a-fA-F]+)"
    r"|[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_BASES = {"int": 10, "octal": 8, "hex": 16}
_LONGEST = 30
"""Digits, without leading zeros, beyond which no base gives 63 bits: the number need not be computed."""


class ScalarError(Exception):
    """A number that is refused."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def resolve(text: str) -> int | float | bool | str | None:
    """Return the value of a plain scalar.

    Raises:
        ScalarError: a whole number beyond 63 bits, or a number that is not finite.
    """
    if text in WORDS:
        return WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    match = _NUMBER.fullmatch(text)
    if match is None:
        return text
    if match.lastgroup:
        return whole(match[match.lastgroup], _BASES[match.lastgroup])
    return _finite(text)


def whole(text: str, base: int = 10) -> int:
    """Return the whole number that is written with digits of ``base`` and perhaps a sign.

    Raises:
        ScalarError: it is beyond 63 bits.
    """
    digits = text.lstrip("+-0") or "0"
    value = int(digits, base) if len(digits) <= _LONGEST else LARGEST + 1
    if value > LARGEST:
        raise ScalarError("too-large", "a whole number must stay within ±(2^63 − 1)")
    return -value if text.startswith("-") else value


def _finite(text: str) -> float:
    value = math.inf if text[-1].isalpha() else float(text)
    if not math.isfinite(value):
        raise ScalarError("not-finite", f"{text[:40]} is not a finite number")
    return value
