"""The page about Python names every public name."""

from __future__ import annotations

import re

import pytest

import cnnprof
from cnnprof.model.offload import AtBatch, BreakEven, Offload
from tests.docs.pages import ROOT


def test_every_public_name_is_on_the_page():
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`\n]+`", text))))

    assert [] == [name for name in cnnprof.__all__ if name != "__version__" and name not in words]


@pytest.mark.parametrize("kind", [Offload, AtBatch, BreakEven])
def test_every_field_of_what_follows_of_a_host_and_a_device_is_on_the_page_and_no_other(kind):
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    (table,) = re.findall(rf"^\| of an? `{kind.__name__}` \|.*\n\|---.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    named = set(re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in table.splitlines())))
    words = set(re.findall(r"`(\w+)`", table))

    assert [] == [field for field in kind.__struct_fields__ if field not in words]
    assert [] == [name for name in named if not hasattr(kind, name)]


def test_the_help_of_profile_names_what_it_returns():
    shown = cnnprof.profile.__doc__ or ""

    assert [] == [name for name in (".parts", ".ledger", ".offloads", ".to_frame()") if name not in shown]
