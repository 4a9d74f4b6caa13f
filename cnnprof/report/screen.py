"""What standard output is: a terminal or not, how wide, with colour or without, with Unicode or without."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO

from cnnprof.report.base import Screen

_WIDTH = 80


def screen_of(stream: TextIO, environ: Mapping[str, str] | None = None) -> Screen:
    """Return what ``stream`` can show.

    A pipe or file has no width. ``NO_COLOR`` and ``TERM=dumb`` turn colour off. ``LC_ALL=C`` and an encoding other than
    UTF mean ASCII. Python itself writes UTF-8 under ``LC_ALL=C`` (PEP 540), but whoever sets it asks for plain text.
    """
    env = os.environ if environ is None else environ
    terminal = stream.isatty()
    colour = terminal and not env.get("NO_COLOR") and env.get("TERM") != "dumb"
    return Screen(_width(stream, env) if terminal else None, colour, _unicode(stream, env), terminal)


def _width(stream: TextIO, env: Mapping[str, str]) -> int:
    told = env.get("COLUMNS", "")
    if told.isascii() and told.isdigit() and int(told) > 0:
        return int(told)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _WIDTH
    except (OSError, ValueError):  # a terminal that cannot be asked
        return _WIDTH


def _unicode(stream: TextIO, env: Mapping[str, str]) -> bool:
    asked = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or ""
    if asked.split(".")[0] in {"C", "POSIX"} and "utf" not in asked.lower():
        return False
    return (stream.encoding or "").lower().startswith("utf")
