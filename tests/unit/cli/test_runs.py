"""cnnprof runs: the command line over the store."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cnnprof import analyze
from cnnprof.__main__ import main
from cnnprof.cli.root import cli
from cnnprof.model.plain import replace
from cnnprof.store.files import from_json, to_json
from cnnprof.store.runs import Store
from tests.helpers import runs

OLD = runs.run("20250101-000000-old-aaaa", runs.part("alexnet"), created="2025-01-01T00:00:00+00:00")
NEW = runs.run(runs.ID, created=(datetime.now(UTC) - timedelta(hours=30)).isoformat())
TORN = runs.run("20251231-000000-torn-bbbb", status="running", created="2025-12-31T00:00:00+00:00")


@pytest.fixture(autouse=True)
def path(tmp_path, monkeypatch):
    """A store with three runs, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CNNPROF_STORE", str(tmp_path / "runs.sqlite3"))
    return runs.store_of(tmp_path / "runs.sqlite3", OLD, NEW, TORN)


def ids(capsys, *argv: str) -> list[str]:
    """The ids that a list shows."""
    assert 0 == main(["runs", *argv, "-f", "csv"])
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("#")]
    return [line["id"] for line in csv.DictReader(lines)]


# list


@pytest.mark.parametrize("argv", [[], ["list"]])
def test_runs_are_listed_newest_first(capsys, argv):
    assert [NEW.id, TORN.id, OLD.id] == ids(capsys, *argv)


def test_the_list_says_what_each_run_is(capsys):
    assert 0 == main(["runs", "-f", "json"])

    (table,) = json.loads(capsys.readouterr().out)["tables"]
    assert {
        "id": OLD.id, "created": "2025-01-01T00:00:00+00:00", "status": "done", "models": "alexnet", "parts": 1,
        "samples": 3,
    } == table["rows"][2]  # fmt: skip
    assert ["done", "interrupted", "done"] == [row["status"] for row in table["rows"]]


@pytest.mark.parametrize("form", ["table", "csv", "md", "json", "latex"])
def test_the_list_comes_in_every_format(capsys, form):
    assert 0 == main(["runs", "-f", form])
    assert "vgg16" in capsys.readouterr().out


def test_another_store_is_named_on_the_command_line(capsys, tmp_path):
    runs.store_of(tmp_path / "other", runs.run("other"))

    assert ["other"] == ids(capsys, "--store", "other")


def test_a_store_that_is_not_there_has_no_runs_and_is_not_made(capsys, tmp_path):
    assert 0 == main(["runs", "--store", "nothing"])
    assert capsys.readouterr().out.startswith("0 runs\n")
    assert not (tmp_path / "nothing").exists()


def test_a_list_goes_to_a_file(capsys):
    assert 0 == main(["runs", "-o", "list.md"])
    assert ("", "wrote list.md\n") == capsys.readouterr()
    assert NEW.id in Path("list.md").read_text()


def damage(path: Path, run_id: str) -> None:
    with Store.open(path, write=True) as store, store.connection.transaction(write=True) as db:
        db.execute("UPDATE runs SET crc = 1 WHERE id = ?", (run_id,))


