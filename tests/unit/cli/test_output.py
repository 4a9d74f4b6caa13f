"""Targets are checked before work, files are written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from cnnprof.cli import output
from cnnprof.cli.output import Target, check, deliver, targets, write
from cnnprof.errors import OutputError, UsageError

SUFFIXES = {".csv": "csv", ".md": "md", ".json": "json", ".txt": "table"}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Every test works in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def targets_of(*outputs: str, chosen: str | None = None) -> list[Target]:
    return targets(outputs, chosen, SUFFIXES)


# Which format goes where


@pytest.mark.parametrize(
    ("outputs", "chosen", "expected"),
    [
        ([], None, [(None, "table")]),
        ([], "csv", [(None, "csv")]),
        (["-"], "json", [(None, "json")]),
        (["a.csv"], None, [("a.csv", "csv")]),
        (["A.CSV", "b.json"], None, [("A.CSV", "csv"), ("b.json", "json")]),
        (["a.csv", "-"], None, [("a.csv", "csv"), (None, "table")]),
        (["a.csv", "-"], "md", [("a.csv", "csv"), (None, "md")]),
        (["report"], "md", [("report", "md")]),
        (["a.csv"], "csv", [("a.csv", "csv")]),
    ],
)
def test_a_suffix_decides_the_format_and_the_option_the_rest(outputs, chosen, expected):
    found = [(target.path and str(target.path), target.format) for target in targets_of(*outputs, chosen=chosen)]

    assert expected == found


def test_a_file_whose_suffix_names_no_format_is_refused_with_those_that_do():
    with pytest.raises(UsageError) as caught:
        targets_of("report.xls")

    assert "-o report.xls: its suffix names no format" == caught.value.message
    assert "use one of .csv, .json, .md, .txt, or add --format" == caught.value.hint


def test_a_format_that_goes_nowhere_is_refused():
    with pytest.raises(UsageError, match="--format json goes nowhere"):
        targets_of("a.csv", chosen="json")


@pytest.mark.parametrize("pair", [("a.csv", "./a.csv"), ("-", "-")])
def test_one_target_twice_is_refused(pair):
    with pytest.raises(UsageError, match="is given twice"):
        targets_of(*pair)


def test_an_empty_file_name_is_refused():
    with pytest.raises(UsageError, match="an empty one"):
        targets_of("")


# Checked before work


def test_a_target_in_a_folder_that_is_not_there_is_refused(here):
    with pytest.raises(OutputError) as caught:
        targets_of("reports/a.csv")

    assert f"cannot write reports/a.csv: there is no directory {here / 'reports'}" == caught.value.message


def test_a_directory_is_refused(here):
    (here / "a.csv").mkdir()

    with pytest.raises(OutputError, match=r"cannot write a\.csv: it is a directory"):
        targets_of("a.csv")


def test_a_loop_of_links_is_refused(here):
    (here / "a.csv").symlink_to("b.csv")
    (here / "b.csv").symlink_to("a.csv")

    with pytest.raises(OutputError, match=r"cannot write a\.csv: "):
        check(Path("a.csv"))


def test_a_name_the_system_does_not_allow_is_refused():
    with pytest.raises(OutputError, match="File name too long"):
        check(Path("a" * 300 + ".csv"))


@pytest.mark.parametrize(("denied", "expected"), [("a.csv", "the file is write-protected"), (".", "is not writable")])
def test_what_may_not_be_written_is_refused(denied, expected, here, monkeypatch):
    (here / "a.csv").write_text("old")
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != (here / denied).resolve())

    with pytest.raises(OutputError, match=expected):
        check(Path("a.csv"))


def test_the_check_leaves_no_trace(here):
    check(Path("a.csv"))

    assert [] == list(here.iterdir())


# Written whole


def test_a_file_is_written_and_nothing_else_is_left(here):
    write(Path("a.csv"), b"new")

    assert {"a.csv": b"new"} == {path.name: path.read_bytes() for path in here.iterdir()}


def test_a_new_file_has_the_permissions_the_user_wants_for_new_files():
    before = os.umask(0o027)
    try:
        write(Path("a.csv"), b"new")
    finally:
        os.umask(before)

    assert 0o640 == stat.S_IMODE(Path("a.csv").stat().st_mode)


def test_an_old_file_keeps_its_permissions():
    Path("a.csv").write_bytes(b"old")
    Path("a.csv").chmod(0o604)

    write(Path("a.csv"), b"new")

    assert (0o604, b"new") == (stat.S_IMODE(Path("a.csv").stat().st_mode), Path("a.csv").read_bytes())


def test_a_link_stays_a_link_and_its_target_is_written(here):
    (here / "there").mkdir()
    Path("a.csv").symlink_to("there/b.csv")

    write(Path("a.csv"), b"new")

    assert Path("a.csv").is_symlink()
    assert b"new" == Path("there/b.csv").read_bytes()


def test_a_pipe_is_written_into_and_not_replaced():
    """It stands for all that is no regular file; a test must not be able to destroy a device."""
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(Path("pipe"), b"new")

        assert b"new" == os.read(reader, 100)
        assert Path("pipe").is_fifo()
    finally:
        os.close(reader)


def test_a_write_that_takes_a_part_only_goes_on_with_the_rest(monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:2]))

    write(Path("a.csv"), b"12345")

    assert b"12345" == Path("a.csv").read_bytes()


# Faults


def failing(number: int, at: int):
    """A function that works until its call number ``at`` and then fails with an error number."""
    calls = []

    def wrap(real):
        def call(*args, **kwargs):
            calls.append(args)
            if len(calls) >= at:
                raise OSError(number, os.strerror(number))
            return real(*args, **kwargs)

        return call

    return wrap


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize(
    ("owner", "function", "at"), [(os, "open", 1), (os, "write", 1), (os, "write", 2), (os, "fsync", 1),
                                  (Path, "replace", 1)]
)  # fmt: skip
def test_after_a_fault_the_old_file_is_byte_identical(here, monkeypatch, owner, function, at, number):
    Path("a.csv").write_bytes(b"old")
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:2]))
    monkeypatch.setattr(owner, function, failing(number, at)(getattr(owner, function)))

    with pytest.raises(OutputError) as caught:
        write(Path("a.csv"), b"12345")

    monkeypatch.undo()
    assert f"cannot write a.csv: {os.strerror(number)}" == caught.value.message
    assert {"a.csv": b"old"} == {path.name: path.read_bytes() for path in here.iterdir()}


def test_an_interrupt_while_writing_leaves_the_old_file_and_nothing_else(here, monkeypatch):
    Path("a.csv").write_bytes(b"old")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(Path("a.csv"), b"new")

    assert {"a.csv": b"old"} == {path.name: path.read_bytes() for path in here.iterdir()}


# Delivery


def test_results_go_to_every_target_in_its_format(capsys):
    code = deliver(targets_of("a.csv", "-", "b.json"), lambda target: f"as {target.format}")

    assert 0 == code
    assert "as csv\n" == Path("a.csv").read_text()
    assert "as json\n" == Path("b.json").read_text()
    assert ("as table\n", "wrote a.csv\nwrote b.json\n") == capsys.readouterr()


def test_quiet_names_no_files(capsys):
    deliver(targets_of("a.csv"), lambda target: target.format, quiet=True)

    assert ("", "") == capsys.readouterr()


def test_a_failing_target_costs_no_other_and_its_data_is_printed_as_a_last_resort(capsys, monkeypatch):
    def full_for_a(path: Path, data: bytes, *, real=output.write) -> None:
        if path.name == "a.csv":
            raise OutputError("cannot write a.csv: No space left on device")
        real(path, data)

    monkeypatch.setattr(output, "write", full_for_a)

    assert 2 == deliver(targets_of("a.csv", "b.json"), lambda target: f"as {target.format}")
    assert "as json\n" == Path("b.json").read_text()
    expected = (
        "error[output] cannot write a.csv: No space left on device\n"
        "the result goes to standard output instead:\n"
        "wrote b.json\n"
    )
    assert ("as csv\n", expected) == capsys.readouterr()


def test_what_is_printed_anyway_is_not_printed_twice(capsys, monkeypatch):
    def fail(_path: Path, _data: bytes) -> None:
        raise OutputError("cannot write it")

    monkeypatch.setattr(output, "write", fail)

    assert 2 == deliver(targets_of("-", "a.txt"), lambda target: f"as {target.format}")
    assert "as table\n" == capsys.readouterr().out


def test_names_that_are_no_unicode_reach_a_file_as_escapes():
    deliver(targets_of("a.csv"), lambda _target: "\udcff")

    assert b"\\udcff\n" == Path("a.csv").read_bytes()
