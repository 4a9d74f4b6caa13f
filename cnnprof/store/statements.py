"""The statements that read and write the tables, inside a transaction of whoever calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnprof.errors import StoreError, UsageError
from cnnprof.store import rows
from cnnprof.store.rows import PartRow, RecordRow, RunRow

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from cnnprof.model.plain import Plain
    from cnnprof.model.run import Part

_PUT = """
    INSERT INTO parts (run, number, head, crc, network, network_crc) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (run, number) DO UPDATE SET
    head = excluded.head, crc = excluded.crc, network = excluded.network, network_crc = excluded.network_crc
"""
_SAMPLES = """
    SELECT count(*) FROM records JOIN parts ON records.part = parts.key WHERE parts.run = ? AND kind = 'forward'
"""


def has(db: sqlite3.Connection, run_id: str) -> bool:
    """Return whether there is such a run."""
    return db.execute("SELECT 1 FROM runs WHERE id = ?", (run_id,)).fetchone() is not None


def find(db: sqlite3.Connection, run_id: str) -> RunRow:
    """Return the row of a run.

    Raises:
        UsageError: there is no such run.
    """
    found = db.execute(f"SELECT {rows.RUNS} FROM runs WHERE id = ?", (run_id,)).fetchone()  # noqa: S608 constants
    if found is None:
        raise UsageError(f"there is no run {run_id}", hint="'cnnprof runs' lists them", code="unknown-run")
    return rows.row_of(RunRow, found)


def find_idle(db: sqlite3.Connection, run_id: str) -> RunRow:
    """Return the row of a run that nobody measures.

    Raises:
        UsageError: there is no such run.
        StoreError: a process measures it.
    """
    row = find(db, run_id)
    if row.alive:
        raise StoreError(f"{run_id} is being measured by {row.owner}", hint="wait until it ends", code="run-busy")
    return row


def runs(db: sqlite3.Connection) -> list[RunRow]:
    """Return the rows of all runs, oldest first."""
    found = db.execute(f"SELECT {rows.RUNS} FROM runs")  # noqa: S608 constants
    return sorted((rows.row_of(RunRow, row) for row in found), key=lambda row: row.order)


def parts(db: sqlite3.Connection, run: int) -> list[PartRow]:
    """Return the rows of a run's parts."""
    found = db.execute(f"SELECT {rows.PARTS} FROM parts WHERE run = ? ORDER BY number", (run,))  # noqa: S608 constants
    return [rows.row_of(PartRow, row) for row in found]


def part_heads(db: sqlite3.Connection, run: int) -> list[tuple[str, int]]:
    """Return the heads of a run's parts and their checksums, without their long networks."""
    return db.execute("SELECT head, crc FROM parts WHERE run = ? ORDER BY number", (run,)).fetchall()


def samples(db: sqlite3.Connection, run: int) -> int:
    """Return how many forwards a run has, without those of the warm-up."""
    (found,) = db.execute(_SAMPLES, (run,)).fetchone()
    return int(found)


def records(db: sqlite3.Connection, part: int) -> list[RecordRow]:
    """Return the rows of what was measured of a part, in the order of measuring."""
    found = db.execute(f"SELECT {rows.RECORDS} FROM records WHERE part = ? ORDER BY key", (part,))  # noqa: S608 constants
    return [rows.row_of(RecordRow, row) for row in found]


def put_part(db: sqlite3.Connection, run: int, number: int, part: Part) -> None:
    """Add or replace the head of a part; what was measured of it stays."""
    db.execute(_PUT, (run, number, *rows.part_texts(part)))


def append(db: sqlite3.Connection, run: int, number: int, measured: Iterable[Plain]) -> None:
    """Append what was measured of a part.

    Raises:
        ValueError: the run has no such part.
    """
    found = db.execute("SELECT key FROM parts WHERE run = ? AND number = ?", (run, number)).fetchone()
    if found is None:
        raise ValueError(f"there is no part {number}")
    made = [rows.record(found[0], each) for each in measured]
    db.executemany("INSERT INTO records (part, kind, data, crc) VALUES (?, ?, ?, ?)", made)
