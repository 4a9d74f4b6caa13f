"""docs/runs.md is true: its commands and its Python run, one after the other, in a folder of their own."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from cnnprof.__main__ import main
from cnnprof.store.paths import default_path
from tests.docs.pages import ROOT, blocks

PAGE = (ROOT / "docs" / "runs.md").read_text(encoding="utf-8")
SHELL, PYTHON = blocks(PAGE)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CNNPROF_STORE", str(tmp_path / "runs.sqlite3"))


@pytest.mark.usefixtures("folder")
def test_the_commands_and_the_python_of_the_page_run(capsys):
    codes = {line: main(shlex.split(line.removeprefix("cnnprof "))) for line in SHELL.commands}
    assert 8 == len(codes)
    assert {0} == set(codes.values())
    capsys.readouterr()

    found: dict[str, Any] = {}
    exec(PYTHON.text, found)  # noqa: S102 the page's own example

    (part,) = found["run"].parts
    samples = sum(not forward.warm_up for forward in part.forwards)
    assert f"{found['run'].id} done {samples}\n" == capsys.readouterr().out
    assert len(part.analysis.rows) == len(found["frame"])


def test_the_place_of_the_store_is_the_one_on_the_page(monkeypatch):
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)

    assert Path.home() / ".local/share/cnnprof/runs.sqlite3" == default_path()
    assert "`cnnprof/runs.sqlite3`" in PAGE
    assert "(`~/.local/share` on Linux)" in PAGE
