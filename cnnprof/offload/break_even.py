"""From which batch on a device pays: where C(b) meets G(b) + X(b), each a line through the batches measured."""

from __future__ import annotations

import math
import random
import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from cnnprof.model.offload import TICK_S, BreakEven, Check, LeftOut, Line, Memory
from cnnprof.model.plain import replace
from cnnprof.model.run import Setting
from cnnprof.offload.lines import fitness, line
from cnnprof.offload.pays import Between
from cnnprof.offload.points import Point, points
from cnnprof.units import duration, percent

RESAMPLES = 1000
SEED = 0
FEWEST = 2
"""Batches, of a line."""
USUAL = (1, 8, 64)
"""Batches that are named to whoever has too few."""
MISS = 0.05
"""Of what a side takes: where a line is off by more, noise does not explain it (measuring ends at ±2 %). Where it is
off by such a share at b*, b* is by that of C(b*) ÷ (c1 − g1 − x1), which is no less than the same share of b*."""
_TAIL = 0.025
"""On either side of a 95 % interval."""
_SHOWN = 0.005
"""Of b*, which is told to a hundredth."""
_WHOLE = 1e-9
"""Of b*: what is nearer to a whole number is that number, and beside it only by rounding."""

Verdict = Literal["from", "up to", "always", "never", "unknown"]
Command = Callable[[Iterable[int]], str]
"""What measures a pair at these batches."""


class Lines(NamedTuple):
    """C, G and X over the batch, and how much further than the first batch the last one is."""

    host: Line
    device: Line
    copies: Line
    span: int

    @property
    def more_s(self) -> float:
        """What the host takes longer at batch 0; below 0, less."""
        return self.host.base_s - self.device.base_s - self.copies.base_s

    @property
    def growth_s(self) -> float:
        """What it takes longer with each sample; nothing, where that is not seen by clocks that count nanoseconds."""
        found = self.host.per_sample_s - self.device.per_sample_s - self.copies.per_sample_s
        return found if abs(found) * self.span >= TICK_S / 2 else 0.0


def break_evens(found: Sequence[Between]) -> tuple[BreakEven, ...]:
    """Return the break-even by each kind of the host's memory that was measured, and the batches that lack a time."""
    measured = {link.memory for each in found for link in each.links}
    memories: tuple[Memory, ...] = ("pinned", "pageable")
    return tuple(
        break_even(*points(found, memory), memory, lambda batches: _command(found[0], batches))
        for memory in memories
        if memory in measured
    )


def _command(found: Between, batches: Iterable[int]) -> str:
    host, device = found.pair
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


def break_even(found: Sequence[Point], left_out: Sequence[LeftOut], memory: Memory, command: Command) -> BreakEven:
    """Return where the lines through batches meet; those that are to confirm it are only compared with it.

    Args:
        found: the batches, each once.
        left_out: batches that lack a time.
        memory: what the copies were measured with.
        command: what to run where there are too few batches, or where a line does not fit.
    """
    fitted = [each for each in found if not each.confirms]
    if len(fitted) < FEWEST:
        return _too_few(fitted, left_out, memory, command)
    lines = _lines(fitted, None)
    verdict, batch = _meet(lines)
    low, high = _interval(fitted, verdict) if batch is not None else (None, None)
    met = BreakEven(
        memory=memory, verdict=verdict, batch=batch, low=low, high=high, batches=tuple(each.batch for each in fitted),
        left_out=tuple(left_out), host=lines.host, device=lines.device, copies=lines.copies, message="",
    )  # fmt: skip
    met = replace(met, checks=_checks(met, found))
    near = "" if met.batch is None else _near(met, met.batch, found)
    message = said(met, lines, near) if all(each.agrees for each in met.checks) else _refuted(met, found, near)
    return replace(met, message=message, doubt=_doubt(met, fitted, command))


def _too_few(fitted: Sequence[Point], left_out: Sequence[LeftOut], memory: Memory, command: Command) -> BreakEven:
    few = f"only batch {fitted[0].batch} was" if fitted else "no batch was"
    asked = {*(each.batch for each in fitted), *(each.batch for each in left_out)}
    return BreakEven(
        memory=memory, verdict="unknown", left_out=tuple(left_out),
        hint=None if len(asked) > 1 else command(sorted({*USUAL, *asked})),
        message=f"a break-even needs two batches or more, and {few} measured on both with its copies",
    )  # fmt: skip


