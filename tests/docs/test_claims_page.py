"""docs/claims.md is true: the ledger it shows is what the command prints, and its tables are those of the code."""

from __future__ import annotations

import re

import pytest

import cnnprof
from cnnprof.published.printed import printed
from cnnprof.published.tallies import TALLIES
from tests.docs.pages import ROOT, Block, blocks, section, shown

PAGE = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
SHOWN = [block for block in blocks(PAGE) if block.language == "console"]


def test_the_ledger_of_resnet50_is_shown():
    assert [["cnnprof claims resnet50"]] == [block.commands for block in SHOWN]


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.commands[0])
def test_an_output_on_the_page_is_what_the_command_prints(block: Block):
    command, *rest = block.text.split("\n")

    assert "\n".join(rest).rstrip() == shown(command.removeprefix("$ ")).rstrip()


def first_column(title: str) -> set[str]:
    """Return what stands as code in the first column of a section's table."""
    cells = re.findall(r"^\| (`[^|]*) \|", section(PAGE, title), re.MULTILINE)
    return set(re.findall(r"`(\w+)`", " ".join(cells)))


def test_the_figures_of_the_first_paragraph_are_in_the_ledger():
    named = re.findall(r'"([\d.]+)[ \w]*"', PAGE.split("\n\n")[1])
    values = [claim.fact.value for claim in cnnprof.claims("resnet50").claims if not claim.fact.of.startswith("params")]
    figures = [printed(value).value / 10**9 for value in values if "/" not in value]

    assert ["3.8", "4.09", "4.11", "4.12", "4.13", "6.96", "8.2"] == named
    assert [] == [each for each in named if not any(printed(each).is_rounded(figure) for figure in figures)]


def test_the_forms_on_the_page_are_networks_of_the_zoo():
    forms = first_column("Forms of a network")

    assert {"resnet50_v1", "vgg16_c", "inception_v3_slim"} <= forms
    assert set() == forms - set(cnnprof.zoo())


def test_every_way_of_counting_is_on_the_page():
    assert set() == set(TALLIES) - first_column("Ways of counting")
