"""Results to text. A format is one function, ``render(report: Report) -> str``, in a file of its own.

``Report`` (``base.py``) holds the results, the tables made of them (``tables.py``) and the screen they are meant for.
A renderer returns text and writes nothing; whoever calls it opens files and picks the encoding (UTF-8).
Numbers reach a renderer as numbers; names reach it as they are, and it must see to it that they cannot act.

A new format is one file and one line in ``FORMATS``. Nothing here is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cnnprof.report.base import Report


class Format(NamedTuple):
    """Where a renderer is (``module:function``), and the suffixes of files in its format, the usual one first."""

    target: str
    suffixes: tuple[str, ...]
    formulas: bool = False
    """True where cells can show how they were computed."""


FORMATS: dict[str, Format] = {
    "table": Format("cnnprof.report.terminal:render", (".txt",)),
    "csv": Format("cnnprof.report.csv:render", (".csv",), formulas=True),
    "md": Format("cnnprof.report.markdown:render", (".md", ".markdown")),
    "json": Format("cnnprof.report.json:render", (".json",), formulas=True),
    "latex": Format("cnnprof.report.latex:render", (".tex",)),
}

SUFFIXES: dict[str, str] = {suffix: name for name, each in FORMATS.items() for suffix in each.suffixes}
"""Suffix of a file name to the format it asks for."""


def render(report: Report, format: str = "table") -> str:  # noqa: A002 - the flag's name
    """Return a report in a format of ``FORMATS``.

    Raises:
        UsageError: nobody registered that format.
    """
    import importlib

    if format not in FORMATS:
        from cnnprof.errors import UsageError

        raise UsageError(f"there is no format {format!r}", hint=f"one of {', '.join(FORMATS)}", code="unknown-format")
    module, function = FORMATS[format].target.split(":")
    text: str = getattr(importlib.import_module(module), function)(report)
    return text
