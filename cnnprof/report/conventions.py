"""What other tools say, as a table: a line for each figure, then one for each kind of layer that makes it differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnprof.report.base import UNKNOWN, AtLeast, Column, Line, Table, Value
from cnnprof.report.describe import definitions
from cnnprof.units import count, dimensions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cnnprof.model.conventions import Conventions, Part, Total

ALL = "all layers"
NAMES = {"macs": "MACs", "flops": "FLOPs", "params": "parameters"}
FOR_PROGRAMS = ("version", "asked", "quantity", "call", "ours", "why")
"""Columns that people find in the notes, or need not see."""
COLUMNS = (
    Column("tool", "tool", "text", "who counts", rank=0),
    Column("version", "version", "text", "the version whose rules these are"),
    Column("asked", "asked", "text", "the call that gives the figure"),
    Column("quantity", "quantity", "text", "the number of cnnprof that the figure is compared with"),
    Column("unit", "prints", "text", "what the tool calls it", rank=2),
    Column("kind", "of", "text", "all layers, or the kind of layer that makes the figure differ", rank=1),
    Column("call", "call", "text", "how the network calls them: tools that hook modules see nothing of a function"),
    Column("layers", "layers", "count", "layers of that kind", rank=8),
    Column("counted", "counts", "count", "what the tool counts of them", rank=0),
    Column("ours", "cnnprof", "count", "what cnnprof counts of them"),
    Column("beyond", "beyond cnnprof", "count", "the difference; of all layers, the sum of the lines below", rank=3),
    Column("rule", "by the rule", "text", "the tool's rule", rank=5),
    Column("why", "why", "text", "what more there is to say"),
)  # fmt: skip


def conventions_table(found: Conventions, *, notes: bool = False) -> Table:
    """Return every figure, itemised.

    Args:
        found: what the tools say.
        notes: for people: why, and with which call, in notes below the table and not in columns.
    """
    shown = [each for each in COLUMNS if not notes or each.id not in FOR_PROGRAMS]
    totals = [total for total in found.totals if not (notes and _agrees(total))]
    records = [record for total in totals for record in _records(total, bounded=found.bounded, brief=notes)]
    return Table(
        id="conventions",
        title=_title(found),
        columns=tuple(shown),
        lines=tuple(Line(tuple(record[each.id] for each in shown)) for record in records),
        notes=tuple(dict.fromkeys(_notes(found))) if notes else (),
        definitions=definitions(shown),
    )


def _title(found: Conventions) -> str:
    sizes = " + ".join(dimensions(each.shape) for each in found.inputs)
    mode = ", in training mode" if found.training else ""
    return f"{found.model}, input {sizes}{mode}: what other tools say"


def _records(total: Total, *, bounded: bool, brief: bool) -> Iterator[dict[str, Value]]:
    head: dict[str, Value] = {
        "tool": total.tool, "version": total.version, "asked": total.asked, "quantity": total.quantity,
        "unit": total.unit,
    }  # fmt: skip
    bound = AtLeast if total.lower_bound else int
    difference = None if total.lower_bound or bounded else total.beyond
    yield head | {
        "kind": ALL, "call": None, "layers": sum(part.layers for part in total.parts), "counted": bound(total.counted),
        "ours": AtLeast(total.ours) if bounded else total.ours, "beyond": difference, "rule": None, "why": total.note,
    }  # fmt: skip
    repeated = dict.fromkeys(head) if brief else head
    for part in total.parts:
        if part.beyond != 0:
            yield repeated | _part(part)


def _part(part: Part) -> dict[str, Value]:
    return {
        "kind": _called(part), "call": part.call, "layers": part.layers,
        "counted": UNKNOWN if part.counted is None else part.counted,
        "ours": UNKNOWN if part.ours is None else part.ours, "beyond": part.beyond,
        "rule": part.rule or "unknown", "why": part.why,
    }  # fmt: skip


def _called(part: Part) -> str:
    return part.kind if part.call == "module" else f"{part.kind} (function)"


def _agrees(total: Total) -> bool:
    """Return whether a figure is just cnnprof's number of parameters: for people, one note says so of all tools."""
    return total.quantity == "params" and total.beyond == 0 and not total.unknown


def _notes(found: Conventions) -> Iterator[str]:
    bound = "≥ " if found.bounded else ""
    own = {each.quantity: each.ours for each in found.totals}
    yield f"cnnprof: {', '.join(f'{bound}{count(number)} {NAMES[quantity]}' for quantity, number in own.items())}"
    agreeing = [total.tool for total in found.totals if _agrees(total)]
    if agreeing:
        yield f"as many parameters print {', '.join(agreeing)}"
    for total in found.totals:
        if total.note and not _agrees(total):
            yield f"{total.tool}, {total.unit}: {total.note}"
        yield from _reasons(total)


def _reasons(total: Total) -> Iterator[str]:
    """Yield each reason once, with all kinds of layers that it is one for."""
    reasons: dict[str, list[str]] = {}
    for part in total.parts:
        if part.why and part.beyond:
            reasons.setdefault(part.why, []).append(_called(part))
    for why, called in reasons.items():
        yield f"{total.tool}, {total.unit} of {', '.join(called)}: {why}"
    if total.unknown:
        kinds = ", ".join(total.unknown)
        yield f"{total.tool}, {total.unit}: a lower bound; its rule is not known for {kinds}"
