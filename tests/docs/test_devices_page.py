"""docs/devices.md is true: every key is there with its default, its files exist, its output is what is printed."""

from __future__ import annotations

import json
import re

import pytest

from cnnprof.devices import fake
from cnnprof.devices.fake_script import FAULTS, Script, read
from cnnprof.model.run import Telemetry
from tests.docs.pages import ROOT, Block, blocks, section, shown

PAGE = (ROOT / "docs" / "devices.md").read_text(encoding="utf-8")
ROWS = {
    cells[0].strip("` "): [cell.strip() for cell in cells[1:]]
    for line in section(PAGE, "Every key").splitlines()
    if line.startswith("| `")
    for cells in [line.strip("|").split(" | ")]
}


def test_every_key_of_a_script_is_on_the_page_and_no_other():
    assert set(Script._fields) == set(ROWS)


@pytest.mark.parametrize("key", Script._fields)
def test_a_key_has_its_meaning_its_unit_and_its_true_default(key):
    meaning, unit, default = ROWS[key]

    assert f"`{json.dumps(Script._field_defaults[key])}`" == default
    assert meaning
    assert unit


def test_every_fault_and_every_word_of_telemetry_is_on_the_page():
    words = set(re.findall(r"`(\w+)`", section(PAGE, "Every key")))

    assert set() == {*FAULTS, *Telemetry.__annotations__} - {"when"} - words


def test_the_defaults_that_enter_answers_are_the_ones_the_page_names():
    default = Script()

    assert (200_000_000, 8.0, 10_000, 25.0, 8.0, 1.0, 0) == (
        default.context_ns, default.load_bytes_per_ns, default.copy_ns, default.pinned_bytes_per_ns,
        default.pageable_bytes_per_ns, default.overlap, default.launch_ns,
    )  # fmt: skip
    assert "context takes 200 ms, weights are loaded at 8 GB/s, a copy takes 10 µs and its bytes at 25 GB/s" in PAGE


@pytest.mark.parametrize("block", [each for each in blocks(PAGE) if each.language == "json"], ids=["laptop", "cpu"])
def test_a_file_on_the_page_is_the_one_in_the_examples_and_is_taken(block: Block):
    path = block.comment.removeprefix("file: ")

    assert (ROOT / path).read_text(encoding="utf-8") == block.text
    assert json.loads(block.text) == read(f"fake:{ROOT / path}")


def test_the_shortest_forward_is_the_one_the_page_names():
    assert 1_000 == fake.SHORTEST_NS
    assert "A forward has to take 1 µs or more" in PAGE


def test_the_laptop_is_what_the_page_says_of_it():
    laptop = json.loads((ROOT / "examples" / "devices" / "laptop.json").read_text())

    assert (6e12, 300, 6 * 2**30) == (2e9 * laptop["macs_per_ns"], laptop["bytes_per_ns"], laptop["memory_bytes"])
    assert (12_000, 12, 5) == tuple(
        laptop[key] for key in ("launch_ns", "pinned_bytes_per_ns", "pageable_bytes_per_ns")
    )
    assert "context_ns" not in laptop


def test_the_output_on_the_page_is_what_the_command_prints():
    (block,) = [each for each in blocks(PAGE) if each.language == "console"]
    command, *rest = block.text.split("\n")

    assert "\n".join(rest).rstrip() == shown(command.removeprefix("$ ")).rstrip()
