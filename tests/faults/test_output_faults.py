"""FAULTS 22, as far as -o goes: a disk that is full, failing or read-only costs neither the old file nor the result."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import subprocess
from pathlib import Path

import pytest

from cnnprof.__main__ import main
from tests.helpers.processes import CNNPROF, Finished, environment, run

OLD = b"the old report\n"
JOB = "analyze vgg16 -f json -o report.json"
LAST_RESORT = "the result goes to standard output instead:\n"


def shell(script: str, folder: Path, **options) -> Finished:
    """Run a shell script in a folder; ``cnnprof`` in it is ours."""
    command = " ".join(CNNPROF)
    return run(["bash", "-c", f'cnnprof() {{ {command} "$@"; }}\n{script}'], cwd=folder, **options)


def is_whole_result(text: str) -> bool:
    return 138357544 == json.loads(text)["analyses"][0]["totals"]["params"]


# A full disk

LIMITED = f"ulimit -f 8\ntrap '' XFSZ\ncnnprof {JOB}"
"""No file of this process may grow beyond 8 KiB: a write that fails half-way, on any system."""
TMPFS = f"""
mount -t tmpfs -o size=300k tmpfs disk && cd disk
printf 'the old report\\n' > report.json
head -c 270k /dev/zero > filler
cnnprof {JOB}; code=$?
ls -A >&2
cat report.json >&2
exit $code
"""


def may_mount(folder: Path = Path("/")) -> bool:
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return 0 == subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode
    except OSError:
        return False


def test_a_file_that_cannot_grow_is_as_it_was_and_the_result_is_printed(tmp_path):
    (tmp_path / "report.json").write_bytes(OLD)

    done = shell(LIMITED, tmp_path)

    assert 2 == done.code
    assert done.err.startswith("error[output] cannot write report.json: File too large\n")
    assert done.err.endswith(LAST_RESORT)
    assert is_whole_result(done.out)
    assert {"report.json": OLD} == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


@pytest.mark.parametrize("script", [TMPFS] if may_mount() else [LIMITED], ids=["disk"])
def test_a_full_disk_leaves_the_old_file_and_no_other_and_the_result_is_printed(script, tmp_path):
    """A real full disk where this system lets us mount one, else once more the limit."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "report.json").write_bytes(OLD)

    done = run(["unshare", "-rm", "bash", "-c", f'cnnprof() {{ {" ".join(CNNPROF)} "$@"; }}\n{script}'],
               cwd=tmp_path) if script is TMPFS else shell(script, tmp_path)  # fmt: skip

    reason = "No space left on device" if script is TMPFS else "File too large"
    after = "filler\nreport.json\nthe old report\n" if script is TMPFS else ""
    assert 2 == done.code
    assert done.err.startswith(f"error[output] cannot write report.json: {reason}\n")
    assert done.err.endswith(LAST_RESORT + after)
    assert is_whole_result(done.out)


def test_the_next_target_is_written_though_one_is_full(tmp_path):
    done = shell("ulimit -f 8\ntrap '' XFSZ\ncnnprof analyze vgg16 -o a.json -o a.md", tmp_path)

    assert 2 == done.code
    assert done.err.endswith("wrote a.md\n")
    assert is_whole_result(done.out)
    assert {"a.md"} == {path.name for path in tmp_path.iterdir()}


def test_a_full_disk_behind_standard_output_is_said_in_one_line(tmp_path):
    done = shell("cnnprof analyze vgg16 > /dev/full", tmp_path)

    assert (2, "error[output] cannot write to standard output: No space left on device\n") == (done.code, done.err)


@pytest.mark.parametrize("argv", ["--help", "zoo", "schema", "doctor", "init", "completion bash", "--version"])
def test_every_command_says_so(argv, tmp_path):
    done = shell(f"cnnprof {argv} > /dev/full", tmp_path)

    assert (2, "error[output] cannot write to standard output: No space left on device\n") == (done.code, done.err)


def test_where_everything_is_full_the_old_file_still_stands(tmp_path):
    (tmp_path / "report.json").write_bytes(OLD)

    done = shell(f"{LIMITED} > /dev/full", tmp_path)

    assert 2 == done.code
    assert "Traceback" not in done.err
    assert OLD == (tmp_path / "report.json").read_bytes()


def test_a_standard_output_that_is_closed_is_said_in_one_line(tmp_path):
    done = shell("cnnprof analyze vgg16 >&-", tmp_path)

    assert 2 == done.code
    assert done.err.startswith("error[output] standard output is closed\n")


