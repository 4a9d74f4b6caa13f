"""What was measured of a network as tables: its layers, where the time goes, phases, memory; and what to doubt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cnnprof.errors import UsageError
from cnnprof.report import accelerator, measured
from cnnprof.report.base import AtLeast, Column, Line, Report, Screen, Table, Value
from cnnprof.report.describe import definitions, many, notes, sample_shapes
from cnnprof.report.layer_table import layer_table
from cnnprof.report.offload import offload_tables
from cnnprof.report.profile_summary import predicted_peak, profiles_table
from cnnprof.units import Layout, dimensions, duration, percent, ratio, signed_percent

if TYPE_CHECKING:
    from cnnprof.model.analysis import Analysis
    from cnnprof.model.offload import Offload
    from cnnprof.model.profile import Doubt, Estimate, Ledger, Profile
    from cnnprof.model.run import MeasuredMemory, Part

    Measured = tuple[Part, Profile]

_LEDGER = (
    Column("what", "where the time goes", "text", rank=0),
    Column("time_s", "time", "time", "median; what is unexplained is a difference, and negative where marks cost more "
        "than they were found to", "seconds", "sum", 1),
    Column("end_share", "of the whole", "fraction", "part of the forward without marks, pass E", "fraction", rank=2),
    Column("low_s", "from", "time", "lower end of the 95 % interval", "seconds", rank=3),
    Column("high_s", "to", "time", "upper end of the 95 % interval", "seconds", rank=4),
)  # fmt: skip
_LINES = (
    ("layers", "layers", "the median of what all layers add up to in a forward; of an accelerator in pass Q, else L"),
    ("launch gaps", "launch_gaps", "what layers take longer in pass L than in Q: an accelerator waits for its host"),
    ("glue", "glue", "between the layers: Python, hooks, what is no layer, freeing tensors"),
    (
        "unexplained", "unexplained",
        "the whole less all of these: no remainder that closes the sum, but what two passes differ by",
    ),
)  # fmt: skip
_NAMED = 3
"""Names in one sentence: more are counted."""
_FAR = 0.05
"""Of the measured peak: what a GPU's allocator rounds is less."""
_PHASES = (
    Column("phase", "phase", "text", "part of a training step", rank=0),
    Column("time_s", "time", "time", "median wall time, pass E", "seconds", rank=1),
    Column("interval", "±", "fraction", "half of the 95 % interval of the median, as a part of it", "fraction", rank=3),
    Column("phase_share", "share", "share", "part of the phases' times", "fraction", "sum", 2),
)
_PEAK = (
    Column("what", "peak memory", "text", rank=0),
    Column("bytes", "memory", "bytes", "the most bytes at once: weights, buffers and inputs included", "bytes", rank=1),
    Column("exactly", "exactly", "count", "the same bytes, exactly", "bytes", rank=2),
    Column("error", "error", "text", "(predicted − measured) ÷ measured", rank=3),
)


def profile_report(
    parts: Sequence[Measured],
    *,
    columns: Sequence[str] | None = None,
    depth: int | None = None,
    sort: str | None = None,
    top: int | None = None,
    layout: Layout = "chw",
    screen: Screen | None = None,
    offloads: Sequence[Offload] = (),
) -> Report:
    """Return what the command line prints: of one part its layers and where the time goes, of several a line each.

    Args:
        parts: what was measured, each with its figures.
        columns: ids of columns, counted or measured; of several parts ids of ``profile_summary.COLUMNS``.
        depth: add up everything below this many words of the dotted names.
        sort: id of the column to sort by, numbers descending.
        top: keep this many lines, and of the layers compared on two devices those that gain most.
        layout: where shapes show their channels.
        screen: what text is printed on.
        offloads: what follows where a host and another device were measured.

    Raises:
        UsageError: there is no part, an unknown column, ``depth`` or ``top`` below 1, or ``depth`` with several parts.
    """
    screen = screen or Screen()
    analyses = tuple(part.analysis for part, _ in parts if part.analysis is not None)
    if len(parts) == 1 and parts[0][0].analysis is not None and not parts[0][0].setting.compiled:
        ((part, profile),) = parts
        main = _layers(parts[0], parts[0][0].analysis, columns=columns, depth=depth, sort=sort, top=top, layout=layout)
        return Report(main, analyses, tuple(_extra(part, profile)), screen, tuple(parts))
    if depth is not None:
        raise UsageError(
            "--depth shows the blocks of one network whose layers were told apart; here are none, or several",
            code="bad-depth",
        )
    summary = profiles_table(parts, columns=columns, sort=sort, top=top)
    main = summary._replace(notes=(*_said_of_all(parts), *summary.notes))
    beside = (table for each in offloads for table in offload_tables(each, top))
    extra = tuple(_extra(*parts[0])) if len(parts) == 1 else tuple(beside)
    return Report(main, analyses, extra, screen, tuple(parts), tuple(offloads))


