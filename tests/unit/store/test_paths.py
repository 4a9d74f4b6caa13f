"""Where the store is."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnprof.errors import StoreError, UsageError
from cnnprof.store import paths
from cnnprof.store.runs import Store


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("CNNPROF_STORE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def test_a_path_given_counts_more_than_the_environment_and_that_more_than_the_users_folder(monkeypatch, tmp_path):
    assert tmp_path / "data" / "cnnprof" / "runs.sqlite3" == paths.locate()
    monkeypatch.setenv("CNNPROF_STORE", "/somewhere/runs")
    assert Path("/somewhere/runs") == paths.locate()
    assert Path("here") == paths.locate("here")


def test_an_empty_variable_is_none(monkeypatch):
    monkeypatch.setenv("CNNPROF_STORE", "")

    assert paths.default_path() == paths.locate()


def test_the_users_folder_is_made_to_write_and_not_to_read(tmp_path):
    with Store.open() as store:
        assert [] == store.list()
    assert not (tmp_path / "data").exists()

    with Store.open(write=True):
        assert (tmp_path / "data" / "cnnprof" / "runs.sqlite3").is_file()


def test_other_folders_are_not_made(tmp_path):
    with pytest.raises(StoreError, match=f"(?m)there is no directory {tmp_path / 'nope'}$"):
        Store.open(tmp_path / "nope" / "runs.sqlite3", write=True)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "data").write_text("in the way")

    with pytest.raises(StoreError, match=r"(?m)the folder of the store: Not a directory$"):
        Store.open(write=True)


def test_an_empty_name_is_no_store():
    with pytest.raises(UsageError, match="--store names no file"):
        paths.locate("")
