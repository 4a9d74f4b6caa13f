"""Formulas of lines: a layer's as its cells stand, a block's as the sum of its layers', a total's as a sign."""

from __future__ import annotations

from cnnprof.report.base import UNKNOWN, AtLeast, Column, Line
from cnnprof.report.formulas import of_block, of_layer, of_total

NAME = Column("name", "layer", "text")
OUTPUT = Column("output", "output", "shapes", join="last")
PARAMS = Column("params", "params", "count", join="sum")
SHARE = Column("macs_share", "share", "share", join="sum")
COLUMNS = (NAME, OUTPUT, PARAMS, SHARE)
TEXTS = {"output": "1 × 6 × (5 − 1) × 4; 1 × 2", "params": "5·6 + 6", "macs_share": "1 / 4"}


def line(params, share, formulas=(None, "1 × 2", "…", "1 / 4")) -> Line:
    return Line(("a", (), params, share), ("a",), formulas)


def test_the_sizes_of_a_layer_stand_as_in_its_cell():
    assert (None, "6 × (5 − 1) × 4; 2", "5·6 + 6", "1 / 4") == of_layer(TEXTS, COLUMNS, batch=1, layout="chw")
    assert "(5 − 1) × 4 × 6; 2" == of_layer(TEXTS, COLUMNS, batch=1, layout="hwc")[1]
    assert "1 × (5 − 1) × 4 × 6; 1 × 2" == of_layer(TEXTS, COLUMNS, batch=2, layout="hwc")[1]


def test_a_block_adds_up_numbers_and_shares_and_ends_with_its_last_layer():
    found = of_block([line(1_792, 0.25), line(0, 0.0), line(64, 0.25)], COLUMNS)

    assert (None, "1 × 2", "1,792 + 64", "1 / 4 + 1 / 4") == found


def test_a_block_of_nothing_is_0():
    assert (None, "1 × 2", "0", "0") == of_block([line(0, 0.0)], COLUMNS)


def test_a_block_with_something_unknown_has_no_formula_for_it():
    assert None is of_block([line(64, 0.5), line(UNKNOWN, UNKNOWN)], COLUMNS)[2]
    assert None is of_block([line(AtLeast(3), 0.5)], COLUMNS)[2]


def test_lines_without_formulas_make_blocks_without():
    assert () == of_block([line(1, 0.5, formulas=())], COLUMNS)


def test_a_total_is_the_sum_of_its_column():
    assert (None, None, "Σ params", "Σ macs_share") == of_total(COLUMNS)
