"""The store of runs: a database in which every finished sample is on the disk before the next one is measured."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from cnnprof.errors import StoreError
from cnnprof.model.plain import Plain, replace
from cnnprof.model.records import encode
from cnnprof.model.run import Part, Run, Status
from cnnprof.store import rows, statements
from cnnprof.store.connection import Connection, damaged
from cnnprof.store.owner import Owner, this_process
from cnnprof.store.paths import locate, make_folder

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from cnnprof.model.run import Forward


class Head(NamedTuple):
    """What a list says of a run."""

    id: str
    created: str
    """UTC, ISO 8601; empty where the run is damaged."""
    status: Status | Literal["damaged"]
    models: tuple[str, ...]
    """Each once, in the order of the parts."""
    parts: int
    samples: int
    """Forwards, without those of the warm-up."""


class Store:
    """The runs in one database file; a context manager. Reading never makes a file."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = None, *, write: bool = False) -> Store:
        """Open the store at ``path``, by default this user's (``paths.locate``).

        Raises:
            StoreError: it cannot be opened, is damaged, is no store, or is of a newer version and shall be written.
        """
        place = locate(path)
        if write:
            make_folder(place)
        return cls(Connection(place, write=write))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.connection.close()

    # Writing

    def begin(self, run: Run) -> RunWriter:
        """Add a run that this process measures now, and return what its samples are written with.

        Raises:
            StoreError: nothing could be written, or a run has that id.
        """
        owner = this_process()
        return RunWriter(self.connection, run.id, self._insert(run, owner), owner)

    def add(self, run: Run) -> bool:
        """Add a run that was measured elsewhere. Return False where the very same is there already.

        Raises:
            StoreError: nothing could be written, or another run has that id.
        """
        if self._has(run.id) and rows.ended(run) == self.load(run.id):
            return False
        self._insert(run, None)
        return True

    def _has(self, run_id: str) -> bool:
        with self.connection.transaction(write=False) as db:
            return statements.has(db, run_id)

    def _insert(self, run: Run, owner: Owner | None) -> int:
        values = (run.id, *rows.sealed(replace(run, parts=())), _text(owner), _now())
        with self.connection.transaction(write=True) as db:
            if statements.has(db, run.id):
                raise StoreError(
                    f"the store {self.connection.path} has another run {run.id}",
                    hint="import it into another store: --store PATH", code="run-exists",
                )  # fmt: skip
            made = db.execute("INSERT INTO runs (id, head, crc, writer, touched) VALUES (?, ?, ?, ?, ?)", values)
            number = int(made.lastrowid or 0)
            for index, part in enumerate(run.parts):
                statements.put_part(db, number, index, part)
                statements.append(db, number, index, rows.records_of(part))
        return number

    def resume(self, run_id: str) -> RunWriter:
        """Make this process the one that measures a run, and return what its samples are written with.

        Raises:
            UsageError: there is no such run.
            StoreError: another process measures it still, or nothing could be written.
        """
        owner = this_process()
        with self.connection.transaction(write=True) as db, self._damage(run_id):
            row = statements.find_idle(db, run_id)
            head = rows.sealed(replace(rows.run_head(row), status="running"))
            values = (*head, _text(owner), _now(), row.number)
            db.execute("UPDATE runs SET head = ?, crc = ?, writer = ?, touched = ? WHERE number = ?", values)
        return RunWriter(self.connection, run_id, row.number, owner)

    def delete(self, ids: Iterable[str]) -> None:
        """Delete runs, all of them or none, and give their room back to the disk.

        Raises:
            UsageError: there is no such run.
            StoreError: a process measures one of them still, or nothing could be written.
        """
        with self.connection.transaction(write=True) as db:
            for run_id in ids:
                row = statements.find_idle(db, run_id)
                db.execute("DELETE FROM runs WHERE number = ?", (row.number,))
        self.connection.compact()

    # Reading

    def ids(self) -> list[str]:
        """Return the ids of all runs, oldest first.

        Raises:
            StoreError: the store cannot be read.
        """
        with self.connection.transaction(write=False) as db:
            return [row.id for row in statements.runs(db)]

    def list(self) -> list[Head]:
        """Return what there is, newest first. A run that is damaged says so, and costs no other.

        Raises:
            StoreError: the store cannot be read.
        """
        with self.connection.transaction(write=False) as db:
            return [_listed(db, row) for row in reversed(statements.runs(db))]

    def load(self, run_id: str) -> Run:
        """Return a run with all its samples. One that nobody measures any more is ``interrupted``.

        Raises:
            UsageError: there is no such run.
            StoreError: a part of it is damaged, or the store cannot be read.
        """
        with self.connection.transaction(write=False) as db:
            row = statements.find(db, run_id)
            parts = statements.parts(db, row.number)
            records = [record for part in parts for record in statements.records(db, part.key)]
        problems: list[str] = []
        with self._damage(run_id):
            run = rows.assembled(row, parts, records, problems.append)
            if problems:
                raise rows.Damage(problems[0])
        return run

    @contextmanager
    def _damage(self, run_id: str) -> Iterator[None]:
        try:
            yield
        except rows.Damage as damage:
            raise damaged(self.connection.path, f"{run_id}: {damage}") from damage


