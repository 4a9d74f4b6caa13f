"""FAULTS 21 to 23 for the store, 13 and 24 for ``cnnprof runs``: what was reported as stored survives."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cnnprof.__main__ import main
from cnnprof.cli.runs import runs as runs_group
from cnnprof.model.plain import replace
from cnnprof.store import connection
from cnnprof.store.files import from_json, to_json
from cnnprof.store.rescue import verify
from cnnprof.store.runs import Store
from tests.faults.test_hostile_names import HOSTILE, acts, cells, everywhere, unguarded
from tests.faults.test_output_faults import may_mount, without_privileges
from tests.helpers import latex, runs
from tests.helpers.processes import CNNPROF, ROOT, cnnprof, environment, run

APPEND = """
import sys
from cnnprof.errors import StoreError
from cnnprof.store.runs import Store
from tests.helpers import runs

said = open(sys.argv[2], "a")
try:
    with Store.open(sys.argv[1], write=True) as store:
        writer = store.begin(runs.head(runs.run(sys.argv[3])))
        for number in range(1, int(sys.argv[4]) + 1):
            writer.forwards(0, [runs.forward(number), runs.forward(10**6 + number)])
            print(number, file=said, flush=True)
except StoreError as error:
    print(error.render(), file=sys.stderr)
    sys.exit(error.exit_code)
