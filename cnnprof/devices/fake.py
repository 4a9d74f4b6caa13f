"""A device that does not exist: its clock, bandwidth, memory and faults are what a file says. No torch.

``--device fake`` takes the defaults, ``--device fake:FILE.json`` a file with other values of ``Script``. Every command,
figure and fault of measuring can be tried on it, with known answers and without waiting.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from cnnprof.errors import UsageError


class Script(NamedTuple):
    """What happens. Times are in nanoseconds."""

    macs_per_ns: float = 100.0
    bytes_per_ns: float = 20.0
    layer_ns: int = 2_000
    """A layer takes this and its multiply-accumulates or its bytes at these rates, whichever takes longer."""
    gap_ns: int = 500
    """Before each layer and after the last."""
    hidden_ns: int = 0
    """Only in a forward without marks: what no layer and no gap explains."""
    inside_ns: int = 100
    outside_ns: int = 1_000
    """What a pair of marks adds, in a layer's interval and between two."""
    planted_ns: dict[str, int] = {}
    """By a layer's name, what it takes besides; ``gap:NAME`` before that layer."""
    noise: tuple[float, ...] = (1.0,)
    """Factors of successive forwards' times, over and over."""
    slow_first: tuple[float, ...] = (1.5, 1.2)
    """Factors of the first ones besides."""
    stolen_ns: dict[str, int] = {}
    """By a forward's number, as text: time in which the thread did not run."""
    others: float = 0.0
    threads: int = 1
    cores: int = 2
    memory_bytes: int = 2**40
    cold: float = 2.0
    """How much longer a layer takes with its weights out of the caches."""
    output_std: float | None = 1.0
    faults: dict[str, str] = {}
    """By a forward's number, as text: segfault, kill, memory, hang, print or exit; nan, inf, zero or negative times."""


def missing(_python: str) -> tuple[str, str] | None:
    """Return what is missing: nothing."""
    return None


def read(device: str) -> dict[str, Any]:
    """Return what the file of ``fake:FILE`` says; nothing where there is none.

    Raises:
        UsageError: there is no such file, or it says what no script has.
    """
    path = device.partition(":")[2]
    if not path:
        return {}
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 pathlib costs start-up
            found: Any = json.load(file)
    except (OSError, ValueError) as error:
        raise UsageError(f"{device}: {error}", hint="a JSON object of values for the fake device") from error
    if not isinstance(found, dict):
        raise UsageError(f"{device}: no JSON object", hint="a JSON object of values for the fake device")
    unknown = found.keys() - set(Script._fields)
    if unknown:
        raise UsageError(
            f"{device}: {', '.join(sorted(unknown))}: no such value", hint=f"one of {', '.join(Script._fields)}"
        )
    strange = [each for each in found.get("faults", {}).values() if each not in _FAULTS]
    if strange:
        raise UsageError(f"{device}: {strange[0]}: no such fault", hint=f"one of {', '.join(_FAULTS)}")
    return found


def subject(_network: object, request: dict[str, Any]) -> FakeSubject:
    """Return a network as it runs here: ``request["rows"]`` has name, MACs and bytes of each layer."""
    script = Script(**request["script"])
    if request["peak_bytes"] > script.memory_bytes:
        raise MemoryError
    return FakeSubject(script, request["rows"], request["peak_bytes"], trains=request["trains"])


class FakeSubject:
    """A network on the fake device."""

    def __init__(self, script: Script, rows: Sequence[Sequence[Any]], peak_bytes: int, *, trains: bool) -> None:
        self.layers = tuple(name for name, _, _ in rows)
        self.marks = ("line",) * len(rows)
        self.phases = ("forward", "backward", "optimizer") if trains else ("forward",)
        self._script = script
        self._layers = [self._layer_ns(*row) for row in rows]
        self._gaps = [script.gap_ns + script.planted_ns.get(f"gap:{name}", 0) for name in self.layers] + [script.gap_ns]
        self._peak_bytes = peak_bytes
        self._clock_ns = 0
        self._number = 0

    def _layer_ns(self, name: str, macs: int, moved: int) -> int:
        script = self._script
        work = max(macs / script.macs_per_ns, moved / script.bytes_per_ns)
        return script.layer_ns + round(work) + script.planted_ns.get(name, 0)

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
        marks = self._intervals(factor, marked=kind == "L")
        forward = sum(marks) + (script.hidden_ns if kind == "E" else 0)
        stolen = script.stolen_ns.get(str(number), 0)
        if stolen:
            marks[1] += stolen
        phases = [forward + stolen, *([2 * forward, forward // 10] if len(self.phases) > 1 else [])]
        self._clock_ns += sum(phases)
        found = {
            "kind": kind, "wall_ns": sum(phases) if wrong is None else wrong, "cpu_ns": sum(phases) - stolen,
            "switches": int(stolen > 0), "faults": 0,
        }  # fmt: skip
        if len(phases) > 1:
            found["phases_ns"] = phases
        if kind == "L":
            found |= {"marks_ns": marks, "marks_cpu_ns": [marks[0], marks[1] - stolen, *marks[2:]]}
        return found

    def _intervals(self, factor: float, *, marked: bool) -> list[int]:
        """Return gap, layer, gap, layer, … gap of a forward; the last gap has no pair of marks of its own."""
        inside, outside = (self._script.inside_ns, self._script.outside_ns) if marked else (0, 0)
        found = []
        for gap, layer in zip(self._gaps, [*self._layers, None], strict=True):
            found.append(round(gap * factor) + (outside if layer is not None else 0))
            found += [] if layer is None else [round(layer * factor) + inside]
        return found

    def others(self) -> float | None:
        return self._script.others

    def alone(self, index: int, samples: int) -> dict[str, Any] | None:
        hot, cold = self._layers[index], round(self._layers[index] * self._script.cold)
        self._clock_ns += samples * (hot + cold)
        return {"layer": self.layers[index], "hot_ns": [hot] * samples, "cold_ns": [cold] * samples}

    def memory(self) -> dict[str, Any] | None:
        return {"peak_bytes": self._peak_bytes, "by": "the fake device"}

    def output_std(self) -> float | None:
        return self._script.output_std


def _signal(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)  # until it arrives


def _no_memory() -> None:
    raise MemoryError


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
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "zero": lambda: 0,
    "negative": lambda: -5,
}
