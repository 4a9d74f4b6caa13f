"""FAULTS 15, 18, 22, 24 of ``cnnprof profile``: signals, full disks, printing code; what was measured is never lost.

Children hang in a named forward of the fake device, or stop at a point of their own work; only then they get a signal.
"""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cnnprof.errors import CnnprofError
from cnnprof.model.run import Run
from cnnprof.store.rescue import verify
from cnnprof.store.runs import Store
from tests.faults.test_output_faults import may_mount
from tests.helpers.measuring import PLAIN, measured
from tests.helpers.processes import CNNPROF, ROOT, cnnprof, ended, environment, run

SMALL = "INPUT 1x8x8 -> FC-10"
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
STOP = """
import os, sys, time

def stop(*_args, **_kwargs):
    print("ready", file=sys.stderr, flush=True)
    while True:
        time.sleep(60)

if "-m" in sys.orig_argv:  # not in a worker
    {patch}
"""


def script(folder: Path, **changes: object) -> str:
    """Write what the fake device does, and return its name: forwards of 43 ms, rounds of two."""
    (folder / "script.json").write_text(json.dumps(PLAIN | {"layer_ns": 20_000_000} | changes))
    return "fake:script.json"


def start(folder: Path, *argv: str, patch: str = "pass", **options: object) -> subprocess.Popen[bytes]:
    """Start a profile in a folder, whose store is ``runs``."""
    (folder / "site").mkdir(exist_ok=True)
    (folder / "site" / "sitecustomize.py").write_text(STOP.format(patch=patch))
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | options
    return subprocess.Popen(
        [*CNNPROF, "profile", *argv], cwd=folder, **streams,
        env=environment(PYTHONPATH=f"{folder / 'site'}:{ROOT}", CNNPROF_STORE=str(folder / "runs")),
    )  # fmt: skip


def stored(folder: Path) -> Run:
    with Store.open(folder / "runs") as store:
        return store.load(store.ids()[-1])


def wait_for(folder: Path, forwards: int, *, warm_up: bool = False) -> None:
    """Wait until a store has so many forwards."""
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        try:
            (part, *_) = stored(folder).parts
        except (CnnprofError, IndexError):
            part = None
        if part is not None and len(part.forwards if warm_up else measured(part)) >= forwards:
            return
        time.sleep(0.02)
    raise AssertionError("nothing was measured")


def workers(child: subprocess.Popen[bytes]) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()]


def interrupted(child: subprocess.Popen[bytes], number: int) -> tuple[int, str, str]:
    """Send a signal, and return how the program ended; its workers are gone then."""
    running = workers(child)
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert [True] * len(running) == [ended(pid) for pid in running]
    return child.returncode, out.decode(), err.decode()


# 24: signals


@pytest.mark.parametrize("number", CODES)
def test_a_signal_in_the_warm_up_keeps_the_warm_up(tmp_path, number):
    child = start(tmp_path, SMALL, "lenet5", "--device", script(tmp_path, faults={"3": "hang"}))
    wait_for(tmp_path, 2, warm_up=True)

    code, out, err = interrupted(child, number)

    found = stored(tmp_path)
    assert (CODES[number], f"cnnprof profile --resume {found.id} goes on\n") == (code, err)
    assert "interrupted" in out
    assert ("interrupted", [2, 0]) == (found.status, [len(part.forwards) for part in found.parts])


@pytest.mark.parametrize("number", CODES)
def test_a_signal_in_the_middle_prints_and_keeps_what_was_measured(tmp_path, number):
    device = script(tmp_path, faults={"20": "hang"})
    child = start(tmp_path, SMALL, "lenet5", "--device", device, "-f", "json")
    wait_for(tmp_path, 10)

    code, out, err = interrupted(child, number)

    found = stored(tmp_path)
    assert (CODES[number], f"cnnprof profile --resume {found.id} goes on\n") == (code, err)
    assert ["interrupted"] * 2 == [part.status for part in found.parts]
    assert [10, 0] == [len(measured(part)) for part in found.parts]
    assert 2 == len(json.loads(out)["parts"])
    assert () == verify(tmp_path / "runs").findings


def test_a_signal_before_anything_was_measured_prints_nothing(tmp_path):
    child = start(tmp_path, SMALL, "--device", script(tmp_path, faults={"0": "hang"}))
    while not (tmp_path / "runs").exists() or not workers(child):
        time.sleep(0.02)

    code, out, err = interrupted(child, signal.SIGINT)

    assert (130, "") == (code, out)
    assert "Traceback" not in err


