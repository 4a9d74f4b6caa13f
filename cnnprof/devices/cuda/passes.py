"""A network on an NVIDIA GPU: passes E, L, Q, G, F, K, M and T."""

from __future__ import annotations

import math
import resource
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

from cnnprof.devices import system
from cnnprof.devices.attribution import attributed
from cnnprof.devices.base import Alone, Dressed, Network
from cnnprof.devices.cuda import costs, environment, memory
from cnnprof.devices.cuda.cache import flusher
from cnnprof.devices.cuda.context import context_ns
from cnnprof.devices.cuda.copies import copies
from cnnprof.devices.cuda.graphs import Captured, capture
from cnnprof.devices.cuda.marks import Marks
from cnnprof.devices.cuda.overlap import Pipeline
from cnnprof.devices.cuda.queued import Blocker, Queue, time_queued
from cnnprof.devices.cuda.telemetry import Nvml
from cnnprof.devices.cuda.toolkit import Toolkit, elapsed_ns, intervals_ns, sampled
from cnnprof.devices.steps import collected, varying

ENERGY_S = 1.0
"""The shortest window: drivers count energy some ten times a second."""
_WARM = 3
"""Forwards before it is judged who waits for whom, and runs of a layer by itself before its samples."""
_AHEAD = 0.9
"""Of a forward's time: a host that launches in less is ahead of the device."""


