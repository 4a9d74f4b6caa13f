"""The runs in a store as a table, and what is wrong with a store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cnnprof.report.base import Column, Table, Value
from cnnprof.report.describe import many
from cnnprof.report.records import record_table

RUN_COLUMNS = (
    Column("id", "run", "text", "what to type, or its beginning", rank=0),
    Column("created", "created", "text", "when measuring began, UTC", rank=3),
    Column(
        "status", "status", "text",
        "running; done; budget: it ended before the interval was narrow enough; interrupted; failed; damaged",
        rank=1,
    ),
    Column("models", "models", "text", "what was measured", rank=2),
    Column("parts", "parts", "count", "combinations of model, device, batch and dtype", rank=5),
    Column("samples", "samples", "count", "forwards measured, those of the warm-up aside", rank=4),
)  # fmt: skip
FINDING_COLUMNS = (
    Column("run", "run", "text", "the run it concerns; empty: the whole store", rank=0),
    Column("message", "finding", "text", rank=0),
)


def runs_table(heads: Iterable[Mapping[str, Value]]) -> Table:
    """Return runs as a table; ``heads`` bear the ids of ``RUN_COLUMNS``."""
    found = list(heads)
    return record_table(many(len(found), "run"), found, RUN_COLUMNS)._replace(id="runs", optional=("created", "parts"))


def findings_table(title: str, findings: Iterable[Mapping[str, Value]]) -> Table:
    """Return what is wrong with a store; ``findings`` bear the ids of ``FINDING_COLUMNS``."""
    return record_table(title, findings, FINDING_COLUMNS)._replace(id="findings")