@pytest.mark.parametrize("number", CODES)
def test_a_signal_while_saving_undoes_that_sample_and_keeps_the_others(tmp_path, number):
    patch = (
        "import cnnprof.store.statements as s; plain = s.append; calls = []\n"
        "    s.append = lambda *given: (plain(*given), calls.append(1), len(calls) > 10 and stop())"
    )
    child = start(tmp_path, SMALL, "--device", script(tmp_path), patch=patch)
    assert child.stderr is not None
    assert b"ready\n" == child.stderr.readline()

    code, _, err = interrupted(child, number)

    found = stored(tmp_path)
    assert (CODES[number], f"cnnprof profile --resume {found.id} goes on\n") == (code, err)
    assert ("interrupted", 5) == (found.status, sum(each.warm_up for each in found.parts[0].forwards))
    assert 0 == len(measured(found.parts[0])) % 2
    assert () == verify(tmp_path / "runs").findings


def test_a_second_interrupt_while_the_first_is_being_saved_is_as_quiet(tmp_path):
    patch = "import cnnprof.store.runs; cnnprof.store.runs.RunWriter.finish = stop"
    child = start(tmp_path, SMALL, "--device", script(tmp_path, faults={"20": "hang"}), patch=patch)
    wait_for(tmp_path, 10)
    running = workers(child)

    child.send_signal(signal.SIGINT)
    assert child.stderr is not None
    assert b"ready\n" == child.stderr.readline()
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)

    assert (130, b"") == (child.returncode, err)
    assert [True] == [ended(pid) for pid in running]
    assert ("interrupted", 10) == (stored(tmp_path).status, len(measured(stored(tmp_path).parts[0])))


def test_kill_9_loses_nothing_that_was_stored_and_leaves_no_worker(tmp_path):
    child = start(tmp_path, SMALL, "--device", script(tmp_path, faults={"20": "hang"}))
    wait_for(tmp_path, 10)

    code, out, _ = interrupted(child, signal.SIGKILL)

    found = stored(tmp_path)
    assert (-signal.SIGKILL, "") == (code, out)
    assert ("interrupted", 10) == (found.status, len(measured(found.parts[0])))


def test_a_real_network_is_interrupted_and_goes_on_to_its_end(tmp_path):
    argv = ("resnet50", "--threads", "1", "--budget", "6s", "--interval", "0.01%")
    child = start(tmp_path, *argv)
    wait_for(tmp_path, 4)

    code, out, err = interrupted(child, signal.SIGINT)

    before = stored(tmp_path)
    assert (130, f"cnnprof profile --resume {before.id} goes on\n") == (code, err)
    assert "layer4.2" in out
    assert "interrupted" == before.status

    done = cnnprof("profile", "--resume", "last", env=environment(CNNPROF_STORE=str(tmp_path / "runs")))

    after = stored(tmp_path)
    assert (0, f"stored as {before.id}\n", "done") == (done.code, done.err, after.status)
    assert before.parts[0].forwards == after.parts[0].forwards[: len(before.parts[0].forwards)]
    assert [0, 1] == sorted({each.attempt for each in after.parts[0].forwards})


# What confirms a break-even

HOST = {"host": True, "bytes_per_ns": 1e12}
GPU = {"macs_per_ns": 10_000, "bytes_per_ns": 1e12, "layer_ns": 1_000, "launch_ns": 5_000}
BOTH = ("lenet5", "--device", "fake:host.json", "--device", "fake:gpu.json", "--batch", "1,13", "--confirm")
FIRST = 5
"""The device at batch 14: asked for are four parts, and the host at batch 14 is the first that confirms."""


def confirming(folder: Path) -> subprocess.Popen[bytes]:
    """Start what confirms a break-even, and stop it in the middle of that."""
    (folder / "host.json").write_text(json.dumps(HOST))
    (folder / "gpu.json").write_text(json.dumps(GPU))
    patch = (
        "import cnnprof.store.runs as r; plain = r.RunWriter.forwards\n"
        "    r.RunWriter.forwards = lambda writer, number, forwards: ("
        f"plain(writer, number, forwards), number == {FIRST} and stop())"
    )
    child = start(folder, *BOTH, patch=patch)
    assert child.stderr is not None
    assert b"ready\n" == child.stderr.readline()
    return child