def _lines(found: Sequence[Point], draw: random.Random | None) -> Lines:
    times = [each.times(draw) for each in found]
    judged = draw is None and len(found) > FEWEST  # two it cannot miss
    host, device, copies = (
        _line([(each.batch, time[at]) for each, time in zip(found, times, strict=True)], judged=judged)
        for at in range(3)
    )
    return Lines(host, device, copies, found[-1].batch - found[0].batch)


def _line(through: Sequence[tuple[int, float]], *, judged: bool) -> Line:
    base, slope = line(through)
    if not judged or not any(time for _, time in through):
        return Line(base_s=base, per_sample_s=slope)
    fits = fitness(through, base, slope)
    return Line(base_s=base, per_sample_s=slope, r2=fits.r2, worst=fits.worst, worst_batch=int(fits.at))


def _meet(lines: Lines) -> tuple[Verdict, float | None]:
    """Return b* = (g0 + x0 − c0) ÷ (c1 − g1 − x1), and on which side of it the device pays."""
    more, growth = lines.more_s, lines.growth_s
    at_one = more + growth
    if not growth:
        return ("always", None) if at_one >= TICK_S / 2 else ("never", None)
    batch = _whole(-more / growth)
    if growth > 0:
        return ("always", None) if batch < 1 else ("from", batch)
    return ("never", None) if batch <= 1 else ("up to", batch)


def _whole(batch: float) -> float:
    return float(round(batch)) if abs(batch - round(batch)) <= _WHOLE * abs(batch) else batch


def _interval(found: Sequence[Point], verdict: Verdict) -> tuple[float, float | None]:
    """Return the 95 % interval of b* by bootstrap: every median from samples drawn anew."""
    draw = random.Random(SEED)  # noqa: S311 statistics, no secret
    drawn = sorted(_place(*_meet(_lines(found, draw)), verdict) for _ in range(RESAMPLES))
    low, high = drawn[int(_TAIL * RESAMPLES)], drawn[RESAMPLES - 1 - int(_TAIL * RESAMPLES)]
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
    """Return the whole batches next to b*, below it and above it; where b* is 1, none is below it and 1 is taken."""
    return max(1, math.ceil(batch) - 1), math.floor(batch) + 1


def _checks(met: BreakEven, found: Sequence[Point]) -> tuple[Check, ...]:
    """Return what was measured right beside it, to confirm it or anyway; and every batch that says otherwise."""
    near = () if met.batch is None else beside(met.batch)
    checks = (_check(met, each) for each in found)
    return tuple(each for each in checks if each.batch in near or not each.agrees)


def _check(met: BreakEven, point: Point) -> Check:
    host, device, copies = point.times()
    return Check(batch=point.batch, host_s=host, device_s=device + copies, expected=_expected(met, point.batch))


def _expected(met: BreakEven, batch: int) -> bool:
    if met.batch is None:
        return met.verdict == "always"
    return batch > met.batch if met.verdict == "from" else batch < met.batch


# In words


def said(met: BreakEven, lines: Lines, near: str) -> str:
    """Return in words from which batch on the device pays, copies one after the other."""
    if met.batch is None:
        return "it pays at every batch" if met.verdict == "always" else _never(lines)
    below, above = math.ceil(met.batch) - 1, math.floor(met.batch) + 1
    side = f"from batch {above:,} on" if met.verdict == "from" else f"up to batch {below:,}"
    return f"it pays {side}: {near}"


def _refuted(met: BreakEven, found: Sequence[Point], near: str) -> str:
    """Return in words where the device was seen to pay and where not, and what the lines say against that."""
    checks = [check for check in (_check(met, each) for each in found) if not check.even]
    gains, loses = (_batches(each.batch for each in checks if each.pays == pays) for pays in (True, False))
    seen = (
        f"it pays at batch {gains}" + (f" and does not at {loses}" if loses else "")
        if gains
        else f"it does not pay at batch {loses}"
    )
    every = "it pays at every batch" if met.verdict == "always" else "it never pays"
    return f"measured, {seen}; the lines do not fit that: by them {every if met.batch is None else near}"


