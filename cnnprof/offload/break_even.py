"""From which batch on a device pays: where C(b) meets G(b) + X(b), each a line through the batches measured."""

from __future__ import annotations

import math
import random
import shlex
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from cnnprof.model.offload import BreakEven, Check, Direction, Line, Memory
from cnnprof.model.plain import replace
from cnnprof.model.run import Setting
from cnnprof.offload.lines import line
from cnnprof.offload.medians import NS, median, redrawn
from cnnprof.offload.pays import Between, total
from cnnprof.units import duration

RESAMPLES = 1000
SEED = 0
FEWEST = 2
"""Batches, of a line."""
_TAIL = 0.025
"""On either side of a 95 % interval."""

Verdict = Literal["from", "up to", "always", "never", "unknown"]


class Point(NamedTuple):
    """The samples of one batch, in seconds; copies that were not measured at their size have one, the fitted time."""

    batch: int
    host: tuple[float, ...]
    device: tuple[float, ...]
    copies: tuple[tuple[float, ...], ...]
    confirms: bool = False

    def times(self, draw: random.Random | None = None) -> tuple[float, float, float]:
        """Return C, G and X: medians of the samples, or of as many that are drawn from them."""

        def middle(values: Sequence[float]) -> float:
            return median(values) if draw is None else redrawn(values, draw)

        return middle(self.host), middle(self.device), math.fsum(middle(each) for each in self.copies)


def break_evens(found: Sequence[Between]) -> tuple[BreakEven, ...]:
    """Return the break-even by each kind of the host's memory that was measured; batches without it take no part."""
    measured = {link.memory for each in found for link in each.links}
    memories: tuple[Memory, ...] = ("pinned", "pageable")
    return tuple(
        break_even([point for each in found if (point := _point(each, memory)) is not None], memory, _command(found))
        for memory in memories
        if memory in measured
    )


def _command(found: Sequence[Between]) -> str:
    host, device = found[0].pair
    batches = sorted({1, 8, 64, *(each.pair.batch for each in found)})
    devices = ["--device", host.part.setting.device, "--device", device.part.setting.device]
    chosen = [*devices, "--batch", ",".join(map(str, batches)), *_options(device.part.setting)]
    return shlex.join(["cnnprof", "profile", host.part.model, *chosen])


def _options(setting: Setting) -> list[str]:
    """Return the options of the command line that a setting differs from its defaults by, besides device and batch."""
    return [
        *(["--dtype", setting.arithmetic] if setting.arithmetic != "float32" else []),
        *(["--training", setting.optimizer] if setting.mode == "training" else []),
        *(["--channels-last"] if setting.layout == "channels_last" else []),
        *(["--threads", str(setting.threads)] if setting.threads is not None else []),
        *(["--compile"] if setting.compiled else []),
    ]


def _point(found: Between, memory: Memory) -> Point | None:
    """Return the samples of a batch; None where one of them is missing."""
    host, device = found.pair
    link = next((each for each in found.links if each.memory == memory), None)
    if link is None or not host.walls_ns or not device.walls_ns:
        return None
    outputs = () if device.part.setting.mode == "training" else found.flow.outputs
    wanted: list[tuple[Direction, int]] = [("h2d", each.bytes) for each in found.flow.inputs]
    wanted += [("d2h", each.bytes) for each in outputs]
    measured = {(each.direction, each.bytes): each.times_ns for each in device.part.copies if each.memory == memory}
    fitted = total(link.seconds(direction, size) for direction, size in wanted)
    if fitted is None:
        return None
    return Point(
        found.pair.batch, _seconds(host.walls_ns), _seconds(device.walls_ns),
        tuple(_seconds(measured[each]) if each in measured else (link.seconds(*each) or 0.0,) for each in wanted),
        device.part.confirms,
    )  # fmt: skip


def _seconds(times_ns: Iterable[int]) -> tuple[float, ...]:
    return tuple(each / NS for each in times_ns)


def break_even(points: Sequence[Point], memory: Memory, command: str) -> BreakEven:
    """Return where the lines through ``points`` meet; those that are to confirm it are only compared with it.

    Args:
        points: the batches, each once.
        memory: what the copies were measured with.
        command: what to run where there are too few batches.
    """
    fitted = [each for each in points if not each.confirms]
    if len(fitted) < FEWEST:
        few = "no batch was" if not fitted else f"only batch {fitted[0].batch} was"
        return BreakEven(
            memory=memory, verdict="unknown", hint=command,
            message=f"a break-even needs two batches or more, and {few} measured on both",
        )  # fmt: skip
    lines = _lines(fitted, None)
    verdict, batch = _meet(lines)
    low, high = _interval(fitted, verdict) if batch is not None else (None, None)
    found = BreakEven(
        memory=memory, verdict=verdict, batch=batch, low=low, high=high, batches=tuple(each.batch for each in fitted),
        host=lines[0], device=lines[1], copies=lines[2], message="",
    )  # fmt: skip
    return replace(found, message=said(found), checks=_checks(found, points))


