"""What the doctor sees, on machines a test makes up."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from cnnprof import doctor
from cnnprof.__main__ import main

TORCH = {"version": "2.13.0+cu126", "built_for_cuda": "12.6", "devices": None, "error": None}
NVIDIA = {"driver": "560.35", "serves_cuda": "12.6", "devices": 1, "visible_devices": None}


def verdict(torch: dict | None = None, nvidia: dict | None = None) -> tuple[str | None, str | None]:
    found = doctor.cuda_verdict(TORCH | (torch or {}), NVIDIA | (nvidia or {}))
    return found["missing"], found["command"]


def test_where_nothing_is_missing_there_is_nothing_to_do():
    assert (None, None) == verdict()


@pytest.mark.parametrize(
    ("torch", "nvidia", "missing", "command"),
    [
        ({"version": None, "built_for_cuda": None}, {"serves_cuda": None}, "torch", "pip install 'cnnprof[torch]'"),
        ({"version": "2.13.0+cpu", "built_for_cuda": None}, {},
         "a CUDA build of torch (2.13.0+cpu is for CPUs)",
         "pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu126"),
        ({}, {"serves_cuda": None, "devices": 0},
         "an NVIDIA driver", "install NVIDIA's driver: https://www.nvidia.com/drivers"),
        ({}, {"serves_cuda": "11.8"}, "a newer NVIDIA driver (it serves CUDA 11.8, torch needs 12.6)",
         "install NVIDIA's driver: https://www.nvidia.com/drivers"),
        ({}, {"devices": 0}, "an NVIDIA GPU", "use a machine that has one"),
        ({}, {"visible_devices": ""}, "a visible GPU (CUDA_VISIBLE_DEVICES hides all)", "unset CUDA_VISIBLE_DEVICES"),
        ({}, {"visible_devices": "-1"}, "a visible GPU (CUDA_VISIBLE_DEVICES hides all)", "unset CUDA_VISIBLE_DEVICES"),
    ],
)  # fmt: skip
def test_what_is_missing_for_a_gpu_is_named_with_the_way_to_get_it(torch, nvidia, missing, command, monkeypatch):
    monkeypatch.setattr(doctor, "_is_wsl", lambda: False)

    assert (missing, command) == verdict(torch, nvidia)


@pytest.mark.parametrize(("serves", "built"), [("12.0", "12.6"), ("13.0", "12.6"), ("12.8", "12.6")])
def test_a_driver_of_the_same_or_a_later_major_version_is_new_enough(serves, built):
    assert (None, None) == verdict({"built_for_cuda": built}, {"serves_cuda": serves})


@pytest.mark.parametrize("visible", ["0", "0,1", "GPU-8932f937", None])
def test_a_gpu_that_is_chosen_is_not_hidden(visible):
    assert (None, None) == verdict(nvidia={"visible_devices": visible})


def test_windows_gpus_lent_to_linux_have_no_device_file(monkeypatch):
    monkeypatch.setattr(doctor, "_is_wsl", lambda: True)

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

    state = doctor.torch_state()

    assert {"version": "2.13.0+cu126", "built_for_cuda": expected, "devices": None, "error": None} == state
    assert "torch" not in sys.modules


@pytest.mark.usefixtures("fake_torch")
def test_a_torch_that_cannot_be_imported_is_reported_with_its_reason():
    state = doctor.torch_state(import_it=True)

    assert "ImportError: libtorch_cpu.so: cannot open shared object file" == state["error"]
    assert state["devices"] is None


def test_a_torch_that_crashes_the_interpreter_is_reported(fake_torch):
    (fake_torch / "__init__.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)\n")

    assert "importing it ends the process with code -11" == doctor.torch_state(import_it=True)["error"]


@pytest.mark.usefixtures("fake_torch")
def test_a_torch_that_never_answers_is_reported(monkeypatch):
    def never(*_args, **_kwargs):
        raise subprocess.TimeoutExpired("python", 120)

    monkeypatch.setattr(subprocess, "run", never)

    assert "importing it gives no answer (TimeoutExpired)" == doctor.torch_state(import_it=True)["error"]


def test_the_devices_are_those_that_torch_names(fake_torch):
    (fake_torch / "__init__.py").write_text(
        "class cuda:\n"
        "    is_available = staticmethod(lambda: True)\n"
        "    device_count = staticmethod(lambda: 1)\n"
        "    get_device_name = staticmethod(lambda index: 'NVIDIA H200')\n"
        "print('a greeting on standard output')\n"
    )

    assert ["cpu", "cuda:0 NVIDIA H200"] == doctor.torch_state(import_it=True)["devices"]


def test_no_torch_is_no_error(monkeypatch):
    monkeypatch.setattr(doctor, "_is_importable", lambda _module: False)

    expected = {"version": None, "built_for_cuda": None, "devices": None, "error": None}
    assert expected == doctor.torch_state(import_it=True)


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
    monkeypatch.setattr(doctor, "_read", lambda _path: text)

    assert expected == doctor.nvidia_state()["driver"]


class Library:
    """A driver library that answers, or refuses to."""

    def __init__(self, number: int, result: int) -> None:
        self.number = number
        self.result = result

    def cuDriverGetVersion(self, pointer):  # noqa: N802 NVIDIA's name
        pointer._obj.value = self.number
        return self.result


@pytest.mark.parametrize(
    ("number", "result", "expected"), [(12060, 0, "12.6"), (13000, 0, "13.0"), (0, 0, None), (12060, 999, None)]
)
def test_the_newest_cuda_that_the_driver_serves_is_asked_of_its_library(number, result, expected, monkeypatch):
    import ctypes

    monkeypatch.setattr(ctypes, "CDLL", lambda _name: Library(number, result))

    assert expected == doctor.nvidia_state()["serves_cuda"]


def test_no_driver_library_is_no_error(monkeypatch):
    import ctypes

    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)

    assert doctor.nvidia_state()["serves_cuda"] is None


# The whole


def test_a_missing_package_is_listed_with_what_it_is_for_and_the_command(monkeypatch):
    real = doctor._is_importable
    monkeypatch.setattr(doctor, "_is_importable", lambda module: module != "rich" and real(module))

    expected = {"what": "rich", "for": "tables in a terminal", "command": "pip install --upgrade cnnprof"}
    assert expected in doctor.examine()["missing"]


def test_a_package_for_what_is_still_to_come_is_not_missed(monkeypatch):
    real = doctor._is_importable
    monkeypatch.setattr(doctor, "_is_importable", lambda module: module != "keras" and real(module))

    assert "keras" not in [each["what"] for each in doctor.examine()["missing"]]


def test_a_package_that_is_there_has_its_version_and_is_not_missing():
    report = doctor.examine()

    assert {"name": "click", "version": metadata.version("click"), "for": "the command line",
            "install": "pip install --upgrade cnnprof"} in report["packages"]  # fmt: skip
    assert "click" not in [item["what"] for item in report["missing"]]


def test_a_module_without_package_data_has_an_unknown_version(monkeypatch):
    def not_found(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", not_found)

    assert "unknown" == doctor.examine()["packages"][0]["version"]


def test_every_package_that_cnnprof_declares_is_examined():
    import re
    import tomllib

    project = tomllib.loads((Path(doctor.__file__).parents[1] / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *(line for name in ("torch", "onnx", "plot")
                                            for line in project["optional-dependencies"][name])]  # fmt: skip

    names = {re.split(r"[><=\[]", line)[0].lower() for line in declared}
    assert set() == names - {package.name.lower() for package in doctor._packages()}


def test_the_report_is_printed_as_text(capsys):
    assert 0 == main(["doctor"])

    out, err = capsys.readouterr()
    assert "" == err
    assert f"python        CPython {sys.version.split()[0]}, {sys.executable}" in out.splitlines()
    assert f"click         {metadata.version('click')}" in out


def test_the_report_is_printed_as_json(capsys):
    assert 0 == main(["doctor", "-f", "json"])
    assert doctor.examine() == json.loads(capsys.readouterr().out)


def test_where_nothing_is_missing_that_is_said(monkeypatch, capsys):
    complete = doctor.examine() | {"missing": []}
    monkeypatch.setattr(doctor, "examine", lambda **_: complete)

    main(["doctor"])

    assert "nothing is missing" == capsys.readouterr().out.splitlines()[-1]


def test_the_gpu_line_says_what_torch_finds(monkeypatch, capsys):
    machine = doctor.examine() | {"torch": TORCH | {"devices": ["cpu", "cuda:0 NVIDIA H200"]}, "nvidia": NVIDIA}
    monkeypatch.setattr(doctor, "examine", lambda **_: machine)

    main(["doctor", "--import-torch"])

    expected = (
        "gpu           NVIDIA driver 560.35, serves CUDA 12.6, 1 device, torch built for CUDA 12.6, "
        "torch finds cpu, cuda:0 NVIDIA H200"
    )
    assert expected in capsys.readouterr().out.splitlines()
