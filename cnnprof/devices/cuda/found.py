"""NVIDIA GPUs: what is missing to measure on one. Standard library only.

A driver is asked through its own C library and torch through the files it was installed with, here or in another
interpreter. torch itself is imported only on request, in a process of its own, so that a broken one breaks nothing.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cnnprof.errors import WorkerError

_DEADLINE_S = 120
"""For another interpreter, or for importing torch."""
_WHEEL = "12.6"
"""The CUDA of the builds of torch that are recommended: older drivers of the same major version serve it."""
_SCRIPTED = "without an NVIDIA GPU, try --device fake:FILE, a scripted one (docs/devices.md)"
_FIND_TORCH = """
import json
from importlib import metadata, util
spec = util.find_spec("torch")
try:
    version = metadata.version("torch")
except metadata.PackageNotFoundError:
    version = "unknown"
print(json.dumps([spec and spec.origin, version]))
"""
_ASK_TORCH = """
import json, torch
count = torch.cuda.device_count() if torch.cuda.is_available() else 0
names = [f"cuda:{index} {torch.cuda.get_device_name(index)}" for index in range(count)]
print(json.dumps(["cpu", *names]))
"""


def missing(python: str | None = None) -> tuple[str, str] | None:
    """Return the first thing that is missing for measuring on an NVIDIA GPU, and the command that mends it.

    Args:
        python: the interpreter whose torch is to measure; None: this one.

    Raises:
        WorkerError: that interpreter does not start, or is no Python.
    """
    found = verdict(torch_state(python), nvidia_state(), python)
    return None if found["missing"] is None else (str(found["missing"]), str(found["command"]))


def torch_state(python: str | None = None, *, import_it: bool = False) -> dict[str, Any]:
    """Return torch's version and the CUDA it was built for; with ``import_it`` also the devices it finds.

    Raises:
        WorkerError: as ``missing``.
    """
    origin, version = _torch_here() if python is None else _torch_of(python)
    if origin is None:
        return {"version": None, "built_for_cuda": None, "devices": None, "error": None}
    built = read(Path(origin).with_name("version.py")) or ""
    cuda = re.search(r"^cuda\b[^=\n]*=\s*['\"]([\d.]+)['\"]", built, re.MULTILINE)
    state = {"version": version, "built_for_cuda": cuda.group(1) if cuda else None, "devices": None, "error": None}
    return state | _ask_torch(python or sys.executable) if import_it else state


def _torch_here() -> tuple[str | None, str]:
    spec = find_spec("torch") if is_importable("torch") else None
    return (spec.origin if spec else None), version_of("torch")


def _torch_of(python: str) -> tuple[str | None, str]:
    import json
    import subprocess

    try:
        answer = subprocess.run(  # noqa: S603 our own program in an interpreter that the user chose
            [python, "-P", "-c", _FIND_TORCH], capture_output=True, text=True, timeout=_DEADLINE_S, check=True
        )
        origin, version = json.loads(answer.stdout.splitlines()[-1])
    except OSError as error:
        raise WorkerError(
            f"cannot start {python}: {error.strerror or error}", hint="--python is the path of a Python",
            code="worker-died",
        ) from error  # fmt: skip
    except (subprocess.SubprocessError, ValueError, IndexError, TypeError) as error:
        raise WorkerError(
            f"{python} does not say what it has: {error}", hint="name a Python of 3.11 or later", code="worker-died"
        ) from error
    return origin, version


def is_importable(module: str) -> bool:
    """Return whether a module is there, without importing it."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def version_of(package: str) -> str:
    """Return the version that a package was installed with; ``unknown`` where no package manager installed it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def read(path: Path) -> str | None:
    """Return the text of a file; None where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _ask_torch(python: str) -> dict[str, Any]:
    # In a process of its own: a broken torch may fail in any way, a segmentation fault included.
    import json
    import subprocess

    command = [python, "-P", "-c", _ASK_TORCH]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_DEADLINE_S, check=True)  # noqa: S603 our own
        return {"devices": json.loads(answer.stdout.splitlines()[-1])}
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()[-1:]
        return {"error": last[0] if last else f"importing it ends the process with code {error.returncode}"}
    except (subprocess.TimeoutExpired, ValueError, IndexError) as error:
        return {"error": f"importing it gives no answer ({type(error).__name__})"}