def naming(report: Report, run: str) -> Report:
    """Return the report in which an unfinished run is named by the id under which it is stored."""
    notes = tuple(each.replace("--resume RUN", f"--resume {run}") for each in report.main.notes)
    return report._replace(main=report.main._replace(notes=notes))


def _layers(
    of: Measured, analysis: Analysis, *, columns: Sequence[str] | None, depth: int | None, sort: str | None,
    top: int | None, layout: Layout,
) -> Table:  # fmt: skip
    part, profile = of
    table = layer_table(
        analysis, columns=measured.usual(profile) if columns is None else columns, depth=depth, sort=sort, top=top,
        layout=layout, catalogue=measured.catalogue(profile, part.setting.batch),
    )  # fmt: skip
    unknown = notes(analysis)[:1] if analysis.totals.lower_bound else ()
    return table._replace(
        title=_title(part, profile, analysis, layout),
        notes=(f"protocol: {profile.protocol}", *_strangers(profile, analysis), *map(said, profile.doubts), *unknown),
        definitions=(*table.definitions, *definitions([measured.PROTOCOL])),
        constant=((measured.PROTOCOL, profile.protocol),),
        optional=measured.OPTIONAL if columns is None else (),
    )


def _title(part: Part, profile: Profile, analysis: Analysis, layout: Layout) -> str:
    setting = part.setting
    sizes = " + ".join(map(dimensions, sample_shapes(analysis, layout)))
    about = [part.model, setting.device, f"input {sizes}", f"batch {setting.batch}", setting.arithmetic]
    step = [f"training with {setting.optimizer}"] if setting.mode == "training" else []
    return f"{', '.join([*about, *step])}: {_took(profile)}"


def _took(profile: Profile) -> str:
    whole = profile.whole
    if whole is None or profile.images_per_s is None:
        return "not measured"
    known = "" if whole.interval is None else f" ± {percent(whole.interval)}"
    return f"{duration(whole.median_s)}{known}, {ratio(profile.images_per_s)} images/s"


def said(doubt: Doubt) -> str:
    """Return a doubt as a note: its name, what it means, what can be tried."""
    return f"doubt[{doubt.code}] {doubt.message}{f'; {doubt.hint}' if doubt.hint else ''}"


def _said_of_all(parts: Sequence[Measured]) -> Iterator[str]:
    """Yield the doubts about several parts; the same one about several is said once, with their names."""
    about: dict[str, list[str]] = {}
    for part, profile in parts:
        name = f"{part.model} {part.setting.device} batch {part.setting.batch} {part.setting.arithmetic}"
        for doubt in profile.doubts:
            about.setdefault(said(doubt), []).append(name)
    for text, names in about.items():
        alone = len(parts) == 1
        yield text if alone else f"{', '.join(names) if len(names) <= _NAMED else many(len(names), 'line')}: {text}"


def _strangers(profile: Profile, analysis: Analysis) -> list[str]:
    """Return that something was measured which is no row, so that the column lacks its time."""
    rows = {row.name for row in analysis.rows}
    times = {each.name: each.time.median_s for each in profile.layers if each.name not in rows and each.time}
    if not times:
        return []
    names = ", ".join(list(times)[:_NAMED]) + (", …" if len(times) > _NAMED else "")
    return [f"{duration(sum(times.values()))} were measured in what is no row here: {names}"]


def _extra(part: Part, profile: Profile) -> Iterator[Table]:
    if profile.ledger is not None:
        table = ledger_table(profile.ledger)
        yield table._replace(notes=(*accelerator.waits(part, profile), *table.notes))
    if profile.phases:
        yield _phases(profile.phases)
    if part.memory is not None:
        yield _peak(part, part.memory)
    if profile.device_whole is not None:
        yield from accelerator.tables(part)


