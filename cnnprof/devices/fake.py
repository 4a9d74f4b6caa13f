"""A device that does not exist: its clock, bandwidth, memory and faults are what a file says. No torch.

With ``launch_ns`` it is an accelerator: a host launches the layers one by one, the device computes them, and what takes
longer decides. Everything but a ``host`` is copied to and from.

``--device fake`` takes the defaults, ``--device fake:FILE.json`` a file with other values of ``Script``. Every command,
figure and fault of measuring can be tried on it, with known answers and without waiting.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

from cnnprof.devices.base import failed_device, lost_device
from cnnprof.devices.fake_script import Script
from cnnprof.errors import WorkerError

_MEMORIES = ("pinned", "pageable")
SHORTEST_NS = 1_000
"""Of a forward. Warming up takes tenths of a second by the clock of the device, which are as many forwards as fit: of
13 ns they are 15 million, and take minutes of whoever waits."""
_BATCHES = 10
"""That are copied and computed at once."""


class Moved(NamedTuple):
    """Bytes that go to a device: of weights and buffers once, of the inputs with each batch."""

    weights: int = 0
    inputs: int = 0


def too_short(forward_ns: int) -> WorkerError:
    """Return the error for a script that no device is like, and that would be measured for minutes."""
    return WorkerError(
        f"a forward takes {forward_ns:,} ns by the script of this fake device, and no device takes less than "
        f"{SHORTEST_NS:,}",
        hint="more layer_ns, gap_ns or hidden_ns in the script, or a larger batch",
        code="bad-script",
    )


def missing(_python: str) -> tuple[str, str] | None:
    """Return what is missing: nothing."""
    return None


def subject(_network: object, request: dict[str, Any]) -> FakeSubject:
    """Return a network as it runs here: ``request["rows"]`` has name, MACs and bytes of each layer."""
    script = Script(**request["script"])
    if request["peak_bytes"] > script.memory_bytes:
        raise MemoryError
    if _stuck:
        raise failed_device(_stuck[0])
    if request["split"] is not None:
        from cnnprof.devices.fake_split import SplitSubject

        made: FakeSubject = SplitSubject(script, request["rows"], request["peak_bytes"], request["split"])
    else:
        moved = Moved(request["weights_bytes"], request["input_bytes"])
        made = FakeSubject(script, request["rows"], request["peak_bytes"], trains=request["trains"], moved=moved)
    if (forward_ns := made.forward_ns()) < SHORTEST_NS:
        raise too_short(forward_ns)
    return made


class FakeSubject:
    """A network on the fake device."""

    def __init__(
        self,
        script: Script,
        rows: Sequence[Sequence[Any]],
        peak_bytes: int,
        *,
        trains: bool,
        moved: Moved | None = None,
    ) -> None:
        self.layers = tuple(name for name, _, _ in rows)
        self.marks = ("line",) * len(rows)
        self.phases = ("forward", "backward", "optimizer") if trains else ("forward",)
        self.passes = _passes(script, self.layers, trains=trains)
        self._script = script
        self._moved = moved or Moved()
        self._first_ns: int | None = None
        self.layers_ns = [self._layer_ns(*row) for row in rows]
        self._gaps = [script.gap_ns + script.planted_ns.get(f"gap:{name}", 0) for name in self.layers] + [script.gap_ns]
        self._peak_bytes = peak_bytes
        self._clock_ns = 0
        self._number = 0

    def _layer_ns(self, name: str, macs: int, moved: int) -> int:
        script = self._script
        work = max(macs / script.macs_per_ns, moved / script.bytes_per_ns)
        return script.layer_ns + round(work) + script.planted_ns.get(name, 0)

    def forward_ns(self) -> int:
        """Return what a forward without marks takes, where nothing makes it longer."""
        return sum(self._intervals(1.0, "E")) + self._script.hidden_ns

    def now_ns(self) -> int:
        return self._clock_ns

    def environment(self) -> dict[str, Any]:
        script = self._script
        return {
            "cpu": "fake", "cores": script.cores, "threads": script.threads, "governor": "performance",
            "load_1min": script.others, "torch": None, "python": None, "system": "fake", "mkldnn": None,
        }  # fmt: skip

    def costs(self) -> dict[str, dict[str, float]]:
        script = self._script
        inside, outside = float(script.inside_ns), float(script.outside_ns)
        return {"line": {"inside_ns": inside, "outside_ns": outside, "inside_cpu_ns": inside}}

    def run(self, kind: str) -> dict[str, Any]:
        number, script = self._number, self._script
        self._number += 1
        wrong = _FAULTS[script.faults[str(number)]]() if str(number) in script.faults else None
        factor = script.noise[number % len(script.noise)]
        factor *= script.slow_first[number] if number < len(script.slow_first) else 1.0
        marks = self._intervals(factor, kind)
        forward = sum(marks) + (script.hidden_ns if kind in ("E", "F") else 0)
        if kind == "Q":  # what holds the device up until all is queued
            forward += script.launch_ns * len(self.layers)
        stolen = script.stolen_ns.get(str(number), 0)
        if stolen:
            marks[1] += stolen
        phases = [forward + stolen, *([2 * forward, forward // 10] if len(self.phases) > 1 else [])]
        self._clock_ns += sum(phases)
        self._first_ns = self._first_ns or sum(phases)
        found: dict[str, Any] = {
            "kind": kind, "wall_ns": sum(phases) if wrong is None else wrong, "cpu_ns": sum(phases) - stolen,
            "switches": int(stolen > 0), "faults": 0,
        }  # fmt: skip
        if len(phases) > 1:
            found["phases_ns"] = phases
        if kind in ("L", "Q"):
            found["marks_ns"] = marks
        if script.launch_ns:
            found["device_ns"] = max(1, sum(phases) - marks[-1])  # the host learns of the end a gap later
        elif kind == "L":
            found["marks_cpu_ns"] = [marks[0], marks[1] - stolen, *marks[2:]]
        return found

    def _intervals(self, factor: float, kind: str) -> list[int]:
        """Return gap, layer, gap, layer, … gap of a forward; the last gap has no pair of marks of its own.

        What is queued, or replayed as a whole, has no gaps and no launches.
        """
        inside, outside = (self._script.inside_ns, self._script.outside_ns) if kind == "L" else (0, 0)
        unhindered = kind in ("Q", "G")
        layers_ns = [*self.layers_ns]
        if kind == "F":
            layers_ns[0] += self._script.flushed_ns
        found = []
        for gap, layer in zip(self._gaps, [*layers_ns, None], strict=True):
            found.append(0 if unhindered else round(gap * factor) + (outside if layer is not None else 0))
            if layer is not None:
                found.append(round((layer if unhindered else max(layer, self._script.launch_ns)) * factor) + inside)
        return found

    def others(self) -> float | None:
        return self._script.others

    def alone(self, index: int, samples: int) -> dict[str, Any] | None:
        hot, cold = self.layers_ns[index], round(self.layers_ns[index] * self._script.cold)
        self._clock_ns += samples * (hot + cold)
        return {"layer": self.layers[index], "hot_ns": [hot] * samples, "cold_ns": [cold] * samples}

    def memory(self) -> dict[str, Any] | None:
        return {"peak_bytes": self._peak_bytes, "by": "the fake device: the predicted peak"}

    def kernels(self) -> list[dict[str, Any]] | None:
        return None

    def output_std(self) -> float | None:
        return self._script.output_std

    def load(self) -> dict[str, Any] | None:
        script, weights = self._script, self._moved.weights
        if script.host:
            return None
        return {
            "weights_bytes": weights, "weights_ns": round(weights / script.load_bytes_per_ns),
            "context_ns": script.context_ns, "first_ns": self._first_ns,
        }  # fmt: skip

    def copies(self, sizes: Sequence[int], samples: int) -> Iterator[dict[str, Any]]:
        for size, direction, memory in product([] if self._script.host else sizes, ("h2d", "d2h"), _MEMORIES):
            time_ns = self.copy_ns(size, memory)
            self._clock_ns += samples * time_ns
            yield {
                "direction": direction, "memory": memory, "bytes": size, "times_ns": [time_ns] * samples,
                "cpu_ns": [time_ns] * samples if memory == "pageable" else [], "verified": self._script.verified,
            }  # fmt: skip

    def copy_ns(self, size: int, memory: str) -> int:
        """Return what a copy takes."""
        rate: float = getattr(self._script, f"{memory}_bytes_per_ns")
        return self._script.copy_ns + round(size / rate)

    def overlap(self, samples: int) -> dict[str, Any] | None:
        if self._script.host:
            return None
        copy, compute = self.copy_ns(self._moved.inputs, "pinned"), sum(self._intervals(1.0, "E"))
        both = copy + compute - round(self._script.overlap * min(copy, compute))
        times = {"copy_ns": copy, "compute_ns": compute, "both_ns": both}
        self._clock_ns += samples * _BATCHES * sum(times.values())
        return {"batches": _BATCHES} | {name: [_BATCHES * time] * samples for name, time in times.items()}

    def telemetry(self, when: str) -> dict[str, Any] | None:
        said = self._script.telemetry.get(when)
        return None if said is None else {"when": when} | said


def _passes(script: Script, layers: Sequence[str], *, trains: bool) -> tuple[str, ...]:
    if not script.launch_ns or not layers:
        return ("E", "L") if layers else ("E",)
    return ("E", "L", "Q", "F") if trains else ("E", "L", "Q", "G", "F")  # a step is no one graph


def _signal(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)  # until it arrives


def _no_memory() -> None:
    raise MemoryError


def _stick() -> None:
    _stuck.append("a device-side assert, as the script says")
    raise failed_device(_stuck[0])


def _lose() -> None:
    raise lost_device("it has fallen off the bus, as the script says")


_stuck: list[str] = []
"""Why the device takes nothing more from this process."""


def _print() -> None:
    sys.stdout.write("garbage {[\n")
    os.write(1, b"more garbage\x00\xff\n")


_FAULTS: dict[str, Callable[[], Any]] = {
    "segfault": lambda: _signal(signal.SIGSEGV),
    "kill": lambda: _signal(signal.SIGKILL),
    "memory": _no_memory,
    "hang": lambda: time.sleep(3600),
    "print": _print,
    "exit": lambda: os._exit(0),
    "sticky": _stick,
    "lost": _lose,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "zero": lambda: 0,
    "negative": lambda: -5,
}
