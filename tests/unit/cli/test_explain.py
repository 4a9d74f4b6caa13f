"""explain MODEL LAYER, and the formulas of analyze."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import pytest

from cnnprof.__main__ import main
from tests.helpers.formulas import value


def out_of(capsys, *argv: str) -> str:
    assert 0 == main([*argv])
    return capsys.readouterr().out


def test_a_layer_is_derived(capsys):
    assert out_of(capsys, "explain", "lenet5", "s2") == (
        """s2 of lenet5: maxpool2d(kernel_size=2), batch 1, float32

What arrives
  relu = 6·28·28 = 4,704   1×6×28×28 float32

Output size
  channels = 6
  height   = ⌊(28 − 2) / 2⌋ + 1 = 14   ⌊(size + padding − kernel) / stride⌋ + 1
  width    = ⌊(28 − 2) / 2⌋ + 1 = 14   ⌊(size + padding − kernel) / stride⌋ + 1
  elements = 6·14·14 = 1,176

Work
  comparisons = 6·14·14·(2·2 − 1) = 3,528   3 for each of 1,176 outputs
  ops         = 3,528                       all of them

Memory
  act. memory = 6·14·14·4 = 4,704 bytes = 4.59 KiB     elements × 4 bytes
  read        = 6·28·28·4 = 18,816 bytes = 18.38 KiB   inputs, parameters and buffers, each once
  written     = 6·14·14·4 = 4,704 bytes = 4.59 KiB     outputs, each once

Receptive field
  size    = 5 + (2 − 1)·1 = 6   input elements that one unit sees
  stride  = 1·2 = 2             how far the next unit's field lies
  padding = 0 + 0·1 = 0         how far the first unit's field begins before the input
