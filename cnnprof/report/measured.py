"""The columns of what was measured, each defined once; they stand beside those that are counted.

They are made for one profile: a cell finds the layer's time by the layer's name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from cnnprof.report.base import Below, Column, Kind, Value
from cnnprof.report.base import total as added_up
from cnnprof.report.columns import ALIASES, LAYER_COLUMNS, Catalogue, LayerColumn

if TYPE_CHECKING:
    from cnnprof.model.analysis import Analysis, Row
    from cnnprof.model.profile import Estimate, LayerTime, Profile

_GIGA = 1e9
PROTOCOL = Column(
    "protocol", "protocol", "text",
    "how it was measured: passes (E: the forward and nothing else; L: with marks between layers; Q: so, and begun when "
    "all is queued; G: a replay of its graph), device, batch, "
    "dtype, layout, threads, forwards that statistics are made of, forwards that something disturbed",
)  # fmt: skip
_WHERE = "in the network, all its calls in one forward, without what the marks cost"


def catalogue(profile: Profile, batch: int = 1) -> Catalogue:
    """Return the counted columns and those of a profile."""
    made = {each.column.id: each for each in _columns(profile, batch)}
    return Catalogue({**LAYER_COLUMNS, **made}, {**ALIASES, "time": "time_s", "share": "time_share", "±": "interval"})


def usual(profile: Profile) -> tuple[str, ...]:
    """Return the columns that are shown unless others are asked for."""
    alone = any(each.hot or each.cold for each in profile.layers)
    warm = ("hot_s", "cold_s") if alone else ()
    launched = ("launch_gap_s",) if any(each.launch_gap_s is not None for each in profile.layers) else ()
    return (
        "name", "op", "output", "params", "macs", "moved_bytes", "time_s", "interval", "time_share", *launched, *warm,
        "gflops_per_s",
    )  # fmt: skip


OPTIONAL = ("op", "moved_bytes", "interval", "output")
"""Of them, those that a narrow terminal leaves out without a word."""


def shown_time(time: LayerTime) -> Value:
    """Return a layer's time as a cell: what is below resolution is less than it, what was not measured is nothing."""
    if time.below_resolution and time.resolution_s is not None:
        return Below(time.resolution_s, 0.0 if time.time is None else time.time.median_s)
    return None if time.time is None else time.time.median_s


def _columns(profile: Profile, batch: int) -> Sequence[LayerColumn]:
    times = {each.name: each for each in profile.layers}
    seconds = math.fsum(each.time.median_s for each in profile.layers if each.time is not None)
    of = _Maker(times)
    return (
        _moved(),
        of.time(
            "time_s", "time",
            f"median wall time {_WHERE}, of an accelerator its own time (pass Q); <: less than five times what its "
            "marks cost",
            shown_time, 2,
        ),
        of.estimate(
            "interval", "±", "half of the 95 % interval of the median, as a part of it", lambda each: each.interval,
            kind="fraction", unit="fraction of the time", rank=25,
        ),
        of.share("time_share", "share", "share of the layers' time", seconds),
        of.time(
            "launch_gap_s", "launch gap", "what the layer takes longer where its host launches it in its turn (pass L) "
            "than where all is queued ahead (pass Q): the accelerator waits", lambda time: time.launch_gap_s, 14,
        ),
        of.rate(
            "gflops_per_s", "GFLOP/s", "billions of FLOPs per second", "2 per multiply-accumulate ÷ time",
            lambda rows: sum(row.flops for row in rows) / _GIGA, 6,
        ),
        of.rate(
            "gigabytes_per_s", "GB/s", "billions of bytes per second",
            "bytes of every input, parameter, buffer and output, each once, ÷ time; caches serve some of them",
            lambda rows: sum(map(_bytes, rows)) / _GIGA,
        ),
        of.rate("images_per_s", "images/s", "samples per second", "samples ÷ time", lambda _: float(batch)),
        of.value(
            "cpu_time_s", "CPU time", f"median CPU time of the calling thread {_WHERE}; of one thread only",
            lambda time: None if time.cpu_time is None else time.cpu_time.median_s, kind="time", join="sum",
        ),
        of.time("hot_s", "hot", "median time by itself, over and over: everything in the caches", _hot, 12),
        of.time("cold_s", "cold", "median time by itself, its weights out of the caches, its input in them", _cold, 13),
        of.estimate("mad_s", "MAD", "median absolute deviation from the median, unscaled", lambda each: each.mad_s),
        of.estimate("low_s", "from", "lower end of the 95 % interval of the median time", lambda each: each.low_s),
        of.estimate("high_s", "to", "upper end of the 95 % interval of the median time", lambda each: each.high_s),
        of.estimate("min_s", "least", "least time of a clean forward", lambda each: each.min_s),
        of.estimate("n", "n", "forwards that the median is of", lambda each: each.n, kind="count", unit="forwards"),
        of.estimate(
            "dirty", "dirty", "forwards that something disturbed; left out where others are clean",
            lambda each: each.dirty, kind="count", unit="forwards",
        ),
        of.value(
            "kernel", "kernel", "operator, on a GPU kernel, that most of its time goes to, by torch.profiler (pass K)",
            lambda time: time.kernel, kind="text",
        ),
        of.value(
            "launches", "launches", "kernels and copies that it launches on a GPU in one forward (pass K)",
            lambda time: time.launches, join="sum",
        ),
        of.value("calls", "calls", "times the layer runs in one forward", lambda time: time.calls or None, join="sum"),
    )  # fmt: skip


