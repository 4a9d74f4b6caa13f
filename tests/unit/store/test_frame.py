"""Results as data frames."""

from __future__ import annotations

import pandas as pd
import pytest

from cnnprof.report.columns import LAYER_COLUMNS
from cnnprof.store.frame import to_frame
from tests.unit.report.samples import analysis, blocks, row, small, with_unknown


def test_a_layer_is_a_row():
    frame = to_frame(small())

    assert ["conv", "relu", "pool", "fc"] == list(frame["name"])
    assert [112, 0, 0, 170] == list(frame["params"])
    assert [3888, 0, 0, 160] == list(frame["muls"])


def test_columns_bear_the_names_of_the_command_line():
    named = {name for name, each in LAYER_COLUMNS.items() if each.of_layers}

    assert set() == named - set(to_frame(small()).columns)


@pytest.mark.parametrize("name", ["params", "macs", "flops", "ops", "activations", "activation_bytes"])
def test_columns_add_up_to_the_totals(name):
    result = blocks()

    assert getattr(result.totals, name) == to_frame(result)[name].sum()


def test_integers_are_exact_beside_a_missing_one():
    result = analysis([row("a", params=2**62 + 1), with_unknown().rows[1]])

    assert 2**62 + 1 == to_frame(result)["params"][0]


def test_integers_beyond_64_bits_are_exact():
    result = analysis([row("a", macs=2**62 + 1), row("b", macs=2**63 - 1), with_unknown().rows[1]])

    assert [2**63 + 2, 2**64 - 2] == list(to_frame(result)["flops"][:2])


def test_what_is_unknown_is_missing_never_zero():
    frame = to_frame(with_unknown())

    assert [False, True, True, False] == list(frame["macs"].isna())
    assert pd.Int64Dtype() == frame["macs"].dtype
    assert [False, True, True, False] == list(frame["macs_share"].isna())


def test_shapes_are_tuples_with_the_batch():
    assert ((1, 4, 6, 6),) == to_frame(small())["output"][0]


def test_what_a_layer_lacks_is_missing():
    assert [27792, True] == [to_frame(small())["dense_params"][0], bool(to_frame(small())["dense_params"].isna()[1])]


def test_the_source_is_file_and_line():
    assert "net.yaml:7" == to_frame(small())["source"][0]


def test_a_result_without_layers_is_an_empty_frame():
    assert (0, 0) == to_frame(analysis([])).shape


def test_shares_add_up_to_one():
    assert pytest.approx(1.0) == to_frame(blocks())["macs_share"].sum()
