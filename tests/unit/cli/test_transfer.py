"""cnnprof transfer, and the options of analyze that speak of memory."""

from __future__ import annotations

import json

import pytest

from cnnprof.__main__ import main

SPEC = """cnnprof: 1
name: net
input: [10]
layers:
  - linear: {out_features: 10}
  - relu
  - linear: {out_features: 4}
"""


@pytest.fixture
def net(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text(SPEC)
    return "net.yaml"


def test_the_strategies_stand_side_by_side(net, capsys):
    assert 0 == main(["transfer", net, "--last", "1", "--training", "sgd"])
    out = capsys.readouterr().out

    assert "transfer learning with net, input 10, batch 1, float32, sgd on cpu; head linear_2 of 4 outputs" in out
    assert ["head only", "last layers", "all"] == [
        line[:11].strip() for line in out.splitlines() if "linear" in line and line[:4] in ("head", "last", "all ")
    ]
    assert "where the features that the frozen layers make are stored, a step of linear_2 alone takes 160 FLOPs" in out


def test_a_new_head_a_memory_and_a_file(net, tmp_path):
    assert 0 == main(["transfer", net, "--classes", "2", "--last", "2", "--fits", "1MiB", "-o", "t.json", "--quiet"])
    (table,) = json.loads((tmp_path / "t.json").read_text())["tables"]

    assert [22, 132, 132] == [row["trainable_params"] for row in table["rows"]]
    assert ("linear_2", "linear", "linear") == tuple(row["first"] for row in table["rows"])
    assert all(row["largest_batch"] > 1000 for row in table["rows"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--last", "3"], "the last 3 layers with weights of net cannot be trained: it has 2"),
        (["--last", "2", "--training", "lion"], "unknown optimizer 'lion'"),
        (["--last", "2", "--device", "tpu"], "unknown device 'tpu'"),
        (["--last", "2", "--fits", "much"], "a memory is written 16GiB, 512MiB or 80GB, got 'much'"),
        (["--last", "2", "--dtype", "int8"], "a network stored as int8 does not train"),
    ],
)
def test_what_cannot_be_answered_is_refused(net, capsys, arguments, message):
    assert 2 == main(["transfer", net, *arguments])
    captured = capsys.readouterr()

    assert "" == captured.out
    assert message in captured.err


def test_analyze_shows_a_training_step_and_the_largest_batch(net, capsys):
    assert 0 == main(["analyze", net, "--training", "adam", "--fits", "10 kB"])
    out = capsys.readouterr().out

    assert "peak memory of a training step with adam on cpu, in the optimizer's step" in out
    assert "the largest batch in 9.77 KiB is 49: it needs 9,880 of 10,000 bytes; one more needs 10,040" in out


def test_analyze_takes_several_dtypes(net, capsys):
    assert 0 == main(["analyze", net, "--dtype", "float32,bfloat16,int8", "-f", "json"])
    found = json.loads(capsys.readouterr().out)["analyses"]

    assert [("float32", 616), ("bfloat16", 308), ("int8", 154)] == [
        (each["dtype"], each["totals"]["param_bytes"]) for each in found
    ]


def test_analyze_can_ask_for_the_gradient_of_the_input(net, capsys):
    assert 0 == main(["analyze", net, "--input-grad", "--columns", "name,input_grad_macs", "-f", "csv"])

    assert '"linear",100\n"relu",0\n"linear_2",40\n' in capsys.readouterr().out
