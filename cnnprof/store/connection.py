"""The database: opening, waiting for others, and its errors in our words.

A rollback journal, never WAL, which does not work on network file systems; a commit is on the disk when it returns.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cnnprof.errors import StoreError
from cnnprof.store import schema
from cnnprof.store.rows import Damage

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_S = 60.0
"""How long another process may hold the database before that is an error."""
_PAUSE_S = 0.02
_LONGEST_COMMAND = 80
_APPLICATION = slice(68, 72)
"""Bytes of a file of SQLite's: ``PRAGMA application_id``, https://www.sqlite.org/fileformat2.html#the_database_header"""
_PRIMARY = 0xFF
"""The bits of an error code of SQLite that say which kind of error it is."""
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT)
"""No statement here breaks a constraint by itself: a row is not what was written, and an upgrade meets it."""
_SETTINGS = (
    "PRAGMA journal_mode = DELETE",
    # As FULL, and the folder is written to the disk too once the journal is gone: else a power cut could bring it back.
    "PRAGMA synchronous = EXTRA",
    "PRAGMA foreign_keys = ON",
)
_READING = ("PRAGMA query_only = ON",)
_SALVAGING = (
    *_READING,
    "PRAGMA writable_schema = ON",  # without it, a file shorter than it was is not read at all
)


