"""Whether the ledger closes, what marks cost, and whether two runs agree; torch.profiler beside it in the same run.

    python benchmarks/ledger.py [--networks vgg16,resnet50] [--batches 1,8] [--budget 60] [--given-back] [--quick]

Each network is profiled twice with one thread. ``unexplained`` is of both runs, as a part of pass E; ``marks`` is what
pass L takes longer than pass E; ``within 5 %`` counts the layers of at least 1 ms that agree so well between the two
runs, and ``worst`` is the largest difference of one. ``torch.profiler`` is what a forward takes longer under it (CPU
activities), in turn with plain ones. The C library keeps the memory that layers free, as cnnprof advises; with
``--given-back`` it is left as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from typing import Any

from measuring import KEPT, ROOT, child, described, environment, machine, table

sys.path.insert(0, str(ROOT))

NETWORKS = ("vgg16", "resnet50", "mobilenet_v2", "torchvision:mobilenet_v3_small")
LONG_S = 1e-3
AGREE = 0.05
_PROFILER = """
import json, sys, time, torch
from cnnprof.api import load
from cnnprof.measure import imported, network
from cnnprof.model.run import Setting
from torch.profiler import ProfilerActivity, profile
model, batch, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
setting = Setting(batch=batch, threads=1)
graph = load(model)
code = ":" in model
ready = imported.named({"model": model, "params": {}}, graph, setting) if code else network.built(graph, setting)
forward = ready.phases[0][1]

def plain():
    began = time.perf_counter()
    forward()
    return time.perf_counter() - began

def profiled():
    with profile(activities=[ProfilerActivity.CPU]) as found:
        taken = plain()
    found.events()
    return taken

for _ in range(3):
    plain(), profiled()
pairs = []
began = time.perf_counter()
while len(pairs) < 5 or time.perf_counter() - began < seconds and len(pairs) < 100:
    pairs.append((plain(), profiled()))
print(json.dumps(pairs))
"""


def measured(model: str, batch: int, budget_s: float, env: dict[str, str]) -> dict[str, Any]:
    """Return the figures of one network at one batch."""
    from cnnprof.api.profiling import profile
    from cnnprof.measure.summary import summarise

    parts = [profile(model, batch=batch, threads=1, budget_s=budget_s).parts[0] for _ in range(2)]
    first, second = map(summarise, parts)
    assert first.ledger is not None  # noqa: S101 both passes were made
    assert second.ledger is not None  # noqa: S101
    apart = {
        one.name: abs(two.time.median_s / one.time.median_s - 1)
        for one, two in zip(first.layers, second.layers, strict=True)
        if one.time and two.time and one.time.median_s >= LONG_S
    }
    pairs = json.loads(child(["-c", _PROFILER, model, str(batch), str(budget_s / 4)], env).out)
    return {
        "model": model,
        "batch": batch,
        "end_to_end_s": first.ledger.end_to_end.median_s,
        "unexplained": [each.ledger.unexplained_share for each in (first, second) if each.ledger],
        "marks": [each.ledger.marks_s / each.ledger.end_to_end.median_s for each in (first, second) if each.ledger],
        "profiler": statistics.median(one for _, one in pairs) / statistics.median(one for one, _ in pairs) - 1,
        "long_layers": len(apart),
        "agree": sum(difference <= AGREE for difference in apart.values()),
        "layers_apart": max(apart.values(), default=0.0),
        "worst_layer": max(apart, key=lambda name: apart[name], default=""),
        "whole_apart": abs(second.ledger.end_to_end.median_s / first.ledger.end_to_end.median_s - 1),
        "forwards": [len(part.forwards) for part in parts],
        "dirty": [each.whole.dirty if each.whole else None for each in (first, second)],
    }


def printed(found: dict[str, Any]) -> list[str]:
    """Return a row of the table."""
    pair = [" ".join(f"{value:+.1%}" for value in found[name]) for name in ("unexplained", "marks")]
    agree = f"{found['agree']} of {found['long_layers']}"
    return [
        f"{found['model']} x{found['batch']}", f"{found['end_to_end_s'] * 1e3:.2f} ms", *pair,
        f"{found['profiler']:+.1%}", f"{found['whole_apart']:.1%}", agree, f"{found['layers_apart']:.1%}",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--batches", default="1,8")
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--given-back", action="store_true", help="leave the allocator as it is")
    parser.add_argument("--quick", action="store_true", help="one small network, to see that all of it runs")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    memory = {} if given.given_back else KEPT
    os.environ |= {"OMP_NUM_THREADS": "1", "KINETO_LOG_LEVEL": "99"} | memory
    where = machine()
    networks = ["lenet5"] if given.quick else given.networks.split(",")
    batches = [1] if given.quick else [int(each) for each in given.batches.split(",")]
    with environment() as env:
        results = [
            measured(model, batch, 2.0 if given.quick else given.budget, env) for model in networks for batch in batches
        ]
    if given.json:
        print(json.dumps({"machine": where, "memory": memory, "networks": results}))
        return
    print(described(where) + "".join(f", {name}={value}" for name, value in memory.items()))
    titles = ["network", "pass E", "unexplained", "marks", "torch.profiler", "E apart", "within 5 %", "worst"]
    print(table(titles, [printed(each) for each in results]))


if __name__ == "__main__":
    main()