"""
    )


def test_the_options_of_analyze_change_the_derivation(capsys):
    text = out_of(
        capsys, "explain", "lenet5", "c1", "--batch", "4", "--input", "1x34x34", "--dtype", "float16", "--freeze", "c*"
    )

    assert "MACs            = 5·5·1·4·6·30·30 = 540,000 " in text
    assert "param memory = 156·2 = 312 bytes" in text
    assert "frozen params = 5·5·1·6 + 6 = 156" in text


def test_set_reaches_the_specification(tmp_path, capsys):
    path = tmp_path / "net.yaml"
    path.write_text("cnnprof: 1\nname: n\ninput: [4]\nparams: {w: 4}\nlayers: [linear: {out_features: =w}]\n")

    assert "params = 4·7 + 7 = 35" in out_of(capsys, "explain", str(path), "linear", "--set", "w=7")


def test_a_derivation_is_a_table_to_programs(capsys):
    lines = [line for line in out_of(capsys, "explain", "lenet5", "c1", "-f", "csv").splitlines() if line[0] != "#"]
    rows = list(csv.DictReader(lines))

    assert ["section", "name", "formula", "value", "unit", "about"] == list(rows[0])
    (params,) = [row for row in rows if row["name"] == "params"]
    assert ["Weights", "params", "5·5·1·6 + 6", "156", "elements", ""] == list(params.values())


def test_a_derivation_goes_to_a_file_in_its_format(tmp_path, capsys):
    path = tmp_path / "c1.json"

    assert "" == out_of(capsys, "explain", "lenet5", "c1", "-o", str(path), "--quiet")

    (table,) = json.loads(path.read_text())["tables"]
    found = {row["name"]: row["value"] for row in table["rows"] if row["section"] == "Work"}
    assert (117_600, 235_200) == (found["MACs"], found["FLOPs"])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "explain needs a MODEL and a LAYER, or --error CODE\n  hint: cnnprof explain vgg16 conv1_1"),
        (["lenet5"], "which layer of lenet5?\n  hint: one of its 13: c1, relu, s2, c3, relu_2, s4, c5 … logsoftmax"),
        (["lenet5", "c9"], "lenet5 has no layer 'c9'\n  hint: did you mean 'c5' or 'c3'?"),
        (["lenet5", "--error", "usage"], "explain takes a MODEL and a LAYER, or --error CODE, not both"),
    ],
)
def test_a_command_line_without_a_layer_says_what_is_missing(argv, message, capsys):
    assert 2 == main(["explain", *argv])
    assert f"error[usage] {message}\n" == capsys.readouterr().err


# analyze --formulas


def test_csv_has_a_column_of_formulas_behind_each_column_that_has_some(capsys):
    text = out_of(capsys, "analyze", "lenet5", "--formulas", "-f", "csv", "--columns", "name,params,output,macs_share")
    rows = list(csv.DictReader(line for line in text.splitlines() if line[0] != "#"))

    assert [
        "name", "params", "params_formula", "output", "output_formula", "macs_share", "macs_share_formula",
    ] == list(rows[0])  # fmt: skip
    assert "5·5·1·6 + 6" == rows[0]["params_formula"]
    assert [int(row["params"]) for row in rows] == [value(row["params_formula"]) for row in rows]
    assert '# total,61706,"Σ params","","",1.0,"Σ macs_share"' in text


def test_blocks_add_their_numbers_up(capsys):
    argv = ["analyze", "googlenet", "--formulas", "-f", "csv", "--columns", "name,params,macs,macs_share", "--depth"]
    rows = list(csv.DictReader(line for line in out_of(capsys, *argv, "1").splitlines() if line[0] != "#"))

    assert "9,408 + 128" == rows[0]["params_formula"]
    for column in ("params", "macs"):
        assert [int(row[column]) for row in rows] == [value(row[f"{column}_formula"]) for row in rows]
    shares = [(float(row["macs_share"]), float(value(row["macs_share_formula"]))) for row in rows]
    assert all(abs(one - other) < 1e-12 for one, other in shares)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "6 × (⌊(32 − 5) / 1⌋ + 1) × (⌊(32 − 5) / 1⌋ + 1)"),
        (["--layout", "hwc"], "(⌊(32 − 5) / 1⌋ + 1) × (⌊(32 − 5) / 1⌋ + 1) × 6"),
        (["--batch", "2", "--layout", "hwc"], "2 × (⌊(32 − 5) / 1⌋ + 1) × (⌊(32 − 5) / 1⌋ + 1) × 6"),
    ],
)
def test_the_formula_of_a_shape_has_the_order_of_its_cell(options, expected, capsys):
    text = out_of(capsys, "analyze", "lenet5", "--formulas", "-f", "csv", "--columns", "output", *options)

    assert expected == next(csv.DictReader(line for line in text.splitlines() if line[0] != "#"))["output_formula"]


def test_json_has_the_formulas_in_each_row(capsys):
    (analysis,) = json.loads(out_of(capsys, "analyze", "lenet5", "--formulas", "-f", "json"))["analyses"]

    assert "5·5·1·6 + 6" == analysis["rows"][0]["formulas"]["params"]
    assert "formulas" not in analysis


def test_nobody_pays_for_formulas_that_were_not_asked_for(capsys):
    (analysis,) = json.loads(out_of(capsys, "analyze", "lenet5", "-f", "json"))["analyses"]

    assert "formulas" not in analysis["rows"][0].keys() | analysis.keys()
    assert "_formula" not in out_of(capsys, "analyze", "lenet5", "-f", "csv")


def test_analyze_alone_loads_nothing_of_the_formulas():
    code = (
        "import sys; from cnnprof.__main__ import main; main(['analyze', 'lenet5']); "
        "sys.exit('cnnprof.formulas' in sys.modules or 'cnnprof.model.explanation' in sys.modules)"
    )

    assert 0 == subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode


@pytest.mark.parametrize("options", [[], ["-f", "md"], ["-f", "csv", "--batch", "1,2"]])
def test_formulas_that_nothing_would_show_are_refused(options, capsys):
    assert 2 == main(["analyze", "lenet5", "--formulas", *options])
    assert capsys.readouterr().err.startswith("error[usage] --formulas: nothing printed here has room for formulas\n")


def test_several_results_have_theirs_in_json(capsys):
    found = json.loads(out_of(capsys, "analyze", "lenet5", "--batch", "1,2", "--formulas", "-f", "json"))["analyses"]

    assert ["5·5·1·6·28·28", "5·5·1·2·6·28·28"] == [each["rows"][0]["formulas"]["macs"] for each in found]