class Connection:
    """An open database. Between transactions it holds no lock."""

    def __init__(self, path: Path, *, write: bool, salvage: bool = False) -> None:
        """Open ``path``, and make it, or make one of an older version one of this version.

        A file that is not there is empty to whoever only reads. ``salvage``: read what is left of a damaged one.

        Raises:
            StoreError: it cannot be opened, is damaged, is no store, or is of a newer version and should be written.
        """
        self.path = path
        self.write = write
        self._db = self._opened()
        try:
            self._set(_SALVAGING if salvage else _SETTINGS)
            if not salvage:
                self._check_version()
        except BaseException:
            self.close()
            raise

    def _opened(self) -> sqlite3.Connection:
        try:
            found = sqlite3.connect(self._name(), timeout=0, isolation_level=None, uri=True)
        except sqlite3.Error as error:
            raise self._translated(error) from error
        found.text_factory = _text
        return found

    def _name(self) -> str:
        if not self.write and not self.path.exists():
            return ":memory:"
        # Readers may have to undo what a process that died left half-written, so that they open for writing too.
        return f"{self.path.absolute().as_uri()}?mode={'rwc' if self.write else 'rw'}"

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def _set(self, settings: tuple[str, ...]) -> None:
        with self._errors():
            for setting in settings:
                self._waiting(setting)

    def _check_version(self) -> None:
        if self._version() > schema.VERSION and self.write:
            raise self._newer()
        if self._version() < schema.VERSION:
            self._upgrade()
        if not self.write:
            self._set(_READING)

    def _version(self) -> int:
        """Return the version of the database, 0 of an empty one."""
        with self.transaction(write=False) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            (application,) = db.execute("PRAGMA application_id").fetchone()
            (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if (version or tables) and application != schema.APPLICATION_ID:
            raise StoreError(f"{self.path} is a database, but not one of cnnprof", hint="choose another with --store")
        return int(version)

    def _newer(self) -> StoreError:
        return StoreError(
            f"the store {self.path} is of version {self._version()}, and this cnnprof writes version {schema.VERSION}",
            hint="upgrade cnnprof, or choose another store with --store",
            code="store-newer",
        )

    def _upgrade(self) -> None:
        with self.transaction(write=True) as db:
            (found,) = db.execute("PRAGMA user_version").fetchone()  # another process may have been faster
            for statements in schema.UPGRADES[found:]:
                for statement in statements:
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {max(found, schema.VERSION)}")

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[sqlite3.Connection]:
        """Run statements that happen together or not at all; on the disk once this returns.

        Raises:
            StoreError: the database is locked, full, failing, read-only or damaged; nothing of it happened.
        """
        with self._errors():
            # Exclusive at once: a commit can then not find somebody else reading.
            self._waiting("BEGIN EXCLUSIVE" if write else "BEGIN")
            try:
                self._waiting("SELECT count(*) FROM sqlite_schema")
                yield self._db
                # A reader has nothing to commit, and could not where it met a damaged page.
                self._db.execute("COMMIT" if write else "ROLLBACK")
            except BaseException:
                with suppress(sqlite3.Error):  # what cannot be undone now is undone by whoever opens it next
                    self._db.execute("ROLLBACK")
                raise

    def compact(self) -> None:
        """Give the room of what was deleted back to the disk.

        Raises:
            StoreError: there is no room for a copy meanwhile, or the database is locked or failing; nothing is lost.
        """
        with self._errors():
            self._waiting("VACUUM")

    def _waiting(self, statement: str) -> None:
        """Run a statement as soon as nobody else holds the database; unlike SQLite's own waiting, Ctrl-C ends it."""
        end = time.monotonic() + WAIT_S
        while True:
            try:
                self._db.execute(statement)
            except sqlite3.OperationalError as error:
                if _kind(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= end:
                    raise
            else:
                return
            time.sleep(_PAUSE_S)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._translated(error) from error
        except UnicodeDecodeError as error:  # sqlite3 failed to read what SQLite said of a schema that is damaged
            raise damaged(self.path, "a text in it is not UTF-8") from error
        except Damage as damage:
            raise damaged(self.path, str(damage)) from damage

    def _translated(self, error: sqlite3.Error) -> StoreError:
        kind = _kind(error)
        if kind == sqlite3.SQLITE_BUSY:
            return self._locked()
        if kind == sqlite3.SQLITE_NOTADB and not _was_store(self.path):
            return StoreError(
                f"{self.path} is no store of cnnprof, or its beginning is lost", hint="choose another with --store PATH"
            )
        if kind in _DAMAGED:
            return damaged(self.path, " ".join(str(error).split()))
        reason = self._obstacle() if kind == sqlite3.SQLITE_CANTOPEN else str(error)
        return StoreError(f"cannot use the store {self.path}: {reason}", hint="choose another with --store PATH")

    def _locked(self) -> StoreError:
        return StoreError(
            f"the store {self.path} has been locked for {WAIT_S:g} s: {holder(self.path)}",
            hint="wait for it, or choose another store with --store PATH",
            code="store-locked",
        )

    def _obstacle(self) -> str:
        folder = self.path.absolute().parent
        if self.path.is_dir():
            return "it is a directory"
        if not folder.is_dir():
            return f"there is no directory {folder}"
        if not os.access(folder, os.W_OK | os.X_OK):
            return f"the directory {folder} is not writable"
        return "the file cannot be opened"


def damaged(path: Path, reason: str) -> StoreError:
    """Return the error for a database that is not what was written into it."""
    return StoreError(
        f"the store {path} is damaged: {reason}",
        hint="'cnnprof runs verify' says what is, and 'cnnprof runs export' saves what can be read of a run",
        code="store-damaged",
    )


def _text(data: bytes) -> str:
    """Return a text of the database; one that is no longer UTF-8 has another checksum than what was written."""
    return data.decode("utf-8", "backslashreplace")


def _was_store(path: Path) -> bool:
    """Return whether a file that SQLite takes for none of its own is a store whose beginning is damaged."""
    try:
        with path.open("rb") as file:
            head = file.read(_APPLICATION.stop)
    except OSError:
        return False
    return head[_APPLICATION] == schema.APPLICATION_ID.to_bytes(4, "big")


def _kind(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY


def holder(path: Path) -> str:
    """Return who holds a lock on a file, as far as the system says."""
    try:
        inode = path.stat().st_ino
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError:
        locks, inode = [], 0
    # 1: POSIX ADVISORY WRITE PID MAJOR:MINOR:INODE START END; who waits for one has an arrow before POSIX.
    found = {fields[4] for fields in locks if fields[1] != "->" and fields[5].endswith(f":{inode}")} - {"-1", "0"}
    named = [f"process {pid} ({_command(pid)})" for pid in sorted(found) if pid != str(os.getpid())]
    return f"{' and '.join(named)} holds it" if named else "another process holds it, perhaps on another machine"


def _command(pid: str) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "backslashreplace").split("\0")
    except OSError:
        return "gone by now"
    text = " ".join(words).strip()
    return text if len(text) <= _LONGEST_COMMAND else f"{text[: _LONGEST_COMMAND - 1]}…"
