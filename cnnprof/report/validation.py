"""What was validated as tables: a line per figure, or per network with what is not equal below it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from cnnprof.report.base import Column, Line, Table, Value
from cnnprof.report.describe import definitions, many
from cnnprof.units import signed_percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cnnprof.model.validation import Figure, Validation

    Pairs = Sequence[tuple[Validation, Figure]]

VERDICTS = ("equal", "close", "explained", "differs", "failed")
"""From the best to the worst."""
_MEANINGS = {
    "equal": "to the last digit",
    "close": "within the bound that is stated, or rounded as printed",
    "explained": "other by a known rule or defect of theirs, to the last digit",
    "differs": "other, and nothing explains it",
    "failed": "the check could not be made",
}
_FEW = 3
"""Networks that a note names; of more it gives the number."""
FIGURE_COLUMNS = (
    Column("model", "model", "text", "the network", rank=0),
    Column("check", "check", "text", "the check that compared it", rank=2),
    Column("what", "what", "text", "what is compared", rank=0),
    Column("ours", "ours", "count", "what cnnprof says", rank=0),
    Column("theirs", "theirs", "count", "what the other says", rank=0),
    Column("error", "error", "fraction", "signed error of a count: (ours − theirs) ÷ theirs", rank=0),
    Column("verdict", "verdict", "text", "; ".join(f"{name}: {_MEANINGS[name]}" for name in VERDICTS), rank=0),
    Column("by", "by", "text", "who says it", rank=3),
    Column("layer", "layer", "text", "the first layer where both part", rank=1),
    Column("note", "note", "text", "what it costs, what explains it, or what went wrong"),
)
SUMMARY_COLUMNS = (
    Column("model", "model", "text", "the network", rank=0),
    Column("figures", "figures", "count", "figures that were compared", join="sum", rank=1),
    *(Column(name, name, "count", _MEANINGS[name], join="sum", rank=1) for name in VERDICTS),
)


def validation_table(validations: Iterable[Validation], *, notes: bool = False, stopped: str | None = None) -> Table:
    """Return every figure of some networks, a line each.

    Args:
        validations: the networks.
        notes: for people: say in notes below the table, not in a column, what there is to say about a figure.
        stopped: why some networks or checks are missing.
    """
    found = list(validations)
    figures = [(each, figure) for each in found for figure in each.figures]
    return _figures("validation", _title(found), figures, found, notes=notes, stopped=stopped)


def summary_tables(validations: Iterable[Validation], *, stopped: str | None = None) -> tuple[Table, ...]:
    """Return a line per network with their count, and a table of the figures that are not equal, the worst first."""
    found = list(validations)
    lines = tuple(_summed(each.model, [each]) for each in found)
    summary = Table(
        id="validations", title=_title(found), columns=SUMMARY_COLUMNS, lines=lines,
        totals=(_summed("total", found),), notes=() if stopped is None else (stopped,),
        definitions=definitions(SUMMARY_COLUMNS),
    )  # fmt: skip
    figures = [(each, figure) for each in found for figure in each.figures if figure.verdict != "equal"]
    figures.sort(key=lambda pair: -VERDICTS.index(pair[1].verdict))
    if not figures:
        return (summary,)
    return summary, _figures("unequal", f"{many(len(figures), 'figure')} not equal", figures, found, notes=True)


def _figures(
    name: str, title: str, figures: Pairs, validations: Sequence[Validation], *, notes: bool, stopped: str | None = None
) -> Table:
    alone = len(validations) == 1
    shown = [each for each in FIGURE_COLUMNS if not (notes and (each.id == "note" or (alone and each.id == "model")))]
    said = [*(_notes(figures, named=not alone) if notes else ()), *_unchecked(validations), *_asked(validations)]
    return Table(
        id=name,
        title=title,
        columns=tuple(shown),
        lines=tuple(_line(*pair, [column.id for column in shown], rounded=notes) for pair in figures),
        notes=(*said, *([] if stopped is None else [stopped])),
        definitions=definitions(shown),
        optional=("check", "by", "layer"),
    )


def _line(validation: Validation, figure: Figure, names: Sequence[str], *, rounded: bool) -> Line:
    cells: dict[str, Value] = {name: getattr(figure, name) for name in names if name != "model"}
    if rounded:
        cells = {name: _rounded(name, value) for name, value in cells.items()}
    return Line(tuple(validation.model if name == "model" else cells[name] for name in names))


def _rounded(name: str, value: Value) -> Value:
    if not isinstance(value, float):
        return value
    return signed_percent(value) if name == "error" else f"{value:.3g}"


def _title(validations: Sequence[Validation]) -> str:
    of = validations[0].model if len(validations) == 1 else many(len(validations), "network")
    counts = _counts(validations)
    words = {name: "differ" if name == "differs" and counts[name] != 1 else name for name in VERDICTS}
    parts = [f"{counts[name]:,} {words[name]}" for name in VERDICTS if counts[name]]
    figures = many(counts.total(), "figure").replace(str(counts.total()), f"{counts.total():,}")
    return f"{of}, {figures}: {', '.join(parts) or 'nothing to compare'}"


def _counts(validations: Iterable[Validation]) -> Counter[str]:
    return Counter(figure.verdict for each in validations for figure in each.figures)


def _summed(name: str, validations: Sequence[Validation]) -> Line:
    counts = _counts(validations)
    return Line((name, counts.total(), *(counts[verdict] for verdict in VERDICTS)))


def _notes(figures: Pairs, *, named: bool) -> Iterator[str]:
    """Yield what there is to say about figures; what is said of several networks is said once."""
    models: dict[tuple[str, str], list[str]] = {}
    for validation, figure in figures:
        if figure.note is not None:
            at = f", {figure.layer}" if figure.layer is not None and not _is_rule(figure) else ""
            models.setdefault((f"{figure.what} ({figure.by}){at}", figure.note), []).append(validation.model)
    for (about, note), names in models.items():
        of = ", ".join(names) if len(names) <= _FEW else many(len(names), "network")
        yield f"{of}, {about}: {note}" if named else f"{about}: {note}"


def _is_rule(figure: Figure) -> bool:
    """Return whether the note is about a rule of theirs, which is the same wherever the first layer stands."""
    return figure.verdict == "explained"


def _unchecked(validations: Iterable[Validation]) -> Iterator[str]:
    for what in dict.fromkeys(each.overridden for each in validations if each.overridden):
        yield f"published figures are not checked: {', '.join(what)} changed the network"


def _asked(validations: Iterable[Validation]) -> list[str]:
    versions = {name: version for each in validations for name, version in each.versions.items()}
    return [f"asked: {', '.join(f'{name} {version}' for name, version in versions.items())}"] if versions else []
