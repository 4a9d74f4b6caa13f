"""Results as JSON: exact integers, exact names, every field of a result and what follows from it.

Unknown counts are ``null``. Text beyond ASCII is escaped: the same names to every reader, and nothing in them can act
on a terminal. A list of anything but results becomes its tables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnnprof._version import __version__
from cnnprof.model.analysis import DERIVED
from cnnprof.model.plain import replace, to_builtins
from cnnprof.report.base import AtLeast, Below, Names, Report, Table, Value
from cnnprof.report.columns import LAYER_COLUMNS, View

if TYPE_CHECKING:
    from cnnprof.model.analysis import Analysis, Row
    from cnnprof.model.offload import Offload
    from cnnprof.model.profile import Profile
    from cnnprof.model.run import Part

SCHEMA = "cnnprof/report/1"
_ADDED = ("source", "macs_share", "params_share", "useful_share", "rf")
"""Columns that are no attribute of a row."""
_RAW = ("forwards", "temperatures")
_OPEN = 4
"""Levels written over several lines; below them, a layer is one line."""


def render(report: Report) -> str:
    """Return the whole results, whatever columns were chosen; without results, the tables."""
    head = {"schema": SCHEMA, "cnnprof_version": __version__}
    body: dict[str, Any]
    if report.parts:
        body = _measured(report)
    elif report.analyses:
        body = {
            "definitions": {name: each.column.definition for name, each in LAYER_COLUMNS.items()},
            "analyses": [_analysis(each) for each in report.analyses],
        }
    else:
        body = {"tables": [_table(table) for table in (report.main, *report.extra)]}
    return _indented(head | body, _OPEN) + "\n"


def _indented(value: Any, levels: int, indent: str = "\n") -> str:
    if not levels or not value or not isinstance(value, dict | list):
        return json.dumps(value)
    inner = indent + " "
    if isinstance(value, list):
        return f"[{','.join(inner + _indented(each, levels - 1, inner) for each in value)}{indent}]"
    pairs = (f"{inner}{json.dumps(name)}: {_indented(each, levels - 1, inner)}" for name, each in value.items())
    return f"{{{','.join(pairs)}{indent}}}"


def _analysis(analysis: Analysis) -> dict[str, Any]:
    view = View(analysis)
    found: dict[str, Any] = to_builtins(analysis)
    found["totals"] |= _derived(analysis)
    found["rows"] = [row.to_dict() | _added(row, view) for row in analysis.rows]
    formulas = found.pop("formulas")
    for row, texts in zip(found["rows"], formulas, strict=False):  # there are none where nobody asked
        row["formulas"] = texts
    return found


def _measured(report: Report) -> dict[str, Any]:
    """Return every figure of what was measured; raw samples stand in a run's own file."""
    from cnnprof.report.measured import catalogue
    from cnnprof.report.profile_summary import COLUMNS

    columns = catalogue(report.parts[0][1]).columns
    return {
        "definitions": {name: each.column.definition for name, each in columns.items()}
        | {name: column.definition for name, column in COLUMNS.items() if name not in columns},
        "parts": [_part(part, profile) for part, profile in report.parts],
        "offloads": [_offload(each) for each in report.offloads],
    }


def _offload(found: Offload) -> dict[str, Any]:
    """Return what follows of a host and a device, with what follows of that."""
    made: dict[str, Any] = to_builtins(found)
    for plain, batch in zip(made["batches"], found.batches, strict=True):
        for fit, each in zip(plain["fits"], batch.fits, strict=True):
            fit["half_bytes"] = each.half_bytes
        if batch.load is not None:
            plain["load"] |= {"known_s": batch.load.known_s}
        if batch.placement is not None:
            gains = ("gain_over_host", "gain_over_device")
            plain["placement"] |= {name: getattr(batch.placement, name) for name in gains}
            if batch.placement.run is not None:
                plain["placement"]["run"]["confirmed"] = batch.placement.run.confirmed
    for plain, met in zip(made["break_even"], found.break_even, strict=True):
        plain["confirmed"] = met.confirmed
    return made


def _part(part: Part, profile: Profile) -> dict[str, Any]:
    found: dict[str, Any] = to_builtins(replace(part, analysis=None, graph=None, **dict.fromkeys(_RAW, ())))
    for name in (*_RAW, "graph"):
        del found[name]
    found["analysis"] = None if part.analysis is None else _analysis(part.analysis)
    figures = to_builtins(profile)
    if profile.ledger is not None:
        figures["ledger"] |= {"marks_s": profile.ledger.marks_s, "unexplained_share": profile.ledger.unexplained_share}
    return found | {"profile": figures}


def _derived(analysis: Analysis) -> dict[str, Any]:
    names = (*DERIVED, "torchsummary_total_bytes", "lower_bound")
    return {name: getattr(analysis.totals, name) for name in names}


def _added(row: Row, view: View) -> dict[str, Any]:
    return {name: _value(LAYER_COLUMNS[name].cell(row, view)) for name in _ADDED}


def _table(table: Table) -> dict[str, Any]:
    ids = [column.id for column in table.columns]
    lines = [dict(zip(ids, map(_value, line.cells), strict=True)) for line in table.lines]
    return {
        "id": table.id,
        "title": table.title,
        "definitions": dict(table.definitions),
        "rows": lines,
        "totals": [dict(zip(ids, map(_value, line.cells), strict=True)) for line in table.totals],
        "notes": list(table.notes),
    }


def _value(value: Value) -> Any:
    if isinstance(value, AtLeast):
        return {"at_least": value.value} if value.value else None
    if isinstance(value, Below):
        return {"less_than": value.limit}
    if isinstance(value, Names):
        return list(value.all)
    return dict(value) if isinstance(value, Mapping) else value
