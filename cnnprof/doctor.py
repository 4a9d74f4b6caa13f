"""What this environment has, and what is missing for what. Standard library only.

Nothing that is examined is imported; ``devices/cuda/found.py`` says how a driver and torch are asked.
"""

from __future__ import annotations

import platform
import sys
from typing import Any, NamedTuple

from cnnprof._version import __version__
from cnnprof.devices import system
from cnnprof.devices.cuda import found as cuda

SCHEMA = "cnnprof/doctor/1"


class Package(NamedTuple):
    """A package cnnprof can use: its name on PyPI, its module, what it is for, how to get it."""

    name: str
    module: str
    purpose: str
    install: str


def _packages() -> tuple[Package, ...]:
    base, torch = "pip install --upgrade cnnprof", "pip install 'cnnprof[torch]'"
    return (
        Package("click", "click", "the command line", base),
        Package("PyYAML", "yaml", "reading specifications", base),
        Package("msgspec", "msgspec", "reading specifications, JSON", base),
        Package("rich", "rich", "tables in a terminal", base),
        Package("jinja2", "jinja2", "to come: HTML reports", base),
        Package("platformdirs", "platformdirs", "the store of runs", base),
        Package("pandas", "pandas", "data frames (to_frame)", base),
        Package("torch", "torch", "cnnprof.build, validate, and networks that are code", torch),
        Package("fvcore", "fvcore", "counts beside a second tool's: validate", torch),
        Package("networkx", "networkx", "the cheapest placement of layers on two devices", torch),
        Package("nvidia-ml-py", "pynvml", "clocks, power, temperature and energy of an NVIDIA GPU", torch),
        Package("torchvision", "torchvision", "networks named torchvision:NAME, validate", "pip install torchvision"),
        Package("timm", "timm", "networks named timm:NAME", "pip install timm"),
        Package("keras", "keras", "to come: models named keras:NAME", "pip install keras"),
        Package("onnx", "onnx", "to come: models in .onnx files", "pip install 'cnnprof[onnx]'"),
        Package("matplotlib", "matplotlib", "to come: charts as PNG", "pip install 'cnnprof[plot]'"),
    )


def _needed(package: dict[str, Any]) -> bool:
    """Return whether a package is missing for something that cnnprof can do already."""
    return package["version"] is None and not package["for"].startswith("to come")


def examine(*, import_torch: bool = False) -> dict[str, Any]:
    """Return the state of this environment as plain data.

    Args:
        import_torch: import torch and ask it for its devices, which takes seconds and can fail by itself.
    """
    packages = [_package(package) for package in _packages()]
    torch, nvidia = cuda.torch_state(import_it=import_torch), cuda.nvidia_state()
    verdict = cuda.verdict(torch, nvidia)
    missing = [_missing(each["name"], each["for"], each["install"]) for each in packages if _needed(each)]
    if verdict["missing"]:
        missing.append(_missing(verdict["missing"], "measuring on a GPU", verdict["command"]))
    return {
        "schema": SCHEMA,
        "cnnprof": __version__,
        "python": _python(),
        "platform": _platform(),
        "packages": packages,
        "torch": torch,
        "nvidia": nvidia,
        "cuda": verdict,
        "missing": missing,
    }


def _missing(what: str, purpose: str, command: str | None) -> dict[str, str | None]:
    return {"what": what, "for": purpose, "command": command}


def _python() -> dict[str, Any]:
    implementation = platform.python_implementation()
    return {"version": platform.python_version(), "implementation": implementation, "executable": sys.executable}


def _platform() -> dict[str, Any]:
    return {
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "cpu": system.cpu_name(),
        "cores": len(system.cores()),
    }


def _package(package: Package) -> dict[str, Any]:
    version = _version(package)
    return {"name": package.name, "version": version, "for": package.purpose, "install": package.install}


def _version(package: Package) -> str | None:
    return cuda.version_of(package.name) if cuda.is_importable(package.module) else None