def of_parts(found: Run) -> list[tuple[str, int, bool, bool, str]]:
    return [
        (part.setting.device, part.setting.batch, part.confirms, part.split is not None, part.status)
        for part in found.parts
    ]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_what_confirms_a_break_even_is_interrupted_and_goes_on_to_its_end(tmp_path, number):
    child = confirming(tmp_path)

    code, _, err = interrupted(child, number)

    before = stored(tmp_path)
    assert [(14, True), (14, True)] == [(part.setting.batch, part.confirms) for part in before.parts[4:]]
    assert "interrupted" == before.status
    assert (-9, "") == (code, err) if number == signal.SIGKILL else err == (
        f"cnnprof profile --confirm --resume {before.id} goes on\n"
    )  # fmt: skip

    again = [
        cnnprof("profile", "--confirm", "--resume", "last", cwd=tmp_path,
            env=environment(CNNPROF_STORE=str(tmp_path / "runs")))
        for _ in range(2)
    ]  # fmt: skip

    gpu, host = "fake:gpu.json", "fake:host.json"
    assert [(0, f"stored as {before.id}\n")] * 2 == [(each.code, each.err) for each in again]
    assert again[0].out == again[1].out
    assert [
        *((device, batch, False, False, "done") for device in (host, gpu) for batch in (1, 13)),
        *((device, batch, True, False, "done") for batch in (14, 15, 16, 17) for device in (host, gpu)),
        (gpu, 13, True, True, "done"),
    ] == of_parts(stored(tmp_path))  # fmt: skip
    assert () == verify(tmp_path / "runs").findings


# 24: a reader that leaves


def test_a_network_that_is_code_is_named_in_the_command_that_goes_on(tmp_path):
    (tmp_path / "own.py").write_text("from torch import nn\n\nnet = nn.Sequential(nn.Linear(4, 4), nn.ReLU())\n")
    child = start(tmp_path, "own:net", "--input", "4", "--device", script(tmp_path, faults={"20": "hang"}))
    wait_for(tmp_path, 10)

    _, _, err = interrupted(child, signal.SIGINT)

    found = stored(tmp_path)
    assert err.endswith(f"cnnprof profile own:net --resume {found.id} goes on\n")


def test_head_gets_its_line_and_the_pipeline_succeeds(tmp_path):
    device = script(tmp_path)
    pipeline = f"set -o pipefail; {' '.join(CNNPROF)} profile vgg16 --device {device} --no-store | head -1"

    done = run(["bash", "-c", pipeline], cwd=tmp_path)

    assert (0, "", 1) == (done.code, done.err, done.out.count("\n"))
    assert done.out.startswith("vgg16, fake:script.json, ")


# 22: disks that are full

LONG = {"noise": [1.0, 1.5]}
FULL = """
mount -t tmpfs -o size=300k tmpfs disk
"$@"; code=$?
cp disk/runs after
exit $code
"""
LIMITED = 'ulimit -f 300; "$@"'


@pytest.mark.parametrize("shell", [FULL] if may_mount() else [LIMITED], ids=["disk"])
def test_a_full_disk_costs_no_measuring_and_what_was_measured_is_printed(tmp_path, shell):
    (tmp_path / "disk").mkdir()
    device = script(tmp_path, **LONG)
    alone = ["unshare", "-rm"] if shell is FULL else []
    command = [*CNNPROF, "profile", "alexnet", "vgg16", "--device", device, "--store", "disk/runs", "-f", "json"]

    done = run([*alone, "bash", "-c", shell, "bash", *command], cwd=tmp_path)

    assert 2 == done.code
    assert done.err.startswith("error[store] cannot use the store disk/runs: d")
    assert done.err.endswith("what was measured since is not stored; it was printed\n")
    assert ["budget", "budget"] == [part["status"] for part in json.loads(done.out)["parts"]]
    left = tmp_path / "after" if shell is FULL else tmp_path / "disk" / "runs"
    assert () == verify(left).findings


def test_a_store_that_cannot_be_made_is_an_error_before_anything_is_measured(tmp_path):
    done = cnnprof("profile", SMALL, "--device", "fake", "--store", "nowhere/runs", cwd=tmp_path)

    assert (2, "") == (done.code, done.out)
    assert done.err.startswith("error[store] cannot use the store nowhere/runs: ")


# 18: no CUDA


@pytest.mark.parametrize("more", [(), ("--python", sys.executable)], ids=["here", "another interpreter"])
def test_cuda_without_cuda_is_exit_3_with_one_line_and_its_mend_and_nothing_is_stored(tmp_path, more):
    env = environment(CUDA_VISIBLE_DEVICES="", CNNPROF_STORE=str(tmp_path / "runs"))

    done = cnnprof("profile", SMALL, "--device", "cuda", *more, env=env)

    assert (3, "") == (done.code, done.out)
    error, hint = done.err.splitlines()
    assert error.startswith("error[missing-device] --device cuda needs ")
    assert hint.startswith("  hint: ")
    assert not (tmp_path / "runs").exists()


# 15: code that prints, exits, hangs

LOUD = """
import os, subprocess, sys
from torch import nn

print("{on import")
os.write(1, b"{descriptor")

class Loud(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.calls = 0

    def forward(self, value):
        self.calls += 1
        print("{in a forward")
        os.write(1, b"{\\x00\\xff")
        if self.calls == 5:
            subprocess.run(["echo", "{child"])
        return self.fc(value)
"""


