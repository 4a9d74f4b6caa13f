"""What this environment has, and what is missing for what. Standard library only.

A driver is asked through its own C library and torch through the files it was installed with; only on request is torch
imported, and then in a process of its own, so that a broken torch cannot break the diagnosis.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from cnnprof._version import __version__

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
        Package("platformdirs", "platformdirs", "to come: a store of measurements", base),
        Package("pandas", "pandas", "data frames (to_frame)", base),
        Package("torch", "torch", "cnnprof.build, validate, and networks that are code", torch),
        Package("fvcore", "fvcore", "to come: counts beside a second tool's", torch),
        Package("nvidia-ml-py", "pynvml", "to come: clocks, power and temperature of an NVIDIA GPU", torch),
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
    torch, nvidia = torch_state(import_it=import_torch), nvidia_state()
    cuda = cuda_verdict(torch, nvidia)
    missing = [_missing(each["name"], each["for"], each["install"]) for each in packages if _needed(each)]
    if cuda["missing"]:
        missing.append(_missing(cuda["missing"], "to come: measuring on a GPU", cuda["command"]))
    return {
        "schema": SCHEMA,
        "cnnprof": __version__,
        "python": _python(),
        "platform": _platform(),
        "packages": packages,
        "torch": torch,
        "nvidia": nvidia,
        "cuda": cuda,
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
        "cpu": _cpu_name(),
        "cores": _usable_cores(),
    }


def _cpu_name() -> str | None:
    text = _read(Path("/proc/cpuinfo")) or ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or None


def _usable_cores() -> int | None:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count()


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _package(package: Package) -> dict[str, Any]:
    version = _version(package)
    return {"name": package.name, "version": version, "for": package.purpose, "install": package.install}


def _version(package: Package) -> str | None:
    if not _is_importable(package.module):
        return None
    try:
        return metadata.version(package.name)
    except metadata.PackageNotFoundError:
        return "unknown"  # importable, but not installed by a package manager


def _is_importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def torch_state(*, import_it: bool = False) -> dict[str, Any]:
    """Return torch's version and the CUDA it was built for; with ``import_it`` also the devices it finds."""
    spec = find_spec("torch") if _is_importable("torch") else None
    if spec is None or spec.origin is None:
        return {"version": None, "built_for_cuda": None, "devices": None, "error": None}
    built = _read(Path(spec.origin).with_name("version.py")) or ""
    cuda = re.search(r"^cuda\b[^=\n]*=\s*['\"]([\d.]+)['\"]", built, re.MULTILINE)
    state = {
        "version": _version(Package("torch", "torch", "", "")),
        "built_for_cuda": cuda.group(1) if cuda else None,
        "devices": None,
        "error": None,
    }
    return state | _ask_torch() if import_it else state


_ASK_TORCH = """
import json, torch
count = torch.cuda.device_count() if torch.cuda.is_available() else 0
names = [f"cuda:{index} {torch.cuda.get_device_name(index)}" for index in range(count)]
print(json.dumps(["cpu", *names]))
"""


def _ask_torch() -> dict[str, Any]:
    # In a process of its own: a broken torch may fail in any way, a segmentation fault included.
    import json
    import subprocess

    command = [sys.executable, "-c", _ASK_TORCH]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)  # noqa: S603 our own
        return {"devices": json.loads(answer.stdout.splitlines()[-1])}
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()[-1:]
        return {"error": last[0] if last else f"importing it ends the process with code {error.returncode}"}
    except (subprocess.TimeoutExpired, ValueError, IndexError) as error:
        return {"error": f"importing it gives no answer ({type(error).__name__})"}


def nvidia_state() -> dict[str, Any]:
    """Return the NVIDIA driver: its version, the newest CUDA it serves, its devices, and what hides them."""
    kernel = re.search(r"Kernel Module.*?\s(\d+\.[\d.]+)\s", _read(Path("/proc/driver/nvidia/version")) or "")
    return {
        "driver": kernel.group(1) if kernel else None,
        "serves_cuda": _driver_cuda(),
        "devices": len([path for path in Path("/dev").glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]),
        "visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }


def _driver_cuda() -> str | None:
    import ctypes

    number = ctypes.c_int()
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
        failed = driver.cuDriverGetVersion(ctypes.byref(number))
    except (OSError, AttributeError):
        return None
    return None if failed or not number.value else f"{number.value // 1000}.{number.value % 1000 // 10}"


def cuda_verdict(torch: dict[str, Any], nvidia: dict[str, Any]) -> dict[str, str | None]:
    """Return what is missing for measuring on an NVIDIA GPU, and the command that helps; None where nothing is.

    Judged in the order in which things must be mended: torch, its CUDA build, driver, device, visibility.
    """
    for missing, command, there in _cuda_chain(torch, nvidia):
        if not there:
            return {"missing": missing, "command": command}
    return {"missing": None, "command": None}


def _cuda_chain(torch: dict[str, Any], nvidia: dict[str, Any]) -> list[tuple[str, str, bool]]:
    reinstall = "pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu126"
    driver = "install NVIDIA's driver: https://www.nvidia.com/drivers"
    built, serves = torch["built_for_cuda"], nvidia["serves_cuda"]
    return [
        ("torch", "pip install 'cnnprof[torch]'", torch["version"] is not None),
        (f"a CUDA build of torch ({torch['version']} is for CPUs)", reinstall, built is not None),
        ("an NVIDIA driver", driver, serves is not None),
        (f"a newer NVIDIA driver (it serves CUDA {serves}, torch needs {built})", driver, _serves(serves, built)),
        ("an NVIDIA GPU", "use a machine that has one", nvidia["devices"] > 0 or os.name == "nt" or _is_wsl()),
        ("a visible GPU (CUDA_VISIBLE_DEVICES hides all)", "unset CUDA_VISIBLE_DEVICES", not _all_hidden(nvidia)),
    ]


def _serves(serves: str | None, built: str | None) -> bool:
    # Within one major version an older driver runs newer code (CUDA's minor version compatibility).
    return bool(serves and built) and int(str(serves).split(".")[0]) >= int(str(built).split(".")[0])


def _is_wsl() -> bool:
    return Path("/dev/dxg").exists()  # Windows lends its GPUs to Linux without /dev/nvidia0


def _all_hidden(nvidia: dict[str, Any]) -> bool:
    hidden: str | None = nvidia["visible_devices"]
    return hidden is not None and hidden.strip() in {"", "-1", "NoDevFiles"}
