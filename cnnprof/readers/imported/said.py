"""What an error of imported code says of itself: on one line, bounded, whatever its own methods do."""

from __future__ import annotations

_LONGEST = 500
"""Characters of a message that are told: a reader sees enough, and megabytes flood no terminal."""


def message(error: BaseException) -> str:
    """Return an error's text on one line; empty where it has none, or raises when it is asked."""
    try:
        text = str(error)[: 2 * _LONGEST]
    except BaseException:  # noqa: BLE001 code that was imported, and may raise anything
        return ""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def said(error: BaseException) -> str:
    """Return an error's kind and its text."""
    text = message(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
