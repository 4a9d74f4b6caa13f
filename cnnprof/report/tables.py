"""Results to tables of plain data. This is the door; each kind of table has its own file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnprof.errors import UsageError
from cnnprof.report.base import Report, Screen
from cnnprof.report.columns import LAYER_COLUMNS
from cnnprof.report.layer_table import layer_table
from cnnprof.report.memory import memory_tables
from cnnprof.report.records import ZOO_COLUMNS, record_table, zoo_table
from cnnprof.report.totals import summary_table, totals_table
from cnnprof.report.transfers import transfers_table
from cnnprof.units import Layout

if TYPE_CHECKING:
    from cnnprof.model.analysis import Analysis

__all__ = [
    "LAYER_COLUMNS", "ZOO_COLUMNS", "layer_table", "memory_tables", "record_table", "report", "summary_table",
    "totals_table", "transfers_table", "zoo_table",
]  # fmt: skip


def report(
    analyses: Sequence[Analysis],
    *,
    columns: Sequence[str] | None = None,
    depth: int | None = None,
    sort: str | None = None,
    top: int | None = None,
    layout: Layout = "chw",
    screen: Screen | None = None,
) -> Report:
    """Return what the command line prints: one result as its layers, totals and traffic, several as one line each.

    Raises:
        UsageError: as for ``layer_table`` and ``summary_table``, or ``depth`` with several results.
    """
    screen = screen or Screen()
    if len(analyses) != 1:
        if depth is not None:
            raise UsageError("--depth shows the blocks of one result; here are several", code="bad-depth")
        summary = summary_table(analyses, columns=columns, sort=sort, top=top, layout=layout)
        return Report(summary, tuple(analyses), (), screen)
    (only,) = analyses
    main = layer_table(only, columns=columns, depth=depth, sort=sort, top=top, layout=layout)
    extra = (totals_table(only), *memory_tables(only, layout), *([transfers_table(only)] if only.transfers else []))
    return Report(main, (only,), extra, screen)
