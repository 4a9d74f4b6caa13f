"""Runs built by hand, and stores of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cnnprof.model.run import Forward, MarkCost, MeasuredMemory, Part, Run, Setting, Temperature
from cnnprof.store.runs import Store

ID = "20261121-141502-vgg16-3f9a"


def run(run_id: str = ID, *parts: Part, **changes: Any) -> Run:
    """Return a finished run; without ``parts``, of one that was measured in every way."""
    fields = {"cnnprof_version": "1.2.3", "created": "2026-11-21T14:15:02+00:00", "status": "done"}
    return Run(id=run_id, parts=parts or (part(),), **(fields | changes))


def part(model: str = "vgg16", forwards: int = 3, **changes: Any) -> Part:
    """Return a part of two layers with one forward of the warm-up, some of pass E and one of pass L."""
    fields = {
        "setting": Setting(batch=8, threads=1), "status": "done", "layers": ("conv", "relu"), "marks": ("node", "node"),
        "costs": {"node": MarkCost(inside_ns=90.5, outside_ns=80.0)},
        "environment": {"cpu": "a processor", "torch": None},
        "forwards": (forward(9, warm_up=True), *(forward(n) for n in range(1, forwards)), marked(7)),
        "temperatures": (Temperature(layer="conv", hot_ns=(5, 6), cold_ns=(8, 9)),),
        "memory": MeasuredMemory(peak_bytes=4096, by="storages"), "output_std": 0.5, "steady": True,
    }  # fmt: skip
    return Part(model=model, **(fields | changes))


def forward(wall_ns: int, **changes: Any) -> Forward:
    """Return a forward of pass E."""
    return Forward(kind="E", wall_ns=wall_ns, cpu_ns=wall_ns, **changes)


def marked(wall_ns: int, layers: int = 2) -> Forward:
    """Return a forward of pass L."""
    marks = tuple(range(2 * layers + 1))
    return Forward(kind="L", wall_ns=wall_ns, cpu_ns=wall_ns, marks_ns=marks, marks_cpu_ns=marks)


def head(found: Run) -> Run:
    """Return a run of which nothing is measured yet."""
    parts = (each.__class__(model=each.model, setting=each.setting) for each in found.parts)
    return found.__class__(
        cnnprof_version=found.cnnprof_version, id=found.id, created=found.created, parts=tuple(parts)
    )


def store_of(path: Path, *runs: Run) -> Path:
    """Make a store of finished runs."""
    with Store.open(path, write=True) as store:
        for each in runs:
            store.add(each)
    return path
