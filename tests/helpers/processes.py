"""cnnprof as a process of its own, in an environment a test chooses."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
CNNPROF = [sys.executable, "-m", "cnnprof"]


class Finished(NamedTuple):
    """What a process left behind. ``cpu_s`` is user and system time of the process and its children."""

    code: int
    out: str
    err: str
    cpu_s: float


def environment(**changes: str | None) -> dict[str, str]:
    """The environment of a child: our own, the package findable from anywhere, nothing that measures coverage.

    A change to None removes the variable.
    """
    base = {**os.environ, "PYTHONPATH": str(ROOT), **changes}
    return {name: value for name, value in base.items() if value is not None and not name.startswith("COV_")}


def run(command: Sequence[str], *, env: dict[str, str] | None = None, stdin: str = "", **options: Any) -> Finished:
    """Run a command to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, input=stdin.encode(), capture_output=True, check=False, timeout=120,
        env=env or environment(), **options
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode(), used)


def cnnprof(*argv: str, env: dict[str, str] | None = None, **options: Any) -> Finished:
    """Run cnnprof to its end."""
    return run([*CNNPROF, *argv], env=env, **options)


def ended(pid: int, within_s: float = 60.0) -> bool:
    """Whether a process is gone, or waits only for somebody to take note of its end."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.01)
    return False
