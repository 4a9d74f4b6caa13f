"""Which process measures a run, and whether it is still there."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import NamedTuple

SILENCE_S = 3600
"""A process on another machine, which cannot be asked, counts as gone when it has written nothing for so long."""
_STARTED = 19
"""Field of /proc/PID/stat behind the name: ticks from the boot to the start of the process. The first is its state."""


class Owner(NamedTuple):
    """A process, so that its number cannot be taken for that of a later one."""

    pid: int
    started: int | None
    host: str
    boot: str | None

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def this_process() -> Owner:
    """Return what tells this process from all others."""
    pid = os.getpid()
    return Owner(pid, _started(pid), platform.node(), _boot())


def is_alive(owner: Owner, touched: float) -> bool:
    """Return whether a process still measures. ``touched``: Unix time of what it wrote last."""
    if owner.host != platform.node():
        return time.time() - touched < SILENCE_S
    return owner.boot == _boot() and owner.started is not None and owner.started == _started(owner.pid)


def _started(pid: int) -> int | None:
    """Return when a process started, in ticks since the boot; None where there is no such process, or a dead one."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[_STARTED])


def _boot() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