def test_a_damaged_run_is_listed_as_such_and_the_list_is_partial(capsys, path):
    damage(path, OLD.id)

    assert 4 == main(["runs", "-f", "json"])

    out, err = capsys.readouterr()
    assert ["done", "interrupted", "damaged"] == [row["status"] for row in json.loads(out)["tables"][0]["rows"]]
    assert f"damaged: {OLD.id}; 'cnnprof runs verify' says more\n" == err


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["lits"], "error[usage] runs: no command 'lits'; did you mean 'list'?"),
        (["export"], "error[usage] runs export: Missing argument 'RUN'"),
        (["export", "2"], "error[unknown-run] 2 may be any of 3 runs: "),
        (["export", "nope"], "error[unknown-run] there is no run nope\n"),
        (["prune"], "error[usage] which runs?\n  hint: --keep N, "),
        (["prune", "--older-than", "soon"], "error[usage] runs prune: Invalid value for '--older-than': 'soon' is no"),
        (["--store", "."], "error[store] cannot use the store .: it is a directory\n"),
        (["import", "nope.json"], "error[bad-run] nope.json is no run: No such file or directory\n"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_error(capsys, argv, expected):
    assert 2 == main(["runs", *argv])

    out, err = capsys.readouterr()
    assert "" == out
    assert err.startswith(expected)


# show


def test_a_run_is_shown_as_it_was_profiled(capsys):
    layers = analyze("lenet5")
    names = tuple(row.name for row in layers.rows)
    part = runs.part("lenet5", analysis=layers, layers=names, marks=("node",) * len(names), forwards=20)
    part = replace(part, forwards=tuple(each for each in part.forwards if each.kind == "E"), temperatures=())
    runs.store_of(Path("other"), runs.run("one", part))

    assert 0 == main(["runs", "show", "one", "--store", "other"])

    out = capsys.readouterr().out
    assert [] == [name for name in names if name not in out]
    assert "lenet5" in out.splitlines()[0]


def test_of_several_parts_each_is_a_line_and_one_can_be_chosen(capsys):
    run = runs.run("two", runs.part("alexnet"), runs.part("lenet5", analysis=analyze("lenet5"), layers=(), marks=(),
                   forwards=1, temperatures=()))  # fmt: skip
    last = replace(run.parts[1], forwards=run.parts[1].forwards[:1])
    runs.store_of(Path("other"), replace(run, parts=(run.parts[0], last)))

    assert 0 == main(["runs", "show", "two", "--store", "other", "-f", "json"])
    assert 2 == len(json.loads(capsys.readouterr().out)["parts"])

    assert 0 == main(["runs", "show", "two", "--store", "other", "--part", "2", "--columns", "name,params"])
    assert "61,706" in capsys.readouterr().out

    assert 2 == main(["runs", "show", "two", "--store", "other", "--part", "3"])
    assert "error[usage] --part 3: two has parts 1 to 2\n" == capsys.readouterr().err


def test_a_run_file_is_shown_without_a_store(capsys):
    Path("run.json").write_text(to_json(NEW))

    assert 0 == main(["runs", "show", "run.json", "--store", "nothing"])
    assert "vgg16" in capsys.readouterr().out


# export and import


@pytest.mark.parametrize("word", ["last", runs.ID, runs.ID[:10]])
def test_a_run_is_exported_whole(capsys, word):
    assert 0 == main(["runs", "export", word])

    assert NEW == from_json(capsys.readouterr().out, "out")


def test_a_run_is_exported_to_a_file_and_imported_elsewhere(capsys):
    assert 0 == main(["runs", "export", "last", "-o", "run.json"])
    assert 0 == main(["runs", "import", "run.json", "--store", "other"])
    assert f"wrote run.json\nimported {NEW.id}\n" == capsys.readouterr().err

    with Store.open("other") as store:
        assert NEW == store.load(NEW.id)


def test_an_export_needs_a_file_of_json(capsys):
    assert 2 == main(["runs", "export", "last", "-o", "run.csv"])
    assert "names no format" in capsys.readouterr().err


def test_the_same_file_twice_is_no_error(capsys):
    Path("run.json").write_text(to_json(NEW))

    assert 0 == main(["runs", "import", "run.json", "run.json"])
    assert f"{NEW.id} is there already\n" * 2 == capsys.readouterr().err


def test_a_file_that_is_refused_costs_no_other(capsys):
    Path("good.json").write_text(to_json(runs.run("good")))
    Path("bad.json").write_text("{}")
    Path("other.json").write_text(to_json(runs.run(OLD.id)))

    assert 4 == main(["runs", "import", "bad.json", "other.json", "good.json", "--quiet"])

    first, hint, second, _ = capsys.readouterr().err.splitlines()
    assert ("error[bad-run] bad.json is no run: its schema is not cnnprof/run/1", "  hint") == (first, hint[:6])
    assert second.startswith("other.json: error[run-exists] the store ")
    assert "good" in ids(capsys)


def test_quiet_says_nothing(capsys):
    assert 0 == main(["runs", "export", "last", "-o", "run.json", "--quiet"])
    assert 0 == main(["runs", "import", "run.json", "--quiet"])
    assert ("", "") == capsys.readouterr()


def test_of_a_damaged_store_what_can_be_read_is_exported(capsys, path):
    with Store.open(path, write=True) as store, store.connection.transaction(write=True) as db:
        db.execute("UPDATE records SET crc = 1 WHERE key = 2")

    assert 4 == main(["runs", "export", OLD.id])

    out, err = capsys.readouterr()
    assert len(OLD.parts[0].forwards) - 1 == len(from_json(out, "out").parts[0].forwards)
    assert f"the store is damaged, and {OLD.id} may not be whole: forward 2: its checksum is wrong\n" == err


# verify


def test_a_store_that_is_whole_is_verified(capsys):
    assert 0 == main(["runs", "verify"])
    assert capsys.readouterr().out.startswith("3 runs, 9 samples: all as it was written\n")


def test_findings_are_a_table_and_exit_with_1(capsys, path):
    damage(path, OLD.id)

    assert 1 == main(["runs", "verify", "-f", "json"])

    out, err = capsys.readouterr()
    (table,) = json.loads(out)["tables"]
    assert [{"run": OLD.id, "message": "its checksum is wrong"}] == table["rows"]
    assert "3 runs, 6 samples: 1 finding" == table["title"]
    assert f"saves what can be read of a run; there are: {OLD.id}, {TORN.id}, {NEW.id}" in err


# prune


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--keep", "1"], [TORN.id, OLD.id]),
        (["--older-than", "30h"], [NEW.id, TORN.id, OLD.id]),
        (["--older-than", "2d"], [TORN.id, OLD.id]),
        (["--older-than", "1w", "--keep", "2"], [OLD.id]),
        (["--interrupted"], [TORN.id]),
        (["--keep", "3"], []),
    ],
)
def test_prune_says_what_it_would_delete_and_deletes_it_with_yes(capsys, argv, expected):
    number = f"{len(expected)} run{'' if len(expected) == 1 else 's'}"

    assert 0 == main(["runs", "prune", *argv])
    out, err = capsys.readouterr()
    assert (expected, f"would delete {number}{' (--yes does)' if expected else ''}\n") == (out.splitlines(), err)
    assert 3 == len(ids(capsys))

    assert 0 == main(["runs", "prune", *argv, "--yes"])
    out, err = capsys.readouterr()
    assert (expected, f"deleted {number}\n") == (out.splitlines(), err)
    assert [run.id for run in (NEW, TORN, OLD) if run.id not in expected] == ids(capsys)


