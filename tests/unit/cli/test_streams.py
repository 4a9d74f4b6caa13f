"""Signals and streams as commands see them."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from cnnprof.cli import streams
from cnnprof.errors import OutputError


def test_sigterm_is_raised_where_the_work_is_so_that_cleaning_up_runs():
    cleaned = []

    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            cleaned.append(True)

    with pytest.raises(streams.Terminated), streams.terminable():
        work()

    assert [True] == cleaned


def test_a_thread_of_another_program_keeps_its_signals():
    ran = []

    def work():
        with streams.terminable():
            ran.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert [True] == ran


@pytest.mark.parametrize("text", ["a,b", "a,b\n"])
def test_data_ends_with_one_newline(text, capsys):
    streams.emit(text)

    assert "a,b\n" == capsys.readouterr().out


def test_a_reader_that_goes_away_leaves_a_stream_that_can_still_be_written(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)

        streams.emit("gone")
        streams.emit("and nobody complains")
        streams.flush()

        assert Path(os.devnull).stat().st_rdev == os.fstat(pipe.fileno()).st_rdev


def test_a_full_device_behind_standard_output_is_an_output_error(monkeypatch):
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)

        with pytest.raises(OutputError, match="cannot write to standard output: No space left on device"):
            streams.emit("x" * 100_000)
        streams.emit("what is left in the buffer does not fail again on the way out")