class RunWriter:
    """Writes what one process measures of one run. What a method has returned from is on the disk.

    Every method raises StoreError where nothing could be written, or where the run is no longer this process's: it was
    deleted, finished, or resumed by another one that took this one for gone.
    """

    def __init__(self, connection: Connection, run_id: str, number: int, owner: Owner) -> None:
        self.run_id = run_id
        self._connection = connection
        self._number = number
        self._owner = owner

    def part(self, number: int, part: Part) -> None:
        """Set everything of a part but its samples, which have methods of their own; a new number adds a part."""
        with self._transaction() as db:
            statements.put_part(db, self._number, number, part)

    def forwards(self, number: int, forwards: Sequence[Forward]) -> None:
        """Append forwards to a part, all or none."""
        self._append(number, forwards)

    def record(self, number: int, record: Plain) -> None:
        """Append anything else that was measured of a part; where a part has one of its kind only, the last counts."""
        self._append(number, [record])

    def _append(self, number: int, measured: Sequence[Plain]) -> None:
        with self._transaction() as db:
            statements.append(db, self._number, number, measured)

    def finish(self, status: Status) -> None:
        """Set the status of the run. Nothing more can be written to it then, but it can be resumed."""
        with self._transaction() as db:
            run = replace(rows.run_head(statements.find(db, self.run_id)), status=status)
            values = (*rows.sealed(run), self._number)
            db.execute("UPDATE runs SET head = ?, crc = ?, writer = NULL WHERE number = ?", values)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connection.transaction(write=True) as db:
            values = (_now(), self._number, self.run_id, _text(self._owner))
            changed = db.execute("UPDATE runs SET touched = ? WHERE number = ? AND id = ? AND writer = ?", values)
            if changed.rowcount != 1:
                raise StoreError(f"the run {self.run_id} is not written by this process any more", code="run-taken")
            yield db


def _text(owner: Owner | None) -> str | None:
    return None if owner is None else encode(owner)


def _now() -> int:
    return int(time.time())


def _listed(db: sqlite3.Connection, row: rows.RunRow) -> Head:
    samples = statements.samples(db, row.number)
    try:
        run = rows.run_head(row)
        models = [rows.unsealed(*head, Part).model for head in statements.part_heads(db, row.number)]
    except rows.Damage:
        return Head(row.id, "", "damaged", (), 0, samples)
    shown = run if row.alive else rows.ended(run)
    return Head(row.id, run.created, shown.status, tuple(dict.fromkeys(models)), len(models), samples)
