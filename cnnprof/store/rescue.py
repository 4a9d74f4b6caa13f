"""Stores that are damaged: what is wrong with one, and what of a run can still be read."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from cnnprof.errors import StoreError
from cnnprof.model.run import Run
from cnnprof.store import files, rows, schema
from cnnprof.store.connection import Connection, damaged
from cnnprof.store.rows import Damage, PartRow, RecordRow, RunRow

T = TypeVar("T")
R = TypeVar("R", bound=tuple[object, ...])
_Row = tuple[Any, ...]
_UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""The second where sqlite3 cannot read what SQLite says of a schema that is damaged."""
_ROWS_PER_PAGE = 64
"""The shortest row takes more than 60 bytes of a page of 4,096."""
_SHOWN = 20
"""Problems of one kind that are told."""


class Finding(NamedTuple):
    """One thing that is wrong. ``run`` None: with the whole store."""

    run: str | None
    message: str


class Verification(NamedTuple):
    """What ``verify`` found."""

    runs: tuple[str, ...]
    """Ids of the runs that are there, oldest first."""
    samples: int
    """Forwards that can be read, without those of the warm-up."""
    findings: tuple[Finding, ...]


class _Contents(NamedTuple):
    """Every row that can be read."""

    runs: list[RunRow]
    parts: dict[int, list[PartRow]]
    """By run."""
    records: dict[int, list[RecordRow]]
    """By part."""

    def assembled(self, row: RunRow, report: Callable[[str], None]) -> Run:
        """Return a run, and report what is missing of it.

        Raises:
            Damage: its head is damaged.
        """
        parts = self.parts.get(row.number, [])
        return rows.assembled(row, parts, [each for part in parts for each in self.records.get(part.key, [])], report)


def verify(path: Path) -> Verification:
    """Return what is wrong with a store: its pages, its rows, the figures in them.

    Raises:
        StoreError: it cannot be opened at all, is another program's, or is locked.
    """
    if not path.exists():
        return Verification((), 0, ())
    _check_store(path)
    findings: list[Finding] = []
    contents = _contents(path, findings, pages=True)
    samples = 0
    for row in contents.runs:
        told: list[str] = []
        try:
            run = contents.assembled(row, told.append)
            told += files.problems(run)
            samples += sum(not forward.warm_up for part in run.parts for forward in part.forwards)
        except Damage as damage:
            told.append(str(damage))
        findings += [Finding(row.id, problem) for problem in told[:_SHOWN]]
    return Verification(tuple(row.id for row in contents.runs), samples, tuple(findings))


def _check_store(path: Path) -> None:
    """Raise StoreError for another program's database, or one that cannot be opened; damage is what is looked for."""
    try:
        Connection(path, write=False).close()
    except StoreError as error:
        if error.code != "store-damaged":
            raise


def salvage(path: Path, choose: Callable[[list[str]], str]) -> tuple[Run, list[str]]:
    """Return what can be read of one run, and what cannot.

    Args:
        path: of a store that is damaged.
        choose: returns one of the ids that can be read, which are oldest first.

    Raises:
        StoreError: not even the head of the run can be read.
    """
    findings: list[Finding] = []
    contents = _contents(path, findings)
    if findings and not contents.runs:
        raise damaged(path, findings[0].message.removeprefix(f"the store {path} is damaged: "))
    chosen = choose([row.id for row in contents.runs])
    (row,) = [row for row in contents.runs if row.id == chosen]
    told = [finding.message for finding in findings]
    try:
        return contents.assembled(row, told.append), told
    except Damage as damage:
        raise damaged(path, f"{chosen}: {damage}") from damage


