"""The CPU that this process runs on: two clocks, what the system counts, and caches that can be emptied."""

from __future__ import annotations

import ctypes
import itertools
import math
import resource
import statistics
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter_ns, thread_time_ns
from typing import TYPE_CHECKING, Any

from cnnprof.devices import system
from cnnprof.devices.attribution import attributed
from cnnprof.devices.base import Idle, Mark, Network
from cnnprof.devices.steps import collected, varying

if TYPE_CHECKING:
    import torch

_REPEATS = 31
"""Runs of idle layers that the cost of marks is the median of."""
_WARM = 3
"""Runs of a layer by itself before its samples."""
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Parameters of glibc's mallopt (malloc.h)."""
_CACHE_BYTES = 64 * 2**20
"""Taken for the last cache where the system does not say."""


def missing(_python: str) -> tuple[str, str] | None:
    """Return what is missing and the command that mends it: nothing."""
    return None


def subject(network: Network, request: dict[str, Any]) -> CpuSubject:  # noqa: ARG001 every device's signature
    """Return a network as it runs on this CPU."""
    return CpuSubject(network)


class Clocks:
    """Marks of one forward, wall clock and CPU time of the thread.

    A thread's clock is a system call, so it is read outside: before the wall clock where a layer begins, after it
    where the layer ends.
    """

    def __init__(self) -> None:
        self.wall: list[int] = []
        self.cpu: list[int] = []

    def marks(self) -> tuple[Mark, Mark]:
        """Return what to call before a layer and after it."""
        add_wall, add_cpu = self.wall.append, self.cpu.append
        wall, cpu = perf_counter_ns, thread_time_ns  # names of this function are found faster than a module's

        def enter() -> None:
            add_cpu(cpu())
            add_wall(wall())

        def leave() -> None:
            add_wall(wall())
            add_cpu(cpu())

        return enter, leave

    def clear(self) -> None:
        """Forget all marks."""
        self.wall.clear()
        self.cpu.clear()


