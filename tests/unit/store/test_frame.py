"""Results as data frames."""

from __future__ import annotations

import pandas as pd
import pytest

from cnnprof.measure.summary import summarise
from cnnprof.model.run import Setting, Temperature
from cnnprof.report import measured
from cnnprof.report.base import Below
from cnnprof.report.columns import LAYER_COLUMNS
from cnnprof.report.profile import profile_report
from cnnprof.store.frame import run_to_frame, to_frame
from tests.helpers.parts import part
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


# Runs


def test_a_run_is_a_row_per_layer_of_each_part_with_times_and_counts():
    parts = [
        part({"conv": 40_000, "relu": 300, "fc": 20_000}, analysis=small(), setting=Setting(batch=batch))
        for batch in (1, 8)
    ]
    frame = run_to_frame([(each, summarise(each)) for each in parts])

    assert [("conv", 1), ("relu", 1), ("pool", 1), ("fc", 1), ("conv", 8)] == list(
        zip(frame["name"], frame["batch"], strict=True)
    )[:5]
    assert [40e-6, 300e-9] == pytest.approx(list(frame["time_s"][:2]))
    assert [False, True, False, False] == list(frame["below_resolution"][:4])
    assert (3888, 112, "conv2d") == tuple(frame.loc[0, ["macs", "params", "op"]])
    assert 500e-9 == pytest.approx(frame.loc[1, "resolution_s"])
    assert frame["protocol"][4].startswith("E+L cpu batch 8 float32")


def test_a_layer_that_was_not_told_apart_has_no_time_in_the_frame():
    frame = run_to_frame([(each, summarise(each)) for each in [part({"conv": 1_000}, analysis=small())]])

    assert [False, True, True, True] == list(frame["time_s"].isna())
    assert [1, 0, 0, 0] == list(frame["calls"])
    assert "Int64" == frame["n"].dtype


def test_seconds_that_nobody_measured_are_a_column_of_numbers_all_the_same():
    frame = run_to_frame([(each, summarise(each)) for each in [part({"conv": 1_000}, analysis=small())]])

    assert "float64" == frame["hot_s"].dtype


def test_a_runs_columns_bear_the_names_of_the_command_line_and_have_its_figures():
    alone = Temperature(layer="fc", hot_ns=(5_000,) * 11, cold_ns=(30_000,) * 11)
    found = part({"conv": 40_000, "relu": 300, "fc": 20_000}, analysis=small(), temperatures=(alone,))
    profile = summarise(found)
    frame = run_to_frame([(found, profile)])
    names = [name for name in measured.catalogue(profile).columns if name not in LAYER_COLUMNS]
    table = profile_report([(found, profile)], columns=names).main

    assert [] == [name for name in names if name not in frame.columns]
    for name in names:
        for shown, kept in zip(table.cells(name), frame[name], strict=True):
            if shown is not None and not isinstance(shown, Below):
                assert shown == pytest.approx(kept), name
