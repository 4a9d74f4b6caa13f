"""``cnnprof analyze``: what is asked for, what is printed, what the exit code says."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pytest

from cnnprof.__main__ import main

TINY = """\
cnnprof: 1
name: tiny
input: [3, 8, 8]
params: {width: 4, bias: true}
layers:
  - conv2d: {out_channels: =width, kernel_size: 3, bias: =bias}
  - relu
  - flatten
  - linear: {out_features: 10}
"""
# conv2d: 3·3·3·4 + 4 = 112 parameters, 3·3·3·4·36 = 3,888 MACs; linear: 4·36·10 + 10 = 1,450 and 1,440.


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with one good and one bad specification."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY)
    Path("bad.yaml").write_text(TINY.replace("relu", "rleu"))
    return tmp_path


def table(capsys) -> list[dict[str, str]]:
    """The lines of the CSV just printed, without comments and totals."""
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def results(capsys) -> list[dict]:
    """The results of the JSON just printed."""
    printed = json.loads(capsys.readouterr().out)
    return printed["analyses"]


def test_one_result_shows_its_layers(capsys):
    assert 0 == main(["analyze", "tiny.yaml", "-f", "csv", "--columns", "name,params,macs"])

    expected = [
        {"name": "conv2d", "params": "112", "macs": "3888"},
        {"name": "relu", "params": "0", "macs": "0"},
        {"name": "flatten", "params": "0", "macs": "0"},
        {"name": "linear", "params": "1450", "macs": "1440"},
    ]
    assert expected == table(capsys)


def test_without_a_format_a_table_is_printed(capsys):
    assert 0 == main(["analyze", "tiny.yaml"])

    out, err = capsys.readouterr()
    assert "tiny, input 3×8×8, batch 1, float32, 4 layers" in out
    assert "5,328" in out
    assert "" == err


def test_batches_and_inputs_give_one_line_each_in_order(capsys):
    assert 0 == main(["analyze", "tiny.yaml", "--batch", "1,8", "--input", "3x8x8", "--input", "3x4x4", "-f", "csv"])

    found = [(line["batch"], line["input"], line["macs"]) for line in table(capsys)]
    expected = [("1", "3x8x8", "5328"), ("8", "3x8x8", "42624"), ("1", "3x4x4", "592"), ("8", "3x4x4", "4736")]
    assert expected == found


def test_several_models_give_one_line_each(capsys):
    Path("other.yaml").write_text(TINY.replace("tiny", "other"))

    assert 0 == main(["analyze", "tiny.yaml", "other.yaml", "-f", "csv"])
    assert ["tiny", "other"] == [line["model"] for line in table(capsys)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--set", "width=8"], 8 * 27 + 8),
        (["--set", "width=8", "--set", "bias=false"], 8 * 27),
        (["--set", "width = 2"], 2 * 27 + 2),
    ],
)
def test_a_setting_is_read_as_a_value_of_the_specification(given, expected, capsys):
    assert 0 == main(["analyze", "tiny.yaml", *given, "-f", "csv"])
    assert str(expected) == table(capsys)[0]["params"]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("width", "error[usage] --set width: a setting is NAME=VALUE"),
        ("=3", "error[usage] --set =3: a setting is NAME=VALUE"),
        ("width=", "error[usage] --set width=: a setting is NAME=VALUE"),
        ("width==2 * 3", "error[usage] --set width: a value is needed, not a formula"),
        ("width={a: 1}", "error[bad-value] --set width: "),
        ("width=[1", "--set width:"),
        ("wdith=3", "error[unknown-param] --set wdith: tiny has no such parameter"),
    ],
)
def test_a_wrong_setting_is_refused(setting, expected, capsys):
    assert 2 == main(["analyze", "tiny.yaml", "--set", setting])

    message = capsys.readouterr().err
    assert expected in message.splitlines()[0]
    assert "Traceback" not in message


def test_a_setting_given_twice_is_refused(capsys):
    assert 2 == main(["analyze", "tiny.yaml", "--set", "width=3", "--set", "width=4"])
    assert "error[usage] --set width is given twice\n" == capsys.readouterr().err


def test_frozen_layers_are_named_by_a_pattern(capsys):
    assert 0 == main(["analyze", "tiny.yaml", "--freeze", "conv*", "-f", "csv", "--columns", "name,frozen_params"])
    assert [("conv2d", "112"), ("linear", "0")] == [
        (line["name"], line["frozen_params"]) for line in table(capsys) if line["name"] in {"conv2d", "linear"}
    ]


def test_layers_are_sorted_and_the_first_are_kept(capsys):
    argv = ["analyze", "tiny.yaml", "--sort", "params", "--top", "1", "-f", "csv", "--columns", "name"]

    assert 0 == main(argv)
    assert "linear" == table(capsys)[0]["name"]


def test_the_channels_stand_last_where_asked(capsys):
    assert 0 == main(["analyze", "tiny.yaml", "--layout", "hwc"])
    assert "8×8×3" in capsys.readouterr().out


def test_the_dtype_and_the_batch_reach_the_result(capsys):
    assert 0 == main(["analyze", "tiny.yaml", "--dtype", "float16", "--batch", "2", "-f", "json"])

    (result,) = results(capsys)
    assert ("float16", 2) == (result["dtype"], result["batch"])


def test_blocks_are_refused_where_no_layers_are_shown(capsys):
    assert 2 == main(["analyze", "tiny.yaml", "--batch", "1,2", "--depth", "1"])
    assert "error[usage] --depth: several results are shown in one line each" in capsys.readouterr().err


def test_several_results_show_the_columns_asked_for_sorted_and_the_first_of_them(capsys):
    argv = ["analyze", "tiny.yaml", "--batch", "1,8,2", "-f", "csv", "--columns", "params,macs", "--sort", "macs"]

    assert 0 == main([*argv, "--top", "2"])
    assert [("8", "1562", "42624"), ("2", "1562", "10656")] == [
        (line["batch"], line["params"], line["macs"]) for line in table(capsys)
    ]


def test_a_column_that_only_layers_have_cannot_compare_results(capsys):
    assert 2 == main(["analyze", "tiny.yaml", "--batch", "1,2", "--columns", "window_cut"])
    assert "error[no-total] column 'window_cut' has no total" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        ["--batch", "0"],
        ["--batch", "1,,2"],
        ["--batch", "2147483648"],
        ["--batch", "9" * 5000],
        ["--batch", "two"],
        ["--batch", "²"],
        ["--depth", "0"],
        ["--top", "0"],
        ["--columns", "name,"],
        ["--columns", "nmae"],
        ["--sort", "mcas"],
        ["--layout", "nchw"],
        ["--format", "xml"],
        ["--dtype", "float"],
        ["--input", "3x8"],
        ["--input", "0x8x8"],
        ["--freeze", "nothing*"],
    ],
)
def test_a_wrong_value_is_a_usage_error(argv, capsys):
    assert 2 == main(["analyze", "tiny.yaml", *argv])

    out, err = capsys.readouterr()
    assert "" == out
    assert "error[" in err
    assert "Traceback" not in err


# One bad model never costs the others


def test_a_bad_model_among_good_ones_is_reported_and_the_result_is_partial(capsys):
    assert 4 == main(["analyze", "tiny.yaml", "bad.yaml", "-f", "csv"])

    out, err = capsys.readouterr()
    assert "tiny" in out
    assert "bad.yaml:7:5: error[unknown-layer]" in err


def test_where_one_of_two_fails_the_other_still_has_one_line(capsys):
    main(["analyze", "tiny.yaml", "bad.yaml", "-f", "csv"])

    assert [("tiny", "5328")] == [(line["model"], line["macs"]) for line in table(capsys)]


def test_where_all_fail_nothing_is_printed_and_all_are_reported(capsys):
    assert 2 == main(["analyze", "bad.yaml", "nope.yaml"])

    out, err = capsys.readouterr()
    assert "" == out
    assert "bad.yaml:7:5" in err
    assert "nope.yaml" in err


def test_the_same_error_is_said_once(capsys):
    assert 2 == main(["analyze", "bad.yaml", "--batch", "1,2", "--input", "3x8x8", "--input", "3x9x9"])
    assert 1 == capsys.readouterr().err.count("error[unknown-layer]")


def test_an_input_that_does_not_fit_costs_the_others_nothing(capsys):
    assert 4 == main(["analyze", "tiny.yaml", "--input", "3x2x2", "--input", "3x8x8", "-f", "csv"])
    assert ["3x8x8"] == [line["input"] for line in table(capsys)]


def test_a_missing_package_alone_has_its_own_code(monkeypatch):
    from cnnprof import api
    from cnnprof.errors import MissingPackageError

    def load(*_args, **_kwargs):
        raise MissingPackageError("torch is missing")

    monkeypatch.setattr(api, "load", load)

    assert 3 == main(["analyze", "torchvision:vgg16"])


def test_a_bug_that_one_model_shows_costs_the_others_nothing(monkeypatch, capsys):
    from cnnprof import api

    real = api.load

    def load(model, **kwargs):
        if model == "bug":
            raise ZeroDivisionError("division by zero")
        return real(model, **kwargs)

    monkeypatch.setattr(api, "load", load)

    assert 4 == main(["analyze", "bug", "tiny.yaml"])
    assert "error[bug] this is a bug of cnnprof: ZeroDivisionError" in capsys.readouterr().err


# Unknown operators


@pytest.fixture
def unknown_operator(monkeypatch):
    """Every network read has an operator that nobody registered in place of flatten."""
    from cnnprof import api
    from cnnprof.model.graph import Recorded
    from cnnprof.model.plain import replace

    real = api.load

    def load(model, **kwargs):
        graph = real(model, **kwargs)
        seen = {"op": "mystery", "args": {}, "recorded": (Recorded((1, 144)),)}
        return replace(
            graph, nodes=tuple(replace(node, **seen) if node.op == "flatten" else node for node in graph.nodes)
        )

    monkeypatch.setattr(api, "load", load)


@pytest.mark.usefixtures("unknown_operator")
@pytest.mark.parametrize(("argv", "expected"), [([], 0), (["--strict"], 1)])
def test_a_total_that_is_a_lower_bound_is_a_finding_where_that_is_asked(argv, expected, capsys):
    assert expected == main(["analyze", "tiny.yaml", *argv])

    out, err = capsys.readouterr()
    assert "≥" in out
    strict = "tiny: its totals are lower bounds: cnnprof does not know mystery (--strict)\n"
    assert (strict if argv else "") == err


@pytest.mark.usefixtures("unknown_operator")
def test_partial_results_weigh_more_than_findings():
    assert 4 == main(["analyze", "tiny.yaml", "bad.yaml", "--strict"])


def test_a_network_without_unknown_operators_passes_the_strict_check():
    assert 0 == main(["analyze", "tiny.yaml", "--strict"])


# Where it goes


def test_every_file_gets_the_format_of_its_suffix_and_nothing_is_printed(capsys):
    assert 0 == main(["analyze", "tiny.yaml", "-o", "a.csv", "-o", "b.json", "-o", "c.md", "-o", "d.txt"])

    assert ("", "wrote a.csv\nwrote b.json\nwrote c.md\nwrote d.txt\n") == capsys.readouterr()
    assert "1450" in Path("a.csv").read_text()
    assert "cnnprof/" in json.loads(Path("b.json").read_text())["schema"]
    assert "|" in Path("c.md").read_text()
    assert "1,450" in Path("d.txt").read_text()


def test_a_target_that_cannot_be_written_is_refused_before_any_work(capsys, monkeypatch):
    from cnnprof import api

    monkeypatch.setattr(api, "load", lambda *_args, **_kwargs: pytest.fail("work was done"))

    assert 2 == main(["analyze", "tiny.yaml", "-o", "reports/a.csv"])
    assert "error[output] cannot write reports/a.csv: there is no directory" in capsys.readouterr().err


def test_a_file_has_the_same_bytes_whatever_the_terminal(monkeypatch):
    main(["analyze", "tiny.yaml", "-o", "a.txt"])
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    main(["analyze", "tiny.yaml", "-o", "b.txt"])

    assert Path("a.txt").read_bytes() == Path("b.txt").read_bytes()


# Standard input and patterns


def test_a_specification_is_read_from_standard_input(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TINY.encode())))

    assert 0 == main(["analyze", "-", "-f", "csv"])
    assert "conv2d" == table(capsys)[0]["name"]


def test_standard_input_serves_several_inputs(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TINY.encode())))

    assert 0 == main(["analyze", "-", "--input", "3x8x8", "--input", "3x4x4", "-f", "csv"])
    assert ["5328", "592"] == [line["macs"] for line in table(capsys)]


def test_a_one_line_pattern_is_a_model(capsys):
    assert 0 == main(["analyze", "INPUT 3x32x32 -> CONV5-10 -> RELU -> FC-10", "-f", "csv"])
    assert "760" == table(capsys)[0]["params"]
