"""What ``cnnprof explain --error`` says about each code. The texts stand in ``error_catalogue.txt``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """An explanation: what the code means in a few words, and a text with the cause, an example and the mend."""

    title: str
    text: str


def read(text: str) -> dict[str, Entry]:
    """Return the entries of a catalogue: lines ``code: title``, each followed by its indented text.

    Raises:
        ValueError: a code is there twice.
    """
    found: dict[str, Entry] = {}
    for part in re.split(r"^(?=[a-z])", re.sub(r"^#.*\n?", "", text, flags=re.MULTILINE), flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        code, _, title = head.partition(": ")
        if code in found:
            raise ValueError(f"the code {code!r} is explained twice")
        found[code] = Entry(title, re.sub(r"^  ", "", body, flags=re.MULTILINE).strip())
    return found


CATALOGUE = read(Path(__file__).with_suffix(".txt").read_text(encoding="utf-8"))
