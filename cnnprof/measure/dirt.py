"""Which forwards were disturbed by something else that ran. Standard library only, plain numbers.

With one thread the system says it exactly: time in which the thread did not run is time that another one had. With
several threads it does not: OpenMP's threads spin while they wait for one that is held up, so that CPU time grows with
the disturbance (measured: ResNet-18 on 2 threads beside one busy process, 26 → 52 ms of thread CPU time). Then what
is left is whether the other processes left enough CPUs free.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

WAITED = 0.03
"""A forward of one thread is dirty where the thread did not run for more than this part of it. A quiet forward waits
under 1 %; a process that shares the CPU takes slices of milliseconds, which are far above."""
SPARE_CPUS = 0.05
"""CPUs that others may take from those the threads need, before forwards are dirty: the system itself takes as much."""


class Timed(Protocol):
    """What is judged: a ``Forward``, or anything with its fields."""

    @property
    def wall_ns(self) -> int: ...
    @property
    def cpu_ns(self) -> int: ...
    @property
    def others(self) -> float | None: ...
    @property
    def device_ns(self) -> int | None: ...


def dirty(forward: Timed, environment: Mapping[str, Any]) -> bool | None:
    """Return whether a forward was disturbed; None where nothing is known.

    Args:
        forward: with ``wall_ns``, ``cpu_ns`` of its thread, ``others``: CPUs that other processes kept busy, and
            ``device_ns``, which only an accelerator's has.
        environment: ``threads`` and ``cores``, each of them a number or None.
    """
    threads, cores = environment.get("threads"), environment.get("cores")
    if (
        forward.device_ns is not None
    ):  # one thread launches and waits; whether it spins meanwhile is the driver's matter
        return crowded(forward.others, threads=1, cores=cores)
    if threads == 1:
        return waited(forward.wall_ns, forward.cpu_ns) > WAITED
    return crowded(forward.others, threads=threads, cores=cores)


def waited(wall_ns: float, cpu_ns: float) -> float:
    """Return the part of a time in which its only thread did not run. Negative where the clocks disagree a little.

    Raises:
        ValueError: the time is not above 0.
    """
    if not wall_ns > 0:
        raise ValueError(f"a time is above 0, got {wall_ns!r} ns")
    return (wall_ns - cpu_ns) / wall_ns


def crowded(others: float | None, *, threads: int | None, cores: float | None) -> bool | None:
    """Return whether other processes leave fewer CPUs than the threads need; None where a number is missing."""
    if others is None or threads is None or cores is None:
        return None
    return others > max(0.0, cores - threads) + SPARE_CPUS
