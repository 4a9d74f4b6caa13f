"""Which columns fit a width, and how wide each is. Columns are dropped and words shortened; no digit is ever cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cnnprof.report.base import Column, Screen, Table

GAP = 2
"""Blanks between two columns."""
_NARROWEST_BAR, _WIDEST_BAR = 4, 20
_SHORTEST = 11
"""What a shortened word keeps: batchnorm2d is whole."""
_SHORTEST_NAME = 20


class Fit(NamedTuple):
    """The columns kept, by index, their widths, and the width of the bars (0: none)."""

    kept: tuple[int, ...]
    widths: tuple[int, ...]
    bar: int


def fit(table: Table, natural: Sequence[int], screen: Screen) -> Fit:
    """Return the best way to show a table on a screen; ``natural``: the width each column would take.

    Where not even the columns that are never dropped fit, lines are wider than the screen and it wraps them itself.
    """
    everything = tuple(range(len(table.columns)))
    if screen.width is None:
        return Fit(everything, tuple(natural), 0)
    plans = list(_plans(table, natural, bars=screen.terminal))
    best = next((plan for plan in plans if _total(plan) <= screen.width), plans[-1])
    return _stretched(best, natural, screen.width)


def _plans(table: Table, natural: Sequence[int], *, bars: bool) -> Iterator[Fit]:
    """Yield ways to show the table, the richest first."""
    least = [_least(column, size) for column, size in zip(table.columns, natural, strict=True)]
    everything = list(range(len(natural)))
    wanted = list(everything)
    bar = _NARROWEST_BAR if bars and any(column.kind == "share" for column in table.columns) else 0
    yield _plan(everything, natural, bar)
    by_rank = sorted(everything, key=lambda at: (table.columns[at].rank, at), reverse=True)
    for last in (at for at in by_rank if table.columns[at].id in table.optional):
        wanted.remove(last)
        yield _plan(wanted, natural, bar)
    yield _plan(wanted, least, bar)
    yield _plan(wanted, least, 0)
    for last in (at for at in by_rank if at in wanted):
        if table.columns[last].rank > 0 and len(wanted) > 1:
            wanted.remove(last)
            yield _plan(wanted, least, 0)


def _plan(kept: Sequence[int], widths: Sequence[int], bar: int) -> Fit:
    return Fit(tuple(kept), tuple(widths[at] for at in kept), bar)


def _least(column: Column, natural: int) -> int:
    """Return how narrow a column may get: words may be shortened, whatever holds numbers may not."""
    if column.kind != "text":
        return natural
    floor = _SHORTEST_NAME if column.rank == 0 else _SHORTEST
    return min(natural, max(floor, len(column.title)))


def _total(plan: Fit) -> int:
    return sum(plan.widths) + GAP * (len(plan.widths) - 1) + (plan.bar + GAP if plan.bar else 0)


def _stretched(plan: Fit, natural: Sequence[int], width: int) -> Fit:
    """Give the room that is left to shortened words first, then to the bars."""
    room = max(0, width - _total(plan))
    widths = []
    for at, size in zip(plan.kept, plan.widths, strict=True):
        more = min(room, natural[at] - size)
        widths.append(size + more)
        room -= more
    return Fit(plan.kept, tuple(widths), min(_WIDEST_BAR, plan.bar + room) if plan.bar else 0)
