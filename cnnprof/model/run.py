"""What was measured, as it was measured: raw samples and their circumstances. Statistics are derived elsewhere.

A ``Run`` is what one command measured; it has a part per (model, device, batch, dtype), each measured by a process of
its own. Times are whole nanoseconds, as the clocks gave them. Everything here goes to JSON and back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from cnnprof.model.analysis import Analysis
from cnnprof.model.graph import Graph
from cnnprof.model.plain import Plain

if TYPE_CHECKING:
    import pandas as pd

    from cnnprof.model.offload import Offload
    from cnnprof.model.profile import Ledger

SCHEMA = "cnnprof/run/1"
Pass = Literal["E", "L", "Q", "G", "F"]
"""E: the whole forward and nothing else, the truth of the total. L: the same forward with marks between its layers.
On an accelerator also Q: as L, but begun only when all of it is queued, so that marks tell its own time and not the
host's; G: a replay of a graph of the whole, which no host has to launch; and F: as E, after its last cache was flushed,
that is, overwritten."""
PASSES: tuple[Pass, ...] = ("E", "L", "Q", "G", "F")
Status = Literal["running", "done", "budget", "interrupted", "out-of-memory", "failed"]
"""``budget``: time or forwards ended before the interval was narrow enough. ``failed``: see ``problem``."""


TF32 = "tf32"
"""A dtype by name only: numbers are float32, and multiplied with fewer bits."""


class Setting(Plain, frozen=True, kw_only=True):
    """How a network is run: everything that its times depend on besides the machine."""

    device: str = "cpu"
    """As torch names it, or ``fake``."""
    batch: int = 1
    dtype: str = "float32"
    layout: Literal["contiguous", "channels_last"] = "contiguous"
    threads: int | None = None
    """None: as many as torch takes by itself; the environment says how many those were."""
    mode: Literal["inference", "training"] = "inference"
    optimizer: Literal["sgd", "momentum", "adam"] = "sgd"
    """Of a training step."""
    compiled: bool = False
    tf32: bool = False
    """On a GPU: whether float32 products may be made in TensorFloat-32, which keeps 10 of 23 bits."""
    seed: int = 0

    @property
    def arithmetic(self) -> str:
        """How numbers are stored, or where that is not how they are multiplied, how they are: ``tf32``."""
        return TF32 if self.tf32 else self.dtype


class Forward(Plain, frozen=True, kw_only=True):
    """One forward, or in training one step: what the clocks and the system said."""

    kind: Pass
    wall_ns: int
    """On an accelerator until it has finished, on the host's clock."""
    device_ns: int | None = None
    """The same between two events of the accelerator; None on a CPU."""
    cpu_ns: int
    """CPU time of the calling thread. With several threads it says nothing: they spin while they wait."""
    switches: int | None = None
    """Times that the system took the CPU away (involuntary context switches of the process)."""
    faults: int | None = None
    """Pages that were touched for the first time (minor page faults)."""
    system_ns: int | None = None
    """CPU time of the process that the kernel took, counted in ticks of milliseconds: only sums of many say much."""
    others: float | None = None
    """CPUs that other processes kept busy meanwhile; known per round of forwards. None: the system does not say."""
    phases_ns: tuple[int, ...] = ()
    """Wall time of each of ``Part.phases``, where there are several."""
    marks_ns: tuple[int, ...] = ()
    """Pass L, wall time: before the first layer, in it, between it and the second, … after the last: 2·layers + 1."""
    marks_cpu_ns: tuple[int, ...] = ()
    """The same in CPU time of the thread."""
    warm_up: bool = False
    attempt: int = 0
    """Number of the process that measured it: a resumed part has several."""


class MarkCost(Plain, frozen=True, kw_only=True):
    """What a pair of marks costs, measured on layers that do little; subtracted from every time of pass L."""

    inside_ns: float
    """The part that falls between the two marks of a layer."""
    outside_ns: float
    """The part that falls between one layer's last mark and the next one's first."""
    inside_cpu_ns: float = 0.0