def _hot(time: LayerTime) -> Value:
    return None if time.hot is None else time.hot.median_s


def _cold(time: LayerTime) -> Value:
    return None if time.cold is None else time.cold.median_s


def _bytes(row: Row) -> int:
    return row.read_bytes + row.write_bytes


def _moved() -> LayerColumn:
    column = Column(
        "moved_bytes", "bytes", "bytes", "bytes of every input, parameter, buffer and output, each once",
        "bytes, whole batch", "sum", 30,
    )  # fmt: skip
    return LayerColumn(
        column, lambda row, _: _bytes(row), lambda analysis: analysis.totals.read_bytes + analysis.totals.write_bytes
    )


class _Maker:
    """Makes columns that look up a layer's times by its name."""

    def __init__(self, times: dict[str, LayerTime]) -> None:
        self._times = times

    def value(
        self, name: str, title: str, help_: str, of: Callable[[LayerTime], Value], *, kind: Kind = "count",
        unit: str = "", join: str = "same", rank: int = 50,
    ) -> LayerColumn:  # fmt: skip
        column = Column(name, title, kind, help_, "seconds" if kind == "time" else unit, join, rank)  # type: ignore[arg-type]
        times = self._times

        def value(row: Row, _view: object) -> Value:
            return of(times[row.name]) if row.name in times else None

        def total(analysis: Analysis) -> Value:
            return added_up([value(row, None) for row in analysis.rows]) if join == "sum" else None

        return LayerColumn(column, value, total, measured=True)

    def time(self, name: str, title: str, help_: str, of: Callable[[LayerTime], Value], rank: int) -> LayerColumn:
        """Return a column of seconds that adds up."""
        return self.value(name, title, help_, of, kind="time", join="sum", rank=rank)

    def estimate(
        self, name: str, title: str, help_: str, of: Callable[[Estimate], Value], *, kind: Kind = "time",
        unit: str = "", rank: int = 50,
    ) -> LayerColumn:  # fmt: skip
        """Return a column of what belongs to a median; where the time is below resolution it says nothing."""

        def value(time: LayerTime) -> Value:
            return None if time.time is None or time.below_resolution else of(time.time)

        return self.value(name, title, help_, value, kind=kind, unit=unit, rank=rank)

    def share(self, name: str, title: str, help_: str, whole_s: float) -> LayerColumn:
        """Return the column of parts of the layers' time."""

        def value(time: LayerTime) -> Value:
            return time.time.median_s / whole_s if time.time is not None and whole_s else None

        return self.value(name, title, help_, value, kind="share", unit="fraction of the total", join="sum", rank=20)

    def rate(
        self, name: str, title: str, unit: str, help_: str, amount: Callable[[Sequence[Row]], float], rank: int = 50
    ) -> LayerColumn:
        """Return a column of an amount per second.

        Several layers have the rate of their sums; a layer without a time, or with one below resolution, has none and
        takes no part in them.
        """
        times = self._times

        def seconds(row: Row) -> float:
            time = times.get(row.name)
            return 0.0 if time is None or time.time is None or time.below_resolution else time.time.median_s

        def rate(rows: Iterable[Row]) -> Value:
            timed = [row for row in rows if seconds(row)]
            if not timed or not all(row.known for row in timed):
                return None
            done = amount(timed)
            return done / math.fsum(map(seconds, timed)) if done else None

        return LayerColumn(
            Column(name, title, "ratio", help_, unit, rank=rank), lambda row, _: rate([row]),
            lambda analysis: rate(analysis.rows), rate, measured=True,
        )  # fmt: skip
