"""FAULTS 24: an interrupt, a termination or a reader that leaves ends cnnprof quietly, and never half-written.

The children stop at a named point of their own work and say so; only then the signal is sent. Nothing is timed.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.helpers.processes import CNNPROF, ROOT, cnnprof, environment

STOP = """
import os, sys, time

def stop(*_args, **_kwargs):
    print("ready", file=sys.stderr, flush=True)
    while True:
        time.sleep(60)

class StopAt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            stop()

sys.meta_path.insert(0, StopAt())
{patch}
"""
POINTS = {
    "start-up": STOP.format(module="click", patch=""),
    "reading": STOP.format(module="", patch="import cnnprof.api\ncnnprof.api.load = stop"),
    "counting": STOP.format(module="", patch="import cnnprof.analyzer\ncnnprof.analyzer.analyze = stop"),
    "rendering": STOP.format(module="cnnprof.report.csv", patch=""),
    "saving": STOP.format(module="", patch="os.fsync = stop"),
    "replacing": STOP.format(module="", patch="import pathlib\npathlib.Path.replace = stop"),
}
"""Where a child stops: a module that is not yet imported, or a function that is reached."""
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
BEFORE_READING = """
import sys

def say(event, arguments):
    if event == "import" and arguments[0] == "cnnprof.readers.source":
        print("ready", file=sys.stderr, flush=True)

sys.addaudithook(say)
"""
TORN_DOWN = "import cnnprof.cli.output\ncnnprof.cli.output.Path.unlink = stop\nos.fsync = stop"


def start(folder: Path, customisation: str, *argv: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start cnnprof in a folder with a customised interpreter, and wait until it says that it has stopped."""
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(customisation)
    child = subprocess.Popen(
        [*CNNPROF, *argv], cwd=folder, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(PYTHONPATH=f"{folder / 'site'}:{ROOT}"),
    )  # fmt: skip
    wait_for_ready(child)
    return child


def wait_for_ready(child: subprocess.Popen[bytes]) -> None:
    assert child.stderr is not None
    assert b"ready\n" == child.stderr.readline()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("point", POINTS)
def test_a_signal_ends_the_program_with_its_code_and_without_a_traceback(tmp_path, point, number):
    (tmp_path / "a.csv").write_bytes(b"old")
    child = start(tmp_path, POINTS[point], "analyze", "vgg16", "-o", "a.csv")

    child.send_signal(number)
    out, err = child.communicate(timeout=60)

    assert (CODES[number], b"", b"") == (child.returncode, out, err)
    assert {"a.csv": b"old"} == files(tmp_path)


def test_a_second_interrupt_while_cleaning_up_is_as_quiet_and_the_old_file_stays(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"old")
    child = start(tmp_path, STOP.format(module="", patch=TORN_DOWN), "analyze", "vgg16", "-o", "a.csv")

    child.send_signal(signal.SIGINT)
    wait_for_ready(child)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)

    assert (130, b"", b"") == (child.returncode, out, err)
    assert b"old" == (tmp_path / "a.csv").read_bytes()


def test_an_interrupted_validation_prints_the_checks_that_were_made(tmp_path):
    patch = "import cnnprof.validator.work\ncnnprof.validator.work.forward = stop"
    child = start(tmp_path, STOP.format(module="", patch=patch), "validate", "lenet5", "--checks", "parameters,macs")

    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)

    assert (130, b"") == (child.returncode, err)
    assert out.startswith(b"lenet5, 6 figures: 6 equal\n")
    assert b"note: interrupted: what was found until then, of 1 of 1 network\n" in out


@pytest.mark.parametrize("number", CODES)
def test_waiting_for_standard_input_can_be_interrupted(tmp_path, number):
    reader, writer = os.pipe()
    child = start(tmp_path, BEFORE_READING, "analyze", "-", stdin=reader)
    os.close(reader)
    try:
        wait_until_blocked(child)
        child.send_signal(number)
        out, err = child.communicate(timeout=60)
    finally:
        os.close(writer)

    assert (CODES[number], b"", b"") == (child.returncode, out, err)


def wait_until_blocked(child: subprocess.Popen[bytes]) -> None:
    """Wait until the child sleeps, which after its last import can only be in a read of standard input."""
    while "S" != Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0]:
        assert child.poll() is None


# A reader that leaves


@pytest.mark.parametrize("argv", [["analyze", "vgg16"], ["analyze", "vgg16", "-f", "json"], ["zoo"], ["schema"],
                                  ["--help"], ["analyze", "--help"], ["--version"], ["doctor"], ["init"]])  # fmt: skip
def test_a_reader_that_has_gone_is_no_error(argv):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([*CNNPROF, *argv], stdout=writer, stderr=subprocess.PIPE, check=False, env=environment())
    finally:
        os.close(writer)

    assert (0, b"") == (done.returncode, done.stderr)


def test_head_gets_its_line_and_the_pipeline_succeeds():
    pipeline = f"set -o pipefail; {' '.join(CNNPROF)} analyze vgg16 -f json | head -1"

    done = subprocess.run(["bash", "-c", pipeline], capture_output=True, check=False, env=environment())

    assert (0, b"{\n", b"") == (done.returncode, done.stdout, done.stderr)


def test_a_reader_that_has_gone_costs_the_files_nothing(tmp_path):
    pipeline = f"{' '.join(CNNPROF)} analyze vgg16 -f json -o - -o a.csv | true; exit ${{PIPESTATUS[0]}}"

    done = subprocess.run(["bash", "-c", pipeline], cwd=tmp_path, capture_output=True, check=False, env=environment())

    assert (0, b"wrote a.csv\n") == (done.returncode, done.stderr)
    assert "138357544" in (tmp_path / "a.csv").read_text()


def test_findings_are_not_lost_with_the_reader():
    pipeline = f"{' '.join(CNNPROF)} analyze vgg16 nope | true; exit ${{PIPESTATUS[0]}}"

    assert 4 == subprocess.run(["bash", "-c", pipeline], capture_output=True, check=False, env=environment()).returncode


def test_the_check_can_fail(tmp_path):
    """A program that does not care shows a traceback where cnnprof shows none."""
    (tmp_path / "careless.py").write_text("import sys\nfor _ in range(10**5): print('a line')\n")
    command = f"{CNNPROF[0]} careless.py | head -1; exit ${{PIPESTATUS[0]}}"

    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, check=False)

    assert b"BrokenPipeError" in done.stderr


def test_a_finished_program_leaves_no_process_behind():
    """Children of the session are counted by their process group."""
    child = subprocess.Popen([*CNNPROF, "analyze", "vgg16"], stdout=subprocess.DEVNULL, start_new_session=True,
                             env=environment())  # fmt: skip
    child.wait(timeout=60)

    with pytest.raises(ProcessLookupError):
        os.killpg(child.pid, 0)


def test_an_ordinary_run_is_not_stopped_by_the_harness():
    assert 0 == cnnprof("analyze", "vgg16").code