_APART = 0.001
"""A difference that is printed as 0.1 %."""


def _rows(ledger: Ledger) -> Iterator[str]:
    apart = ledger.rows_s / ledger.layers_s - 1 if ledger.layers_s else 0.0
    if abs(apart) >= _APART:
        yield (
            f"the medians of the layers by themselves add up to {duration(ledger.rows_s)} ({100 * apart:+.1f} %): each "
            "leaves out the forwards in which that one layer was slow"
        )


def ledger_table(ledger: Ledger) -> Table:
    """Return the lines that make up the forward, and beside them what the marks cost."""
    whole = ledger.end_to_end
    lines = [
        Line((title, seconds, seconds / whole.median_s, *_ends(ledger, field)))
        for title, field, _ in _LINES
        if (seconds := getattr(ledger, f"{field}_s")) is not None
    ]
    marks = (
        f"marks between layers cost {_signed(ledger.marks_s)} ({100 * ledger.marks_s / whole.median_s:+.1f} %) beside "
        f"this: {duration(ledger.marked.median_s)} with them (pass L), {duration(whole.median_s)} without (pass E)"
    )
    return Table(
        id="ledger",
        title="ledger of the forward",
        columns=_LEDGER,
        lines=tuple(lines),
        totals=(Line(("end to end", whole.median_s, 1.0, whole.low_s, whole.high_s)),),
        notes=(*_rows(ledger), marks),
        definitions=(*definitions(_LEDGER), *((title, meaning) for title, _, meaning in _LINES)),
    )


def _ends(ledger: Ledger, field: str) -> tuple[float, float] | tuple[None, None]:
    return (ledger.unexplained_low_s, ledger.unexplained_high_s) if field == "unexplained" else (None, None)


def _signed(seconds: float) -> str:
    return f"{'+' if seconds > 0 else ''}{duration(seconds)}"


def _phases(phases: dict[str, Estimate]) -> Table:
    whole = sum(each.median_s for each in phases.values())
    return Table(
        id="phases",
        title="phases of a training step",
        columns=_PHASES,
        lines=tuple(Line((name, each.median_s, each.interval, each.median_s / whole)) for name, each in phases.items()),
        definitions=definitions(_PHASES),
    )


def _peak(part: Part, memory: MeasuredMemory) -> Table:
    found = memory.peak_bytes
    notes: tuple[str, ...] = ()
    lines = [Line((f"measured by {memory.by}", found, found, None))]
    if part.analysis is not None:
        expected = predicted_peak(part.analysis)
        bounded = part.analysis.totals.lower_bound
        size: Value = AtLeast(expected) if bounded else expected
        error = None if bounded or not found else (expected - found) / found
        lines.insert(0, Line(("predicted", size, size, None if error is None else signed_percent(error))))
        notes = tuple(_missed(part, error))
    besides = {
        "reserved for it by torch's allocator": memory.reserved_bytes,
        "in use on the device, by everything": memory.used_bytes,
    }
    lines += [Line((what, size, size, None)) for what, size in besides.items() if size is not None]
    step = "training step" if part.setting.mode == "training" else "inference"
    return Table(
        id="peak", title=f"peak memory of {'an' if step == 'inference' else 'a'} {step}", columns=_PEAK,
        lines=tuple(lines), notes=notes, definitions=definitions(_PEAK),
    )  # fmt: skip


def _missed(part: Part, error: float | None) -> Iterator[str]:
    """Yield what most likely makes a predicted peak differ from the measured one, where it does by a lot."""
    if error is None or abs(error) <= _FAR:
        return
    about = f"the predicted peak is {percent(abs(error))} {'below' if error < 0 else 'above'} the measured one"
    if error > 0:
        why = "torch.compile fuses layers" if part.setting.compiled else "some layers work in place or share memory"
        yield f"{about}, most likely because {why}: tensors that the prediction counts were never made"
        return
    gpu = "; a GPU's peak holds the workspaces of kernels too" if part.setting.device.startswith("cuda") else ""
    yield (
        f"{about}, most likely because the forward keeps tensors in variables after their last use, as in the branch "
        f"of a residual block; the prediction frees each one then (in a forward, del does so){gpu}"
    )
