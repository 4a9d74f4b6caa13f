"""Several measured parts as a table, a line each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cnnprof.errors import UsageError
from cnnprof.report.base import AtLeast, Column, Line, Table, Value, order
from cnnprof.report.describe import definitions, many
from cnnprof.report.measured import PROTOCOL

if TYPE_CHECKING:
    from cnnprof.model.analysis import Analysis
    from cnnprof.model.profile import Ledger, Profile
    from cnnprof.model.run import Part

_GIGA = 1e9


def ran_on(part: Part) -> str:
    """Return the device of a part, of a split network both."""
    return part.setting.device if part.split is None else f"{part.setting.device} and host"


class _Summed(NamedTuple):
    column: Column
    value: Callable[[Part, Profile], Value]


def predicted_peak(analysis: Analysis) -> int:
    """Return the peak memory of the training step that was analysed, else of an inference."""
    training = analysis.training
    if training is None:
        return analysis.memory.peak_bytes
    return training.foreach_peak_bytes if training.device == "cuda" else training.peak_bytes


def _predicted(part: Part, _: Profile) -> Value:
    if part.analysis is None:
        return None
    found = predicted_peak(part.analysis)
    return AtLeast(found) if part.analysis.totals.lower_bound else found


def _gflops(part: Part, profile: Profile) -> Value:
    """Return billions of FLOPs per second: of a training step, those of forward and backward."""
    if profile.whole is None or part.analysis is None or part.analysis.totals.lower_bound:
        return None
    totals = part.analysis.totals
    flops = totals.training_flops if part.setting.mode == "training" else totals.flops
    return flops / _GIGA / profile.whole.median_s if flops else None


def _of_ledger(get: Callable[[Ledger], Value]) -> Callable[[Part, Profile], Value]:
    return lambda _, profile: None if profile.ledger is None else get(profile.ledger)


_ALL = (
    _Summed(Column("model", "model", "text", "the network", rank=0), lambda part, _: part.model),
    _Summed(Column("device", "device", "text", "what it ran on", rank=4), lambda part, _: ran_on(part)),
    _Summed(
        Column("batch", "batch", "count", "samples per forward", "samples", rank=2), lambda part, _: part.setting.batch
    ),
    _Summed(
        Column("dtype", "dtype", "text", "how floats are stored; tf32: multiplied", rank=5),
        lambda part, _: part.setting.arithmetic,
    ),
    _Summed(
        Column("time_s", "time", "time", "median of a forward, or training step, without any marks: pass E", "seconds",
            rank=1),
        lambda _, profile: None if profile.whole is None else profile.whole.median_s,
    ),
    _Summed(
        Column("interval", "±", "fraction", "half of the 95 % interval of the median, as a part of it", "fraction",
            rank=6),
        lambda _, profile: None if profile.whole is None else profile.whole.interval,
    ),
    _Summed(
        Column("images_per_s", "images/s", "ratio", "samples ÷ time", "samples per second", rank=3),
        lambda _, profile: profile.images_per_s,
    ),
    _Summed(
        Column("gflops_per_s", "GFLOP/s", "ratio", "2 per multiply-accumulate ÷ time", "billions of FLOPs per second",
            rank=7),
        _gflops,
    ),
    _Summed(
        Column("layers_s", "layers", "time", "the sum of the layers' times", "seconds", rank=12),
        _of_ledger(lambda ledger: ledger.layers_s),
    ),
    _Summed(
        Column("launch_gaps_s", "launch gaps", "time", "time in which an accelerator waits for its host to launch the "
            "next layer", "seconds", rank=12),
        _of_ledger(lambda ledger: ledger.launch_gaps_s),
    ),
    _Summed(
        Column("glue_s", "glue", "time", "time between the layers", "seconds", rank=13),
        _of_ledger(lambda ledger: ledger.glue_s),
    ),
    _Summed(
        Column("unexplained", "unexplained", "fraction", "time less layers, launch gaps and glue, signed, as a part of "
            "the forward", "fraction", rank=11),
        _of_ledger(lambda ledger: ledger.unexplained_share),
    ),
    _Summed(
        Column("host_bound", "host-bound", "fraction", "part of the forward in which an accelerator waits for its "
            "host: 1 − layers (pass Q) ÷ time (pass E)", "fraction", rank=9),
        lambda _, profile: profile.host_bound,
    ),
    _Summed(
        Column("graph_gain", "graph gain", "ratio", "time (pass E) ÷ that of a replay of the forward's graph (pass G)",
            "times", rank=10),
        lambda _, profile: profile.graph_gain,
    ),
    _Summed(
        Column("flush_factor", "after flush", "ratio", "time right after an accelerator's cache was overwritten (pass "
            "F) ÷ time (pass E)", "times", rank=12),
        lambda _, profile: profile.flush_factor,
    ),
    _Summed(Column("peak_bytes", "predicted peak", "bytes", "peak memory, predicted", "bytes", rank=15), _predicted),
    _Summed(
        Column("measured_peak_bytes", "measured peak", "bytes", "peak memory, measured in pass M", "bytes", rank=14),
        lambda part, _: None if part.memory is None else part.memory.peak_bytes,
    ),
    _Summed(
        Column("reserved_bytes", "reserved", "bytes", "what torch's allocator took of an accelerator for the measured "
            "peak", "bytes", rank=17),
        lambda part, _: None if part.memory is None else part.memory.reserved_bytes,
    ),
    _Summed(
        Column("used_bytes", "in use", "bytes", "what was taken of an accelerator's memory then, by everything: the "
            "context, libraries, other programs", "bytes", rank=18),
        lambda part, _: None if part.memory is None else part.memory.used_bytes,
    ),
    _Summed(
        Column("dirty", "dirty", "count", "forwards of pass E that something disturbed", "forwards", rank=16),
        lambda _, profile: None if profile.whole is None else profile.whole.dirty,
    ),
    _Summed(
        Column("status", "status", "text", "done; budget: it ended before the interval was narrow enough; "
            "interrupted; out-of-memory; failed", rank=8),
        lambda part, _: part.status,
    ),
    _Summed(PROTOCOL, lambda _, profile: profile.protocol),
)  # fmt: skip
COLUMNS: dict[str, Column] = {each.column.id: each.column for each in _ALL}
_VALUES = {each.column.id: each.value for each in _ALL}
_ACCELERATED = ("launch_gaps_s", "host_bound", "graph_gain", "flush_factor")
"""Columns of which a CPU has nothing: shown unasked only beside an accelerator."""
_ASKED_FOR = ("protocol", "reserved_bytes", "used_bytes")
"""Columns that are shown where they are asked for."""
_ALIASES = {"time": "time_s", "±": "interval", "layers": "layers_s", "glue": "glue_s"}


def profiles_table(
    parts: Sequence[tuple[Part, Profile]],
    *,
    columns: Sequence[str] | None = None,
    sort: str | None = None,
    top: int | None = None,
) -> Table:
    """Return one line per part; those that fit a width, in a narrow terminal.

    Raises:
        UsageError: there is no part, ``top`` is below 1, or a column is unknown.
    """
    if not parts:
        raise UsageError("nothing to show: nothing was measured", code="no-results")
    if top is not None and top < 1:
        raise UsageError(f"top must be >= 1, got {top}", code="bad-top")
    names = _usual(parts) if columns is None else [_known(name) for name in columns]
    ordered = list(parts)
    if sort is not None:
        by = _VALUES[_known(sort)]
        ordered.sort(key=lambda each: order(by(*each)))
    shown = tuple(COLUMNS[name] for name in names)
    more = [f"{len(ordered) - top} more"] if top is not None and top < len(ordered) else []
    return Table(
        id="profiles",
        title=_title(parts),
        columns=shown,
        lines=tuple(Line(tuple(_VALUES[name](*each) for name in names)) for each in ordered[:top]),
        notes=tuple(more),
        definitions=definitions(dict.fromkeys((*shown, PROTOCOL))),
        optional=() if columns else tuple(each.id for each in shown if each.rank > 10),  # noqa: PLR2004 see the ranks
    )


def _usual(parts: Sequence[tuple[Part, Profile]]) -> list[str]:
    accelerated = any(profile.device_whole is not None for _, profile in parts)
    return [name for name in COLUMNS if name not in _ASKED_FOR and (accelerated or name not in _ACCELERATED)]


def _title(parts: Sequence[tuple[Part, Profile]]) -> str:
    if len(parts) > 1:
        return f"{many(len(parts), 'measurement')}"
    ((part, profile),) = parts
    return f"{part.model}: {profile.protocol}"


def _known(name: str) -> str:
    found = _ALIASES.get(name, name)
    if found in COLUMNS:
        return found
    from difflib import get_close_matches

    close = get_close_matches(name.lower(), [*COLUMNS, *_ALIASES], n=1)
    hint = f"did you mean {_ALIASES.get(close[0], close[0])!r}?" if close else f"the columns are {', '.join(COLUMNS)}"
    raise UsageError(f"there is no column {name!r} of several measurements", hint=hint, code="unknown-column")
