"""zoo, schema, init, explain."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from cnnprof import zoo_files
from cnnprof.__main__ import main
from cnnprof.cli import init
from cnnprof.error_catalogue import CATALOGUE


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Every test works in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# zoo


def zoo_names(capsys, *argv: str) -> list[str]:
    assert 0 == main(["zoo", *argv, "-f", "csv"])
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("#")]
    return [line["name"] for line in csv.DictReader(lines)]


def test_the_zoo_is_listed(capsys):
    names = zoo_names(capsys)

    assert {"vgg16", "alexnet", "lenet5"} <= set(names)
    assert zoo_names(capsys, "list") == names


def test_a_text_filters_the_zoo_by_name_title_and_file_whatever_the_case(capsys):
    assert {"vgg11", "vgg16", "vgg19"} <= set(zoo_names(capsys, "VGG"))
    assert ["vgg16"] == [name for name in zoo_names(capsys, "vgg", "16") if name == "vgg16"]
    assert [] == zoo_names(capsys, "vgg", "lenet5")


def test_a_network_whose_name_is_not_there_is_no_error_in_a_list(capsys):
    assert 0 == main(["zoo", "nothing-like-it"])
    assert "0 networks" in capsys.readouterr().out


def test_the_list_goes_to_a_file(capsys):
    assert 0 == main(["zoo", "vgg16", "-o", "zoo.json"])
    assert "vgg16" in Path("zoo.json").read_text()
    assert ("", "wrote zoo.json\n") == capsys.readouterr()


def test_a_specification_of_the_zoo_is_shown_as_it_stands(capsys):
    assert 0 == main(["zoo", "show", "vgg16"])
    assert (zoo_files.root() / "vgg.yaml").read_text(encoding="utf-8") == capsys.readouterr().out


def test_a_misspelt_network_names_the_nearest_one(capsys):
    assert 2 == main(["zoo", "show", "alexnte"])
    assert capsys.readouterr().err.startswith(
        "error[unknown-model] no network of the zoo is called 'alexnte'; did you mean 'alexnet'?\n"
    )


# schema


def test_the_schema_is_printed_as_json(capsys):
    assert 0 == main(["schema"])
    assert "cnnprof specification" == json.loads(capsys.readouterr().out)["title"]


def test_the_schema_goes_to_a_file(capsys):
    assert 0 == main(["schema", "-o", "cnnprof.json", "--quiet"])
    assert "layers" in json.loads(Path("cnnprof.json").read_text())["properties"]
    assert ("", "") == capsys.readouterr()


# init


def test_the_starter_specification_can_be_analyzed_as_it_is(capsys):
    assert 0 == main(["init", "net.yaml"])
    assert ("", "wrote net.yaml\n") == capsys.readouterr()

    assert 0 == main(["analyze", "net.yaml", "-f", "json"])
    assert 175258 == json.loads(capsys.readouterr().out)["analyses"][0]["totals"]["params"]


def test_the_starter_specifications_commands_work_as_its_comments_say():
    main(["init", "net.yaml"])

    assert 0 == main(["analyze", "net.yaml", "--set", "num_classes=100"])
    assert 0 == main(["analyze", "net.yaml", "--input", "3x64x64"])


def test_the_published_figure_in_the_starters_comment_is_its_own_count():
    assert '#       - {of: params, value: "175258"' in Path(init.__file__).with_name("starter.yaml").read_text()


def test_a_start_that_would_be_read_as_something_else_than_yaml_is_not_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    assert 2 == main(["init", "net.json"])
    assert "error[bad-suffix] net.json would hold YAML\n  hint: call it net.yaml\n" == capsys.readouterr().err
    assert [] == [*tmp_path.iterdir()]


@pytest.mark.parametrize("argv", [["init"], ["init", "-"]])
def test_without_a_file_the_starter_is_printed(argv, capsys):
    assert 0 == main(argv)
    assert capsys.readouterr().out.startswith("# A network in cnnprof's language")


def test_an_existing_file_is_never_overwritten_unasked(capsys):
    Path("net.yaml").write_text("mine")

    assert 2 == main(["init", "net.yaml"])
    assert "mine" == Path("net.yaml").read_text()
    assert "error[exists] net.yaml exists already\n  hint: use --force to overwrite it\n" == capsys.readouterr().err


def test_force_overwrites():
    Path("net.yaml").write_text("mine")

    assert 0 == main(["init", "net.yaml", "--force"])
    assert "mine" != Path("net.yaml").read_text()


def test_a_dangling_link_is_not_taken_for_a_file():
    Path("net.yaml").symlink_to("elsewhere.yaml")

    assert 0 == main(["init", "net.yaml"])
    assert Path("elsewhere.yaml").is_file()


# explain


@pytest.mark.parametrize("code", ["unknown-layer", "[unknown-layer]"])
def test_a_code_is_explained(code, capsys):
    assert 0 == main(["explain", "--error", code])

    entry = CATALOGUE["unknown-layer"]
    assert f"unknown-layer: {entry.title}\n\n{entry.text}\n" == capsys.readouterr().out


def test_an_unknown_code_names_the_nearest_and_all(capsys):
    assert 2 == main(["explain", "--error", "unknown-lyaer"])

    err = capsys.readouterr().err
    assert err.startswith("error[usage] no error has the code 'unknown-lyaer'; did you mean 'unknown-layer'?\n")
    assert all(code in err for code in CATALOGUE)
