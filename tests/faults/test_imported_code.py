"""FAULTS 11, 12, 15 and 26: code runs when its name is typed and never otherwise; what it does costs only itself."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.processes import CNNPROF, Finished, cnnprof, environment, run

NETS = """
import ctypes, os, sys, time
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        return self.conv(x)

class Unknown(Net):
    def forward(self, x):
        return torch.linalg.inv(torch.linalg.pinv(self.conv(x)))

class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.conv(self.conv(x))

class Never(Net):
    def __init__(self):
        super().__init__()
        self.spare = nn.Linear(7, 9)

class Branches(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x

class Raises(Net):
    def forward(self, x):
        raise ValueError("only on Tuesdays \\x1b[31m")

class Two(nn.Module):
    def forward(self, image, words):
        return image.mean((1, 2, 3)) + words.mean(1)

def crash():
    ctypes.string_at(0)

def die():
    os.kill(os.getpid(), 9)

def leave():
    os._exit(0)

def exhaust():
    raise MemoryError

def babble():
    print("{}")
    os.write(1, b"garbage\\n")
    return Net()
"""
SIDE_EFFECT = "import pathlib\npathlib.Path({marker!r}).touch()\n"


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "nets.py").write_text(NETS)
    return tmp_path


def analyze(folder: Path, *argv: str) -> Finished:
    """Run as the installed program does, which has the current directory on no search path."""
    return run([sys.executable, "-P", "-m", "cnnprof", "analyze", *argv], cwd=folder)


def analyses(done: Finished) -> list[dict[str, Any]]:
    assert (0, "") == (done.code, done.err), done.err
    return json.loads(done.out)["analyses"]


# 11: code that nobody named is not run


def test_a_specification_cannot_name_code(tmp_path):
    (tmp_path / "net.yaml").write_text("cnnprof: 1\nmodel: os:system\ninput: [3, 8, 8]\nlayers: [relu]\n")

    done = cnnprof("analyze", "net.yaml", cwd=tmp_path)

    assert (2, "") == (done.code, done.out)
    assert done.err.startswith("net.yaml:2:1: error[unknown-key] ")


def test_a_builtin_that_is_named_is_refused_uncalled(tmp_path):
    done = analyze(tmp_path, "os:system", "--input", "3x8x8")

    assert (2, "") == (done.code, done.out)
    assert (
        "importing os:system, which runs its code\n"
        "error[not-a-module] os:system is a builtin_function_or_method, and was not called\n"
    ) == done.err.replace("  hint: " + done.err.partition("  hint: ")[2], "")


def test_names_of_libraries_run_nothing_that_lies_in_the_current_directory(tmp_path):
    marker = tmp_path / "ran"
    for name in ("json", "torch", "torchvision", "timm", "numpy", "msgspec", "optree", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(SIDE_EFFECT.format(marker=str(marker)))

    done = analyze(tmp_path, "torchvision:alexnet", "-f", "csv")

    assert (0, "") == (done.code, done.err)
    assert not marker.exists()


def test_what_is_typed_is_run_and_said_before(folder):
    (folder / "marked.py").write_text(f"print('here')\n{NETS}")

    done = analyze(folder, "marked:Net", "--input", "3x8x8", "-f", "csv")

    assert (0, "importing marked:Net, which runs its code\nhere\n") == (done.code, done.err)
    assert "6912" in done.out


def test_quiet_leaves_that_out(folder):
    assert (0, "") == analyze(folder, "nets:Net", "--input", "3x8x8", "-f", "csv", "--quiet")[::2]


# 12: nothing is unpickled


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self):
        return (open, (self.marker, "w"))


@pytest.mark.parametrize("name", ["w.pt", "w.PTH", "w.pkl", "w.ckpt", "w.bin", "w.joblib", "w.npy", "w.h5", "w.onnx",
                                  "w.safetensors", "w.prototxt"])  # fmt: skip
def test_a_file_of_weights_is_refused_by_its_name_and_not_opened(tmp_path, name):
    marker = tmp_path / "unpickled"
    (tmp_path / name).write_bytes(pickle.dumps(Trap(str(marker))))

    done = cnnprof("analyze", name, cwd=tmp_path)

    assert (2, "") == (done.code, done.out)
    assert done.err.startswith(f"error[not-a-network] '{name}' is ")
    assert not marker.exists()


def test_the_trap_would_be_seen(tmp_path):
    pickle.loads(pickle.dumps(Trap(str(tmp_path / "unpickled")))).close()  # noqa: S301 ours

    assert (tmp_path / "unpickled").exists()


# 15: imported code that crashes, prints, hangs


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("crash", "error[worker-died] its process was ended by SIGSEGV"),
        ("die", "error[worker-died] its process was killed (SIGKILL), as a system does that has no memory left"),
        ("leave", "error[worker-died] its process ended with exit code 0 before it had answered"),
        ("exhaust", "error[worker-memory] not enough memory"),
    ],
)
def test_code_that_ends_its_process_costs_the_other_results_nothing(folder, attribute, expected):
    done = analyze(folder, f"nets:{attribute}", "lenet5", "--input", "3x32x32", "-f", "csv", "--quiet")

    assert 4 == done.code
    assert f"nets:{attribute}: {expected}" == done.err.splitlines()[0]
    assert "61706" in done.out or "lenet5" in done.out


def test_what_imported_code_prints_never_reaches_the_data(folder):
    done = analyze(folder, "nets:babble", "--input", "3x8x8", "-f", "json", "--quiet")

    assert "babble" == json.loads(done.out)["analyses"][0]["model"]
    assert {"{}", "garbage"} == set(done.err.split())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_import_that_hangs_can_be_interrupted_and_leaves_no_process(tmp_path, number, code):
    (tmp_path / "slow.py").write_text(
        "import os, pathlib, time\npathlib.Path('new').write_text(str(os.getpid()))\n"
        "pathlib.Path('new').rename('pid')\ntime.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [*CNNPROF, "analyze", "slow:net", "--input", "3", "--quiet"], cwd=tmp_path, env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not (tmp_path / "pid").exists():
        assert parent.poll() is None, parent.stderr.read()
        time.sleep(0.01)

    parent.send_signal(number)

    assert (b"", b"") == parent.communicate(timeout=60)
    assert code == parent.returncode
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


# 26: what cannot be known is said, and never zero


def test_an_unknown_operator_is_named_in_the_table_and_in_the_totals(folder):
    done = analyze(folder, "nets:Unknown", "--input", "3x8x8")

    assert 0 == done.code
    lines = done.out.splitlines()
    assert ["linalg_inv", "torch.linalg_inv", "4×8×8", "?", "?", "?", "?"] == next(
        line.split() for line in lines if line.startswith("linalg_inv")
    )
    assert any(line.split()[:5] == ["total", "≥", "112", "≥", "6,912"] for line in lines)
    assert "excludes 2 unknown operators (torch.linalg_inv, torch.linalg_pinv): totals are lower bounds" in done.out


def test_an_unknown_operator_is_a_finding_where_that_is_asked(folder):
    done = analyze(folder, "nets:Unknown", "--input", "3x8x8", "--strict", "--quiet", "-f", "csv")

    assert 1 == done.code
    assert (
        "Unknown: its totals are lower bounds: cnnprof does not know torch.linalg_inv, torch.linalg_pinv (--strict)\n"
    ) == done.err


def test_a_layer_reached_twice_works_twice_and_one_never_reached_is_named(folder):
    done = analyze(folder, "nets:Twice", "nets:Never", "--input", "3x8x8", "-f", "json", "--quiet")

    twice, never = analyses(done)
    assert (84, 2 * 5184) == (twice["totals"]["params"], twice["totals"]["macs"])
    assert (112 + 72, 6912) == (never["totals"]["params"], never["totals"]["macs"])
    assert ["never used by the forward, counted all the same: spare"] == [each["message"] for each in never["notes"]]


@pytest.mark.parametrize(
    ("attribute", "error", "hint"),
    [
        ("Branches", "error[depends-on-data] the forward depends on the values of a tensor, in Branches: ", "no such"),
        (
            "Raises",
            "error[forward-raises] the forward raised ValueError in Raises: only on Tuesdays \\x1b[31m",
            "1x3x8x8",
        ),
        ("Two", "error[other-inputs] the forward wants other inputs: ", "forward(image, words)"),
    ],
)
def test_a_forward_that_cannot_be_followed_is_one_error_with_what_to_pass(folder, attribute, error, hint):
    done = analyze(folder, f"nets:{attribute}", "--input", "3x8x8", "--quiet")

    assert (2, "") == (done.code, done.out)
    first, second = done.err.splitlines()
    assert first.startswith(f"nets:{attribute}: {error}")
    assert second.startswith("  hint: ")
    assert hint in second
    assert "\x1b" not in done.err


ODD = """
import torch
from torch import nn

class Odd(Exception):
    def __str__(self):
        raise RuntimeError("no text")

class Silent(RuntimeError):
    def __str__(self):
        raise RuntimeError("no text")

class Forward(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        raise self.error

def interrupted(): raise KeyboardInterrupt
def other(): raise BaseException("q")
def odd(): raise Odd
def silent(): raise Silent
def long(): raise ValueError("m" * 3_000_000)
def odd_forward(): return Forward(Odd())
def interrupted_forward(): return Forward(KeyboardInterrupt())
def long_forward(): return Forward(ValueError("m" * 3_000_000))
def deep():
    module = nn.ReLU()
    for _ in range(1500):
        module = nn.Sequential(module)
    return module
"""


@pytest.mark.parametrize(
    ("attribute", "error"),
    [
        ("interrupted", "error[import-fails] odd:interrupted: making it raised KeyboardInterrupt"),
        ("other", "error[import-fails] odd:other: making it raised BaseException: q"),
        ("odd", "error[import-fails] odd:odd: making it raised Odd"),
        ("silent", "error[import-fails] odd:silent: making it raised Silent"),
        ("long", f"error[import-fails] odd:long: making it raised ValueError: {'m' * 499}…"),
        ("odd_forward", "odd:odd_forward: error[forward-raises] the forward raised Odd in Forward"),
        ("interrupted_forward",
         "error[import-fails] odd:interrupted_forward: running it raised KeyboardInterrupt"),
        ("long_forward",
         f"odd:long_forward: error[forward-raises] the forward raised ValueError in Forward: {'m' * 499}…"),
        ("deep",
         "error[forward-raises] odd:deep: the modules of deep are nested too deep for Python to walk through them"),
    ],
)  # fmt: skip
def test_whatever_imported_code_raises_is_one_error_about_it(tmp_path, attribute, error):
    (tmp_path / "odd.py").write_text(ODD)

    done = analyze(tmp_path, f"odd:{attribute}", "--input", "3x8x8", "--quiet")

    first, second = done.err.splitlines()
    assert (2, "", error) == (done.code, done.out, first)
    assert second.startswith("  hint: ")
    assert "report" not in second


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("x = 1\nraise KeyboardInterrupt", "KeyboardInterrupt"),
        ("x = 1\nraise BaseException('q')", "BaseException: q"),
        ("x = 1\nx = = 2", "SyntaxError: invalid syntax (raising.py, line 2)"),
    ],
)  # fmt: skip
def test_a_module_that_cannot_be_imported_is_named_with_its_line(tmp_path, text, error):
    (tmp_path / "raising.py").write_text(text)

    done = analyze(tmp_path, "raising:net", "--quiet")

    expected = [
        f"error[import-fails] raising:net: importing raising raised {error}",
        f"  hint: in {tmp_path / 'raising.py'}, line 2",
    ]
    assert (2, expected) == (done.code, done.err.splitlines())


def test_two_inputs_are_given_by_their_names(folder):
    done = analyze(folder, "nets:Two", "--input", "image=3x8x8,words=7", "-f", "json", "--quiet")

    assert ["image", "words"] == [each["name"] for each in analyses(done)[0]["inputs"]]
