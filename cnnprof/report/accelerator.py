"""What only an accelerator has: waiting for its host, copies, loading, clocks. What was not said is a dash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from cnnprof.report.base import Column, Line, Table, Value
from cnnprof.report.cells import NOT_DEFINED
from cnnprof.report.describe import definitions
from cnnprof.units import duration, percent, ratio

if TYPE_CHECKING:
    from cnnprof.model.profile import Profile
    from cnnprof.model.run import Copy, Load, Overlap, Part, Telemetry

_MEMORIES: tuple[Literal["pinned", "pageable"], ...] = ("pinned", "pageable")
_DIRECTIONS = {"h2d": "to the device", "d2h": "to the host"}
_COPIES = (
    Column("bytes", "size", "bytes", "bytes that are copied", "bytes", rank=0),
    Column("direction", "direction", "text", "from the host to the device, or back", rank=1),
    Column("pinned_s", "pinned", "time", "median time from and to memory that the system keeps in its place", "seconds",
        rank=2),
    Column("pinned_gb_per_s", "GB/s", "ratio", "bytes ÷ time, pinned", "billions of bytes per second", rank=3),
    Column("pageable_s", "pageable", "time", "median time from and to any other memory, which the CPU copies first",
        "seconds", rank=4),
    Column("pageable_gb_per_s", "GB/s", "ratio", "bytes ÷ time, pageable", "billions of bytes per second", rank=5),
    Column("pageable_cpu_s", "CPU time", "time", "median CPU time of a copy from or to pageable memory", "seconds",
        rank=6),
)  # fmt: skip
_LOAD = (
    Column("what", "before the first forward", "text", rank=0),
    Column("time_s", "time", "time", "once", "seconds", rank=1),
    Column("bytes", "memory", "bytes", "weights and buffers", "bytes", rank=2),
)
_OVERLAP = (
    Column("what", "batches one after the other", "text", rank=0),
    Column("time_s", "time per batch", "time", "median", "seconds", rank=1),
)
_TELEMETRY = (
    Column("when", "passes", "text", "before or after the passes that times are of", rank=0),
    Column("sm_clock_mhz", "clock, MHz", "ratio", "of the processors", "MHz", rank=1),
    Column("memory_clock_mhz", "of memory", "ratio", "of the memory", "MHz", rank=4),
    Column("throttle", "held down by", "text", "reasons for which clocks are held down", rank=2),
    Column("power_w", "power, W", "ratio", "at that moment", "W", rank=3),
    Column("temperature_c", "temperature", "text", "at that moment", rank=5),
    Column("pcie", "PCIe", "text", "generation and lanes of the link to the host", rank=6),
    Column("energy_j", "J per forward", "ratio", "energy of whole forwards, over at least a second, ÷ their number",
        "joules", rank=7),
)  # fmt: skip


def waits(part: Part, profile: Profile) -> Iterator[str]:
    """Yield how long an accelerator waits for its host, and what a graph would change; nothing of a CPU."""
    if profile.host_bound is not None and profile.device_whole is not None:
        yield (
            f"host-bound {percent(max(0.0, profile.host_bound))}: so long the device has nothing to compute; between "
            f"its own first and last event a forward takes {duration(profile.device_whole.median_s)} (pass E)"
        )
    if profile.graph is not None and profile.graph_gain is not None:
        yield (
            f"a graph of the forward takes {duration(profile.graph.median_s)} (pass G), and no host launches its "
            f"layers: {ratio(profile.graph_gain)} times as fast"
        )
    if profile.graph is None and (reason := part.environment.get("no_graph")) is not None:
        yield f"no graph of the forward was replayed (pass G): {reason}"
    if profile.flushed is not None and profile.flush_factor is not None:
        yield (
            f"right after its cache was overwritten a forward takes {duration(profile.flushed.median_s)} (pass F): "
            f"{ratio(profile.flush_factor)} times as long"
        )


def tables(part: Part) -> Iterator[Table]:
    """Yield what was copied and loaded, what can be done at once, and what the device says of itself."""
    if part.copies:
        yield copies_table(part.copies)
    if part.load is not None:
        yield load_table(part.load)
    if part.overlap is not None:
        yield overlap_table(part.overlap)
    if part.telemetry:
        yield telemetry_table(part.telemetry)


def copies_table(copies: Sequence[Copy]) -> Table:
    """Return a line per size and direction, with both kinds of the host's memory."""
    found = {(each.bytes, each.direction, each.memory): each for each in copies if each.times_ns}
    keys = sorted({(size, direction) for size, direction, _ in found}, key=lambda key: (key[0], key[1] == "d2h"))
    lines = [_copied(size, direction, [found.get((size, direction, memory)) for memory in _MEMORIES])
             for size, direction in keys]  # fmt: skip
    wrong = sum(each.verified is False for each in copies)
    return Table(
        id="copies",
        title="copies between host and device (pass T)",
        columns=_COPIES,
        lines=tuple(lines),
        notes=(f"{wrong} of {len(copies)} did not arrive as they were sent",) if wrong else (),
        definitions=definitions(_COPIES),
    )


