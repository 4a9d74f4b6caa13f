"""Runs built by hand, and stores of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cnnprof.model.plain import replace
from cnnprof.model.run import (
    Copy,
    Forward,
    Load,
    MarkCost,
    MeasuredMemory,
    Overlap,
    Part,
    Run,
    Setting,
    Telemetry,
    Temperature,
)
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


def accelerated(model: str = "vgg16", **changes: Any) -> Part:
    """Return a part of an accelerator: every pass, copies, loading, overlap and what it says of itself."""
    marks = {"marks_ns": (0, 3, 0, 4, 0), "device_ns": 7}
    fields = {
        "setting": Setting(device="cuda"),
        "forwards": (
            forward(9, device_ns=8), marked(9),
            Forward(kind="Q", wall_ns=20, cpu_ns=20, **marks), Forward(kind="G", wall_ns=7, cpu_ns=7, device_ns=7),
        ),
        "copies": (
            Copy(direction="h2d", memory="pinned", bytes=4096, times_ns=(5, 6), verified=True),
            Copy(direction="d2h", memory="pageable", bytes=4096, times_ns=(8, 9), cpu_ns=(7, 7)),
        ),
        "load": Load(weights_bytes=4096, weights_ns=900, context_ns=None, first_ns=30),
        "overlap": Overlap(batches=10, copy_ns=(50,), compute_ns=(70,), both_ns=(75,)),
        "telemetry": (Telemetry(when="before", sm_clock_mhz=1980), Telemetry(when="after", throttle=("sw_power_cap",))),
    }  # fmt: skip
    return replace(part(model), **(fields | changes))


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