def _batches(found: Iterable[int]) -> str:
    *others, last = [f"{each:,}" for each in found] or [""]
    return f"{', '.join(others)} and {last}" if others else last


def _near(met: BreakEven, batch: float, found: Sequence[Point]) -> str:
    """Return in words where b* is, and how surely as far as samples of the same batches say."""
    low = met.low or 0.0
    end = "no end" if met.high is None else f"{met.high:,.2f}"
    of = ", of sampling noise alone" if _is_missed_by_more(met, found) else ""
    beyond = ""
    if not met.batches[0] <= batch <= met.batches[-1]:
        beyond = f"; beyond the batches that the lines go through, {met.batches[0]:,} to {met.batches[-1]:,}"
    return f"both take as long at {batch:,.2f} (95 %{of}: {low:,.2f} to {end}){beyond}"


def _is_missed_by_more(met: BreakEven, found: Sequence[Point]) -> bool:
    """Return whether lines miss a batch by more than the interval is wide, and by so much that it shows in b*.

    Where a line is off by a share, b* is by the same share of itself or more.
    """
    if met.batch is None or met.low is None or met.high is None:
        return False
    missed = met.batch * max(each[0] for point in found for each in _missed(met, point))
    return missed > max((met.high - met.low) / 2, _SHOWN)


def _never(lines: Lines) -> str:
    host, device, copies = (each.per_sample_s for each in lines[:3])
    if not lines.growth_s:
        more = -lines.more_s
        longer = f"it takes {duration(more)} longer" if more >= TICK_S / 2 else "both take as long"
        return f"it never pays: {longer} at every batch"
    if abs(device - host) * lines.span < TICK_S / 2:
        later = f", and begins {duration(-lines.more_s)} behind" if lines.more_s < 0 else ""
        return f"it never pays: per sample it computes as long as the host and copies {duration(copies)}{later}"
    if device < host:
        return (
            "transfer-bound: it never pays, copies one after the other and in this format; per sample it computes "
            f"{duration(host - device)} less than the host and copies {duration(copies)}"
        )
    return f"it never pays: per sample it computes {duration(device)}, and the host {duration(host)}"


def _doubt(met: BreakEven, fitted: Sequence[Point], command: Command) -> str | None:
    """Return in words that a line is far from a batch that it was put through, None where none is."""
    found = max((each for point in fitted for each in _missed(met, point)), key=lambda each: each[0])
    share, whose, batch, side = found
    if share <= MISS:
        return None
    missed = f"the line of {whose} misses batch {batch:,} by {percent(share)} of what {side} takes there"
    if met.confirmed:
        return f"{missed}; what was measured right beside the break-even confirms it all the same"
    if met.batch is None:
        if share < min(map(_apart, fitted)):  # so far off they would not meet either
            return None
        return f"{missed}: only of the batches measured it is sure whether it pays; measure the one that you will run"
    near = sorted({max(1, math.floor(met.batch / 2)), *beside(met.batch), math.ceil(2 * met.batch)})
    return f"{missed}: the break-even rests on a line that does not fit; try batches around it alone: {command(near)}"


def _apart(point: Point) -> float:
    """Return by how much host and device differ at a batch, as a part of the longer one."""
    host, device, copies = point.times()
    return abs(host - device - copies) / max(host, device + copies, TICK_S)


def _missed(met: BreakEven, point: Point) -> Iterable[tuple[float, str, int, str]]:
    """Yield by how much of what its side takes each line misses a batch: C, or G + X."""
    host, device, copies = point.times()
    for fitted, time, whole, whose, side in (
        (met.host, host, host, "the host", "the host"),
        (met.device, device, device + copies, "the device", "the device with its copies"),
        (met.copies, copies, device + copies, "the copies", "the device with its copies"),
    ):
        assert fitted is not None  # noqa: S101 there are two batches
        missed = abs(fitted.base_s + fitted.per_sample_s * point.batch - time)
        yield missed / max(whole, TICK_S), whose, point.batch, side
