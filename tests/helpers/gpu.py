"""A GPU that a test makes up: ``torch`` and ``torch.cuda`` as far as they are used, on one scripted axis of time.

The host is at ``now``; what it gave the device lies ahead of it, in streams that are queues. Whoever reads an event
that has not finished, waits while a graph is captured, or looks at memory before a copy has arrived, is told as CUDA
tells.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

from cnnprof.devices.base import Alone, Dressed, Idle, Layer, Mark, Network
from cnnprof.devices.cuda.toolkit import Toolkit

_NEEDS_CAPTURE_TO_END = "CUDA error: operation not permitted when stream is capturing\nadvice in a second line"
_BROKEN_CAPTURE = "CUDA error: operation failed due to a previous error during capture"


class Module(SimpleNamespace):
    """As modules are: one is equal to nothing but itself."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__


class OutOfMemoryError(RuntimeError):
    """As torch's."""


class Machine:
    """A host and a device. Times in nanoseconds, bytes per nanosecond are GB/s."""

    def __init__(self, **script: Any) -> None:
        self.launch_ns = self.record_ns = self.replay_ns = 0
        """Of the host: to launch anything, to record an event, to replay a graph."""
        self.event_ns = 0
        """Of the device: to pass an event."""
        self.holds = 1_000
        """Launches that the driver's queue takes before the host has to wait."""
        self.clocks: list[float] = [1.0]
        """Cycles per nanosecond of successive sleeps; the last one stays."""
        self.copy_ns = 0
        self.pinned_rate = self.pageable_rate = 1.0
        self.memory_bytes = 2**40
        self.block_bytes = 2_000
        """That torch takes of the device at once."""
        self.context_bytes = 300
        self.cold_ns = 0
        """That the first layer takes longer after the last cache was overwritten."""
        self.loses_bytes = False
        """Copies arrive as something else."""
        self.awake_ns = 0
        self.properties = SimpleNamespace(
            name="Simulated", major=9, minor=0, total_memory=2**40, multi_processor_count=132, L2_cache_size=1_000,
            uuid="cafe",
        )  # fmt: skip
        unknown = script.keys() - self.__dict__.keys()
        assert not unknown, unknown
        self.__dict__ |= script
        self.now = self.waited = 0
        self.waits: list[int] = []
        """When the host began to wait for all of the device."""
        self.allocated = self.peak = self.reserved = 0
        self.cold = False
        self.capturing: Graph | None = None
        self.draws_for_graphs = False
        self.streams: list[Stream] = []
        self.current = self.main = Stream(self)
        self.engines = {"h2d": 0, "d2h": 0}
        self.effects: list[tuple[int, int, Callable[[], None]]] = []
        self.awake = False
        self.devices = 1
        self._numbers = itertools.count()
        self._pending: list[int] = []
        self.torch = _torch(self)
        self.toolkit = Toolkit(self.torch, lambda: self.now, lambda: self.now - self.waited)

    def host(self, time_ns: int) -> None:
        """The host computes."""
        self.now += time_ns

    def launch(self, time_ns: int, effect: Callable[[], None] | None = None, engine: str | None = None) -> int:
        """The current stream is given something; return when that ends."""
        self.now += self.launch_ns
        if self.capturing is not None:
            self.capturing.works.append(time_ns)
            return self.now
        return self.queue(time_ns, effect, engine)

    def queue(self, time_ns: int, effect: Callable[[], None] | None = None, engine: str | None = None) -> int:
        self._make_room()
        start = max(self.now, self.current.free, self.engines[engine] if engine else 0)
        end = self.current.free = start + time_ns
        if engine:
            self.engines[engine] = end
        if effect:
            heapq.heappush(self.effects, (end, next(self._numbers), effect))
        heapq.heappush(self._pending, end)
        return end

    def _make_room(self) -> None:
        self.settle()
        while len(self._pending) >= self.holds:
            self.wait_until(self._pending[0])

    def settle(self) -> None:
        """What has ended by now has had its effect."""
        while self._pending and self._pending[0] <= self.now:
            heapq.heappop(self._pending)
        while self.effects and self.effects[0][0] <= self.now:
            heapq.heappop(self.effects)[2]()

    def wait_until(self, time: int) -> None:
        self.waited += max(0, time - self.now)
        self.now = max(self.now, time)
        self.settle()

    def finish(self, *_device: Any) -> None:
        if self.capturing is not None:
            self.capturing.broken = True
            raise RuntimeError(_NEEDS_CAPTURE_TO_END)
        self.waits.append(self.now)
        self.wait_until(max(stream.free for stream in self.streams))

    def sleep(self, cycles: int) -> None:
        clock = self.clocks.pop(0) if len(self.clocks) > 1 else self.clocks[0]
        self.launch(round(cycles / clock))

    def allocate(self, size: int) -> None:
        if self.allocated + size > self.memory_bytes:
            raise OutOfMemoryError(f"CUDA out of memory. Tried to allocate {size} bytes.")
        self.allocated += size
        self.peak = max(self.peak, self.allocated)
        self.reserved = max(self.reserved, self._blocks(self.allocated))

    def free(self, size: int) -> None:
        self.allocated -= size

    def empty_cache(self) -> None:
        """torch gives back the blocks of which nothing is in use."""
        self.reserved = self._blocks(self.allocated)

    def _blocks(self, size: int) -> int:
        return -(-size // self.block_bytes) * self.block_bytes


class Stream:
    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.free = 0
        machine.streams.append(self)

    def wait_event(self, event: Event) -> None:
        if event.at is not None:  # CUDA does not wait for what was never recorded
            self.free = max(self.free, event.at)

    def wait_stream(self, stream: Stream) -> None:
        self.free = max(self.free, stream.free)


class Event:
    def __init__(self, machine: Machine, *, enable_timing: bool) -> None:
        self.machine = machine
        self.timing = enable_timing
        self.at: int | None = None

    def record(self, stream: Stream | None = None) -> None:
        machine = self.machine
        machine.now += machine.record_ns
        before, machine.current = machine.current, stream or machine.current
        self.at = machine.queue(machine.event_ns)
        machine.current = before

    def query(self) -> bool:
        return self.at is None or self.at <= self.machine.now

    def elapsed_time(self, other: Event) -> float:
        for event in (self, other):
            if event.at is None or not event.timing:
                raise RuntimeError("Both events must be recorded before calculating elapsed time.")
            if not event.query():
                raise RuntimeError("CUDA error: device not ready")
        return (other.at - self.at) / 1e6


class Graph:
    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.works: list[int] = []
        self.broken = False

    def replay(self) -> None:
        self.machine.now += self.machine.replay_ns
        self.machine.queue(sum(self.works))

    def reset(self) -> None:
        self.works.clear()


class Storage:
    addresses = itertools.count(1)

    def __init__(self, size: int, content: str) -> None:
        self.size, self.content, self.address = size, content, next(self.addresses)

    def nbytes(self) -> int:
        return self.size

    def data_ptr(self) -> int:
        return self.address


class Tensor:
    """Bytes of which only is known whose they are."""

    def __init__(self, machine: Machine, size: int, device: str = "cpu", *, pinned: bool = False) -> None:
        self.machine, self.size, self.device, self.pinned = machine, size, device, pinned
        self.storage = Storage(size, "nothing")
        self.shape, self.dtype, self.is_cuda = (size,), "uint8", False
        if device.startswith("cuda"):
            machine.allocate(size)
            self.is_cuda = True  # what it did not get is not given back

    def __del__(self) -> None:
        if self.is_cuda and self.storage is not None:
            self.machine.free(self.size)

    def __getitem__(self, part: slice) -> Tensor:
        view = Tensor(self.machine, 0)
        view.__dict__ |= self.__dict__ | {"size": part.stop, "is_cuda": False}
        view.device = self.device
        return view

    def untyped_storage(self) -> Storage:
        return self.storage

    def numel(self) -> int:
        return self.size

    def detach(self) -> Tensor:
        return self

    def zero_(self) -> Tensor:
        return self._become("zeros")

    def random_(self) -> Tensor:
        return self._become("random")

    def repeat(self, times: int) -> Tensor:
        return Tensor(self.machine, times * self.size)._become(self.storage.content)

    def _become(self, content: str) -> Tensor:
        if self.device == "cpu":
            self.storage.content = content
        else:
            self.machine.launch(0, lambda: self._set(content))
            self.machine.cold = self.machine.cold or self.size >= 2 * self.machine.properties.L2_cache_size
        return self

    def _set(self, content: str) -> None:
        self.storage.content = content

    def copy_(self, source: Tensor, *, non_blocking: bool = False) -> Tensor:
        machine, ways = self.machine, {("cpu", "cuda"): "h2d", ("cuda", "cpu"): "d2h"}
        way = ways.get((source.device, self.device))
        if way is None:
            self.storage.content = source.storage.content
            return self
        host = self if way == "d2h" else source
        if host.pinned:
            machine.launch(self._time_ns(machine.pinned_rate), lambda: self._take(source), way)
        else:
            machine.wait_until(machine.current.free)
            machine.host(self._time_ns(machine.pageable_rate))
            machine.current.free = machine.now
            self._take(source)
        if not non_blocking:
            machine.wait_until(machine.current.free)
        return self

    def _time_ns(self, rate: float) -> int:
        return self.machine.copy_ns + round(self.size / rate)

    def _take(self, source: Tensor) -> None:
        self._set("rubbish" if self.machine.loses_bytes else source.storage.content)

    def cpu(self) -> Tensor:
        if self.device == "cpu":
            return self
        self.machine.wait_until(self.machine.current.free)
        host = Tensor(self.machine, self.size)
        host.storage.content = self.storage.content
        return host

    def to(self, device: str) -> Tensor:
        return Tensor(self.machine, self.size, device).copy_(self)


def _torch(machine: Machine) -> Any:
    def empty(size: Any, *, dtype: Any = None, device: str = "cpu", pin_memory: bool = False) -> Tensor:
        assert dtype is not None
        return Tensor(machine, size if isinstance(size, int) else size[0], device, pinned=pin_memory)

    def equal(one: Tensor, other: Tensor) -> bool:
        machine.settle()
        return one.storage.content == other.storage.content

    return Module(
        __version__="2.13.0",
        cuda=_cuda(machine),
        uint8="uint8",
        empty=empty,
        empty_like=lambda tensor, device="", pin_memory=False: Tensor(
            machine, tensor.size, device or tensor.device, pinned=pin_memory
        ),
        equal=equal,
        get_num_threads=lambda: 1,
        version=SimpleNamespace(cuda="13.0"),
        random=SimpleNamespace(fork_rng=_kept_rng),
        backends=SimpleNamespace(
            cuda=SimpleNamespace(matmul=SimpleNamespace(allow_tf32=False)),
            cudnn=SimpleNamespace(
                allow_tf32=True, benchmark=True, version=lambda: 91_300
            ),
        ),
    )  # fmt: skip


def _kept_rng(devices: list[int]) -> Any:
    return nullcontext(devices)


def _cuda(machine: Machine) -> Any:
    def wake() -> None:
        machine.host(machine.awake_ns)
        machine.awake = True

    return SimpleNamespace(
        Event=lambda enable_timing=False: Event(machine, enable_timing=enable_timing),
        Stream=lambda: Stream(machine),
        CUDAGraph=lambda: Graph(machine),
        current_stream=lambda: machine.current,
        stream=lambda stream: _on(machine, stream),
        graph=lambda graph, stream: _capture(machine, graph, stream),
        synchronize=machine.finish,
        _sleep=machine.sleep,
        memory_allocated=lambda: machine.allocated,
        max_memory_allocated=lambda: machine.peak,
        max_memory_reserved=lambda: machine.reserved,
        empty_cache=machine.empty_cache,
        mem_get_info=lambda: (machine.memory_bytes - machine.reserved - machine.context_bytes, machine.memory_bytes),
        reset_peak_memory_stats=lambda: setattr(machine, "peak", machine.allocated),
        get_device_properties=lambda _index: machine.properties,
        device_count=lambda: machine.devices,
        is_initialized=lambda: machine.awake,
        init=wake,
        set_device=lambda index: setattr(machine, "chosen", index),
        current_device=lambda: getattr(machine, "chosen", 0),
    )


@contextmanager
def _on(machine: Machine, stream: Stream) -> Iterator[None]:
    before, machine.current = machine.current, stream
    try:
        yield
    finally:
        machine.current = before


class _capture:  # noqa: N801 a function in torch.cuda
    """As torch's: where the capture fails, its stream stays the current one, and random numbers those of a capture."""

    def __init__(self, machine: Machine, graph: Graph, stream: Stream) -> None:
        self.machine, self.graph, self.stream = machine, graph, stream

    def __enter__(self) -> None:
        self.machine.finish()
        self.before, self.machine.current = self.machine.current, self.stream
        self.machine.capturing = self.graph
        self.machine.draws_for_graphs = True

    def __exit__(self, *_error: object) -> None:
        self.machine.capturing = None
        if self.graph.broken:
            raise RuntimeError(_BROKEN_CAPTURE)
        self.machine.draws_for_graphs = False
        self.machine.current = self.before


# Networks


def network(machine: Machine, layers: dict[str, int], **changes: Any) -> Network:
    """A network of layers that take the device so long.

    ``host_ns``: what the host needs to launch a layer; ``kernels``: in how many launches; ``glue_ns``: of the device,
    before each layer but the first; ``within``: called in the last layer; ``trains``: a step has three phases.
    """
    made = _Made(machine, layers, **changes)
    forward = ("forward", made.forward)
    other = [("backward", lambda: machine.launch(7_000)), ("optimizer", lambda: machine.launch(500))]
    return Network(
        layers=tuple(Layer(name, "line", made.alone(name)) for name in layers),
        phases=(forward, *(other if made.trains else ())),
        marked=lambda enter, leave: Dressed(lambda: made.forward(enter, leave)),
        idle={"line": _idle(machine)},
        peak_bytes=lambda: 0,
        counter="nobody",
        output_std=lambda: 1.0,
        inputs=tuple(made.inputs),
        weights=tuple(made.weights),
        state=lambda: made.state,
    )


class _Made:
    def __init__(  # noqa: PLR0913 what a test may want
        self, machine: Machine, layers: dict[str, int], *, host_ns: int = 0, kernels: int = 1, glue_ns: int = 0,
        within: Callable[[], Any] = lambda: None, trains: bool = False, inputs: Sequence[int] = (),
        weights: Sequence[int] = (), state: Sequence[int] = (), works_in: int = 0,
    ) -> None:  # fmt: skip
        self.machine, self.layers, self.host_ns, self.kernels = machine, layers, host_ns, kernels
        self.glue_ns, self.within, self.trains, self.works_in = glue_ns, within, trains, works_in
        self.inputs, self.weights, self.state = (
            [Tensor(machine, size, "cuda") for size in sizes] for sizes in (inputs, weights, state)
        )

    def forward(self, enter: Mark = lambda: None, leave: Mark = lambda: None) -> None:
        for number, (name, time_ns) in enumerate(self.layers.items()):
            if self.glue_ns and number:
                self.machine.launch(self.glue_ns)
            enter()
            self.layer(time_ns + self._warming_ns())
            if name == [*self.layers][-1]:
                self.within()
            leave()

    def _warming_ns(self) -> int:
        cold, self.machine.cold = self.machine.cold, False
        return self.machine.cold_ns if cold else 0

    def layer(self, time_ns: int) -> None:
        self.machine.host(self.host_ns)
        self.machine.allocate(self.works_in)
        for _ in range(self.kernels):
            self.machine.launch(time_ns // self.kernels)
        self.machine.free(self.works_in)

    def alone(self, name: str) -> Callable[[], Alone]:
        time_ns = self.layers[name]
        cold = 3 * time_ns
        warm: list[bool] = []

        def run() -> None:
            self.layer(time_ns if warm else cold)
            warm.append(True)

        return lambda: Alone(run, lambda: self.machine.launch(50), warm.clear)


def _idle(machine: Machine, layers: int = 100) -> Idle:
    def run(enter: Mark = lambda: None, leave: Mark = lambda: None) -> None:
        for _ in range(layers):
            enter()
            machine.host(300)
            machine.launch(200)
            leave()

    return Idle(layers, run, lambda enter, leave: Dressed(lambda: run(enter, leave)))