def _lines(points: Sequence[Point], draw: random.Random | None) -> tuple[Line, Line, Line]:
    times = [each.times(draw) for each in points]
    host, device, copies = (_line(points, [each[at] for each in times]) for at in range(3))
    return host, device, copies


def _line(points: Sequence[Point], times: Sequence[float]) -> Line:
    if not all(times):  # nothing crosses
        return Line(base_s=0.0, per_sample_s=0.0)
    base, slope = line([(each.batch, time) for each, time in zip(points, times, strict=True)])
    return Line(base_s=base, per_sample_s=slope)


def _meet(lines: tuple[Line, Line, Line]) -> tuple[Verdict, float | None]:
    """Return b* = (g0 + x0 − c0) ÷ (c1 − g1 − x1), and on which side of it the device pays."""
    host, device, copies = lines
    more = host.base_s - device.base_s - copies.base_s  # the host's, at batch 0
    growth = host.per_sample_s - device.per_sample_s - copies.per_sample_s
    at_one = more + growth
    if growth > 0:
        batch = -more / growth
        return ("always", None) if batch <= 1 else ("from", batch)
    if at_one <= 0:
        return "never", None
    return ("up to", -more / growth) if growth else ("always", None)


def _interval(points: Sequence[Point], verdict: Verdict) -> tuple[float, float | None]:
    """Return the 95 % interval of b* by bootstrap: every median from samples drawn anew."""
    draw = random.Random(SEED)  # noqa: S311 statistics, no secret
    found = sorted(_place(*_meet(_lines(points, draw)), verdict) for _ in range(RESAMPLES))
    low, high = found[int(_TAIL * RESAMPLES)], found[RESAMPLES - 1 - int(_TAIL * RESAMPLES)]
    return low, None if math.isinf(high) else high


def _place(verdict: Verdict, batch: float | None, of: Verdict) -> float:
    """Return a drawn b* as a number; one that meets on the other side is at the end that says the same of batches."""
    if verdict == of and batch is not None:
        return batch
    pays_at_one = verdict in ("always", "up to")
    if of == "from":
        return 1.0 if pays_at_one else math.inf
    return math.inf if pays_at_one else 1.0


def beside(batch: float) -> tuple[int, int]:
    """Return the whole batches next to b*, below it and above it."""
    return math.ceil(batch) - 1, math.floor(batch) + 1


def _checks(found: BreakEven, points: Sequence[Point]) -> tuple[Check, ...]:
    """Return what was measured right beside it, to confirm it or anyway; and every batch that says otherwise."""
    near = () if found.batch is None else beside(found.batch)
    return tuple(
        Check(batch=each.batch, host_s=host, device_s=device + copies, expected=_expected(found, each.batch))
        for each in points
        for host, device, copies in [each.times()]
        if each.batch in near or (device + copies < host) != _expected(found, each.batch)
    )


def _expected(found: BreakEven, batch: int) -> bool:
    if found.batch is None:
        return found.verdict == "always"
    return batch > found.batch if found.verdict == "from" else batch < found.batch


def said(found: BreakEven) -> str:
    """Return in words from which batch on the device pays, copies one after the other."""
    host, device, copies = found.host, found.device, found.copies
    if found.batch is None:
        if found.verdict == "always":
            return "it pays at every batch"
        assert host is not None and device is not None and copies is not None  # noqa: S101, PT018 there are two batches
        return _never(host.per_sample_s, device.per_sample_s, copies.per_sample_s)
    below, above = beside(found.batch)
    side = f"from batch {above:,} on" if found.verdict == "from" else f"up to batch {below:,}"
    return f"it pays {side}: {_near(found)}"


def _near(found: BreakEven) -> str:
    batch, low = found.batch or 0.0, found.low or 0.0
    end = "no end" if found.high is None else f"{found.high:,.2f}"
    beyond = ""
    if not found.batches[0] <= batch <= found.batches[-1]:
        beyond = f"; beyond the batches measured, {found.batches[0]} to {found.batches[-1]}"
    return f"both take as long at {batch:,.2f} (95 %: {low:,.2f} to {end}){beyond}"


def _never(host: float, device: float, copies: float) -> str:
    if device < host:
        return (
            "transfer-bound: it never pays, copies one after the other and in this format; per sample it computes "
            f"{duration(host - device)} less than the host and copies {duration(copies)}"
        )
    return f"it never pays: per sample it computes {duration(device)}, and the host {duration(host)}"