def nvidia_state() -> dict[str, Any]:
    """Return the NVIDIA driver: its version, the newest CUDA it serves, its devices, and what hides them."""
    kernel = re.search(r"Kernel Module.*?\s(\d+\.[\d.]+)\s", read(Path("/proc/driver/nvidia/version")) or "")
    return {
        "driver": kernel.group(1) if kernel else None,
        "serves_cuda": _driver_cuda(),
        "devices": _device_files() or _driver_devices(),
        "visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }


def _device_files() -> int:
    return len([path for path in Path("/dev").glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)])


def _driver_cuda() -> str | None:
    number = _driver_says(lambda driver, answer: driver.cuDriverGetVersion(answer))
    return f"{number // 1000}.{number % 1000 // 10}" if number else None


def _driver_devices() -> int:
    """Return the GPUs that the driver counts: embedded ones, for one, are not in /dev under NVIDIA's usual names."""
    return _driver_says(lambda driver, answer: driver.cuInit(0) or driver.cuDeviceGetCount(answer))


def _driver_says(ask: Callable[[Any, Any], int]) -> int:
    """Return the driver's answer; 0 where there is none."""
    import ctypes

    number = ctypes.c_int()
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
        failed = ask(driver, ctypes.byref(number))
    except (OSError, AttributeError):
        return 0
    return 0 if failed else number.value


def verdict(torch: dict[str, Any], nvidia: dict[str, Any], python: str | None = None) -> dict[str, str | None]:
    """Return what is missing for measuring on an NVIDIA GPU, and the command that helps; None where nothing is.

    Judged in the order in which things must be mended: driver, device, visibility, torch, a driver that is new enough
    for it, torch's CUDA build. So nobody downloads gigabytes for a GPU that is not there.
    """
    for missing, command, there in _chain(torch, nvidia, python):
        if not there:
            return {"missing": missing, "command": command}
    return {"missing": None, "command": None}


def _chain(torch: dict[str, Any], nvidia: dict[str, Any], python: str | None) -> list[tuple[str, str, bool]]:
    pip, torch_for_us = ("pip", "'cnnprof[torch]'") if python is None else (f"{python} -m pip", "torch")
    driver = "install NVIDIA's driver: https://www.nvidia.com/drivers"
    version, built, serves = torch["version"], torch["built_for_cuda"], nvidia["serves_cuda"]
    needs = built or _WHEEL
    too_old = f"a newer NVIDIA driver (it serves CUDA {serves}, torch needs {needs})"
    return [
        ("an NVIDIA driver", f"{driver}; a container gets it with --gpus all; {_SCRIPTED}", serves is not None),
        (
            "an NVIDIA GPU", f"use a machine that has one; {_SCRIPTED}",
            nvidia["devices"] > 0 or os.name == "nt" or _is_wsl(),
        ),
        ("a visible GPU (CUDA_VISIBLE_DEVICES hides all)", "unset CUDA_VISIBLE_DEVICES", not _all_hidden(nvidia)),
        ("torch", f"{pip} install {torch_for_us}", version is not None),
        (too_old, driver, _serves(serves, needs)),
        (f"a CUDA build of torch ({version} is for CPUs)", _reinstall(pip, version), built is not None),
    ]  # fmt: skip


def _reinstall(pip: str, version: str | None) -> str:
    """Return the command that puts a CUDA build in the place of the same release of torch."""
    release = re.fullmatch(r"(\d+(?:\.\d+)+)(?:\+.*)?", version or "")
    torch = f"torch=={release.group(1)}" if release else "torch"  # a nightly build lies elsewhere
    index = f"https://download.pytorch.org/whl/cu{_WHEEL.replace('.', '')}"
    return f"{pip} install --force-reinstall {torch} --index-url {index}"


def _serves(serves: str | None, built: str | None) -> bool:
    # Within one major version an older driver runs newer code (CUDA's minor version compatibility).
    return bool(serves and built) and int(str(serves).split(".")[0]) >= int(str(built).split(".")[0])


def _is_wsl() -> bool:
    return Path("/dev/dxg").exists()  # Windows lends its GPUs to Linux without /dev/nvidia0


def _all_hidden(nvidia: dict[str, Any]) -> bool:
    hidden: str | None = nvidia["visible_devices"]
    return hidden is not None and hidden.strip() in {"", "-1", "NoDevFiles"}