def test_json_on_standard_output_is_clean_whatever_the_networks_code_prints(tmp_path):
    (tmp_path / "loud.py").write_text(LOUD)
    argv = ("loud:Loud", "--input", "4", "--threads", "1", "--budget", "500ms", "--no-store", "-f", "json")

    done = subprocess.run(
        [*CNNPROF, "profile", *argv], cwd=tmp_path, env=environment(), capture_output=True, check=False
    )  # fmt: skip

    assert 0 == done.returncode
    (part,) = json.loads(done.stdout)["parts"]
    assert ["fc"] == [row["name"] for row in part["analysis"]["rows"]]
    assert [] == [
        said for said in (b"{on import", b"{in a forward", b"{\x00\xff", b"{child") if said not in done.stderr
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("raise ValueError('their words')", "error[failed] {part}: ValueError: their words"),
        ("os._exit(3)", "error[worker-died] {part}: its process ended with exit code 3 before it had answered"),
        ("sys.exit(3)", "error[failed] {part}: SystemExit: 3"),
        ("os.kill(os.getpid(), 11)", "error[worker-died] {part}: its process was ended by SIGSEGV"),
    ],
)  # fmt: skip
def test_p6_a_network_whose_forward_breaks_later_costs_no_other(tmp_path, body, expected):
    (tmp_path / "bad.py").write_text(
        "import os, sys\nfrom torch import nn\n\nclass Bad(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.fc, self.calls = nn.Linear(4, 4), 0\n"
        "    def forward(self, value):\n        self.calls += 1\n"
        f"        if self.calls > 15:\n            {body}\n        return self.fc(value)\n"
    )
    (tmp_path / "good.yaml").write_text("cnnprof: 1\nname: good\ninput: [4]\nlayers: [linear: {out_features: 4}]\n")
    argv = ("bad:Bad", "good.yaml", "--input", "4", "--threads", "1", "--budget", "300ms", "--no-store", "--quiet")

    done = cnnprof("profile", *argv, cwd=tmp_path)

    assert 4 == done.code
    assert expected.format(part="bad:Bad cpu batch 1 float32") in done.err
    assert "Traceback" not in done.err


# 23: several at once


def test_two_profiles_at_once_share_a_store(tmp_path):
    script(tmp_path, **LONG)
    argv = ("lenet5", "--device", "fake:script.json", "--quiet")

    children = [start(tmp_path, *argv) for _ in range(2)]
    ends = [(child.communicate(timeout=100)[1], child.returncode) for child in children]

    assert [(b"", 0)] * 2 == ends
    with Store.open(tmp_path / "runs") as store:
        runs = [store.load(each) for each in store.ids()]
    assert (2, ["done"] * 2) == (len({each.id for each in runs}), [each.status for each in runs])
    assert runs[0].parts[0].forwards == runs[1].parts[0].forwards
    assert () == verify(tmp_path / "runs").findings


# The live table on a terminal


def screen_of(data: str) -> list[str]:
    """What a terminal shows in the end, of text that knows carriage returns, line feeds, upwards and erasing."""
    lines, at = [""], 0
    for piece in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", data):
        if piece == "\n":
            at += 1
            lines += [""] * (at + 1 - len(lines))
        elif piece.startswith("\x1b["):
            at -= int(piece[2:-1] or 1) if piece[-1] == "A" else 0
            lines[at] = "" if piece[-1] == "K" else lines[at]
        elif piece != "\r":
            lines[at] += piece
    return [line for line in lines if line.strip()]


@pytest.mark.parametrize("name", ["plain", "\x1b]0;owned\x07\x1b[2J[red]x[bold]\u202e"])
def test_the_live_table_is_drawn_on_a_terminal_and_gone_in_the_end_and_no_name_acts(tmp_path, name):
    (tmp_path / f"{name}.yaml").write_text("cnnprof: 1\nname: n\ninput: [4]\nlayers: [linear: {out_features: 4}]\n")
    reader, writer = pty.openpty()

    child = start(tmp_path, f"{name}.yaml", "--device", script(tmp_path, **LONG), stderr=writer)
    os.close(writer)
    seen = b""
    while True:
        try:
            piece = os.read(reader, 65536)
        except OSError:  # the other side is closed
            break
        seen += piece
    out, _ = child.communicate(timeout=60)
    os.close(reader)

    text = seen.decode()
    assert (0, True) == (child.returncode, b"\x1b" not in out)
    assert "measuring" in text
    assert "at most " in text
    assert [f"stored as {stored(tmp_path).id}"] == screen_of(text)
    assert [] == [bad for bad in ("\x1b]", "\x07", "\x1b[2J", "\u202e") if bad in text]
