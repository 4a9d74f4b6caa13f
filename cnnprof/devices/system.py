"""What this machine says of itself and of who else is busy on it: files of Linux's /proc and /sys, where they are."""

from __future__ import annotations

import os
import platform
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

_SHORTEST_S = 0.1
"""The kernel counts in hundredths of a second: over less than this, a share of one is noise."""

_ALLOCATOR = (
    "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES",
    "LD_PRELOAD", "THP_MEM_ALLOC_ENABLE",
)  # fmt: skip
"""Variables that decide whether freed memory goes back to the system: of glibc, of the loader and of torch."""


def describe() -> dict[str, Any]:
    """Return processor, cores that this process may use, governor, load and versions; None for what is not known.

    ``allocator`` is what the environment tells it: measured, it decides over half of a forward of large activations.
    """
    return {
        "cpu": cpu_name(),
        "cores": len(cores()),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load_1min": os.getloadavg()[0],
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "last_cache_bytes": last_cache_bytes(),
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "allocator": {name: os.environ[name] for name in _ALLOCATOR if name in os.environ},
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }


def cpu_name() -> str | None:
    """Return the processor's name."""
    found = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo") or "", re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or None


def cores() -> set[int]:
    """Return the numbers of the CPUs that this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return affinity(0) if affinity else set(range(os.cpu_count() or 1))


def last_cache_bytes() -> int | None:
    """Return the size of the largest cache of the first CPU."""
    sizes = [_read(str(path)) for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    found = [int(size[:-1]) * {"K": 2**10, "M": 2**20}[size[-1]] for size in sizes if size and size[-1] in "KM"]
    return max(found, default=None)


class Busy(NamedTuple):
    """CPU time since boot on the cores of this process, of everybody and of this process; when it was read."""

    all_s: float
    own_s: float
    at_s: float


class Others:
    """How many CPUs other processes keep busy on the cores that this one may use."""

    def __init__(self) -> None:
        self._last = busy()
        self._known: float | None = None

    def __call__(self) -> float | None:
        """Return the CPUs since the last call that lay far enough back; None where the system does not say."""
        now = busy()
        if now is None or self._last is None:
            return None
        elapsed = now.at_s - self._last.at_s
        if elapsed >= _SHORTEST_S:
            theirs = (now.all_s - self._last.all_s) - (now.own_s - self._last.own_s)
            self._known = max(0.0, theirs / elapsed)
            self._last = now
        return self._known


def busy() -> Busy | None:
    """Return the CPU time that was used on this process's cores; None where /proc/stat cannot be read."""
    text = _read("/proc/stat")
    if text is None:
        return None
    import resource

    mine = {f"cpu{number}" for number in cores()}
    total = sum(_used(line) for line in text.splitlines() if line.split(" ", 1)[0] in mine)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Busy(total / os.sysconf("SC_CLK_TCK"), used.ru_utime + used.ru_stime, time.monotonic())


def _used(line: str) -> int:
    # user nice system idle iowait irq softirq steal; guests are in user already
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, line.split()[1:9])
    return user + nice + system + irq + softirq + steal


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