class CudaSubject:
    """A network on a GPU, where its module and its inputs lie already."""

    def __init__(self, toolkit: Toolkit, network: Network, index: int) -> None:
        self.layers = tuple(layer.name for layer in network.layers)
        self.marks = tuple(layer.kind for layer in network.layers)
        self.phases = tuple(name for name, _ in network.phases)
        self.others = system.Others()
        self.now_ns = toolkit.wall_ns
        self._toolkit = toolkit
        self._network = network
        self._index = index
        self._properties = toolkit.cuda.get_device_properties(index)
        self._nvml = Nvml(getattr(self._properties, "uuid", None))
        self._steps = [step for _, step in network.phases]
        self._stamps = [toolkit.event() for _ in range(len(self._steps) + 1)]
        self._first_ns = toolkit.wall_of(self._step)
        self._graph = self._captured()
        self._line, self._queue = self._marked()
        self._flush = flusher(toolkit, self._properties)  # after a step, whose memory torch keeps for the next one
        graph, flush = "G" if self._graph.replay else "", "F" if self._flush else ""
        self.passes = ("E", *("LQ" if self._line else ""), *graph, *flush)

    def _step(self) -> None:
        for step in self._steps:
            step()

    def _captured(self) -> Captured:
        if len(self._steps) > 1:
            return Captured(None, "a training step is not captured")
        with collected():
            return capture(self._toolkit, self._step)

    def _marked(self) -> tuple[tuple[Marks, Dressed] | None, Queue | None]:
        network = self._network
        if network.marked is None or not network.layers:
            return None, None
        marks = Marks(self._toolkit, 2 * len(self.layers))
        queue = Queue(self._toolkit, network.marked, len(self.layers))
        return (marks, network.marked(marks.mark, marks.mark)), queue

    # -- what is said once

    def environment(self) -> dict[str, Any]:
        found = environment.describe(self._toolkit, self._properties, self._nvml)
        return found | {"no_graph": self._graph.reason}

    def costs(self) -> dict[str, dict[str, float]]:
        if self._line is None:
            return {}
        with collected():
            queued = {kind: costs.of_device(self._toolkit, idle) for kind, idle in self._network.idle.items()}
            found = {kind: costs.of_host(self._toolkit, idle) for kind, idle in self._network.idle.items()}
            if self._host_is_ahead():
                found |= {kind: cost for kind, cost in queued.items() if cost is not None}
        least = [cost for cost in queued.values() if cost is not None]
        return found | ({"Q": least[0]} if least else {})

    def _host_is_ahead(self) -> bool:
        """Return whether the device is what a forward takes its time for."""
        launches, wholes = [], []
        for _ in range(_WARM):
            self._toolkit.finish()
            began = self._toolkit.wall_ns()
            self._step()
            launches.append(self._toolkit.wall_ns() - began)
            self._toolkit.finish()
            wholes.append(self._toolkit.wall_ns() - began)
        return median(launches) < _AHEAD * median(wholes)

    # -- passes

    def run(self, kind: str) -> dict[str, Any]:
        with collected():
            runs = {"E": self._plain, "L": self._in_line, "Q": self._queued, "G": self._replayed, "F": self._flushed}
            return runs[kind]() | {"kind": kind}

    def _plain(self) -> dict[str, Any]:
        return self._timed(self._steps)

    def _in_line(self) -> dict[str, Any]:
        assert self._line is not None  # noqa: S101 no pass L without
        marks, dressed = self._line
        marks.begin()
        with dressed.around():
            found = self._timed([dressed.run, *self._steps[1:]])
        self._check(marks.seen())
        return found | {"marks_ns": intervals_ns([self._stamps[0], *marks.events, self._stamps[1]])}

    def _queued(self) -> dict[str, Any]:
        assert self._queue is not None  # noqa: S101 no pass Q without
        began, began_cpu = self._toolkit.wall_ns(), self._toolkit.cpu_ns()
        queued = self._queue.forward()
        self._check(queued.seen)
        rest = self._timed(self._steps[1:]) if len(self._steps) > 1 else {}
        forward = sum(queued.marks_ns)
        found: dict[str, Any] = {
            "wall_ns": self._toolkit.wall_ns() - began,
            "cpu_ns": self._toolkit.cpu_ns() - began_cpu,
            "device_ns": forward + rest.get("device_ns", 0),
            "marks_ns": queued.marks_ns if queued.ahead else [],
        }
        if rest:
            found["phases_ns"] = [forward, *(rest.get("phases_ns") or [rest["device_ns"]])]
        return found

    def _replayed(self) -> dict[str, Any]:
        assert self._graph.replay is not None  # noqa: S101 no pass G without
        return self._timed([self._graph.replay])

    def _flushed(self) -> dict[str, Any]:
        assert self._flush is not None  # noqa: S101 no pass F without
        self._flush()
        return self._plain()

    def _check(self, seen: int) -> None:
        if seen != 2 * len(self.layers):
            raise varying(seen // 2, len(self.layers))

    def _timed(self, steps: Sequence[Callable[[], Any]]) -> dict[str, Any]:
        """Run steps between two waits, with an event after each; return the fields of ``Forward``."""
        toolkit, stamps = self._toolkit, self._stamps[: len(steps) + 1]
        toolkit.finish()
        before = resource.getrusage(resource.RUSAGE_SELF)
        began_cpu, began = toolkit.cpu_ns(), toolkit.wall_ns()
        stamps[0].record()
        for step, stamp in zip(steps, stamps[1:], strict=True):
            step()
            stamp.record()
        toolkit.finish()
        ended, ended_cpu = toolkit.wall_ns(), toolkit.cpu_ns()
        after = resource.getrusage(resource.RUSAGE_SELF)
        found: dict[str, Any] = {
            "wall_ns": ended - began,
            "cpu_ns": ended_cpu - began_cpu,
            "device_ns": elapsed_ns(stamps[0], stamps[-1]),
            "switches": after.ru_nivcsw - before.ru_nivcsw,
            "faults": after.ru_minflt - before.ru_minflt,
        }
        return found | ({"phases_ns": intervals_ns(stamps)} if len(steps) > 1 else {})

    def alone(self, index: int, samples: int) -> dict[str, Any] | None:
        layer, flush = self._network.layers[index], flusher(self._toolkit, self._properties)
        if layer.alone is None or flush is None:
            return None
        alone = layer.alone()
        with collected():
            for _ in range(_WARM):
                alone.run()
            hot, cold = self._hot_and_cold(alone, flush, samples)
        if not hot or not cold:
            return None
        return {"layer": layer.name, "hot_ns": hot, "cold_ns": cold}

    def _hot_and_cold(self, alone: Alone, flush: Callable[[], Any], samples: int) -> tuple[list[int], list[int]]:
        toolkit, blocker = self._toolkit, Blocker(self._toolkit)

        def chill() -> None:
            flush()
            alone.twin()
            alone.touch()

        hot = sampled(toolkit, lambda: time_queued(toolkit, blocker, alone.run), samples)
        cold = sampled(toolkit, lambda: time_queued(toolkit, blocker, alone.run, chill), samples if hot else 0)
        return hot, cold

    # -- besides

    def memory(self) -> dict[str, Any] | None:
        network = self._network
        held = [*network.weights, *network.inputs, *network.state()]
        self._flush, self._graph = None, self._graph._replace(replay=None)  # they hold memory, and are done with
        return memory.measured(self._toolkit, self._steps, held)

    def kernels(self) -> list[dict[str, Any]] | None:
        marked = self._network.marked
        return None if marked is None or not self.layers else attributed(marked, self.layers, self._toolkit.finish)

    def output_std(self) -> float | None:
        found = self._network.output_std()
        return found if math.isfinite(found) else None

    def load(self) -> dict[str, Any] | None:
        weights = self._network.weights
        return {
            "weights_bytes": memory.stored_bytes(weights),
            "weights_ns": self._loading_ns(weights),
            "context_ns": context_ns(self._toolkit, self._index),
            "first_ns": self._first_ns if self._network.fresh else None,
        }

    def _loading_ns(self, weights: Sequence[Any]) -> int:
        """Return the time that weights and buffers take to the device, one after the other, as a module moves them."""
        hosts = [each.detach().cpu() for each in weights]
        return self._toolkit.wall_of(lambda: [each.to("cuda") is None for each in hosts])

    def copies(self, sizes: Sequence[int], samples: int) -> Iterator[dict[str, Any]]:
        return copies(self._toolkit, sizes, samples)

    def overlap(self, samples: int) -> dict[str, Any] | None:
        if not self._network.inputs:
            return None
        with collected():
            return Pipeline(self._toolkit, self._step, self._network.inputs).measure(samples)

    def telemetry(self, when: str) -> dict[str, Any] | None:
        found = self._nvml.said() | (self._energy() if when == "after" else {})
        return None if all(each is None for each in found.values()) else found | {"when": when}

    def _energy(self) -> dict[str, Any]:
        """Return the energy of whole steps, over at least a second of them."""
        began_j = self._nvml.energy_j()
        if began_j is None:
            return {}
        began, steps = self._toolkit.wall_ns(), 0
        while (taken := (self._toolkit.wall_ns() - began) / 1e9) < ENERGY_S:
            self._step()
            self._toolkit.finish()
            steps += 1
        ended_j = self._nvml.energy_j()
        if ended_j is None:
            return {}
        return {"energy_j": ended_j - began_j, "energy_s": taken, "energy_forwards": steps}
