"""``cnnprof conventions``: formats, options and errors."""

from __future__ import annotations

import csv
import json

from cnnprof.__main__ import main


def test_the_table_ends_in_notes(capsys):
    assert 0 == main(["conventions", "lenet5"])

    lines = capsys.readouterr().out.splitlines()
    assert "lenet5, input 1×32×32: what other tools say" == lines[0]
    assert any(line.startswith("note: cnnprof: ") for line in lines)


def test_json_has_every_line_with_its_tool(capsys):
    assert 0 == main(["conventions", "resnet18", "-f", "json"])

    (table,) = json.loads(capsys.readouterr().out)["tables"]
    found = {(row["tool"], row["unit"]): row["counted"] for row in table["rows"] if row["kind"] == "all layers"}
    assert 2 * 1_814_073_344 == found["FlopCounterMode", "FLOPs"]
    assert 11_689_512 == found["torchinfo", "Total params"]


def test_csv_goes_to_a_file(tmp_path, capsys):
    assert 0 == main(["conventions", "lenet5", "-o", str(tmp_path / "said.csv")])

    lines = [line for line in (tmp_path / "said.csv").read_text("utf-8").splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    assert {"fvcore", "thop", "Keras"} <= {row["tool"] for row in rows}
    assert f"wrote {tmp_path / 'said.csv'}\n" == capsys.readouterr().err


def test_another_input_and_another_parameter_count(capsys):
    assert 0 == main(["conventions", "resnet18", "--input", "3x64x64", "--set", "num_classes=10", "-f", "json"])

    (table,) = json.loads(capsys.readouterr().out)["tables"]
    assert "resnet18, input 3×64×64: what other tools say" == table["title"]


def test_training_mode_is_said(capsys):
    assert 0 == main(["conventions", "googlenet", "--train"])

    assert capsys.readouterr().out.startswith("googlenet, input 3×224×224, in training mode: what other tools say\n")


def test_an_unknown_model_is_refused(capsys):
    assert 2 == main(["conventions", "resnet51"])

    assert "resnet56" in capsys.readouterr().err
