"""A figure that is not reproduced is looked for among counts of its kind and other networks of its file."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import cnnprof

FAMILY = """\
cnnprof: 1
name: family
input: [3, 8, 8]
params: {width: 4, classes: 10}
variants:
  net: {}
  net_wide: {width: 40}
  other: {width: 9}
layers:
  - conv2d: {out_channels: =width, kernel_size: 3}
  - batchnorm2d
  - side: [flatten, linear: {out_features: =classes}]
    when: train
  - flatten
  - linear: {out_features: =classes}
expect:
  net:
    facts:
      - {of: OF, value: "VALUE", source: a book, holds: false, why: whatever AT}
"""
# net: 112 + 8 + 2 · 1,450 = 3,020 parameters (28 of them biases), 9 buffers (8 statistics), 3,888 + 1,440 = 5,328 MACs.
# net_wide: 1,120 + 80 + 2 · 14,410 = 30,020. other: 252 + 18 + 2 · 3,250 = 6,770; 11,988 MACs.


def claim(folder: Path, of: str, value: str, at: str = "") -> cnnprof.Claim:
    path = folder / "family.yaml"
    path.write_text(FAMILY.replace("OF", of).replace("VALUE", value).replace(" AT", f", at: {at}" if at else ""))
    (found,) = cnnprof.claims(f"{path}#net").claims
    return found


def matches(folder: Path, of: str, value: str, at: str = "") -> list[str]:
    return [str(match) for match in claim(folder, of, value, at).matches]


@pytest.mark.parametrize(
    ("of", "value", "expected"),
    [
        ("macs", "3,888", "net: MACs of convolutions only, 3,888"),
        ("macs", "10,656", "net: FLOPs, 2 per MAC, 10,656"),
        ("params", "2,992", "net: parameters without biases, 2,992"),
        ("params", "112", "net: parameters of convolutions only, 112"),
        ("params", "3,028", "net: parameters and running statistics, 3,028"),
        ("params", "3,029", "net: parameters and buffers, 3,029"),
        ("params", "1,570", "net: parameters without layers that run in training only, 1,570"),
        ("weights", "3,020", "net: parameters, 3,020"),
        ("param_mb", "0.01152", "net: parameters × 4 bytes, in MiB, 0.0115"),
        ("param_mib", "0.01208", "net: parameters × 4 bytes, in MB, 0.0121"),
        ("param_kib", "11.688", "net: parameters without biases × 4 bytes, in KiB, 11.6875"),
        ("params", "2.95e3", "net: parameters, K meaning 1024, 2,949.2188"),
        ("params", "2.92e3", "net: parameters without biases, K meaning 1024, 2,921.8750"),
        ("params_ki", "3.020", "net: parameters, in thousands, 3.0200"),
        ("params", "3.0e4", "net_wide: parameters, 30,020"),
        ("params", "6,770", "other: parameters, 6,770"),
    ],
)
def test_a_figure_is_found_among_counts_of_its_kind(of, value, expected, tmp_path):
    assert expected == "; ".join(matches(tmp_path, of, value))


@pytest.mark.parametrize(("of", "value"), [("params", "5,328"), ("macs", "3,020"), ("activations", "3,020")])
def test_a_count_of_another_kind_explains_nothing(of, value, tmp_path):
    assert [] == matches(tmp_path, of, value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5e3", []),  # MACs of 5,328 round to it
        ("1e4", []),  # one digit is too few for FLOPs, 10,656, cut off, and for anything but the MACs themselves
        ("1.0e4", []),  # two digits are still too few for another count that is cut off
        (
            "1.1e4",
            [
                "net: FLOPs, 2 per MAC, 10,656",
                "net: operations, 10,944",
                "net: FLOPs as calflops adds them up, 11,088",
            ],
        ),
        ("1.06e4", ["net: FLOPs, 2 per MAC, 10,656, cut off"]),
    ],
)
def test_the_more_is_assumed_the_more_digits_are_needed(value, expected, tmp_path):
    assert expected == matches(tmp_path, "macs", value)


def test_a_figure_that_was_cut_off_needs_no_other_count(tmp_path):
    assert ["net: MACs, 5,328, cut off"] == matches(tmp_path, "macs", "5.32e3")
    assert ["net: parameters of convolutions only, 112"] == matches(tmp_path, "params", "1.1e2")


def test_a_figure_of_another_member_is_not_taken_for_one_that_was_cut_off(tmp_path):
    assert [] == matches(tmp_path, "macs", "1.198e4")
    assert ["other: MACs, 11,988"] == matches(tmp_path, "macs", "1.199e4")
    assert ["net_wide: MACs, 53,280, cut off"] == matches(tmp_path, "macs", "5.32e4")


def test_a_layers_figure_is_looked_for_in_that_layer(tmp_path):
    assert ["net: parameters without biases, 108"] == matches(tmp_path, "params", "108", "conv2d")
    assert ["net_wide: parameters, 1,120"] == matches(tmp_path, "params", "1,120", "conv2d")


def test_what_is_reproduced_or_no_number_is_not_looked_for(tmp_path):
    assert (True, []) == (claim(tmp_path, "macs", "5,328").reproduced, matches(tmp_path, "macs", "5,328"))
    assert (False, []) == (claim(tmp_path, "output", "4x4").reproduced, matches(tmp_path, "output", "4x4"))


def test_a_shape_or_a_receptive_field_is_looked_for_in_the_other_forms(tmp_path):
    assert ["net_wide: output, 40x6x6"] == matches(tmp_path, "output", "40x6x6", "conv2d")
    assert [] == matches(tmp_path, "output", "9x6x6", "conv2d")  # another member, not a form
    assert [] == matches(tmp_path, "rf", "5/1/0", "conv2d")


def test_a_network_whose_file_is_gone_has_no_family(tmp_path):
    claim(tmp_path, "params", "6,770")
    graph = cnnprof.load(f"{tmp_path / 'family.yaml'}#net")
    (tmp_path / "family.yaml").unlink()

    (found,) = cnnprof.claims(graph).claims
    assert (False, ()) == (found.reproduced, found.matches)


def test_what_came_over_standard_input_has_no_family(monkeypatch):
    text = """\
cnnprof: 1
name: one
input: [3, 8, 8]
layers: [conv2d: {out_channels: 4, kernel_size: 3}]
expect:
  facts: [{of: params, value: "6,770", source: a book, holds: false}]
"""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    (found,) = cnnprof.claims("-").claims
    assert (False, ()) == (found.reproduced, found.matches)


def test_nothing_is_claimed_of_a_network_that_was_changed(tmp_path):
    claim(tmp_path, "params", "1")

    assert () == cnnprof.claims(cnnprof.load(f"{tmp_path / 'family.yaml'}#net", set={"width": 5})).claims