def _contents(path: Path, findings: list[Finding], *, pages: bool = False) -> _Contents:
    def report(message: str) -> None:
        findings.append(Finding(None, message))

    connection = Connection(path, write=False, salvage=True)
    try:
        with connection.transaction(write=False) as db:
            if pages:
                _check_pages(db, report)
            runs = _typed(RunRow, _readable(db, "runs", rows.RUNS, report), report)
            parts = _typed(PartRow, _readable(db, "parts", rows.PARTS, report), report)
            records = _typed(RecordRow, _readable(db, "records", rows.RECORDS, report), report)
    except StoreError as error:
        if error.code != "store-damaged":
            raise
        report(error.message)
        return _Contents([], {}, {})
    finally:
        connection.close()
    _check_ties(runs, parts, records, report)
    runs.sort(key=lambda row: row.order)
    return _Contents(runs, _grouped(parts, lambda part: part.run), _grouped(records, lambda record: record.part))


def _typed(kind: Callable[..., R], found: Iterable[_Row], report: Callable[[str], None]) -> list[R]:
    """Return the rows that say where they belong, and report the others."""
    made = []
    for values in found:
        try:
            made.append(rows.row_of(kind, values))
        except Damage as damage:
            report(str(damage))
    return made


def _grouped(found: Iterable[T], key: Callable[[T], int]) -> dict[int, list[T]]:
    groups: dict[int, list[T]] = {}
    for each in found:
        groups.setdefault(key(each), []).append(each)
    return groups


def _check_pages(db: sqlite3.Connection, report: Callable[[str], None]) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version != schema.VERSION:
        report(f"it is of version {version}, and this cnnprof knows version {schema.VERSION}")
    try:
        for (problems,) in db.execute(f"PRAGMA integrity_check({_SHOWN})").fetchall():
            for problem in problems.splitlines():
                if problem != "ok" and not problem.startswith("***"):
                    report(problem)
    except _UNREADABLE as error:
        report(str(error))


def _check_ties(
    runs: list[RunRow], parts: list[PartRow], records: list[RecordRow], report: Callable[[str], None]
) -> None:
    """Report rows that belong to nothing."""
    lost = {part.run for part in parts} - {run.number for run in runs}
    if lost:
        report(f"{len(lost)} runs cannot be read, and their parts belong to nothing")
    keys = {part.key for part in parts}
    orphans = sum(record.part not in keys for record in records)
    if orphans:
        report(f"{orphans} samples belong to no part that can be read")


def _readable(db: sqlite3.Connection, table: str, columns: str, report: Callable[[str], None]) -> list[_Row]:
    """Return every row that can be read, in the order of keys, which are the first column."""
    found: dict[int, _Row] = {}
    if _scan(db, table, columns, "ASC", found):
        return list(found.values())
    after = max(found, default=0)
    behind: dict[int, _Row] = {}
    _scan(db, table, columns, "DESC", behind)
    _one_by_one(db, table, columns, range(after + 1, min(behind, default=sys.maxsize)), found)
    found |= behind
    report(f"some rows of {table} cannot be read; {len(found)} can")
    return [row for _, row in sorted(found.items())]


def _scan(db: sqlite3.Connection, table: str, columns: str, order: str, found: dict[int, _Row]) -> bool:
    """Add rows until one cannot be read; return whether there was none such."""
    query = f"SELECT {columns} FROM {table} NOT INDEXED ORDER BY {_key(columns)} {order}"  # noqa: S608 constants
    try:
        for row in db.execute(query):  # what was read before the error counts
            found[row[0]] = row
    except _UNREADABLE:
        return False
    return True


def _one_by_one(db: sqlite3.Connection, table: str, columns: str, keys: range, found: dict[int, _Row]) -> None:
    """Add rows that can be read though a neighbour cannot: a damaged page costs the rows on it only."""
    query = f"SELECT {columns} FROM {table} WHERE {_key(columns)} = ?"  # noqa: S608 constants
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    misses = 0
    for key in keys:
        try:
            row = db.execute(query, (key,)).fetchone()
        except _UNREADABLE:
            row = None
        if row is not None:
            found[key] = row
        misses = misses + 1 if row is None else 0
        if misses > pages * _ROWS_PER_PAGE:
            return


def _key(columns: str) -> str:
    return columns.split(",", 1)[0]
