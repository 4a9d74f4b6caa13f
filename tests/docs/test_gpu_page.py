"""docs/gpu.md is true: what it shows is what its commands print on the scripts in examples/devices."""

from __future__ import annotations

import json

import pytest

from cnnprof.api import confirming
from cnnprof.offload import break_even
from tests.docs.pages import ROOT, Block, blocks, shown

PAGE = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
SHOWN = [block for block in blocks(PAGE) if block.language == "console"]


@pytest.mark.parametrize("block", SHOWN, ids=["words", "vgg16", "tables"])
def test_an_output_on_the_page_is_what_the_command_prints(block: Block):
    command, *rest = block.text.split("\n")

    assert "\n".join(rest).rstrip() == shown(command.removeprefix("$ ")).rstrip()


def test_the_page_says_that_nothing_has_run_on_a_gpu():
    assert "**Nothing on this page has run on a GPU yet.**" in PAGE


def test_the_scripts_are_what_the_page_says_of_them():
    """A multiply-accumulate is 2 FLOPs."""
    cpu, gpu = (json.loads((ROOT / "examples" / "devices" / f"{name}.json").read_text()) for name in ("cpu", "gpu"))

    assert (100e9, 20e9) == (2e9 * cpu["macs_per_ns"], 1e9 * cpu["bytes_per_ns"])
    assert (20e12, 2e12) == (2e9 * gpu["macs_per_ns"], 1e9 * gpu["bytes_per_ns"])
    assert (8_000, 25) == (gpu["launch_ns"], gpu["pinned_bytes_per_ns"])
    assert "100 GFLOP/s and\n20 GB/s" in PAGE
    assert "20 TFLOP/s and 2 TB/s whose host takes 8 µs to launch a layer, behind a link of 25 GB/s" in PAGE


def test_the_bootstrap_is_as_often_as_the_page_says():
    assert 1_000 == break_even.RESAMPLES
    assert "drawn again, 1,000 times" in PAGE


def test_a_line_does_not_fit_from_where_the_page_says_on():
    assert 0.05 == break_even.MISS
    assert "by more than 5 % of what its side takes there" in PAGE


def test_what_is_far_is_as_far_as_the_page_says():
    assert 4 == confirming.FARTHEST
    assert "not beyond four times the largest batch" in PAGE
