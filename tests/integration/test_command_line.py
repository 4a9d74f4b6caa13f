"""The program as a user runs it: a process, its streams, its files, its exit code."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnnprof.report import FORMATS
from tests.helpers import latex
from tests.helpers.processes import CNNPROF, cnnprof, environment, run

SPEC = """\
cnnprof: 1
name: tiny
input: [3, 8, 8]
layers:
  - conv2d: {out_channels: 4, kernel_size: 3}
  - relu
"""


def test_the_main_job_prints_a_table_and_its_totals():
    done = cnnprof("analyze", "vgg16")

    assert (0, "") == (done.code, done.err)
    assert "conv1_1" in done.out
    assert "138,357,544" in done.out
    assert "15,470,264,320" in done.out


def test_json_in_a_pipe_has_exact_integers():
    done = cnnprof("analyze", "vgg16", "-f", "json")

    (analysis,) = json.loads(done.out)["analyses"]
    assert 138357544 == analysis["totals"]["params"]
    assert 15470264320 == analysis["totals"]["macs"] == sum(row["macs"] for row in analysis["rows"])


def test_csv_in_a_pipe_adds_up():
    done = cnnprof("analyze", "vgg16", "-f", "csv", "--columns", "name,params")

    lines = [line for line in done.out.splitlines() if not line.startswith("#")]
    assert 138357544 == sum(int(line["params"]) for line in csv.DictReader(lines))


def test_the_exit_code_of_the_process_is_mains(tmp_path):
    (tmp_path / "bad.yaml").write_text(SPEC.replace("relu", "rleu"))

    assert 0 == cnnprof("zoo").code
    assert 2 == cnnprof("analyze", "bad.yaml", cwd=tmp_path).code
    assert 4 == cnnprof("analyze", "bad.yaml", "vgg16", cwd=tmp_path).code


def test_the_console_script_returns_the_exit_code_too(tmp_path):
    """An installed script is ``sys.exit(main())``; here as pip writes it."""
    script = tmp_path / "cnnprof"
    script.write_text("import sys\nfrom cnnprof.__main__ import main\nsys.exit(main())\n")

    assert 2 == run([sys.executable, str(script), "analyze", "nope"]).code
    assert 0 == run([sys.executable, str(script), "analyze", "vgg16"]).code


def test_the_console_script_is_declared():
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

    assert {"cnnprof": "cnnprof.__main__:main"} == project["scripts"]


def test_a_specification_comes_over_a_pipe():
    done = cnnprof("analyze", "-", "-f", "csv", "--columns", "name,params", stdin=SPEC)

    assert '"conv2d",112' in done.out


def test_errors_go_to_standard_error_and_results_to_standard_output(tmp_path):
    (tmp_path / "bad.yaml").write_text(SPEC.replace("relu", "rleu"))

    done = cnnprof("analyze", "bad.yaml", "vgg16", cwd=tmp_path)

    assert "vgg16" in done.out
    assert "error[" not in done.out
    assert done.err.startswith(
        "bad.yaml:6:5: error[unknown-layer] unknown layer or block 'rleu'\n    - rleu\n      ^\n"
    )


def test_files_of_every_format_are_written_at_once(tmp_path):
    done = cnnprof("analyze", "vgg16", "-o", "a.csv", "-o", "a.json", "-o", "a.md", "-o", "a.txt", cwd=tmp_path)

    assert (0, "") == (done.code, done.out)
    assert {"a.csv", "a.json", "a.md", "a.txt"} == {path.name for path in tmp_path.iterdir()}
    assert 138357544 == json.loads((tmp_path / "a.json").read_text())["analyses"][0]["totals"]["params"]


def test_a_file_holds_what_a_pipe_gets(tmp_path):
    for name in FORMATS:
        cnnprof("analyze", "vgg16", "-f", name, "-o", f"file.{name}x", cwd=tmp_path)

        assert cnnprof("analyze", "vgg16", "-f", name, cwd=tmp_path).out == (tmp_path / f"file.{name}x").read_text()


def test_a_paper_gets_the_tables_of_a_network_and_of_the_zoo(tmp_path):
    assert (0, "") == cnnprof("analyze", "resnet50", "-o", "table.tex", cwd=tmp_path)[:2]
    layers, totals, *_ = latex.read((tmp_path / "table.tex").read_text())
    (zoo,) = latex.read(cnnprof("zoo", "-f", "latex").out)

    assert ["total", "25557032", "4089184256"] == [layers.rows[-1][0], *layers.rows[-1][3:5]]
    assert ["parameters", "25557032", "elements", "25.56 M"] == totals.rows[1]
    assert ["vgg16", "VGG", "vgg.yaml"] == next(row[:3] for row in zoo.rows if row[0] == "vgg16")


def test_init_then_analyze_works_from_nothing(tmp_path):
    assert 0 == cnnprof("init", "net.yaml", cwd=tmp_path).code
    assert "175,258" in cnnprof("analyze", "net.yaml", cwd=tmp_path).out


def test_a_file_that_begins_with_a_dash_is_named_with_its_folder(tmp_path):
    (tmp_path / "-x.yaml").write_text(SPEC)

    assert 0 == cnnprof("analyze", "./-x.yaml", cwd=tmp_path).code
    assert 0 == cnnprof("analyze", "--", "-x.yaml", cwd=tmp_path).code


def test_a_file_name_that_is_no_unicode_is_read_and_named(tmp_path):
    name = os.fsencode(tmp_path) + b"/net\xff.yaml"
    with open(name, "w", encoding="utf-8") as file:  # noqa: PTH123 a Path cannot be made of bytes
        file.write(SPEC)

    done = run([*map(os.fsencode, CNNPROF), b"analyze", name])

    assert (0, "") == (done.code, done.err)
    assert "112" in done.out


@pytest.mark.parametrize("shell", ["bash"])
def test_the_completion_script_is_one_that_the_shell_accepts(shell):
    script = cnnprof("completion", shell).out

    subprocess.run([shell, "-n"], input=script, text=True, check=True, env=environment())
    assert "_CNNPROF_COMPLETE" in script


def test_a_bug_is_one_line_in_the_process_too(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import cnnprof.api\ncnnprof.api.zoo_entries = lambda: 1 // 0\n")

    done = cnnprof("zoo", env=environment(PYTHONPATH=f"{tmp_path}:{environment()['PYTHONPATH']}"))

    assert 2 == done.code
    assert done.err.startswith("error[bug] this is a bug of cnnprof: ZeroDivisionError")
    assert 2 == len(done.err.splitlines())
