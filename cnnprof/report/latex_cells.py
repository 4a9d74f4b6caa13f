r"""Cells as LaTeX, in ASCII. What only TeX would act on becomes what prints it, in pdflatex and in lualatex.

Accented Latin letters become their commands; a letter that no font of theirs can be relied on to have is shown as its
code point (``\u5377``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from cnnprof.report.base import Column, Line, Value
from cnnprof.report.cells import text, visible

_PRINTED = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\symbol{34}",  # in German, babel takes the sign itself for a command
    "`": r"\/\symbol{96}",  # \/ keeps !` and ?` apart, which would become one sign each
    "-": r"-\/", "'": r"'\/", ",": r",\/",  # of a pair: --, '' and ,, would become one sign
    "[": "{[}", "]": "{]}", "*": "{*}",  # behind \\ they would be its arguments
    "·": r"$\cdot$", "×": r"$\times$", "−": "$-$", "–": "--", "—": "---", "…": r"\dots{}", "→": r"$\rightarrow$",
    "≥": r"$\geq$", "≤": r"$\leq$", "≈": r"$\approx$", "⌊": r"$\lfloor$", "⌋": r"$\rfloor$",
    "±": r"$\pm$", "µ": r"$\mu$", "÷": r"$\div$", "²": "$^2$", "α": r"$\alpha$", "β": r"$\beta$",
    "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}",
    "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}",
}  # fmt: skip
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
    "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c",
}  # fmt: skip
_ACTIVE = re.compile(r"[0-9]+(?:×[0-9]+)+|-(?=-)|'(?=')|,(?=,)|[\\{}$&#%_~^<>|\"`\[\]*]|[^ -~]")
_NUMBER = re.compile(r"(?P<bound>≥ |< |[<>])?(?P<digits>-?[0-9,]+(?:\.[0-9]+)?)(?: (?P<unit>%|[KMGTPE]?i?B|[mµn]?s))?")
_TIMES = r"\times"
_BOUNDS = {None: "", "≥ ": r"$\geq$\,", "<": "$<$", "< ": r"$<$\,", ">": "$>$"}


def escape(value: str) -> str:
    """Return text that TeX prints as it is, on one line, wherever a document has text."""
    return _ACTIVE.sub(lambda found: _printed(found[0]), visible(value))


def _printed(found: str) -> str:
    if len(found) > 1:
        return f"${_TIMES.join(found.split('×'))}$"
    return _PRINTED.get(found) or _accented(found)


def _accented(char: str) -> str:
    r"""Return ``\'{e}`` for é; what is no ASCII letter with one accent as its code point."""
    base, mark = (*unicodedata.normalize("NFD", char), "")[:2]
    if base.isascii() and mark in _ACCENTS and unicodedata.normalize("NFC", base + mark) == char:
        return rf"\{_ACCENTS[mark]}{{{base}}}"
    return _PRINTED["\\"] + char.encode("unicode_escape").decode("ascii").removeprefix("\\")


def heading(column: Column) -> str:
    """Return a column's title as plain text, with the unit that its numbers leave out."""
    return f"{column.title} (%)" if column.kind in ("share", "fraction") else column.title


def aligned(column: Column) -> bool:
    """True where siunitx aligns the column's numbers. Memory and times have a unit in every cell, to the right."""
    return column.numeric and column.kind not in ("bytes", "time")


def head(column: Column) -> str:
    """Return the heading as a cell."""
    return _worded(column, escape(heading(column)))


def cell(column: Column, value: Value, missing: str = "--") -> str:
    r"""Return a value as a cell: ``1792``, ``{$\geq$\,}400``, ``\num{12.25}\,MiB``, ``$64\times56\times56$``."""
    shown = text(column, value)
    number = _NUMBER.fullmatch(shown) if column.numeric else None
    if number is not None:
        return _number(column, number)
    if value is not None and column.kind in ("shapes", "sizes"):
        return ", ".join(re.sub("^([0-9]+)$", r"$\1$", escape(each)) for each in shown.split(", "))
    return _worded(column, missing if value is None else escape(shown))


def _number(column: Column, number: re.Match[str]) -> str:
    bound, digits = _BOUNDS[number["bound"]], number["digits"].replace(",", "")
    if aligned(column):
        return f"{{{bound}}}{digits}" if bound else digits
    return rf"{bound}\num{{{digits}}}\,{escape(number['unit'] or '')}"


def _worded(column: Column, words: str) -> str:
    """Protect words from siunitx, which would look for a number in them."""
    return f"{{{words}}}" if words and aligned(column) else words


def alignment(column: Column, values: Iterable[Value]) -> str:
    """Return what the tabular is told of a column: for numbers, how many digits to make room for."""
    if not aligned(column):
        return "r" if column.numeric else "l"
    found = [number for value in values if (number := _NUMBER.fullmatch(text(column, value)))]
    parts = [number["digits"].replace(",", "").partition(".") for number in found]
    whole = max((len(part[0].lstrip("-")) for part in parts), default=1)
    decimals = max((len(part[2]) for part in parts), default=0)
    minus = "-" if any(part[0].startswith("-") for part in parts) else ""
    bounds = {_BOUNDS[number["bound"]] for number in found} - {""}
    room = f", table-space-text-pre={{{max(bounds, key=len)}}}" if bounds else ""
    return f"S[table-format={minus}{whole}{f'.{decimals}' if decimals else ''}{room}]"


def cells(columns: tuple[Column, ...], line: Line, missing: str = "--") -> list[str]:
    """Return a line's cells; ``missing`` stands where there is nothing to say."""
    return [cell(column, value, missing) for column, value in zip(columns, line.cells, strict=True)]
