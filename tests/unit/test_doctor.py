"""What the doctor sees, on machines a test makes up."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path

from cnnprof import doctor
from cnnprof.__main__ import main
from cnnprof.devices.cuda import found as cuda

TORCH = {"version": "2.13.0+cu126", "built_for_cuda": "12.6", "devices": None, "error": None}
NVIDIA = {"driver": "560.35", "serves_cuda": "12.6", "devices": 1, "visible_devices": None}


# The whole


def test_a_missing_package_is_listed_with_what_it_is_for_and_the_command(monkeypatch):
    real = cuda.is_importable
    monkeypatch.setattr(cuda, "is_importable", lambda module: module != "rich" and real(module))

    expected = {"what": "rich", "for": "tables in a terminal", "command": "pip install --upgrade cnnprof"}
    assert expected in doctor.examine()["missing"]


def test_a_package_for_what_is_still_to_come_is_not_missed(monkeypatch):
    real = cuda.is_importable
    monkeypatch.setattr(cuda, "is_importable", lambda module: module != "keras" and real(module))

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
