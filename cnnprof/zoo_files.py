"""Where the specifications that come with cnnprof lie, and which of them mention a name. Nothing is parsed here."""

from __future__ import annotations

import re
from pathlib import Path

from cnnprof.errors import CnnprofError


def root() -> Path:
    """Return the folder of the zoo: ``specs`` inside the installed package, else beside it in a checkout.

    Raises:
        CnnprofError: neither folder is there; the installation is broken.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "specs", package.parent / "specs"):
        if folder.is_dir():
            return folder
    raise CnnprofError(
        f"the zoo's specifications are missing: neither {package / 'specs'} nor {package.parent / 'specs'} is a folder",
        hint="install cnnprof again: pip install --force-reinstall --no-deps cnnprof",
        code="no-zoo",
    )


def files() -> list[Path]:
    """Return every specification of the zoo, sorted by file name."""
    return sorted(root().glob("*.yaml"))


def find(name: str) -> list[Path]:
    """Return the files that may define ``name``: as the network's own ``name:`` or as an indented key on its own line.

    A scan of the text, which costs far less than reading every file as YAML. It never misses a network or a variant
    that stands on a line of its own, and may return a file too many (a block can bear the name): the reader decides.
    """
    # Not \s: it would step over an empty line and take a key of column 1 for an indented one.
    indented = rf"[ \t]+[\"']?{re.escape(name)}[\"']?[ \t]*:"
    titled = rf"name:[ \t]*[\"']?{re.escape(name)}[\"']?[ \t]*(?:#.*)?$"
    mention = re.compile(f"^(?:{indented}|{titled})", re.MULTILINE)
    return [file for file in files() if mention.search(file.read_text(encoding="utf-8"))]
