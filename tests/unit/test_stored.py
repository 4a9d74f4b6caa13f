"""Stored runs in Python."""

from __future__ import annotations

from pathlib import Path

import pytest

import cnnprof
from cnnprof.errors import StoreError, UsageError
from cnnprof.store.files import to_json
from tests.helpers import runs


@pytest.fixture(autouse=True)
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CNNPROF_STORE", str(tmp_path / "runs.sqlite3"))
    return runs.store_of(tmp_path / "runs.sqlite3", runs.run())


def test_runs_are_listed(tmp_path):
    assert [(runs.ID, "done", ("vgg16",))] == [(run.id, run.status, run.models) for run in cnnprof.runs()]
    assert [] == cnnprof.runs(tmp_path / "nothing")


@pytest.mark.parametrize("word", ["last", runs.ID, "2026"])
def test_a_run_is_loaded_by_its_name(word):
    assert runs.run() == cnnprof.load_run(word)


def test_a_run_is_loaded_from_another_store(tmp_path):
    runs.store_of(tmp_path / "other", runs.run("other"))

    assert runs.run("other") == cnnprof.load_run("last", store=tmp_path / "other")


@pytest.mark.parametrize("file", [Path("file"), Path("run.json"), "run.json"])
def test_a_run_is_loaded_from_its_file(file):
    Path(file).write_text(to_json(runs.run("filed")))

    assert runs.run("filed") == cnnprof.load_run(file)


def test_what_is_not_there_is_an_error():
    with pytest.raises(UsageError, match=r"(?m)^there is no run nope$"):
        cnnprof.load_run("nope")
    with pytest.raises(UsageError, match=r"(?m)^nope\.json is no run: No such file or directory$"):
        cnnprof.load_run("nope.json")
    with pytest.raises(StoreError, match=r"(?m)it is a directory$"):
        cnnprof.runs(".")
