"""docs/measuring.md is true: what it shows is what its run files say, its doubts exist, its numbers are the code's."""

from __future__ import annotations

import re

import pytest

from cnnprof.devices.cuda import copies, passes, queued
from cnnprof.measure import dirt, doubts, protocol
from tests.docs.pages import ROOT, Block, blocks, shown

PAGE = (ROOT / "docs" / "measuring.md").read_text(encoding="utf-8")
SHOWN = [block for block in blocks(PAGE) if block.language == "console"]


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.commands[0])
def test_an_output_on_the_page_is_what_the_command_prints(block: Block):
    command, *rest = block.text.split("\n")

    assert "\n".join(rest).rstrip() == shown(command.removeprefix("$ ")).rstrip()


def test_every_run_file_is_shown():
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "benchmarks" / "runs").glob("*.json")}

    assert files == set(re.findall(r"benchmarks/runs/\S+\.json", PAGE))


def test_every_doubt_in_the_table_can_be_raised():
    named = {
        name
        for line in PAGE.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([a-z]+(?:-[a-z]+)*)`", line.split("|")[1])
    }

    assert {"some-dirty", "ledger-open", "marks-heavy", "host-bound"} <= named
    assert set() == named - set(doubts.CODES)


def test_the_bounds_of_a_gpu_that_the_page_names_are_those_of_the_code():
    assert (1_000, 166) == (queued.LAUNCHES, queued.LAUNCHES // queued.LAUNCHES_PER_LAYER)
    assert (2, 20, 1.0) == (copies.FEWEST, copies.MOST, passes.ENERGY_S)
    for words in ("about 1,000 launches", "at most 166 layers", "2 to 20 copies", "at least a second"):
        assert words in PAGE


def test_the_bounds_that_the_page_names_are_those_of_the_code():
    assert (5, 0.2, 1 / 3) == (protocol.WARM_UP_FORWARDS, protocol.WARM_UP_S, protocol.WARM_UP_SHARE)
    assert (10, 200, 0.03) == (protocol.FEWEST_CLEAN, protocol.MOST_FORWARDS, dirt.WAITED)
    for sentence in (
        "at least five forwards and 0.2 s",
        "ten undisturbed forwards at least",
        "after 200 forwards of each",
    ):
        assert sentence in PAGE
    assert "more than 3 % of it" in PAGE
