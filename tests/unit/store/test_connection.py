"""The database: its version, its locks, what stands in the way. Files of every version stay, for later ones."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from cnnprof.errors import StoreError
from cnnprof.model.run import Run
from cnnprof.store import connection, schema
from cnnprof.store.rescue import verify
from cnnprof.store.runs import Store
from tests.helpers import runs

ASSETS = Path(__file__).parent / "assets"
"""A store of each version as SQL: a run that is done, and one whose process is gone; of version 2 the first has a part
of an accelerator."""


def restored(path: Path, version: int = schema.VERSION) -> Path:
    """Make the store of a version."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript((ASSETS / f"version_{version}.sql").read_text())
    return path


def done(version: int) -> Run:
    """The run that is done."""
    return runs.run() if version == 1 else runs.run(runs.ID, runs.part(), runs.accelerated())


def pragma(path: Path, name: str):
    with closing(sqlite3.connect(path)) as db:
        return db.execute(f"PRAGMA {name}").fetchone()[0]


# Versions


VERSIONS = range(1, schema.VERSION + 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_store_of_every_version_is_read(tmp_path, version):
    path = restored(tmp_path / "runs", version)

    with Store.open(path) as store:
        assert ["done", "interrupted"] == [store.load(run_id).status for run_id in store.ids()]
        assert done(version) == store.load(runs.ID)
    assert () == verify(path).findings


def test_a_store_of_version_1_takes_what_version_2_has_more(tmp_path):
    path = restored(tmp_path / "runs", 1)
    run = runs.run("20261123-080000-vgg16-0001", runs.accelerated())

    with Store.open(path, write=True) as store:
        store.add(run)
        assert run == store.load(run.id)
        assert runs.run() == store.load(runs.ID)


def test_a_new_store_is_like_that_of_its_version(tmp_path):
    with Store.open(tmp_path / "new", write=True):
        pass

    def tables(path):
        with closing(sqlite3.connect(path)) as db:
            return sorted(db.execute("SELECT type, name, sql FROM sqlite_schema").fetchall())

    assert tables(restored(tmp_path / "old")) == tables(tmp_path / "new")
    assert (2, schema.APPLICATION_ID) == (
        pragma(tmp_path / "new", "user_version"), pragma(tmp_path / "new", "application_id")
    )  # fmt: skip


@pytest.fixture
def next_version(monkeypatch):
    """A cnnprof that is one version further."""
    step = ("ALTER TABLE runs ADD COLUMN note TEXT",)
    monkeypatch.setattr(schema, "UPGRADES", (*schema.UPGRADES, step))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)


@pytest.mark.parametrize("write", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.usefixtures("next_version")
def test_a_store_of_any_version_becomes_one_of_the_next_version_and_keeps_its_runs(tmp_path, version, write):
    path = restored(tmp_path / "runs", version)

    with Store.open(path, write=write) as store:
        assert done(version) == store.load(runs.ID)

    assert 3 == pragma(path, "user_version")


@pytest.mark.usefixtures("next_version")
def test_an_upgrade_that_fails_changes_nothing(tmp_path, monkeypatch):
    path = restored(tmp_path / "runs")
    before = path.read_bytes()
    monkeypatch.setattr(schema, "UPGRADES", (*schema.UPGRADES[:-1], (*schema.UPGRADES[-1], "nonsense")))

    with pytest.raises(StoreError, match="syntax error"):
        Store.open(path, write=True)

    assert before == path.read_bytes()


def newer(path: Path) -> Path:
    restored(path)
    with closing(sqlite3.connect(path)) as db:
        db.executescript("ALTER TABLE runs ADD COLUMN note TEXT; PRAGMA user_version = 7")
    return path


def test_a_store_of_a_newer_version_is_read_and_not_written(tmp_path):
    path = newer(tmp_path / "runs")

    with pytest.raises(StoreError, match=r"(?m)is of version 7, and this cnnprof writes version 2$") as caught:
        Store.open(path, write=True)
    with Store.open(path) as store:
        assert done(2) == store.load(runs.ID)

    assert ("store-newer", 2) == (caught.value.code, caught.value.exit_code)


def test_a_reader_cannot_write(tmp_path):
    path = runs.store_of(tmp_path / "runs", runs.run())

    with Store.open(path) as store, pytest.raises(StoreError, match="attempt to write a readonly database"):
        store.delete([runs.ID])

    assert [runs.ID] == Store.open(path).ids()


# What is no store


@pytest.mark.parametrize("write", [True, False])
def test_a_database_of_another_program_is_left_alone(tmp_path, write):
    path = tmp_path / "other"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (x)")
    before = path.read_bytes()

    with pytest.raises(StoreError, match=r"(?m)is a database, but not one of cnnprof$"):
        Store.open(path, write=write)

    assert before == path.read_bytes()


@pytest.mark.parametrize("write", [True, False])
def test_a_file_that_is_no_database_is_left_alone(tmp_path, write):
    path = tmp_path / "notes.txt"
    path.write_bytes(b"my notes\n" * 1000)

    with pytest.raises(StoreError, match=r"(?m)is no store of cnnprof, or its beginning is lost$"):
        Store.open(path, write=write)

    assert b"my notes\n" * 1000 == path.read_bytes()


def test_an_empty_file_becomes_a_store(tmp_path):
    (tmp_path / "runs").touch()

    with Store.open(tmp_path / "runs") as store:
        assert [] == store.list()


def test_a_directory_is_no_store(tmp_path):
    with pytest.raises(StoreError, match=r"(?m)it is a directory$"):
        Store.open(tmp_path, write=True)


def test_a_path_with_every_odd_character_is_that_file(tmp_path):
    path = tmp_path / "a b?mode=ro#%20é\udc80"

    runs.store_of(path, runs.run())

    assert path.is_file()
    assert [path.name] == [each.name for each in tmp_path.iterdir()]


# On the disk


def test_a_commit_is_on_the_disk_and_there_is_no_write_ahead_log(tmp_path):
    path = tmp_path / "runs"
    with Store.open(path, write=True) as store, store.connection.transaction(write=True) as db:
        assert ("delete", 3) == (
            db.execute("PRAGMA journal_mode").fetchone()[0], db.execute("PRAGMA synchronous").fetchone()[0]
        )  # fmt: skip
        db.execute("DELETE FROM runs")
        assert {"runs", "runs-journal"} >= {each.name for each in tmp_path.iterdir()}
    assert ["runs"] == [each.name for each in tmp_path.iterdir()]


def test_between_transactions_nobody_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "WAIT_S", 0.0)
    path = tmp_path / "runs"

    with Store.open(path, write=True) as first, Store.open(path, write=True) as second, Store.open(path) as third:
        writer = first.begin(runs.head(runs.run()))
        assert second.add(runs.run("other"))
        writer.forwards(0, [runs.forward(1)])
        assert [runs.ID, "other"] == sorted(third.ids())


