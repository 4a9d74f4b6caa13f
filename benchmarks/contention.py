"""Whether a busy neighbour is noticed: a worker and a burner share one core, and forwards are flagged or not.

    python benchmarks/contention.py [--networks resnet18,mobilenet_v2] [--budget 32] [--quick] [--json]

One thread, pinned to one core, in turn quiet and beside a process that burns that core. ``flagged`` is the part of the
forwards slower than 1.1 times the quiet median that are labelled dirty; ``CPU time`` how far the median of the
thread's CPU time moves. The C library keeps the memory that layers free.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from measuring import KEPT, ROOT, described, machine, table

sys.path.insert(0, str(ROOT))

SLOW = 1.1
ROUNDS = 4
"""Quiet and busy in turn, so that a machine that grows slower meanwhile does so for both."""


@contextmanager
def burner() -> Iterator[None]:
    """Keep the core of this process busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def forwards(model: str, budget_s: float) -> tuple[list[Any], dict[str, Any]]:
    """Return the forwards of both passes after warm-up, and their environment."""
    from cnnprof.api.profiling import profile

    part = profile(model, threads=1, budget_s=budget_s).parts[0]
    return [each for each in part.forwards if not each.warm_up], part.environment


def measured(model: str, budget_s: float) -> dict[str, Any]:
    """Return the figures of one network."""
    from cnnprof.measure.dirt import dirty

    quiet, busy = [], []
    for _ in range(ROUNDS):
        found, where = forwards(model, budget_s / ROUNDS)
        quiet += found
        with burner():
            busy += forwards(model, budget_s / ROUNDS)[0]
    medians = {kind: statistics.median(each.wall_ns for each in quiet if each.kind == kind) for kind in ("E", "L")}
    slow = [each for each in busy if each.wall_ns > SLOW * medians[each.kind]]
    cpu = [statistics.median(each.cpu_ns for each in found if each.kind == "E") for found in (quiet, busy)]
    wall = [statistics.median(each.wall_ns for each in found if each.kind == "E") for found in (quiet, busy)]
    return {
        "model": model,
        "quiet_s": medians["E"] / 1e9,
        "quiet_dirty": sum(bool(dirty(each, where)) for each in quiet) / len(quiet),
        "forwards": len(busy),
        "slow": len(slow),
        "flagged": sum(bool(dirty(each, where)) for each in slow) / len(slow) if slow else None,
        "wall_moves": wall[1] / wall[0] - 1,
        "cpu_moves": cpu[1] / cpu[0] - 1,
    }


def printed(found: dict[str, Any]) -> list[str]:
    """Return a row of the table."""
    flagged = "none slow" if found["flagged"] is None else f"{found['flagged']:.1%}"
    return [
        found["model"], f"{found['quiet_s'] * 1e3:.2f} ms", f"{found['quiet_dirty']:.1%}",
        f"{found['slow']} of {found['forwards']}", flagged, f"{found['wall_moves']:+.1%}", f"{found['cpu_moves']:+.1%}",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", default="resnet18,mobilenet_v2,vgg11")
    parser.add_argument("--budget", type=float, default=32.0)
    parser.add_argument("--quick", action="store_true", help="one small network, to see that all of it runs")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1"} | KEPT
    where = machine()
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})  # children stay there too
    networks = ["lenet5"] if given.quick else given.networks.split(",")
    results = [measured(model, 2.0 if given.quick else given.budget) for model in networks]
    if given.json:
        print(json.dumps({"machine": where, "networks": results}))
        return
    print(described(where))
    titles = ["network", "quiet E", "quiet dirty", "slow", "flagged", "wall time", "CPU time"]
    print(table(titles, [printed(each) for each in results]))


if __name__ == "__main__":
    main()