def test_a_standard_error_that_is_closed_costs_the_result_nothing(tmp_path):
    done = shell("cnnprof analyze vgg16 nope -f json 2>&-", tmp_path)

    assert 4 == done.code
    assert is_whole_result(done.out)


# What may not be written


def without_privileges() -> None:
    """Give up root's power to write where permissions forbid it (CAP_DAC_OVERRIDE); others have none to give up."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "expected"),
    [(0o555, 0o644, "the directory"), (0o755, 0o444, "the file is write-protected")],
)
def test_what_may_not_be_written_is_refused_before_any_work(tmp_path, folder_mode, file_mode, expected):
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "report.json").write_bytes(OLD)
    (folder / "report.json").chmod(file_mode)
    folder.chmod(folder_mode)

    done = run([*CNNPROF, "analyze", "vgg16", "-o", "reports/report.json"], cwd=tmp_path,
               preexec_fn=without_privileges)  # fmt: skip
    folder.chmod(0o755)

    assert (2, "") == (done.code, done.out)
    assert done.err.startswith(f"error[output] cannot write reports/report.json: {expected}")
    assert {"report.json": OLD} == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_named_pipe_is_written_into_and_stays_one(tmp_path):
    """A device would do as well, but a test must not be able to destroy one."""
    script = "mkfifo pipe; timeout 20 cat pipe > got & cnnprof analyze vgg16 -f json -o pipe; code=$?; wait; exit $code"

    done = shell(script, tmp_path)

    assert (0, "", "wrote pipe\n") == (done.code, done.out, done.err)
    assert (tmp_path / "pipe").is_fifo()
    assert is_whole_result((tmp_path / "got").read_text())


def test_a_pipe_is_written_into(tmp_path):
    done = shell("exec 3>&1; cnnprof analyze vgg16 -f json -o /dev/fd/3", tmp_path)

    assert (0, "wrote /dev/fd/3\n") == (done.code, done.err)
    assert is_whole_result(done.out)


def test_standard_output_by_its_device_keeps_what_the_shell_has_appended_to(tmp_path):
    (tmp_path / "log").write_bytes(OLD)

    shell("cnnprof analyze vgg16 -f json -o /dev/stdout >> log", tmp_path)

    text = (tmp_path / "log").read_bytes()
    assert text.startswith(OLD)
    assert is_whole_result(text.removeprefix(OLD).decode())


# Every step of writing fails once


def failing(function, number: int, at: int):
    """A function that works, and from its call number ``at`` fails."""
    calls = []

    def call(*args, **kwargs):
        calls.append(args)
        if len(calls) >= at:
            raise OSError(number, os.strerror(number))
        return function(*args, **kwargs)

    return call


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
@pytest.mark.parametrize(("name", "at"), [("write", 1), ("write", 2), ("write", 5), ("fsync", 1), ("replace", 1)])
def test_a_fault_at_any_step_leaves_the_old_file_and_prints_the_result(name, at, number, tmp_path, monkeypatch, capsys):
    (tmp_path / "report.json").write_bytes(OLD)
    monkeypatch.chdir(tmp_path)
    real = os.write
    owner = Path if name == "replace" else os
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:1000]))
        patch.setattr(owner, name, failing(getattr(owner, name), number, at))
        code = main(JOB.split())

    out, err = capsys.readouterr()
    assert 2 == code
    assert f"error[output] cannot write report.json: {os.strerror(number)}\n" in err
    assert is_whole_result(out)
    assert {"report.json": OLD} == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_without_a_fault_the_same_command_replaces_the_old_file(tmp_path, monkeypatch, capsys):
    (tmp_path / "report.json").write_bytes(OLD)
    monkeypatch.chdir(tmp_path)

    assert 0 == main(JOB.split())
    assert ("", "wrote report.json\n") == capsys.readouterr()
    assert is_whole_result((tmp_path / "report.json").read_text())


def test_two_programs_writing_one_file_leave_one_of_both_whole(tmp_path):
    commands = [[*CNNPROF, "analyze", name, "-o", "report.json", "--quiet"] for name in ("vgg16", "alexnet")]
    children = [subprocess.Popen(command, cwd=tmp_path, env=environment()) for command in commands]

    assert [0, 0] == [child.wait(timeout=60) for child in children]
    assert ["report.json"] == [path.name for path in tmp_path.iterdir()]
    (analysis,) = json.loads((tmp_path / "report.json").read_text())["analyses"]
    assert analysis["model"] in {"vgg16", "alexnet"}
