"""Specifications written inside a test."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import cnnprof
from cnnprof.model.analysis import Analysis


def analyze(folder: Path, text: str, **arguments: Any) -> Analysis:
    """Return the analysis of a specification; ``text`` begins at ``input:``."""
    path = folder / "spec.yaml"
    path.write_text("cnnprof: 1\nname: spec\n" + textwrap.dedent(text), encoding="utf-8")
    return cnnprof.analyze(str(path), **arguments)