"""
"""Appends pairs of samples to a run, and writes down each pair that is stored."""


def append(path: Path, said: Path, run_id: str = runs.ID, count: int = 10_000) -> list[str]:
    return [sys.executable, "-c", APPEND, str(path), str(said), run_id, str(count)]


def pairs(path: Path, run_id: str = runs.ID) -> list[int]:
    """The pairs in the store; none of them torn."""
    with Store.open(path) as store:
        walls = [forward.wall_ns for forward in store.load(run_id).parts[0].forwards]
    assert walls[1::2] == [10**6 + number for number in walls[::2]]
    return walls[::2]


# 21: kill -9


def test_twelve_kills_of_four_writers_lose_nothing_tear_nothing_and_leave_interrupted_runs():
    """The benchmark does the same with 200."""
    command = [sys.executable, "benchmarks/crash.py", "--kills", "12", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    found = json.loads(done.stdout)

    assert {"kills": 12, "writers": 4, "lost": 0, "torn": 0, "missing_runs": 0, "findings": 0} == {
        name: found[name] for name in ("kills", "writers", "lost", "torn", "missing_runs", "findings")
    }
    assert ["interrupted"] == found["statuses"]
    assert found["reported"] > 0
    assert found["samples"] >= 3 * found["reported"]


# 22: disks that are full, failing or read-only

LIMITED = "ulimit -f {kib}\n"
"""No file of this process may grow beyond this: a write fails at another place for each size."""


@pytest.mark.parametrize("kib", range(24, 96, 7))
def test_a_write_that_fails_anywhere_costs_nothing_that_was_reported(tmp_path, kib):
    path, said = tmp_path / "runs", tmp_path / "said"

    done = run(["bash", "-c", LIMITED.format(kib=kib) + 'exec "$@"', "bash", *append(path, said)], cwd=ROOT)

    assert (2, "") == (done.code, done.out)
    assert done.err.startswith(f"error[store] cannot use the store {path}: disk I/O error\n  hint: choose another")
    reported = [int(line) for line in said.read_text().splitlines()]
    if reported or path.stat().st_size:
        assert reported == pairs(path)[: len(reported)]
        assert len(pairs(path)) <= len(reported) + 1
    assert () == verify(path).findings


FULL = """
mount -t tmpfs -o size=300k tmpfs disk
"$@"; code=$?
cp disk/runs after
exit $code
"""


@pytest.mark.parametrize("script", [FULL] if may_mount() else [LIMITED.format(kib=300) + '"$@"'], ids=["disk"])
def test_a_full_disk_ends_in_one_error_and_everything_reported_is_there(tmp_path, script):
    """A real full disk where this system lets us mount one, else a limit of the same size."""
    (tmp_path / "disk").mkdir()
    path, said = tmp_path / "disk" / "runs", tmp_path / "said"
    alone = ["unshare", "-rm"] if script is FULL else []
    env = environment()

    done = run([*alone, "bash", "-c", script, "bash", *append(path, said)], cwd=tmp_path, env=env)

    reason = "database or disk is full" if script is FULL else "disk I/O error"
    assert (2, f"error[store] cannot use the store {path}: {reason}") == (done.code, done.err.splitlines()[0])
    left = tmp_path / "after" if script is FULL else path
    reported = [int(line) for line in said.read_text().splitlines()]
    assert len(reported) > 100
    assert reported == pairs(left)[: len(reported)]
    assert () == verify(left).findings


def test_after_the_disk_has_room_again_the_same_writer_goes_on(tmp_path):
    """The failed write is undone: the run is not blocked by what is left of it."""
    script = (
        "import resource, sys\nfrom cnnprof.errors import StoreError\nfrom cnnprof.store.runs import Store\n"
        "from tests.helpers import runs\n"
        "writer = Store.open(sys.argv[1], write=True).begin(runs.head(runs.run()))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40 * 1024, resource.RLIM_INFINITY))\n"
        "try:\n    writer.forwards(0, [runs.forward(n) for n in range(1, 999)])\n"
        "except StoreError as error:\n    print(error.message)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)\n"
        "writer.forwards(0, [runs.forward(7)])\n"
    )

    done = run([sys.executable, "-c", script, str(tmp_path / "runs")], cwd=ROOT)

    assert (0, "", True) == (done.code, done.err, "disk I/O error" in done.out)
    with Store.open(tmp_path / "runs") as store:
        assert (runs.forward(7),) == store.load(runs.ID).parts[0].forwards


@pytest.fixture
def folder(tmp_path):
    """A folder with a store and a run file, which nobody may write to."""
    made = tmp_path / "folder"
    made.mkdir()
    runs.store_of(made / "runs", runs.run())
    (tmp_path / "new.json").write_text(to_json(runs.run("new")))
    made.chmod(0o555)
    (made / "runs").chmod(0o444)
    yield made
    made.chmod(0o755)


def test_a_store_in_a_folder_that_is_read_only_is_read_and_not_written(tmp_path, folder):
    before = (folder / "runs").read_bytes()

    listed = cnnprof("runs", "--store", "folder/runs", cwd=tmp_path, preexec_fn=without_privileges)
    done = cnnprof("runs", "import", "new.json", "--store", "folder/runs", cwd=tmp_path, preexec_fn=without_privileges)
    new = cnnprof("runs", "import", "new.json", "--store", "folder/x", cwd=tmp_path, preexec_fn=without_privileges)

    assert (0, "", True) == (listed.code, listed.err, runs.ID in listed.out)
    assert (2, "") == (done.code, done.out)
    assert "cannot use the store folder/runs: attempt to write a readonly database\n" in done.err
    assert (2, f"the directory {folder} is not writable") == (new.code, new.err.splitlines()[0].partition(": ")[2])
    assert (before, ["runs"]) == ((folder / "runs").read_bytes(), [each.name for each in folder.iterdir()])


def test_an_export_to_a_full_disk_prints_the_run_and_leaves_the_old_file(tmp_path):
    runs.store_of(tmp_path / "runs", runs.run(runs.ID, runs.part(forwards=500)))
    (tmp_path / "run.json").write_text("old")
    command = f"ulimit -f 8; trap '' XFSZ; {' '.join(CNNPROF)} runs export last --store runs -o run.json"

    done = run(["bash", "-c", command], cwd=tmp_path)

    assert 2 == done.code
    assert done.err.endswith("the result goes to standard output instead:\n")
    assert runs.run(runs.ID, runs.part(forwards=500)) == from_json(done.out, "out")
    assert "old" == (tmp_path / "run.json").read_text()


# 23: several at once, locks, versions, damage


def test_two_writers_and_an_import_at_once_wait_for_each_other(tmp_path):
    path = tmp_path / "runs"
    files = [tmp_path / f"{number}.json" for number in range(20)]
    for number, file in enumerate(files):
        file.write_text(to_json(runs.run(f"imported-{number}")))
    env = environment()
    commands = [
        append(path, tmp_path / "a", "first", 60),
        append(path, tmp_path / "b", "second", 60),
        [*CNNPROF, "runs", "import", *map(str, files), "--store", str(path), "--quiet"],
    ]

    children = [subprocess.Popen(each, env=env, cwd=ROOT, stderr=subprocess.PIPE) for each in commands]
    seen = set()
    while any(child.poll() is None for child in children):
        seen |= {each.name for each in tmp_path.glob("runs*")}
    errors = [child.communicate()[1] for child in children]

    assert ([0, 0, 0], [b"", b"", b""]) == ([child.returncode for child in children], errors)
    assert {"runs", "runs-journal"} >= seen
    assert list(range(1, 61)) == pairs(path, "first") == pairs(path, "second")
    found = verify(path)
    assert (22, ()) == (len(found.runs), found.findings)


LOCKER = (
    "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    "db.execute('BEGIN EXCLUSIVE')\nprint('held', flush=True)\nsys.stdin.read()"
)


@pytest.mark.parametrize("argv", [["list"], ["import", "run.json"], ["export", "last"], ["verify"]])
def test_a_store_that_stays_locked_is_an_error_that_says_who(tmp_path, monkeypatch, capsys, argv):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(connection, "WAIT_S", 0.2)  # a minute, that is
    runs.store_of(tmp_path / "runs", runs.run())
    (tmp_path / "run.json").write_text(to_json(runs.run("new")))
    child = subprocess.Popen(
        [sys.executable, "-c", LOCKER, "runs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )  # fmt: skip
    child.stdout.readline()

    code = main(["runs", *argv, "--store", "runs"])
    child.communicate()

    out, err = capsys.readouterr()
    assert (2, "") == (code, out)
    assert "error[store-locked] the store runs has been locked for 0.2 s: " in err
    assert f"process {child.pid} (" in err or "another process holds it" in err


def test_an_interrupt_while_waiting_for_a_lock_ends_at_once(tmp_path):
    """SQLite's own waiting would go on for a minute."""
    runs.store_of(tmp_path / "runs", runs.run())
    child = subprocess.Popen(
        [sys.executable, "-c", LOCKER, tmp_path / "runs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    child.stdout.readline()
    command = f"timeout --preserve-status -k 30 -s INT 3 {' '.join(CNNPROF)} runs --store runs"

    done = run(["bash", "-c", command], cwd=tmp_path)
    child.communicate()

    assert (130, "", "") == (done.code, done.out, done.err)


def test_a_store_of_a_newer_version_is_listed_and_exported_and_not_written(tmp_path, capsys):
    path = runs.store_of(tmp_path / "runs", runs.run())
    with Store.open(path, write=True) as store, store.connection.transaction(write=True) as db:
        db.execute("ALTER TABLE records ADD COLUMN note TEXT")
        db.execute("PRAGMA user_version = 9")
    (tmp_path / "new.json").write_text(to_json(runs.run("new")))
    before = path.read_bytes()

    codes = [main(["runs", *argv, "--store", str(path)]) for argv in (["list"], ["export", "last"])]
    out, err = capsys.readouterr()

    assert ([0, 0], "", True) == (codes, err, to_json(runs.run()) in out)
    assert 2 == main(["runs", "import", str(tmp_path / "new.json"), "--store", str(path)])
    assert capsys.readouterr().err.startswith(f"error[store-newer] the store {path} is of version 9, and this cnnprof")
    assert before == path.read_bytes()


def test_of_a_truncated_store_what_can_be_read_is_exported(tmp_path, capsys):
    long = runs.run("long", runs.part(forwards=3000))
    path = runs.store_of(tmp_path / "runs", runs.run(), long)
    os.truncate(path, path.stat().st_size // 8192 * 4096)
    before = path.read_bytes()

    assert 2 == main(["runs", "--store", str(path)])
    out, err = capsys.readouterr()
    assert ("", True) == (out, err.startswith(f"error[store-damaged] the store {path} is damaged: "))

    assert 1 == main(["runs", "verify", "--store", str(path)])
    assert capsys.readouterr().err.endswith(f"there are: {runs.ID}, long\n")

    assert 4 == main(["runs", "export", "long", "--store", str(path)])
    saved = from_json(capsys.readouterr().out, "out").parts[0].forwards
    assert long.parts[0].forwards[: len(saved)] == saved
    assert len(saved) > 1000
    assert 4 == main(["runs", "export", runs.ID, "--store", str(path)])
    assert runs.run() == from_json(capsys.readouterr().out, "out")
    assert before == path.read_bytes()


# 13: names that act


def hostile(name: str):
    """A run that holds a name wherever a name can stand."""
    part = runs.part(name, layers=(name, name), environment={name: [name]}, problem=name, hint=name)
    return runs.run(runs.ID, part)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_in_a_run_comes_back_exactly_and_acts_nowhere(tmp_path, capsys, name):
    path = str(runs.store_of(tmp_path / "runs", hostile(name)))
    texts = {}
    for form in ("table", "csv", "md", "json", "latex"):
        assert 0 == main(["runs", "--store", path, "-f", form])
        texts[form] = capsys.readouterr().out
    assert 0 == main(["runs", "export", "last", "--store", path])
    exported = capsys.readouterr().out

    assert hostile(name) == from_json(exported, "run.json")
    assert set() == acts(exported)
    assert [set()] * 4 == [acts(texts[form]) for form in ("table", "md", "json", "latex")]
    assert name == json.loads(texts["json"])["tables"][0]["rows"][0]["models"]
    header, line = [row for row in csv.reader(io.StringIO(texts["csv"], newline="")) if row and "#" != row[0][:1]]
    assert name.encode("utf-8", "backslashreplace").decode() == unguarded(line[header.index("models")])
    assert {6} == {len(cells(each)) for each in texts["md"].splitlines() if each.startswith("|")}
    assert 2 == len(latex.read(texts["latex"])[0].rows)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_of_a_layer_in_a_run_that_is_shown_acts_nowhere(tmp_path, capsys, name):
    analysis = everywhere(name)
    layers = tuple(row.name for row in analysis.rows)
    measured = (runs.forward(9), replace(runs.marked(9, len(layers)), phases_ns=()))
    part = runs.part(
        name, analysis=analysis, layers=layers, marks=("node",) * len(layers), forwards=1, temperatures=(),
        environment={"cpu": name, "threads": 1},
    )  # fmt: skip
    path = str(runs.store_of(tmp_path / "runs", runs.run(runs.ID, replace(part, forwards=measured))))
    texts = {}
    for form in ("table", "csv", "md", "json", "latex"):
        assert 0 == main(["runs", "show", "last", "--store", path, "-f", form])
        texts[form] = capsys.readouterr().out

    assert [set()] * 4 == [acts(texts[form]) for form in ("table", "md", "json", "latex")]
    rows = [row for row in csv.reader(io.StringIO(texts["csv"], newline="")) if row]
    assert f"b.{name}.w".encode("utf-8", "backslashreplace").decode() in [unguarded(row[0]) for row in rows]
    numbers = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")
    starts = {"=", "+", "-", "@", "\t", "\r"}
    assert [] == [cell for row in rows for cell in row if cell[:1] in starts and not numbers.fullmatch(cell)]
    assert layers == tuple(row["name"] for row in json.loads(texts["json"])["parts"][0]["analysis"]["rows"])


def test_a_damaged_run_says_so_without_its_names_acting(tmp_path, capsys):
    path = runs.store_of(tmp_path / "runs", hostile("\x1b[2J"))
    with Store.open(path, write=True) as store, store.connection.transaction(write=True) as db:
        db.execute("UPDATE runs SET id = ?, crc = 1", ("\x1b]0;title\x07",))

    codes = [main(["runs", *argv, "--store", str(path)]) for argv in (["list"], ["verify"], ["export", "last"])]

    assert [4, 1, 2] == codes
    out, err = capsys.readouterr()
    assert (set(), set()) == (acts(out), acts(err))


# 24: a reader that has seen enough


def test_head_gets_its_line_and_the_pipeline_succeeds(tmp_path):
    path = runs.store_of(tmp_path / "runs", *(runs.run(f"{number:0200}") for number in range(400)))
    pipeline = f"set -o pipefail; {' '.join(CNNPROF)} runs --store {path} | head -1"

    done = subprocess.run(["bash", "-c", pipeline], capture_output=True, check=False, env=environment())

    assert (0, b"400 runs\n", b"") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("command", [*runs_group.commands])
def test_a_full_disk_behind_standard_output_is_said_in_one_line(tmp_path, command):
    path = runs.store_of(tmp_path / "runs", runs.run())
    argv = {"export": ["last"], "prune": ["--keep", "0"], "show": ["last"], "import": ["--help"]}.get(command, [])
    line = " ".join([*CNNPROF, "runs", command, *argv, "--store", str(path)])

    done = run(["bash", "-c", f"{line} > /dev/full"])

    assert (2, "error[output] cannot write to standard output: No space left on device\n") == (done.code, done.err)
