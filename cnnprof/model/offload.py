"""Whether a device pays beside the host: what copying costs, sums, the break-even batch, who should compute what.

Plain data, in seconds; made by ``cnnprof.offload`` of what was measured.
"""

from __future__ import annotations

from typing import Literal

from cnnprof.model.graph import Input
from cnnprof.model.plain import Plain

Memory = Literal["pinned", "pageable"]
Direction = Literal["h2d", "d2h"]
TICK_S = 1e-9
"""What clocks count in."""


class CopyFit(Plain, frozen=True, kw_only=True):
    """What a copy of n bytes takes, ``alpha_s`` + n ÷ ``bytes_per_s``, fitted to sizes that were measured.

    It says nothing of fewer bytes than ``smallest_bytes`` or of more than ``largest_bytes``.
    """

    direction: Direction
    memory: Memory
    alpha_s: float
    bytes_per_s: float
    sizes: int
    """How many different ones it is fitted to."""
    smallest_bytes: int
    largest_bytes: int
    r2: float | None
    """Share of the variance of the measured times that it explains; None where all of them are alike."""
    worst: float
    """The largest (fitted − measured) ÷ measured, with its sign."""
    worst_bytes: int
    """At this size."""

    @property
    def half_bytes(self) -> float:
        """Bytes at which half of the time is ``alpha_s``, and half of the bandwidth is reached."""
        return self.alpha_s * self.bytes_per_s


class LoadCost(Plain, frozen=True, kw_only=True):
    """What is paid once; None: not known."""

    weights_s: float | None = None
    context_s: float | None = None
    kernels_s: float | None = None
    """What the first forward takes longer than a later one."""

    @property
    def known_s(self) -> float:
        """The sum of what is known."""
        return sum(each for each in (self.weights_s, self.context_s, self.kernels_s) if each is not None)

    @property
    def unknown(self) -> tuple[str, ...]:
        """What is missing in that sum."""
        parts = {"weights": self.weights_s, "context": self.context_s, "kernels": self.kernels_s}
        return tuple(name for name, seconds in parts.items() if seconds is None)


class Way(Plain, frozen=True, kw_only=True):
    """The network with its inputs on their way to the device and its outputs on their way back."""

    input: Literal["as is", "uint8"]
    """``uint8``: a byte per value crosses, and the device makes floats of it, whose time is not in here."""
    input_bytes: int
    to_device_s: float
    to_host_s: float
    serial_s: float
    """G + H2D + D2H: one after the other."""
    overlapped_s: float
    """max(G, H2D, D2H): while one batch is computed the next one is on its way, and so is the last one's result."""
    load_ratio: float | None
    """G ÷ (H2D + D2H); None where nothing crosses."""
    pays: bool | None
    """Whether ``serial_s`` is less than the host takes; None where the host was not measured."""
    pays_overlapped: bool | None
    load_batches: int | None
    """Batches after which the gain has paid for the loading; None where there is no gain."""
    load_batches_overlapped: int | None


class Route(Plain, frozen=True, kw_only=True):
    """One batch by one kind of the host's memory."""

    memory: Memory
    ways: tuple[Way, ...]
    """The inputs as they are, and where they are floats as bytes; none where a copy's time is not known."""
    unknown: str | None = None
    """Why there are none."""
    message: str | None = None
    """Whether computing takes longer than loading, and whether the device pays, in words."""


class LayerOffload(Plain, frozen=True, kw_only=True):
    """One row of the table, alone on the device: its inputs go there and its outputs come back. None: not measured."""

    name: str
    host_s: float | None
    device_s: float | None
    """The device's own time, of pass Q where there is one."""
    launch_s: float | None
    """What the device waits for the host besides; None where pass L tells it no apart."""
    in_bytes: int
    out_bytes: int
    to_device_s: float | None
    to_host_s: float | None
    pays: bool | None

    @property
    def there_s(self) -> float | None:
        """The layer's time on the device, waiting included."""
        return None if self.device_s is None else self.device_s + (self.launch_s or 0.0)

    @property
    def alone_s(self) -> float | None:
        """The same with the copies there and back."""
        parts = (self.there_s, self.to_device_s, self.to_host_s)
        known = [each for each in parts if each is not None]
        return sum(known) if len(known) == len(parts) else None

    @property
    def gain_s(self) -> float | None:
        """What is gained with the layer alone on the device; below 0, lost."""
        return None if self.host_s is None or self.alone_s is None else self.host_s - self.alone_s


class Cut(Plain, frozen=True, kw_only=True):
    """The best run of successive layers of a chain on the device, the others on the host."""

    first: str
    last: str
    layers: int
    time_s: float
    """Of all layers, and of the two copies."""
    pays: bool
    """Whether that is less than all layers take on the host."""


class SplitCheck(Plain, frozen=True, kw_only=True):
    """The cheapest assignment, run: pass E, which begins and ends on the host, with its copies and the glue.

    What crosses is in pageable memory, and so it is compared with all on the device, copied from and to such memory.
    """

    time_s: float
    host_s: float
    """All on the host, pass E."""
    device_s: float | None
    """All on the device, pass E, with the copies there and back in pageable memory; None: not known."""
    pinned_s: float | None = None
    """The same in pinned memory, which only inputs and outputs can be in: another way to run all on the device."""

    @property
    def confirmed(self) -> bool | None:
        """Whether splitting takes less than either, as it should; None where one is not known."""
        return None if self.device_s is None else self.time_s < min(self.host_s, self.device_s)