class Temperature(Plain, frozen=True, kw_only=True):
    """One layer run by itself: over and over, and with its weights out of the caches but its input in them."""

    layer: str
    hot_ns: tuple[int, ...]
    cold_ns: tuple[int, ...]


class MeasuredMemory(Plain, frozen=True, kw_only=True):
    """The most bytes that were there at once, in pass M; weights, buffers and inputs included."""

    peak_bytes: int
    by: str
    """What counted them."""
    reserved_bytes: int | None = None
    """What torch's allocator took from an accelerator to hand those out: it takes whole blocks."""
    used_bytes: int | None = None
    """What was taken of the accelerator's memory then, by everything: the context, libraries, other programs."""


class Kernel(Plain, frozen=True, kw_only=True):
    """Something that a layer runs, as torch.profiler names it."""

    name: str
    kind: Literal["operator", "kernel", "copy"]
    """An operator of torch on the CPU; a kernel or a copy that was launched on a GPU."""
    launches: int


class Attribution(Plain, frozen=True, kw_only=True):
    """Pass K, of one layer in one forward: what takes longest first. Times are not kept: the profiler makes them."""

    layer: str
    kernels: tuple[Kernel, ...]


class Copy(Plain, frozen=True, kw_only=True):
    """Pass T: one size copied one way, several times."""

    direction: Literal["h2d", "d2h"]
    """Host to device, or device to host."""
    memory: Literal["pinned", "pageable"]
    """Of the host. Pageable memory is staged by the CPU, whose time ``cpu_ns`` is then."""
    bytes: int
    times_ns: tuple[int, ...]
    cpu_ns: tuple[int, ...] = ()
    verified: bool | None = None
    """Whether what arrived was what was sent; None: not looked at."""


class Load(Plain, frozen=True, kw_only=True):
    """What is paid once, before the first forward. None: not known."""

    weights_bytes: int
    weights_ns: int | None = None
    """Weights and buffers to the device."""
    context_ns: int | None = None
    """Until the device answers at all."""
    first_ns: int | None = None
    """The first forward: kernels are loaded and chosen."""


class Overlap(Plain, frozen=True, kw_only=True):
    """Copying the next input while the device computes: each time is of the same number of batches, ``batches``."""

    batches: int
    copy_ns: tuple[int, ...]
    compute_ns: tuple[int, ...]
    both_ns: tuple[int, ...]
    """Copied and computed at once, with two buffers."""


class Telemetry(Plain, frozen=True, kw_only=True):
    """What an accelerator says of itself at one moment; None: it does not say."""

    when: str
    """``before``, ``after`` or the pass that was just made."""
    sm_clock_mhz: int | None = None
    memory_clock_mhz: int | None = None
    power_w: float | None = None
    temperature_c: int | None = None
    throttle: tuple[str, ...] | None = None
    """Reasons for which clocks are held down; empty: none."""
    pcie_generation: int | None = None
    pcie_width: int | None = None
    energy_j: float | None = None
    """Of whole networks, over ``energy_s`` of at least a second in which ``energy_forwards`` ran."""
    energy_s: float | None = None
    energy_forwards: int | None = None


class Split(Plain, frozen=True, kw_only=True):
    """A network of which some layers run on the device of the setting, the others on the CPU."""

    on_device: tuple[str, ...]
    """Names of the layers there."""
    copies: tuple[tuple[Literal["h2d", "d2h"], int], ...] = ()
    """What crosses in a forward: to the device or to the host, and its bytes."""
    host_script: dict[str, Any] | None = None
    """What the fake device was told that stands for the CPU."""