# Locks


@contextmanager
def locker(path: Path):
    """Another process that holds the store."""
    script = (
        "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "db.execute('BEGIN EXCLUSIVE')\nprint('held', flush=True)\nsys.stdin.read()"
    )
    child = subprocess.Popen([sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        child.stdout.readline()
        yield child
    finally:
        child.communicate()


@pytest.mark.parametrize("write", [True, False])
def test_a_store_that_stays_locked_is_an_error_that_says_who_holds_it(tmp_path, monkeypatch, write):
    path = runs.store_of(tmp_path / "runs", runs.run())
    monkeypatch.setattr(connection, "WAIT_S", 0.1)

    with locker(path) as child, pytest.raises(StoreError) as caught:
        Store.open(path, write=write)

    assert "store-locked" == caught.value.code
    start = f"the store {path} has been locked for 0.1 s: "
    assert caught.value.message.startswith(start)
    who = caught.value.message.removeprefix(start)
    seen = any(line.split()[5].endswith(f":{path.stat().st_ino}") for line in locks_of(path))
    assert who.startswith(f"process {child.pid} (" if seen else "another process holds it")


def locks_of(path: Path) -> list[str]:
    """The lines of /proc/locks while somebody holds the store; some systems show none."""
    with locker(path):
        return Path("/proc/locks").read_text().splitlines()


def test_the_wait_is_a_minute_and_in_python_so_that_ctrl_c_ends_it(tmp_path):
    with Store.open(tmp_path / "runs", write=True) as store, store.connection.transaction(write=True) as db:
        assert (60, 0) == (connection.WAIT_S, db.execute("PRAGMA busy_timeout").fetchone()[0])


def test_who_waits_long_enough_gets_its_turn(tmp_path):
    path = runs.store_of(tmp_path / "runs", runs.run())
    script = (
        "import sqlite3, sys, time\ndb = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "db.execute('BEGIN EXCLUSIVE')\nprint('held', flush=True)\ntime.sleep(0.5)"
    )
    child = subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE)
    child.stdout.readline()

    with Store.open(path, write=True) as store:
        assert store.add(runs.run("other"))
    child.communicate()


LOCKS = """\
1: POSIX  ADVISORY  WRITE 4711 fd:01:{inode} 1073741826 1073742335
1: -> POSIX  ADVISORY  WRITE 4712 fd:01:{inode} 1073741826 1073742335
2: POSIX  ADVISORY  READ -1 fd:01:{inode} 1073741824 1073741824
3: FLOCK  ADVISORY  WRITE 4713 fd:01:9{inode} 0 EOF
"""


def test_the_holder_is_the_process_that_has_a_lock_on_the_file_itself(tmp_path, monkeypatch):
    path = tmp_path / "runs"
    path.touch()
    files = {"/proc/locks": LOCKS.format(inode=path.stat().st_ino), "/proc/4711/cmdline": "cnnprof\0profile\0vgg16\0"}
    monkeypatch.setattr(Path, "read_text", lambda self, *_: files[str(self)])
    monkeypatch.setattr(Path, "read_bytes", lambda self: files[str(self)].encode())

    assert "process 4711 (cnnprof profile vgg16) holds it" == connection.holder(path)


def test_where_nobody_is_seen_the_holder_may_be_anywhere(tmp_path):
    assert "another process holds it, perhaps on another machine" == connection.holder(tmp_path / "nothing")


def test_what_was_left_half_written_is_undone_by_a_reader_too(tmp_path):
    """A process dies in the middle of a transaction, with pages in the file and a journal beside it."""
    path = runs.store_of(tmp_path / "runs", runs.run())
    script = (
        "import os, sqlite3, sys\ndb = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "db.execute('PRAGMA cache_size = 1')\ndb.execute('BEGIN')\ndb.execute('DELETE FROM records')\n"
        "db.executemany(\"INSERT INTO records (part, kind, data, crc) VALUES (1, 'forward', ?, 0)\", "
        "[('x' * 5000,)] * 99)\nos._exit(1)"
    )
    subprocess.run([sys.executable, "-c", script, path], check=False)
    assert path.with_name("runs-journal").stat().st_size

    with Store.open(path) as store:
        assert runs.run() == store.load(runs.ID)

    assert not path.with_name("runs-journal").exists()