class CpuSubject:
    """A network on this CPU."""

    def __init__(self, network: Network) -> None:
        self.layers = tuple(layer.name for layer in network.layers)
        self.marks = tuple(layer.kind for layer in network.layers)
        self.phases = tuple(name for name, _ in network.phases)
        self.passes = ("E", "L") if network.layers else ("E",)
        self.others = system.Others()
        self._network = network
        self._steps = [step for _, step in network.phases]
        self._clocks = Clocks()
        self._marked = None if network.marked is None else network.marked(*self._clocks.marks())

    def now_ns(self) -> int:
        return perf_counter_ns()

    def environment(self) -> dict[str, Any]:
        import torch

        return system.describe() | {
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "mkldnn": torch.backends.mkldnn.is_available(),
            "capability": torch.backends.cpu.get_cpu_capability(),
        }

    def costs(self) -> dict[str, dict[str, float]]:
        with collected():
            return {kind: self._cost(idle) for kind, idle in self._network.idle.items()}

    def _cost(self, idle: Idle) -> dict[str, float]:
        """Return what marks add to layers that do little, in the intervals between two marks and outside of them.

        Inside falls what two marks right after one another read; outside, the rest of what they add.
        """
        clocks = Clocks()
        enter, leave = clocks.marks()
        plain, marked = idle.plain, idle.marked(enter, leave)
        bare, dressed = [], []
        for _ in range(_REPEATS):  # in turn: whatever else happens, happens to both
            bare.append(_wall_ns(plain))
            clocks.clear()
            with marked.around():
                dressed.append(_wall_ns(marked.run))
        clocks.clear()
        for _ in range(_REPEATS * idle.layers):
            enter()
            leave()
        inside, inside_cpu = (statistics.median(_pairs(marks)) for marks in (clocks.wall, clocks.cpu))
        added = (_undisturbed(dressed) - _undisturbed(bare)) / idle.layers
        return {"inside_ns": inside, "outside_ns": max(0.0, added - inside), "inside_cpu_ns": inside_cpu}

    def run(self, kind: str) -> dict[str, Any]:
        if kind == "E" or self._marked is None:
            return self._timed(self._steps) | {"kind": "E"}
        self._clocks.clear()
        with self._marked.around():
            found, began, began_cpu, ends = self._run([self._marked.run, *self._steps[1:]])
        clocks = self._clocks
        if len(clocks.wall) != 2 * len(self.layers):
            raise varying(len(clocks.wall) // 2, len(self.layers))
        marks = {
            "marks_ns": _differences([began, *clocks.wall, ends[0][0]]),
            "marks_cpu_ns": _differences([began_cpu, *clocks.cpu, ends[0][1]]),
        }
        return found | marks | {"kind": "L"}

    def _timed(self, steps: Sequence[Callable[[], Any]]) -> dict[str, Any]:
        return self._run(steps)[0]

    def _run(self, steps: Sequence[Callable[[], Any]]) -> tuple[dict[str, Any], int, int, list[tuple[int, int]]]:
        ends = []
        with collected():
            before = resource.getrusage(resource.RUSAGE_SELF)
            began_cpu, began = thread_time_ns(), perf_counter_ns()
            for step in steps:
                step()
                ends.append((perf_counter_ns(), thread_time_ns()))
            after = resource.getrusage(resource.RUSAGE_SELF)
        walls = [began, *(wall for wall, _ in ends)]
        found: dict[str, Any] = {
            "wall_ns": walls[-1] - began,
            "cpu_ns": ends[-1][1] - began_cpu,
            "switches": after.ru_nivcsw - before.ru_nivcsw,
            "faults": after.ru_minflt - before.ru_minflt,
            "system_ns": round((after.ru_stime - before.ru_stime) * 1e9),
        }
        if len(steps) > 1:
            found["phases_ns"] = _differences(walls)
        return found, began, began_cpu, ends

    def alone(self, index: int, samples: int) -> dict[str, Any] | None:
        layer = self._network.layers[index]
        if layer.alone is None:
            return None
        _keep_freed_memory()
        run, twin, touch = layer.alone()
        flush = self._flusher()
        with collected():
            for _ in range(_WARM):
                run()
            hot = [_wall_ns(run) for _ in range(samples)]
            cold = []
            for _ in range(samples):
                flush()
                twin()  # the code of the layer is in the caches again, as in a network; its weights are not
                touch()
                cold.append(_wall_ns(run))
        return {"layer": layer.name, "hot_ns": hot, "cold_ns": cold}

    def _flusher(self) -> Callable[[], Any]:
        """Return what fills every cache with something else: twice the last one's size is written."""
        import torch

        size = 2 * (system.last_cache_bytes() or _CACHE_BYTES)
        rubbish: torch.Tensor = torch.empty(size, dtype=torch.uint8)
        return lambda: rubbish.add_(1)

    def memory(self) -> dict[str, Any] | None:
        return {"peak_bytes": self._network.peak_bytes(), "by": self._network.counter}

    def kernels(self) -> list[dict[str, Any]] | None:
        marked = self._network.marked
        return None if marked is None or not self.layers else attributed(marked, self.layers)

    def output_std(self) -> float | None:
        found = self._network.output_std()
        return found if math.isfinite(found) else None

    def load(self) -> dict[str, Any] | None:
        return None

    def copies(self, sizes: Sequence[int], samples: int) -> Iterator[dict[str, Any]]:  # noqa: ARG002 the contract's
        return iter(())

    def overlap(self, samples: int) -> dict[str, Any] | None:  # noqa: ARG002 the contract's
        return None

    def telemetry(self, when: str) -> dict[str, Any] | None:  # noqa: ARG002 the contract's
        return None


def _keep_freed_memory() -> None:
    """Have the C library keep what is freed, for the rest of this process.

    A layer by itself would give its output back to the system after each run and get it anew, page by page: measured,
    VGG-16's first convolution took 34 ms alone and 7 ms in the network. In a network some other tensor keeps it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # not every C library has it
        mallopt(_M_TRIM_THRESHOLD, -1)
        mallopt(_M_MMAP_MAX, 0)


def _undisturbed(times: Sequence[int]) -> int:
    """Return the time a tenth from the fast end: what was interrupted lies at the other one, and moves a median."""
    return sorted(times)[len(times) // 10]


def _wall_ns(run: Callable[[], Any]) -> int:
    began = perf_counter_ns()
    run()
    return perf_counter_ns() - began


def _differences(times: Sequence[int]) -> list[int]:
    return [after - before for before, after in itertools.pairwise(times)]


def _pairs(marks: Sequence[int]) -> list[int]:
    return [after - before for before, after in zip(marks[::2], marks[1::2], strict=True)]