class Placement(Plain, frozen=True, kw_only=True):
    """The cheapest assignment of each layer to host or device. Sums of layers' times and copies, without the glue."""

    method: Literal["chain", "graph"]
    """By dynamic programming on a chain, by a minimum cut on a graph."""
    memory: Memory
    """What lies on the host does so in this: pageable, in which torch makes tensors, if that was measured."""
    time_s: float
    copies_s: float
    """Of these, copies."""
    on_device: tuple[str, ...]
    all_host_s: float
    all_device_s: float
    runner_up_s: float
    """The cheapest assignment that differs in one layer or more."""
    runner_up_on_device: tuple[str, ...]
    untimed: tuple[str, ...] = ()
    """Layers with a time on neither side, taken to cost nothing on both."""
    cut: Cut | None = None
    """Of a chain."""
    run: SplitCheck | None = None
    """What it takes; None: it was not run."""

    @property
    def gain_over_host(self) -> float:
        """How many times as long all layers take on the host."""
        return self.all_host_s / self.time_s

    @property
    def gain_over_device(self) -> float:
        """How many times as long all layers take on the device."""
        return self.all_device_s / self.time_s


class AtBatch(Plain, frozen=True, kw_only=True):
    """Host and device at one batch."""

    batch: int
    confirms: bool = False
    """Measured only because a break-even was expected beside it."""
    host_s: float | None
    """C: pass E on the host."""
    device_s: float | None
    """G: pass E on the device, data there already."""
    output_bytes: int
    load: LoadCost | None
    routes: tuple[Route, ...]
    fits: tuple[CopyFit, ...] = ()
    overlap: float | None = None
    """Of what two buffers could hide, the part that they did: (copy + compute − both) ÷ min(copy, compute)."""
    layers: tuple[LayerOffload, ...] = ()
    placement: Placement | None = None
    unplaced: str | None = None
    """Why there is no placement."""

    def in_turn_s(self, memory: Memory) -> float | None:
        """Return G + H2D + D2H by one kind of memory, inputs as they are; None where that is not known."""
        return next((route.ways[0].serial_s for route in self.routes if route.memory == memory and route.ways), None)


class Line(Plain, frozen=True, kw_only=True):
    """``base_s`` + ``per_sample_s`` · batch, and how well it goes through the batches measured.

    That is None where there are two batches, which no line can miss, or where nothing is to be fitted.
    """

    base_s: float
    per_sample_s: float
    r2: float | None = None
    """Share of the variance of the measured times that it explains; None also where all of them are alike."""
    worst: float | None = None
    """The largest (fitted − measured) ÷ measured, with its sign."""
    worst_batch: int | None = None
    """At this batch."""


class Check(Plain, frozen=True, kw_only=True):
    """A whole batch right beside a break-even, measured."""

    batch: int
    host_s: float
    device_s: float
    """With the copies."""
    expected: bool
    """Whether the device should pay there."""

    @property
    def pays(self) -> bool:
        """Whether it does."""
        return self.device_s < self.host_s

    @property
    def even(self) -> bool:
        """Whether both take as long, by clocks that count in nanoseconds."""
        return abs(self.device_s - self.host_s) < TICK_S / 2

    @property
    def agrees(self) -> bool:
        """Whether it is as expected; where both take as long, nothing speaks against it."""
        return self.even or self.pays == self.expected


class LeftOut(Plain, frozen=True, kw_only=True):
    """A batch that takes no part in a break-even."""

    batch: int
    why: str


class BreakEven(Plain, frozen=True, kw_only=True):
    """From which batch on a device pays, copies one after the other: where C = G + X, by lines through samples."""

    memory: Memory
    verdict: Literal["from", "up to", "always", "never", "unknown"]
    batch: float | None = None
    """b*; None where lines do not meet above batch 1."""
    low: float | None = None
    high: float | None = None
    """95 % interval by bootstrap; ``high`` None: they may never meet, or where there is no ``batch``."""
    batches: tuple[int, ...] = ()
    """What the lines go through."""
    left_out: tuple[LeftOut, ...] = ()
    """Batches that were asked for, or measured to confirm it, and are in neither for want of a time."""
    host: Line | None = None
    device: Line | None = None
    copies: Line | None = None
    message: str
    hint: str | None = None
    doubt: str | None = None
    """Why it may be otherwise: a line misses a batch that it was put through."""
    checks: tuple[Check, ...] = ()

    @property
    def confirmed(self) -> bool | None:
        """Whether it was seen to pay where it should, on both sides of b*; None where not both were measured."""
        if not all(each.agrees for each in self.checks):
            return False
        return True if len(self.checks) > 1 else None


class Disturbed(Plain, frozen=True, kw_only=True):
    """A part that enters a comparison although something speaks against its times."""

    device: str
    batch: int
    code: str
    """Of the doubt."""
    times: Literal["whole", "layers"]
    """Which of its times: of whole forwards, which say whether the device pays, or of layers, for placements."""


class Offload(Plain, frozen=True, kw_only=True):
    """One network, on a host and on one other device, at every batch that both were measured at."""

    model: str
    dtype: str
    mode: Literal["inference", "training"]
    inputs: tuple[Input, ...]
    host: str
    device: str
    batches: tuple[AtBatch, ...]
    break_even: tuple[BreakEven, ...] = ()
    disturbed: tuple[Disturbed, ...] = ()