class Part(Plain, frozen=True, kw_only=True):
    """One network at one setting, measured by one process (or several, where it was resumed)."""

    model: str
    """What the user typed."""
    setting: Setting
    status: Status = "running"
    problem: str | None = None
    """One sentence, where it failed."""
    hint: str | None = None
    code: str | None = None
    """By which ``cnnprof explain --error`` knows the problem; None: an error of the network's own code."""
    graph: Graph | None = None
    """The network, so that a run can go on without the file that it came from."""
    source: dict[str, Any] | None = None
    """Where the network is code: the name, settings and inputs by which a worker makes it."""
    script: dict[str, Any] | None = None
    """What the fake device was told."""
    analysis: Analysis | None = None
    """What is predicted at this batch and dtype."""
    layers: tuple[str, ...] = ()
    """Names of the rows that pass L tells apart, in order of running; a name may come twice."""
    marks: tuple[str, ...] = ()
    """How each of them is marked: a key of ``costs``."""
    costs: dict[str, MarkCost] = {}
    phases: tuple[str, ...] = ("forward",)
    """What a sample consists of: of a training step forward, backward and optimizer."""
    environment: dict[str, Any] = {}
    forwards: tuple[Forward, ...] = ()
    temperatures: tuple[Temperature, ...] = ()
    memory: MeasuredMemory | None = None
    kernels: tuple[Attribution, ...] = ()
    """One per layer that runs, in the order of running; empty where nothing told."""
    copies: tuple[Copy, ...] = ()
    load: Load | None = None
    overlap: Overlap | None = None
    telemetry: tuple[Telemetry, ...] = ()
    output_std: float | None = None
    """Standard deviation of the main output: 0 or nothing finite means that no real values were computed."""
    steady: bool | None = None
    """Whether warm-up ended because times no longer changed; None: there was none."""
    confirms: bool = False
    """Measured at this batch because a break-even was expected beside it: no line is put through it."""
    split: Split | None = None
    """None: all layers run on the device of the setting."""

    if TYPE_CHECKING:  # bound by cnnprof.bindings

        @property
        def ledger(self) -> Ledger | None: ...


UNMEASURED: dict[str, Any] = {
    "forwards": (), "temperatures": (), "memory": None, "copies": (), "load": None, "overlap": None, "telemetry": (),
}  # fmt: skip
"""Fields of a part that are records of their own, as they are before anything is measured."""


class Progress(Plain, frozen=True, kw_only=True):
    """How far the measuring of a part is."""

    doing: Literal["warming up", "measuring", "copying", "layers alone"]
    elapsed_s: float
    of_s: float
    """The most that it takes: the budget."""


class Message(Plain, frozen=True, kw_only=True):
    """What a worker says about its part, each time it is asked to go on; what a field does not say is None."""

    layers: tuple[str, ...] | None = None
    marks: tuple[str, ...] | None = None
    phases: tuple[str, ...] | None = None
    environment: dict[str, Any] | None = None
    costs: dict[str, MarkCost] | None = None
    steady: bool | None = None
    status: Status | None = None
    output_std: float | None = None
    forwards: tuple[Forward, ...] = ()
    temperature: Temperature | None = None
    memory: MeasuredMemory | None = None
    kernels: tuple[Attribution, ...] | None = None
    copy: Copy | None = None
    load: Load | None = None
    overlap: Overlap | None = None
    telemetry: Telemetry | None = None
    progress: Progress | None = None


class Run(Plain, frozen=True, kw_only=True):
    """What one command measured."""

    schema: str = SCHEMA
    cnnprof_version: str
    id: str
    """``20261121-141502-vgg16-3f9a``: sorts by time, can be typed."""
    created: str
    """UTC, ISO 8601."""
    status: Status = "running"
    budget_s: float = 30.0
    """Time that each part was given."""
    interval: float = 0.02
    """Half width of the 95 % interval of E's median, as a part of it, at which a part is done."""
    temperature: bool = False
    """Layers run by themselves too."""
    python: str | None = None
    """The interpreter whose torch is measured; None: cnnprof's own."""
    parts: tuple[Part, ...] = ()

    def __repr__(self) -> str:
        return f"<Run {self.id}, {self.status}: {len(self.parts)} parts>"

    if TYPE_CHECKING:  # bound by cnnprof.bindings

        @property
        def ledger(self) -> Ledger | None: ...
        @property
        def offloads(self) -> tuple[Offload, ...]: ...
        def to_frame(self) -> pd.DataFrame: ...
        def _repr_html_(self) -> str: ...
        def __rich__(self) -> Any: ...
