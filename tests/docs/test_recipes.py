"""The recipes of docs/architecture.md work: each is followed word for word in a copy of the project."""

from __future__ import annotations

import json
import re
import runpy
import shlex
from pathlib import Path

import pytest

from cnnprof.report.base import Column, Line, Report, Table
from tests.docs.pages import ROOT, Block, blocks, copy_project, run, section

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def recipe(title: str) -> list[Block]:
    return blocks(section(PAGE, title))


def follow(title: str, project: Path) -> list[list[str]]:
    """Write the recipe's files and lines; return the commands that it ends with."""
    commands = []
    for block in recipe(title):
        kind, _, where = block.comment.partition(": ")
        if kind == "file":
            (project / where).write_text(block.text, encoding="utf-8")
        elif kind == "first line of":
            insert(project, *where.split(" in "), block.text)
        commands += [shlex.split(command) for command in block.commands]
    return commands


def insert(project: Path, table: str, file: str, line: str) -> None:
    """Put a line at the head of a table: a tuple, list or dict that opens at the end of its first line."""
    text = (project / file).read_text(encoding="utf-8")
    changed, count = re.subn(rf"^({table}\b[^\n]*[(\[{{]\n)", lambda head: head[1] + line, text, flags=re.MULTILINE)
    assert 1 == count, f"{file} has {count} tables called {table}"
    (project / file).write_text(changed, encoding="utf-8")


def succeeds(command: list[str], project: Path) -> str:
    done = run(command, project)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def project(tmp_path):
    return copy_project(tmp_path)


def test_the_toy_layer_is_no_layer_yet(project):
    (project / "net.yaml").write_text(recipe("How to add a layer")[2].text, encoding="utf-8")

    done = run(["cnnprof", "analyze", "net.yaml"], project)

    assert 2 == done.returncode
    assert "maxout" in done.stderr


def test_a_layer_added_by_the_recipe_is_analyzed_completed_and_held_to_torch(project):
    analyze, schema, tests = follow("How to add a layer", project)

    rows = json.loads(succeeds([*analyze, "-f", "json"], project))["analyses"][0]["rows"]
    assert ["conv2d", "maxout", "flatten", "linear"] == [row["op"] for row in rows]
    assert [32, 32, 32] == rows[1]["outputs"][0]["shape"][1:]
    assert 32 * 32 * 32 == rows[1]["events"]["cmps"]
    assert 10 * (32 * 32 * 32 + 1) == rows[3]["trainable_params"]
    assert "maxout" in succeeds(schema, project)
    assert re.search(r"\b\d+ passed, \d+ deselected", succeeds(tests, project))


def test_a_recipe_layer_with_a_wrong_count_would_fail_its_test(project):
    *_, tests = follow("How to add a layer", project)
    layer = project / "cnnprof/layers/maxout.py"
    layer.write_text(layer.read_text("utf-8").replace("(self.pieces - 1)", "self.pieces"), "utf-8")

    done = run(tests, project)

    assert 1 == done.returncode
    assert "test_the_reference_does_exactly_the_operations_that_the_layer_counts[eval-maxout]" in done.stdout


def test_an_input_format_added_by_the_recipe_is_read(project):
    (analyze,) = follow("How to add an input format", project)
    (project / "mnist.sizes").write_text("784 100 10\n", encoding="utf-8")

    rows = json.loads(succeeds([*analyze, "-f", "json"], project))["analyses"][0]["rows"]

    assert [("linear", 78500), ("relu", 0), ("linear", 1010)] == [(row["op"], row["trainable_params"]) for row in rows]


@pytest.mark.parametrize(
    ("text", "arguments", "code"),
    [("784", [], "bad-sizes"), ("784 x", [], "bad-sizes"), ("784 10", ["--input", "5"], "bad-input")],
)
def test_the_added_input_format_refuses_what_it_cannot_read(project, text, arguments, code):
    (analyze,) = follow("How to add an input format", project)
    (project / "mnist.sizes").write_text(text, encoding="utf-8")

    done = run([*analyze, *arguments], project)

    assert 2 == done.returncode
    assert f"error[{code}]" in done.stderr


def test_a_report_format_added_by_the_recipe_is_printed_and_written(project):
    printing, writing = follow("How to add a report format", project)

    printed = succeeds(printing, project)
    succeeds(writing, project)

    assert printed == (project / "lenet5.tsv").read_text(encoding="utf-8")
    assert ["layer", "type"] == printed.splitlines()[0].split("\t")[:2]
    assert "61,706" in printed.splitlines()[-1].split("\t")


def test_a_layers_name_cannot_leave_its_cell_in_the_added_format(tmp_path):
    (tmp_path / "tsv.py").write_text(recipe("How to add a report format")[0].text, encoding="utf-8")
    render = runpy.run_path(str(tmp_path / "tsv.py"))["render"]
    columns = (Column("name", "layer", "text"), Column("params", "params", "count"))

    text = render(Report(Table("layers", "layers", columns, (Line(("=1+1\t\n", 1234)),))))

    assert "layer\tparams\n'=1+1\\t\\n\t1,234\n" == text


def test_the_recipes_device_is_no_device_yet(project):
    (profile,) = next(block for block in recipe("How to add a device") if block.commands).commands

    done = run(shlex.split(profile), project)

    assert 2 == done.returncode
    assert "error[bad-device] unknown device 'meta'" in done.stderr


def test_a_device_added_by_the_recipe_is_measured_on(project):
    (profile,) = follow("How to add a device", project)

    (part,) = json.loads(succeeds([*profile, "-f", "json"], project))["parts"]

    assert ("meta", None, None) == (part["setting"]["device"], part["problem"], part["memory"])
    assert [row["name"] for row in part["analysis"]["rows"]] == part["layers"]
    assert 0 < part["profile"]["whole"]["median_s"]
    assert "" == run([*profile, "--temperature", "--quiet"], project).stderr
