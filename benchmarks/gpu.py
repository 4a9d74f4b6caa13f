"""What a GPU has to show: the ledger closes, passes agree, memory and copies are as predicted, break-evens hold.

    python benchmarks/gpu.py FOLDER [--device cuda] [--host cpu] [--networks vgg16,resnet50] [--batches 1,8,64]
                             [--budget 2] [--minutes 9] [--quick] [--json]

Each network is profiled at each batch in float32, beside the host at the smaller two batches and right beside its
break-even batch, then in tf32 and bfloat16. All of it is measured in this process: importing torch and waking the GPU
for each part would take longer than the part. Where the device pays always or never, all batches that were measured
have to say the same.

Each run is written to FOLDER as ``cuda_vgg16_float32.json`` or ``cuda_vgg16_pays.json``, and after each all that is
known as ``results.json``. What lies there already is read instead of measured. Nothing is begun that would not end
within the minutes, by what the longest of its kind took; it is named, and the same command again goes on.

``unexplained`` is what the ledger leaves open, and ``Q / E`` the layers' own time, both as parts of a forward;
``memory`` the measured peak as a part of the predicted one; ``G / E`` a replayed graph as a part of a forward, and
``F / E`` one after the cache was overwritten. Copies out of pinned memory stand beside a plain loop of them by the
host's clock. ``placements``: the first network is run with all layers on the device, with the last three quarters, the
last half and the last quarter of them, and with none; the order of the five times has to be the predicted one.

On two scripted devices, --device fake:examples/devices/gpu.json --host fake:examples/devices/cpu.json --budget 0.3
takes half a minute and shows that figures are what the scripts say; no copies are looped there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measuring import ROOT, described, machine, table

sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from cnnprof.model.offload import AtBatch, BreakEven, Offload
    from cnnprof.model.run import Part, Run

NETWORKS = ("vgg16", "resnet50", "alexnet", "mobilenet_v2", "googlenet", "lenet5")
ARITHMETIC = ("float32", "tf32", "bfloat16")
CONFIRMED = 6
LOOPED_BYTES = 2**26
LOOPED = 20
TOLD = {True: "confirmed", False: "not confirmed", None: "not measured"}


class Job:
    """What is measured, as long as there is time."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.device, self.host = given.device, given.host
        self.figures: list[dict[str, Any]] = []
        self.copies: dict[str, Any] = {}
        self.evens: list[dict[str, Any]] = []
        self.placements: dict[str, Any] | None = None
        self.left: list[str] = []
        self._networks = ["lenet5"] if given.quick else given.networks.split(",")
        self._batches = [1, 2] if given.quick else [int(each) for each in given.batches.split(",")]
        self._budget_s = 0.2 if given.quick else given.budget
        self._arithmetic = ARITHMETIC if given.device.startswith("cuda") else ("float32", "bfloat16")
        self._folder = given.folder
        self._ends = time.monotonic() + 60 * given.minutes
        self._longest_s: dict[str, float] = {}

    def work(self) -> Iterator[str]:
        """Measure, what matters most first; yield what was done."""
        yield from self._of(self._arithmetic[0])
        for network in self._networks:
            yield from self._break_even(network)
        for arithmetic in self._arithmetic[1:]:
            yield from self._of(arithmetic)

    def _of(self, arithmetic: str) -> Iterator[str]:
        for network in self._networks:
            settings = {"device": self.device, "batch": self._batches, "dtype": arithmetic}
            run = self._run(network, arithmetic, "run", **settings)
            if run is not None:
                self.figures += map(figures, run.parts)
                self.copies = self.copies or copied(run, self.device)
                yield f"{network} {arithmetic}"

    def _break_even(self, network: str) -> Iterator[str]:
        """Find where the device begins to pay beside the host, and whether it was so."""
        devices = [self.host, self.device]
        run = self._run(network, "pays", "break-even", device=devices, batch=self._batches[:2], confirm=True)
        if run is None:
            return
        found = [(offload, each) for offload in run.offloads for each in offload.break_even][:1]
        self.evens.append({
            "network": network,
            "message": said(found[0][1]) if found else "not compared",
            "confirmed": holds(*found[0]) if found else None,
        })  # fmt: skip
        yield f"break-even of {network}"
        if network == self._networks[0]:
            self._place(run)
            yield f"placements of {network}"

    def _place(self, run: Run) -> None:
        path = self._folder / f"{self._kind}_placements.json"
        if path.exists():
            self.placements = json.loads(path.read_text())
        elif not self._late(path.name, "placements"):
            with self._timed("placements"):
                self.placements = placed(run, self._budget_s)
            path.write_text(json.dumps(self.placements))

    def _run(self, network: str, title: str, kind: str, **settings: Any) -> Run | None:
        """Return a run that was measured now or before; None where there is no time for it."""
        from cnnprof.api.profiling import profile
        from cnnprof.model.plain import from_json, to_json
        from cnnprof.model.run import Run

        path = self._folder / f"{self._kind}_{network}_{title}.json"
        if path.exists():
            return from_json(path.read_bytes(), Run)
        if self._late(path.name, kind):
            return None
        with self._timed(kind):
            run = profile(network, budget_s=self._budget_s, in_process=True, **settings)
        path.write_bytes(to_json(run))
        return run

    @property
    def _kind(self) -> str:
        return str(self.device.partition(":")[0])

    def _late(self, what: str, kind: str) -> bool:
        """Return whether something of a kind would not end in time; then it is noted."""
        needs_s = self._longest_s.get(kind, max(self._longest_s.values(), default=0.0))
        if time.monotonic() + needs_s < self._ends:
            return False
        self.left.append(what)
        return True

    @contextmanager
    def _timed(self, kind: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._longest_s[kind] = max(self._longest_s.get(kind, 0.0), time.monotonic() - began)


def said(met: BreakEven) -> str:
    """Return what a break-even says, and which batches have no part in it."""
    return "; ".join([met.message, *(f"without batch {each.batch}: {each.why}" for each in met.left_out)])


def holds(offload: Offload, met: BreakEven) -> bool | None:
    """Return whether what was measured says as the break-even does; None where that was not measured."""
    if met.verdict not in {"always", "never"}:
        return met.confirmed
    pays = [
        way.pays
        for batch in offload.batches
        for route in batch.routes
        if route.memory == met.memory
        for way in route.ways[:1]
    ]
    return None if None in pays or not pays else set(pays) == {met.verdict == "always"}


def placed(run: Run, budget_s: float) -> dict[str, Any] | None:
    """Return what five placements of a network should take and took, at its largest batch; None: unknown."""
    from cnnprof.api.profiling import new_run
    from cnnprof.measure import worker
    from cnnprof.measure.session import Session, measure
    from cnnprof.measure.summary import summaries

    if not run.offloads or not run.offloads[0].batches[-1].layers:
        return None
    at = run.offloads[0].batches[-1]
    firsts = [round(len(at.layers) * quarter / 4) for quarter in range(5)]
    predicted = [predicted_s(at, first) for first in firsts]
    if None in predicted:
        return None
    parts = split_parts(run, at, firsts[:-1])
    done = measure(new_run(parts, budget_s, run.interval), Session(messages=worker.run_here)).run
    took = [None if each.whole is None else each.whole.median_s for each in summaries(done)] + [at.host_s]
    if None in took:
        return None
    order = [sorted(range(5), key=times.__getitem__) for times in (predicted, took)]
    return {"firsts": firsts, "predicted_s": predicted, "took_s": took, "right": order[0] == order[1]}


def predicted_s(at: AtBatch, first: int) -> float | None:
    """Return the sum of layers before ``first`` on the host, of the others on the device, and of the copies."""
    there = at.layers[first:]
    times = [each.host_s for each in at.layers[:first]] + [each.there_s for each in there]
    times += [there[0].to_device_s, there[-1].to_host_s] if there else []
    known = [each for each in times if each is not None]
    return sum(known) if len(known) == len(times) else None


def split_parts(run: Run, at: AtBatch, firsts: list[int]) -> list[Part]:
    """Return a part for each number of a first layer on the device."""
    from cnnprof.model.plain import replace
    from cnnprof.model.run import UNMEASURED, Split
    from cnnprof.offload.tensors import crossings

    found = run.offloads[0]
    host, device = (
        next(part for part in run.parts if (part.setting.device, part.setting.batch) == (each, at.batch))
        for each in (found.host, found.device)
    )
    assert device.analysis is not None  # noqa: S101 it was measured
    bare = replace(device, status="running", layers=(), marks=(), costs={}, environment={}, **UNMEASURED)
    names = [tuple(each.name for each in at.layers[first:]) for first in firsts]
    return [
        replace(
            bare,
            split=Split(
                on_device=each, copies=tuple(crossings(device.analysis, each)), host_script=host.script
            ),
        )
        for each in names
    ]  # fmt: skip


def figures(part: Part) -> dict[str, Any]:
    """Return the figures of one network at one batch; None for what was not measured."""
    from cnnprof.measure.summary import summarise

    profile = summarise(part)
    ledger, predicted = profile.ledger, None if part.analysis is None else part.analysis.memory.peak_bytes
    whole = None if ledger is None else ledger.end_to_end.median_s
    return {
        "network": part.model,
        "arithmetic": part.setting.arithmetic,
        "batch": part.setting.batch,
        "status": part.status,
        "end_to_end_s": whole,
        "unexplained": None if ledger is None else ledger.unexplained_share,
        "queued": None if ledger is None or whole is None or ledger.launch_gaps_s is None else ledger.layers_s / whole,
        "graph": None if profile.graph_gain is None else 1 / profile.graph_gain,
        "flushed": profile.flush_factor,
        "memory": None if part.memory is None or not predicted else part.memory.peak_bytes / predicted,
        "telemetry": [each.sm_clock_mhz for each in part.telemetry],
        "doubts": [each.code for each in profile.doubts],
    }


def copied(run: Run, device: str) -> dict[str, Any]:
    """Return what pinned copies take, as a part of what they take in a plain loop; nothing without such a device."""
    if not device.startswith("cuda"):
        return {}
    copies = [each for part in run.parts for each in part.copies if each.bytes == LOOPED_BYTES]
    found = {}
    for direction in ("h2d", "d2h"):
        pinned = [copy for copy in copies if (copy.direction, copy.memory) == (direction, "pinned")]
        times = [each for copy in pinned for each in copy.times_ns]
        if times:
            found[direction] = statistics.median(times) / looped_ns(direction)
    return found


def looped_ns(direction: str) -> float:
    """Return the time of a pinned copy in a loop, by the host's clock."""
    import torch

    host = torch.empty(LOOPED_BYTES, dtype=torch.uint8, pin_memory=True)
    device = torch.empty(LOOPED_BYTES, dtype=torch.uint8, device="cuda")
    target, source = (device, host) if direction == "h2d" else (host, device)
    for count in (LOOPED, LOOPED):
        torch.cuda.synchronize()
        began = time.perf_counter_ns()
        for _ in range(count):
            target.copy_(source, non_blocking=True)
        torch.cuda.synchronize()
        taken = time.perf_counter_ns() - began
    return taken / LOOPED


def bars(
    found: list[dict[str, Any]], copies: dict[str, Any], evens: list[dict[str, Any]],
    placements: dict[str, Any] | None,
) -> dict[str, Any]:  # fmt: skip
    """Return each bar with what was reached and whether that is enough; None where it was not measured."""
    large = [each for each in found if (each["network"], each["batch"]) in {("vgg16", 64), ("resnet50", 64)}]
    plain = [each for each in large if each["arithmetic"] == "float32"]
    confirmed = sum(each["confirmed"] is True for each in evens)
    reached = {
        "unexplained at batch 64, at most 5 %": (_worst(plain, "unexplained", 0), 0.05),
        "Q beside E at batch 64, within 3 %": (_worst(plain, "queued", 1), 0.03),
        "peak memory at batch 64 beside the predicted, within 5 %": (_worst(plain, "memory", 1), 0.05),
        "pinned copies beside a plain loop, within 10 %": (
            max((abs(each - 1) for each in copies.values()), default=None), 0.10,
        ),
    }  # fmt: skip
    return {
        name: {"worst": worst, "reached": None if worst is None else worst <= most}
        for name, (worst, most) in reached.items()
    } | {
        f"break-even confirmed for at least {CONFIRMED} networks": {
            "worst": confirmed, "reached": confirmed >= CONFIRMED if evens else None,
        },
        "five placements take the order that was predicted": {
            "worst": None, "reached": None if placements is None else placements["right"],
        },
    }  # fmt: skip


def _worst(found: list[dict[str, Any]], name: str, right: float) -> float | None:
    return max((abs(each[name] - right) for each in found if each[name] is not None), default=None)


def printed(found: dict[str, Any]) -> list[str]:
    """Return a row of the table."""
    whole = "-" if found["end_to_end_s"] is None else f"{found['end_to_end_s'] * 1e3:.3f} ms"
    names = ("unexplained", "queued", "graph", "flushed", "memory")
    shares = ["-" if found[name] is None else f"{found[name]:.1%}" for name in names]
    return [f"{found['network']} x{found['batch']}", found["arithmetic"], found["status"], whole, *shares]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--host", default="cpu")
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--batches", default="1,8,64")
    parser.add_argument("--budget", type=float, default=2.0, help="seconds for each network, batch and dtype")
    parser.add_argument("--minutes", type=float, default=9.0, help="begin nothing that would end after them")
    parser.add_argument("--quick", action="store_true", help="one small network, to see that all of it runs")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    where, job, began = machine(), Job(given), time.monotonic()
    result = results(where, job)
    for done in job.work():
        result = results(where, job)
        (given.folder / "results.json").write_text(json.dumps(result))
        print(f"{time.monotonic() - began:6.1f} s  {done}", file=sys.stderr, flush=True)
    print(json.dumps(result | {"left": job.left}) if given.json else report(result, job.left))


def results(where: dict[str, Any], job: Job) -> dict[str, Any]:
    """Return all that is known until now."""
    return {
        "machine": where, "figures": job.figures, "copies": job.copies, "break_evens": job.evens,
        "placements": job.placements, "bars": bars(job.figures, job.copies, job.evens, job.placements),
    }  # fmt: skip


def report(result: dict[str, Any], left: list[str]) -> str:
    """Return all of it as text."""
    titles = ["network", "arithmetic", "status", "pass E", "unexplained", "Q / E", "G / E", "F / E", "memory"]
    lines = [described(result["machine"]), "", table(titles, [printed(each) for each in result["figures"]]), ""]
    lines += [f"{each['network']}: {each['message']}; {TOLD[each['confirmed']]}" for each in result["break_evens"]]
    if (found := result["placements"]) is not None:
        rows = zip(found["firsts"], found["predicted_s"], found["took_s"], strict=True)
        lines += ["", *(f"on the device from layer {n} on: {a:.6f} s predicted, {b:.6f} s" for n, a, b in rows)]
    lines += ["", *judged(result["bars"])]
    return "\n".join([*lines, *(f"left out, no time: {each}" for each in left)])


def judged(bars: dict[str, Any]) -> list[str]:
    """Return the bars as a table in Markdown."""
    told = {True: "reached", False: "not reached", None: "not measured"}
    rows = ((name, shown(bar["worst"]), told[bar["reached"]]) for name, bar in bars.items())
    return ["| bar | worst | |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]


def shown(worst: float | None) -> str:
    """Return a figure of a bar: a count, or a share."""
    if worst is None:
        return "–"
    return str(worst) if isinstance(worst, int) else f"{worst:.1%}"


if __name__ == "__main__":
    main()