def test_a_run_that_is_being_measured_is_not_pruned(capsys, path):
    with Store.open(path, write=True) as store:
        store.begin(runs.head(runs.run("busy", created="2024-01-01")))

        assert 0 == main(["runs", "prune", "--keep", "0", "--yes"])
        assert [NEW.id, TORN.id, OLD.id] == capsys.readouterr().out.split()

        assert ["busy"] == ids(capsys)


# completion


def completions(*words: str) -> list[str]:
    """What a shell offers for the last word."""
    from click.shell_completion import ShellComplete

    complete = ShellComplete(cli, {}, "cnnprof", "_CNNPROF_COMPLETE")
    return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]


def test_a_shell_completes_runs_and_the_commands():
    assert ["last", NEW.id, TORN.id, OLD.id] == completions("runs", "export", "")
    assert [TORN.id, OLD.id] == completions("runs", "export", "2025")
    assert {"list", "export", "import", "verify", "prune"} <= set(completions("runs", ""))


def test_a_shell_completes_the_runs_of_the_store_that_was_named(tmp_path):
    runs.store_of(tmp_path / "other", runs.run("other"))

    assert ["last", "other"] == completions("runs", "export", "--store", "other", "")
    assert [] == completions("runs", "export", "--store", "nothing", "")
    Path("broken").write_text("no database")
    assert [] == completions("runs", "export", "--store", "broken", "")
