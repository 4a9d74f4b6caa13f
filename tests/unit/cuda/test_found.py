"""What is missing to measure on an NVIDIA GPU (FAULTS 18), on machines a test makes up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cnnprof.devices.cuda import found as cuda
from cnnprof.errors import WorkerError

TORCH = {"version": "2.13.0+cu126", "built_for_cuda": "12.6", "devices": None, "error": None}
NVIDIA = {"driver": "560.35", "serves_cuda": "12.6", "devices": 1, "visible_devices": None}

SCRIPTED = "without an NVIDIA GPU, try --device fake:FILE, a scripted one (docs/devices.md)"
DRIVER = "install NVIDIA's driver: https://www.nvidia.com/drivers"
NO_DRIVER = f"{DRIVER}; a container gets it with --gpus all; {SCRIPTED}"
NO_GPU = f"use a machine that has one; {SCRIPTED}"


def verdict(torch: dict | None = None, nvidia: dict | None = None) -> tuple[str | None, str | None]:
    found = cuda.verdict(TORCH | (torch or {}), NVIDIA | (nvidia or {}))
    return found["missing"], found["command"]


def test_where_nothing_is_missing_there_is_nothing_to_do():
    assert (None, None) == verdict()


@pytest.mark.parametrize(
    ("torch", "nvidia", "missing", "command"),
    [
        ({"version": None, "built_for_cuda": None}, {}, "torch", "pip install 'cnnprof[torch]'"),
        ({"version": None, "built_for_cuda": None}, {"serves_cuda": None, "devices": 0}, "an NVIDIA driver", NO_DRIVER),
        ({"version": "2.13.0+cpu", "built_for_cuda": None}, {},
         "a CUDA build of torch (2.13.0+cpu is for CPUs)",
         "pip install --force-reinstall torch==2.13.0 --index-url https://download.pytorch.org/whl/cu126"),
        ({"version": "2.14.0.dev20261101+cpu", "built_for_cuda": None}, {},
         "a CUDA build of torch (2.14.0.dev20261101+cpu is for CPUs)",
         "pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu126"),
        ({"version": "2.13.0+cpu", "built_for_cuda": None}, {"serves_cuda": None, "devices": 0},
         "an NVIDIA driver", NO_DRIVER),
        ({"version": "2.13.0+cpu", "built_for_cuda": None}, {"devices": 0}, "an NVIDIA GPU", NO_GPU),
        ({"version": "2.13.0+cpu", "built_for_cuda": None}, {"serves_cuda": "11.8"},
         "a newer NVIDIA driver (it serves CUDA 11.8, torch needs 12.6)",
         "install NVIDIA's driver: https://www.nvidia.com/drivers"),
        ({}, {"serves_cuda": None, "devices": 0}, "an NVIDIA driver", NO_DRIVER),
        ({}, {"serves_cuda": "11.8"}, "a newer NVIDIA driver (it serves CUDA 11.8, torch needs 12.6)",
         "install NVIDIA's driver: https://www.nvidia.com/drivers"),
        ({}, {"devices": 0}, "an NVIDIA GPU", NO_GPU),
        ({}, {"visible_devices": ""}, "a visible GPU (CUDA_VISIBLE_DEVICES hides all)", "unset CUDA_VISIBLE_DEVICES"),
        ({}, {"visible_devices": "-1"}, "a visible GPU (CUDA_VISIBLE_DEVICES hides all)", "unset CUDA_VISIBLE_DEVICES"),
    ],
)  # fmt: skip
def test_what_is_missing_for_a_gpu_is_named_with_the_way_to_get_it(torch, nvidia, missing, command, monkeypatch):
    monkeypatch.setattr(cuda, "_is_wsl", lambda: False)

    assert (missing, command) == verdict(torch, nvidia)


@pytest.mark.parametrize(("serves", "built"), [("12.0", "12.6"), ("13.0", "12.6"), ("12.8", "12.6")])
def test_a_driver_of_the_same_or_a_later_major_version_is_new_enough(serves, built):
    assert (None, None) == verdict({"built_for_cuda": built}, {"serves_cuda": serves})


@pytest.mark.parametrize("visible", ["0", "0,1", "GPU-8932f937", None])
def test_a_gpu_that_is_chosen_is_not_hidden(visible):
    assert (None, None) == verdict(nvidia={"visible_devices": visible})


def test_windows_gpus_lent_to_linux_have_no_device_file(monkeypatch):
    monkeypatch.setattr(cuda, "_is_wsl", lambda: True)

    assert (None, None) == verdict(nvidia={"devices": 0})


# Torch without importing it


@pytest.fixture
def fake_torch(tmp_path, monkeypatch):
    """A torch that must not be imported, with the version file that torch wheels have."""
    package = tmp_path / "torch"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('libtorch_cpu.so: cannot open shared object file')\n")
    (tmp_path / "torch-2.13.0+cu126.dist-info").mkdir()
    (tmp_path / "torch-2.13.0+cu126.dist-info" / "METADATA").write_text("Name: torch\nVersion: 2.13.0+cu126\n")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return package


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cuda: Optional[str] = '12.6'", "12.6"),
        ('cuda = "13.0"', "13.0"),
        ("cuda: Optional[str] = None", None),
        ("hip: Optional[str] = '6.4'", None),
        ("", None),
    ],
)
def test_the_cuda_that_torch_was_built_for_is_read_from_its_files(fake_torch, line, expected):
    (fake_torch / "version.py").write_text(
        f"debug = False\n{line}\ngit_version = '449b1768410104d3ed79d3bcfe4ba1d65c7f22c0'\n"
    )

    state = cuda.torch_state()

    assert {"version": "2.13.0+cu126", "built_for_cuda": expected, "devices": None, "error": None} == state
    assert "torch" not in sys.modules


@pytest.mark.usefixtures("fake_torch")
def test_a_torch_that_cannot_be_imported_is_reported_with_its_reason():
    state = cuda.torch_state(import_it=True)

    assert "ImportError: libtorch_cpu.so: cannot open shared object file" == state["error"]
    assert state["devices"] is None


def test_a_torch_that_crashes_the_interpreter_is_reported(fake_torch):
    (fake_torch / "__init__.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)\n")

    assert "importing it ends the process with code -11" == cuda.torch_state(import_it=True)["error"]


@pytest.mark.usefixtures("fake_torch")
def test_a_torch_that_never_answers_is_reported(monkeypatch):
    def never(*_args, **_kwargs):
        raise subprocess.TimeoutExpired("python", 120)

    monkeypatch.setattr(subprocess, "run", never)

    assert "importing it gives no answer (TimeoutExpired)" == cuda.torch_state(import_it=True)["error"]


def test_the_devices_are_those_that_torch_names(fake_torch):
    (fake_torch / "__init__.py").write_text(
        "class cuda:\n"
        "    is_available = staticmethod(lambda: True)\n"
        "    device_count = staticmethod(lambda: 1)\n"
        "    get_device_name = staticmethod(lambda index: 'NVIDIA H200')\n"
        "print('a greeting on standard output')\n"
    )

    assert ["cpu", "cuda:0 NVIDIA H200"] == cuda.torch_state(import_it=True)["devices"]


def test_no_torch_is_no_error(monkeypatch):
    monkeypatch.setattr(cuda, "is_importable", lambda _module: False)

    expected = {"version": None, "built_for_cuda": None, "devices": None, "error": None}
    assert expected == cuda.torch_state(import_it=True)


# The driver


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n", "550.54.15"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\n", "570.86.15"),
        ("GCC version:  gcc version 12.3.0\n", None),
        ("", None),
        (None, None),
    ],
)  # fmt: skip
def test_the_version_of_the_driver_is_read_from_the_kernel(text, expected, monkeypatch):
    monkeypatch.setattr(cuda, "read", lambda _path: text)

    assert expected == cuda.nvidia_state()["driver"]


class Library:
    """A driver library that answers, or refuses to."""

    def __init__(self, number: int, result: int, devices: int = 0) -> None:
        self.number = number
        self.result = result
        self.devices = devices

    def cuInit(self, flags):  # noqa: N802 NVIDIA's name
        assert 0 == flags
        return self.result

    def cuDeviceGetCount(self, pointer):  # noqa: N802 NVIDIA's name
        pointer._obj.value = self.devices
        return self.result

    def cuDriverGetVersion(self, pointer):  # noqa: N802 NVIDIA's name
        pointer._obj.value = self.number
        return self.result


@pytest.mark.parametrize(
    ("number", "result", "expected"), [(12060, 0, "12.6"), (13000, 0, "13.0"), (0, 0, None), (12060, 999, None)]
)
def test_the_newest_cuda_that_the_driver_serves_is_asked_of_its_library(number, result, expected, monkeypatch):
    import ctypes

    monkeypatch.setattr(ctypes, "CDLL", lambda _name: Library(number, result))

    assert expected == cuda.nvidia_state()["serves_cuda"]


@pytest.mark.parametrize(("files", "driver", "expected"), [(2, 1, 2), (0, 1, 1), (0, 0, 0)])
def test_where_no_device_file_has_its_usual_name_the_driver_counts(files, driver, expected, monkeypatch):
    import ctypes

    monkeypatch.setattr(cuda, "_device_files", lambda: files)
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: Library(13_000, 0, driver))

    assert expected == cuda.nvidia_state()["devices"]


def test_no_driver_library_is_no_error(monkeypatch):
    import ctypes

    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)

    assert cuda.nvidia_state()["serves_cuda"] is None


# Before a worker starts


@pytest.fixture
def machine(fake_torch, monkeypatch):
    """A machine on which nothing is missing; what it is made to lack is set by keyword."""

    def make(built: str | None = "12.6", **nvidia) -> None:
        (fake_torch / "version.py").write_text(f"__version__ = '2.13.0'\ncuda: Optional[str] = {built!r}\n")
        monkeypatch.setattr(cuda, "nvidia_state", lambda: NVIDIA | nvidia)
        monkeypatch.setattr(cuda, "_is_wsl", lambda: False)

    return make


INDEX = "https://download.pytorch.org/whl/cu126"


@pytest.mark.parametrize(
    ("lacks", "what", "command"),
    [
        ({"built": None}, "a CUDA build of torch (2.13.0+cu126 is for CPUs)",
         "{pip} install --force-reinstall torch==2.13.0 --index-url " + INDEX),
        ({"serves_cuda": None}, "an NVIDIA driver", NO_DRIVER),
        ({"serves_cuda": "11.8"}, "a newer NVIDIA driver (it serves CUDA 11.8, torch needs 12.6)", DRIVER),
        ({"devices": 0}, "an NVIDIA GPU", NO_GPU),
        ({"visible_devices": ""}, "a visible GPU (CUDA_VISIBLE_DEVICES hides all)", "unset CUDA_VISIBLE_DEVICES"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("python", [None, sys.executable])
def test_p8_what_is_missing_is_one_thing_and_one_command(machine, python, lacks, what, command):
    machine(**lacks)

    pip = "pip" if python is None else f"{python} -m pip"
    assert (what, command.format(pip=pip)) == cuda.missing(python)


@pytest.mark.parametrize("python", [None, sys.executable])
def test_p8_where_nothing_is_missing_nothing_is_said(machine, python):
    machine()

    assert cuda.missing(python) is None


@pytest.mark.parametrize("python", [None, sys.executable])
def test_p8_a_driver_that_is_missing_comes_before_a_build_of_torch_to_download(machine, python):
    machine(built=None, serves_cuda=None, devices=0)

    assert ("an NVIDIA driver", NO_DRIVER) == cuda.missing(python)


def test_p8_no_torch_here_is_the_first_thing_missing_beside_a_gpu(machine, monkeypatch):
    machine()
    monkeypatch.setattr(cuda, "is_importable", lambda _module: False)

    assert ("torch", "pip install 'cnnprof[torch]'") == cuda.missing()


def bare_python(folder: Path) -> str:
    """This interpreter without what is installed for it."""
    other = folder / "python"
    other.symlink_to(Path(sys.executable).resolve())
    return str(other)


def test_p8_the_torch_of_the_other_interpreter_is_what_counts(tmp_path, machine, monkeypatch):
    machine()
    monkeypatch.setenv("PYTHONPATH", "")
    python = bare_python(tmp_path)

    assert cuda.missing() is None
    assert ("torch", f"{python} -m pip install torch") == cuda.missing(python)


def test_p8_a_folder_called_torch_where_we_stand_is_no_torch(tmp_path, machine, monkeypatch):
    machine()
    (tmp_path / "here" / "torch").mkdir(parents=True)
    (tmp_path / "here" / "torch" / "__init__.py").write_text("")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PYTHONPATH", "")
    python = bare_python(tmp_path)

    assert ("torch", f"{python} -m pip install torch") == cuda.missing(python)


def test_p8_an_interpreter_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(WorkerError, match=r"cannot start .*python9: No such file or directory"):
        cuda.missing(str(tmp_path / "python9"))


@pytest.mark.parametrize("answer", ["exit 2", "echo hello", "true", "echo 3"])
def test_p8_what_is_no_python_is_said_so(tmp_path, answer):
    other = tmp_path / "python"
    other.write_text(f"#!/bin/sh\n{answer}\n")
    other.chmod(0o755)

    with pytest.raises(WorkerError, match="does not say what it has") as caught:
        cuda.missing(str(other))
    assert "name a Python of 3.11 or later" == caught.value.hint


def test_p8_the_variable_that_hides_gpus_is_read_as_it_is(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    assert "" == cuda.nvidia_state()["visible_devices"]
