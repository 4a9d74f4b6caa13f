"""The page about Python names every public name."""

from __future__ import annotations

import re

import cnnprof
from tests.docs.pages import ROOT


def test_every_public_name_is_on_the_page():
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`\n]+`", text))))

    assert [] == [name for name in cnnprof.__all__ if name != "__version__" and name not in words]
