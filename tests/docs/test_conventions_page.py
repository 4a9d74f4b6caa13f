"""docs/conventions.md is true: the table it shows is what the command prints, and every tool is on it."""

from __future__ import annotations

import pytest

import cnnprof
from cnnprof.peers import tools
from tests.docs.pages import ROOT, Block, blocks, shown

PAGE = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
SHOWN = [block for block in blocks(PAGE) if block.language == "console"]


def test_what_tools_say_of_torchvisions_resnet50_is_shown():
    assert [["cnnprof conventions torchvision:resnet50"]] == [block.commands for block in SHOWN]


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.commands[0])
def test_an_output_on_the_page_is_what_the_command_prints(block: Block):
    command, *rest = block.text.split("\n")

    assert "\n".join(rest).rstrip() == shown(command.removeprefix("$ ")).rstrip()


def test_every_tool_is_in_the_table_of_what_they_look_at():
    named = {
        name.strip() for line in PAGE.splitlines() if line.startswith("| ") for name in line.split("|")[1].split(",")
    }

    assert {tool.name for tool in tools()} == named - {"tool", "---"}


def test_the_figures_of_the_first_paragraph_are_those_of_the_tools():
    said = cnnprof.conventions("resnet50")
    figures = {f"{total.counted / 10**9:.2f}" for total in said.totals if total.quantity == "macs"}

    assert {"4.09", "4.10", "4.11", "4.13"} == figures
    assert "8.2" == f"{said['calflops'].counted / 10**9:.1f}" == f"{said['FlopCounterMode'].counted / 10**9:.1f}"


def test_what_the_page_says_of_torchinfo_and_convnext_is_so():
    said = cnnprof.conventions("convnext_tiny")["torchinfo"]

    assert ("0.32", "4.46") == (f"{said.counted / 10**9:.2f}", f"{said.ours / 10**9:.2f}")
