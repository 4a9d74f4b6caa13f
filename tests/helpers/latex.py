"""Reads LaTeX again, without the code that wrote it: tokens as TeX makes them, tables as they would be printed.

``read`` refuses whatever is not plain: a command that no table needs, a brace or formula that does not close, a cell
too many, a line that ends anywhere but at the end of a row.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

ENVIRONMENTS = {"table", "table*", "tabular", "longtable"}
LAYOUT = {
    "\\begin", "\\end", "\\begingroup", "\\endgroup", "\\centering", "\\caption", "\\label", "\\smallskip", "\\par",
    "\\parbox", "\\noindent", "\\raggedright", "\\arraybackslash", "\\footnotesize", "\\scriptsize", "\\setlength",
    "\\sisetup", "\\tabcolsep", "\\LTcapwidth", "\\LTleft", "\\LTright", "\\linewidth", "\\width", "\\ifdim", "\\else",
    "\\fi", "\\resizebox", "\\toprule", "\\midrule", "\\bottomrule", "\\endfirsthead", "\\endhead", "\\endfoot", "\\\\",
}  # fmt: skip
GLYPHS = {
    "\\textbackslash": "\\", "\\textasciitilde": "~", "\\textasciicircum": "^", "\\textless": "<",
    "\\textgreater": ">", "\\textbar": "|", "\\dots": "…", "\\times": "×", "\\cdot": "·", "\\geq": "≥", "\\leq": "≤",
    "\\approx": "≈", "\\rightarrow": "→", "\\lfloor": "⌊", "\\rfloor": "⌋", "\\ss": "ß", "\\ae": "æ", "\\AE": "Æ",
    "\\oe": "œ", "\\OE": "Œ", "\\o": "ø", "\\O": "Ø", "\\l": "ł", "\\L": "Ł", "\\i": "ı", "\\num": "", "\\,": " ",
    "\\/": "", "\\{": "{", "\\}": "}", "\\$": "$", "\\&": "&", "\\#": "#", "\\%": "%", "\\_": "_",
    "\\pm": "±", "\\mu": "µ", "\\div": "÷", "$^2$": "²", "\\alpha": "α", "\\beta": "β",
}  # fmt: skip
ACCENTS = {
    "\\`": "\u0300", "\\'": "\u0301", "\\^": "\u0302", "\\~": "\u0303", "\\=": "\u0304", "\\u": "\u0306",
    "\\.": "\u0307", '\\"': "\u0308", "\\r": "\u030a", "\\H": "\u030b", "\\v": "\u030c", "\\c": "\u0327",
}  # fmt: skip
_TOKEN = re.compile(r"\$\^2\$|\\(?:[A-Za-z]+|[^A-Za-z])|%[^\n]*\n?|.", re.DOTALL)
_ACTIVE = set('~^_#"`|<>')
"""Signs that TeX, a font or a language package would take for something else; no text may hold them bare."""


class NotPlainError(Exception):
    """The text is not what a table of plain text looks like."""


class Printed(NamedTuple):
    """A table as printed. Cells are text; ``rows`` has the headings first, each time they stand in the source."""

    environment: str
    caption: str
    columns: str
    rows: list[list[str]]
    notes: list[str]


def tokens(text: str) -> list[str]:
    """Return commands and characters; comments are gone, as they are to TeX."""
    return [piece for piece in _TOKEN.findall(text) if piece[0] != "%"]


def plain(source: str) -> str:
    """Return what is printed of a piece of text."""
    found = tokens(source)
    out: list[str] = []
    math, depth, at = False, 0, 0
    while at < len(found):
        piece = found[at]
        if piece in ACCENTS or piece == "\\symbol":
            if found[at + 1] != "{":
                raise NotPlainError(f"{piece} without its argument in {source!r}")
            end = found.index("}", at)
            argument = "".join(found[at + 2 : end])
            out.append(chr(int(argument)) if piece == "\\symbol" else accented(argument, ACCENTS[piece]))
            at = end + 1
            continue
        depth += {"{": 1, "}": -1}.get(piece, 0)
        math ^= piece == "$"
        if depth < 0 or _acts(piece, math=math):
            raise NotPlainError(f"{piece!r} acts in {source!r}")
        out.append(GLYPHS.get(piece, "" if piece in "{}$" else piece))
        # A space after a command is TeX's own.
        at += 2 if re.fullmatch(r"\\[A-Za-z]+", piece) and found[at + 1 : at + 2] == [" "] else 1
    if depth or math:
        raise NotPlainError(f"something does not close in {source!r}")
    return re.sub(" +", " ", "".join(out)).strip()


def _acts(piece: str, *, math: bool) -> bool:
    if piece[0] == "\\":
        return piece not in GLYPHS
    return piece == "&" or not piece.isascii() or (piece in _ACTIVE and not (math and piece in "<>"))


def accented(base: str, mark: str) -> str:
    if not re.fullmatch("[A-Za-z]", base):
        raise NotPlainError(f"an accent on {base!r}")
    return unicodedata.normalize("NFC", base + mark)


def read(text: str) -> list[Printed]:
    """Return the tables of a text.

    Raises:
        NotPlainError: something in it would act.
    """
    if not text.isascii():
        raise NotPlainError("not ASCII")
    found = "".join(tokens(text))
    _check_commands(found)
    _check_nesting(found)
    tables = re.findall(r"\\begin\{(table\*?)\}(.*?)\\end\{\1\}|\\begingroup\n(.*?)\\endgroup", found, re.DOTALL)
    return [_printed(environment or "longtable", body or long) for environment, body, long in tables]


def _check_commands(text: str) -> None:
    for piece in tokens(text):
        if piece[0] == "\\" and piece not in LAYOUT | set(GLYPHS) | set(ACCENTS) | {"\\symbol"}:
            raise NotPlainError(f"{piece} is no command of a table")


def _check_nesting(text: str) -> None:
    stack: list[str] = []
    for command, name in re.findall(r"\\(begin|end)\{(.*?)\}|(?<!\\)[{}]", text):
        if command == "begin":
            stack.append(name)
        elif command and (not stack or stack.pop() != name or name not in ENVIRONMENTS):
            raise NotPlainError(f"\\end{{{name}}} closes nothing")
    found = tokens(text)
    if stack or found.count("{") != found.count("}"):
        raise NotPlainError(f"{stack or 'a brace'} does not close")


def _printed(environment: str, body: str) -> Printed:
    name = "longtable" if environment == "longtable" else "tabular"
    before, rest = body.split(f"\\begin{{{name}}}", 1)
    inner, after = rest.split(f"\\end{{{name}}}", 1)
    columns, inner = argument(inner)
    found = inner if name == "longtable" else before
    caption, _ = argument(found.split("\\caption", 1)[1])
    notes = [plain(note) for note in re.findall(r"Note: (.*?)(?:\}|\\par)?\n", after)]
    rows = [_row(line, columns) for line in inner.strip().split("\n") if not _is_layout(line.strip())]
    return Printed(environment, plain(caption), columns, rows, notes)


def _is_layout(line: str) -> bool:
    return line in LAYOUT or line.startswith("\\caption")


def argument(text: str) -> tuple[str, str]:
    """Return what stands between the first brace and the one that closes it, and what follows."""
    depth, found = 0, tokens(text)
    if found[0] != "{":
        raise NotPlainError(f"no argument in {text[:40]!r}")
    for at, piece in enumerate(found):
        depth += {"{": 1, "}": -1}.get(piece, 0)
        if not depth:
            return "".join(found[1:at]), "".join(found[at + 1 :])
    raise NotPlainError(f"a brace does not close in {text[:40]!r}")


def _row(line: str, columns: str) -> list[str]:
    found = tokens(line.strip())
    if found.pop() != "\\\\" or "\\\\" in found:
        raise NotPlainError(f"a row ends inside of {line!r}")
    if found[0] in {"[", "*"}:
        raise NotPlainError(f"{line!r} begins with an argument of the row before")
    cells, depth = [""], 0
    for piece in found:
        depth += {"{": 1, "}": -1}.get(piece, 0)
        if piece == "&" and not depth:
            cells.append("")
        else:
            cells[-1] += piece
    if len(cells) != width(columns):
        raise NotPlainError(f"{len(cells)} cells in {line!r}, {width(columns)} columns")
    return [plain(cell) for cell in cells]


def width(columns: str) -> int:
    """Return how many columns a tabular is told of: l, r, S with its options, p with its width."""
    return len(re.findall("[lrSp]", re.sub(r"\[.*?\]|>\{.*?\}|\{.*?\}", "", columns)))