def _copied(size: int, direction: str, of: Sequence[Copy | None]) -> Line:
    cells: list[Value] = [size, _DIRECTIONS[direction]]
    for copy in of:
        seconds = None if copy is None else _median_s(copy.times_ns)
        cells += [seconds, None if seconds is None else size / 1e9 / seconds]
    pageable = of[-1]
    return Line((*cells, _median_s(pageable.cpu_ns) if pageable is not None and pageable.cpu_ns else None))


def load_table(load: Load) -> Table:
    """Return what is paid once."""
    times = (("context of the device", load.context_ns, None), ("weights and buffers", load.weights_ns,
        load.weights_bytes), ("first forward", load.first_ns, None))  # fmt: skip
    known = [time for _, time, _ in times if time is not None]
    return Table(
        id="load",
        title="loading",
        columns=_LOAD,
        lines=tuple(Line((what, None if time is None else time / 1e9, size)) for what, time, size in times),
        totals=(Line(("together", sum(known) / 1e9, load.weights_bytes)),) if len(known) == len(times) else (),
        definitions=definitions(_LOAD),
    )


def overlap_table(overlap: Overlap) -> Table:
    """Return what copying the next input while computing hides."""
    copy, compute, both = (
        _median_s(times) / overlap.batches for times in (overlap.copy_ns, overlap.compute_ns, overlap.both_ns)
    )
    hidden = (copy + compute - both) / min(copy, compute)
    return Table(
        id="overlap",
        title="copying while computing",
        columns=_OVERLAP,
        lines=(Line(("only copied", copy)), Line(("only computed", compute)), Line(("both, with two buffers", both))),
        notes=(f"{100 * hidden:.0f} % of the shorter one is hidden behind the longer one",),
        definitions=definitions(_OVERLAP),
    )


def telemetry_table(said: Sequence[Telemetry]) -> Table:
    """Return what the device said of itself; what it did not say has no value."""
    return Table(
        id="telemetry",
        title="what the device says of itself",
        columns=_TELEMETRY,
        lines=tuple(Line(_said(each)) for each in said),
        definitions=definitions(_TELEMETRY),
    )


def _said(each: Telemetry) -> tuple[Value, ...]:
    held = None if each.throttle is None else ", ".join(each.throttle) or "nothing"
    energy = each.energy_j / each.energy_forwards if each.energy_j is not None and each.energy_forwards else None
    return (
        each.when, each.sm_clock_mhz, each.memory_clock_mhz, held or NOT_DEFINED, each.power_w,
        NOT_DEFINED if each.temperature_c is None else f"{each.temperature_c} °C",
        _link(each) or NOT_DEFINED, energy,
    )  # fmt: skip


def _link(each: Telemetry) -> str:
    generation = "" if each.pcie_generation is None else f"gen {each.pcie_generation}"
    lanes = "" if each.pcie_width is None else f"x{each.pcie_width}"
    return " ".join(filter(None, (generation, lanes)))


def _median_s(times_ns: Sequence[int]) -> float:
    from statistics import median  # takes milliseconds to import

    return float(median(times_ns)) / 1e9
