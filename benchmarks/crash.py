"""Whether what was reported as stored is still there after ``kill -9``: several writers, each killed at random moments.

    python benchmarks/crash.py [--kills 200] [--writers 4] [--seed N] [--store PATH] [--json]

A writer measures nothing: it appends groups of samples to a run of its own, and after each one says so in a file. When
it is killed, another begins a new run or resumes the dead one's. In the end the store is read and compared:

lost    groups that were reported as stored and are not there
torn    groups of which a part is there, runs that cannot be read, findings of ``cnnprof runs verify``
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from cnnprof.model.run import Forward, MarkCost, Part, Run, Setting  # noqa: E402 found from a checkout too
from cnnprof.store.rescue import verify  # noqa: E402
from cnnprof.store.runs import Store  # noqa: E402

GROUP = 3
"""Samples that are appended at once."""
LAYERS = 60
LONGEST_LIFE_S = 2.0
"""About. A writer needs some 0.3 s until its first sample, so that some die before it."""


def write(path: str, said: str, run_id: str, resumed: bool) -> None:  # noqa: FBT001 a command line's
    """Append groups to a run until killed, and name each one in the file ``said`` once it is stored."""
    report = os.open(said, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    with Store.open(path, write=True) as store:
        head = Run(cnnprof_version="0", id=run_id, created="2026-11-21T00:00:00Z", parts=(part(),))
        writer = store.resume(run_id) if resumed else store.begin(head)
        group = len(store.load(run_id).parts[0].forwards) // GROUP
        os.write(report, f"{run_id} begun\n".encode())
        while True:
            writer.forwards(0, [sample(group, index) for index in range(GROUP)])
            os.write(report, f"{run_id} {group}\n".encode())
            group += 1


def part() -> Part:
    """Return a part with layers enough that a sample does not fit on one page."""
    names, costs = tuple(map(str, range(LAYERS))), {"node": MarkCost(inside_ns=1, outside_ns=1)}
    return Part(model="crash", setting=Setting(), layers=names, marks=("node",) * LAYERS, costs=costs)


def sample(group: int, index: int) -> Forward:
    """Return a sample that says which one it is."""
    marks = tuple(range(10**6 * group, 10**6 * group + 2 * LAYERS + 1))
    return Forward(kind="L", wall_ns=GROUP * group + index + 1, cpu_ns=1, marks_ns=marks, marks_cpu_ns=marks)


class Writers:
    """Processes that write into one store, and what they said."""

    def __init__(self, folder: Path, path: Path, chance: random.Random) -> None:
        self.said = folder / "said"
        self.path = path
        self.chance = chance
        self.processes: list[tuple[subprocess.Popen[bytes], str]] = []
        self.begun = 0
        self.resumed = 0

    def start(self, run_id: str | None = None) -> None:
        """Start a writer of a new run, or of a dead one's."""
        if run_id is None:
            self.begun += 1
        else:
            self.resumed += 1
        name = run_id or f"20261121-000000-crash-{self.begun:04}"
        command = [
            sys.executable,
            __file__,
            "--write",
            str(self.path),
            str(self.said),
            name,
            str(int(run_id is not None)),
        ]
        self.processes.append((subprocess.Popen(command, stderr=subprocess.PIPE), name))

    def kill(self) -> str:
        """Kill one of them at a random moment, and return the run it wrote."""
        time.sleep(self.chance.uniform(0, LONGEST_LIFE_S / len(self.processes)))
        process, run_id = self.processes.pop(self.chance.randrange(len(self.processes)))
        process.send_signal(signal.SIGKILL)
        errors = process.communicate()[1].decode()
        if process.returncode != -signal.SIGKILL:
            raise SystemExit(f"a writer ended by itself: {errors}")
        return run_id

    def stored(self) -> dict[str, set[int]]:
        """Return the groups of each run that were reported as stored."""
        found: dict[str, set[int]] = {}
        for line in self.said.read_text().splitlines() if self.said.exists() else ():
            run_id, group = line.split()
            groups = found.setdefault(run_id, set())
            if group != "begun":
                groups.add(int(group))
        return found


def crash(path: Path, kills: int, writers: int, seed: int) -> dict[str, Any]:
    """Kill writers, and return what became of what they stored."""
    with tempfile.TemporaryDirectory() as folder:
        chance = random.Random(seed)  # noqa: S311 moments, not secrets
        group = Writers(Path(folder), path, chance)
        for _ in range(writers):
            group.start()
        for done in range(kills):
            dead = group.kill()
            if kills - done > writers:  # the last kills leave nobody
                group.start(dead if chance.random() < 1 / 2 and dead in group.stored() else None)
        counts = compared(path, group.stored())
    return counts | {"kills": kills, "writers": writers, "begun": group.begun, "resumed": group.resumed, "seed": seed}


def compared(path: Path, reported: dict[str, set[int]]) -> dict[str, Any]:
    """Return how much of what was reported is in the store, and in which state that is."""
    lost, torn, unreported, statuses = 0, 0, 0, set()
    journal = path.with_name(f"{path.name}-journal").exists()
    with Store.open(path) as store:
        missing = len(reported.keys() - set(store.ids()))
        for run_id in store.ids():
            run = store.load(run_id)
            statuses.add(run.status)
            walls = [forward.wall_ns for forward in run.parts[0].forwards]
            torn += walls != list(range(1, len(walls) + 1)) or len(walls) % GROUP != 0
            groups = {(wall - 1) // GROUP for wall in walls}
            lost += len(reported.get(run_id, set()) - groups)
            unreported += len(groups - reported.get(run_id, set()))
    found = verify(path)
    return {
        "runs": len(found.runs), "reported": sum(map(len, reported.values())), "missing_runs": missing, "lost": lost,
        "torn": torn, "stored_but_not_yet_reported": unreported, "findings": len(found.findings),
        "statuses": sorted(statuses), "left_a_journal": journal, "samples": found.samples,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--store", type=Path, help="by default a file that is deleted at the end")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", nargs=4, metavar=("STORE", "SAID", "RUN", "RESUMED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        path, said, run_id, resumed = options.write
        write(path, said, run_id, resumed == "1")
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        path = options.store or Path(folder) / "runs.sqlite3"
        counts = crash(path, options.kills, options.writers, options.seed)
        show(counts, time.monotonic() - began, as_json=options.json)


def show(counts: dict[str, Any], seconds: float, *, as_json: bool) -> None:
    """Print the figures."""
    if as_json:
        print(json.dumps(counts))
        return
    print(
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} CPUs, {seconds:.0f} s"
    )
    for name, value in counts.items():
        print(f"{name.replace('_', ' '):<28}{value if not isinstance(value, list) else ', '.join(value):>12}")


if __name__ == "__main__":
    main()
