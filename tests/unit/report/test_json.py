"""JSON: whole results, exactly."""

from __future__ import annotations

import json

from cnnprof._version import __version__
from cnnprof.report.base import AtLeast, Column, Line, Report, Table
from cnnprof.report.json import render
from cnnprof.report.tables import LAYER_COLUMNS, report, zoo_table
from tests.unit.report.samples import analysis, blocks, row, small, two_places, with_unknown

COUNTS = (
    "trainable_params", "frozen_params", "buffers", "bias_params", "param_bytes", "buffer_bytes", "events",
    "activations", "activation_bytes", "read_bytes", "write_bytes", "torchsummary_outputs", "params", "macs", "flops",
    "ops", "macs_share", "params_share",
)  # fmt: skip


def parsed(*results):
    return json.loads(render(report(results)))


def test_the_head_says_schema_and_version():
    found = parsed(small())

    assert ("cnnprof/report/1", __version__) == (found["schema"], found["cnnprof_version"])


def test_definitions_of_every_quantity_come_with_the_numbers():
    definitions = parsed(small())["definitions"]

    assert list(LAYER_COLUMNS) == list(definitions)
    assert "2 per multiply-accumulate, nothing else (operations, whole batch)" == definitions["flops"]


def test_several_results_are_a_list():
    assert [4, 22] == [len(each["rows"]) for each in parsed(small(), blocks())["analyses"]]


def test_a_layer_has_its_fields_and_what_follows_from_them():
    conv = parsed(small())["analyses"][0]["rows"][0]

    names = ("name", "op", "params", "macs", "flops", "ops", "macs_share", "source")
    assert ["conv", "conv2d", 112, 3888, 7776, 7776, 3888 / 4048, "net.yaml:7"] == [conv[name] for name in names]
    assert {"source": "net.yaml", "line": 7, "column": 3, "module": None} == conv["origin"]
    assert [{"shape": [1, 4, 6, 6], "dtype": "float32"}] == conv["outputs"]


def test_totals_have_what_follows_from_them_and_add_up():
    (found,) = parsed(small())["analyses"]

    derived = {"params": 282, "macs": 4048, "flops": 8096, "ops": 8288, "lower_bound": False}
    assert derived == {name: found["totals"][name] for name in derived}
    assert found["totals"]["macs"] == sum(each["macs"] for each in found["rows"])


def test_integers_beyond_a_double_are_exact():
    assert 2**62 + 1 == parsed(analysis([row("a", params=2**62 + 1)]))["analyses"][0]["rows"][0]["params"]


def test_unknown_counts_are_null_never_zero():
    pool = parsed(with_unknown())["analyses"][0]["rows"][1]

    assert dict.fromkeys(COUNTS) == {name: pool[name] for name in COUNTS}
    assert False is pool["known"]


def test_totals_with_an_unknown_operator_say_that_they_are_lower_bounds():
    totals = parsed(with_unknown())["analyses"][0]["totals"]

    assert (True, ["roi_align"], 400) == (totals["lower_bound"], totals["unknown_ops"], totals["macs"])


def test_names_are_exact_and_the_text_is_ascii():
    name = "café \x1b[0m \u202e \n </script> \udc80"
    text = render(report([analysis([row(name)])]))

    assert text.isascii()
    assert "\x1b" not in text
    assert name == json.loads(text)["analyses"][0]["rows"][0]["name"]


def test_a_layers_weights_and_its_share_of_macs_are_two_things():
    first, second = parsed(analysis([row("a", macs=1), row("b", macs=3, share="a")]))["analyses"][0]["rows"]

    assert [(None, 0.25), ("a", 0.75)] == [(each["share"], each["macs_share"]) for each in (first, second)]


def test_traffic_is_part_of_a_result():
    assert 3 == len(parsed(two_places())["analyses"][0]["transfers"])


def test_a_layer_is_one_line():
    lines = render(report([small()])).splitlines()

    assert 4 == sum(line.lstrip().startswith('{"name": "') and '"op": ' in line for line in lines)


def test_a_list_of_anything_else_is_its_tables():
    found = json.loads(render(Report(zoo_table([{"name": "vgg16", "file": "vgg.yaml"}]))))

    assert [{"name": "vgg16", "title": None, "file": "vgg.yaml", "source": None}] == found["tables"][0]["rows"]


def test_a_lower_bound_in_a_table_is_no_number():
    table = Table("t", "t", (Column("x", "x", "count"),), (Line((AtLeast(5),)), Line((AtLeast(0),))))

    assert [{"x": {"at_least": 5}}, {"x": None}] == json.loads(render(Report(table)))["tables"][0]["rows"]
