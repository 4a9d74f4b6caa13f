"""docs/coverage.md speaks of every item, and of tests and networks that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import cnnprof

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
ITEMS = [f"N{n}" for n in range(1, 23)] + [f"F{n}" for n in range(1, 14)] + [f"H{n}" for n in range(1, 6)]


def rows() -> dict[str, str]:
    """Return the last cell of each item's row."""
    found = re.findall(r"^\| ([NFH]\d+) \|.*\| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert len(found) == len(dict(found))
    return dict(found)


def missing(path: str, name: str) -> bool:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return name not in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_item_of_the_decks_has_one_row():
    assert ITEMS == list(rows())


@pytest.mark.parametrize("item", ITEMS)
def test_each_item_is_done_by_a_named_test_or_says_where_it_comes_later(item):
    state = rows()[item]

    assert ("done" in state and "::test_" in state) or state.startswith("later, with ")


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_each_named_test_exists(path, name):
    assert not missing(path, name)


def test_a_test_that_does_not_exist_is_noticed():
    assert missing("tests/zoo/test_coverage.py", "test_nobody_wrote")


def test_each_named_network_is_in_the_zoo():
    networks = {
        name
        for cells in re.findall(r"^\| [N\d][^`\n]*\| ((?:`\w+`(?:, )?)+) \|", PAGE, re.MULTILINE)
        for name in re.findall(r"\w+", cells)
    }

    assert len(networks) > 25
    assert set() == networks - set(cnnprof.zoo())
