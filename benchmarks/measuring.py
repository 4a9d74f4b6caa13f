"""What the benchmarks share: a child process and what it took, the machine, tables. Standard library only.

A parent that imports much would lend its own peak memory to its children, as Linux counts it: so it imports nothing.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import pty
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
_KIB_PER_MIB = 1024
KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "-1"}
"""With these glibc keeps the memory that is freed, as cnnprof advises where handing it out takes much of the time."""


class Sample(NamedTuple):
    """What one child took: user and system time of all its threads, time on the clock, peak resident memory."""

    cpu_s: float
    wall_s: float
    peak_mib: float
    out: str


@contextmanager
def environment(*, compiled: bool = True) -> Iterator[dict[str, str]]:
    """Yield the environment of children; ``compiled``: their bytecode is kept, as that of an installed package is.

    It lies in a folder of its own that is removed in the end, whatever this shell says about bytecode.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV_")}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [env.get("PYTHONPATH")])])
    env.pop("COLUMNS", None)
    if not compiled:
        yield env
        return
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    with TemporaryDirectory(prefix="cnnprof-bytecode-") as folder:
        yield env | {"PYTHONPYCACHEPREFIX": folder}


def child(arguments: Sequence[str], env: Mapping[str, str], *, terminal: bool = False) -> Sample:
    """Run ``python ARGUMENTS`` to its end; ``terminal``: on a terminal of its own, else into a pipe.

    Raises:
        SystemExit: it failed.
    """
    reads, writes = pty.openpty() if terminal else os.pipe()
    began = perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdin=subprocess.DEVNULL, stdout=writes, env=dict(env))
    os.close(writes)
    out = b"".join(_chunks(reads)).decode()
    _, status, used = os.wait4(process.pid, 0)
    wall = perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} exited with {process.returncode}")
    return Sample(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / _KIB_PER_MIB, out)


def _chunks(descriptor: int) -> Iterator[bytes]:
    with open(descriptor, "rb", buffering=0) as stream:
        while True:
            try:
                chunk = stream.read(65536)
            except OSError:  # Linux says so where nobody is left on the other side of a terminal
                return
            if not chunk:
                return
            yield chunk


def machine() -> dict[str, Any]:
    """Return when and where this runs, and how busy the machine is besides."""
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "load_before": [round(each, 2) for each in os.getloadavg()],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not a Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def described(where: Mapping[str, Any]) -> str:
    """Return ``machine()`` as one line."""
    load = " ".join(map(str, where["load_before"]))
    threads = f", OMP_NUM_THREADS={where['threads']}" if where["threads"] else ""
    return (
        f"{where['date']}, {where['processor']}, {where['cores']} cores, {where['system']}, "
        f"Python {where['python']}{threads}, load {load}"
    )


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return columns of text, the first one left-aligned and the others right-aligned."""
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    lines = ["  ".join(map(_aligned, range(len(line)), line, widths)) for line in [titles, *rows]]
    return "\n".join([lines[0].rstrip(), "-" * len(lines[0]), *(line.rstrip() for line in lines[1:])])


def _aligned(at: int, cell: str, width: int) -> str:
    return cell.rjust(width) if at else cell.ljust(width)
