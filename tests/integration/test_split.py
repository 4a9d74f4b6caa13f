"""A network split over two devices, measured: on the CPU twice, and in a worker."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import cnnprof
from cnnprof import analyzer
from cnnprof.api import profiling
from cnnprof.errors import UsageError
from cnnprof.measure import network, worker
from cnnprof.measure.session import Session, measure, request
from cnnprof.measure.summary import summarise
from cnnprof.model.plain import replace
from cnnprof.model.run import Setting, Split
from cnnprof.readers import read
from cnnprof.readers.overrides import Overrides
from cnnprof.store.runs import Store

GRAPH = read("lenet5", Overrides())
HALF = tuple(node.name for node in GRAPH.nodes)[:6]


def test_a_split_network_computes_what_the_whole_one_does():
    setting = Setting(batch=2, seed=5)
    whole, halves = network.built(GRAPH, setting), network.split(GRAPH, setting, HALF)

    (_, forward), (_, split) = *whole.phases, *halves.phases
    assert torch.equal(forward(), split())
    assert () == halves.layers
    assert whole.output_std() == halves.output_std()


def test_a_split_network_is_timed_by_the_cpu_where_its_forward_begins_and_ends(monkeypatch):
    ready = network.split(GRAPH, Setting(threads=1), HALF)
    monkeypatch.setattr(worker, "_network", lambda _request: ready)
    (part,) = profiling.parts_of(GRAPH, [Setting(device="cuda", threads=1)])
    run = profiling.new_run([replace(part, split=Split(on_device=HALF))], 0.3, 0.02)

    said = list(worker.run(request(run, run.parts[0])))

    assert {"E"} == {each["kind"] for message in said for each in message.get("forwards", ())}
    assert [] == [message for message in said if "copy" in message or "load" in message]


def test_a_worker_measures_a_split_network_as_a_whole():
    (part,) = profiling.parts_of(GRAPH, [Setting(threads=1)])
    run = profiling.new_run([replace(part, split=Split(on_device=HALF))], 0.3, 0.02)

    (found,) = measure(run, Session()).run.parts

    assert found.problem is None
    assert {"E"} == {each.kind for each in found.forwards}
    profile = summarise(found)
    assert profile.whole.median_s > 0
    assert ((), None) == (profile.layers, profile.ledger)
    assert analyzer.analyze(GRAPH).totals.param_bytes * 2 < found.memory.peak_bytes


# Networks that are code


CODE = "torchvision:mobilenet_v3_small"
SOME = ("features.0.0", "features.0.2", "features.1.block.0.0", "features.4.add", "flatten")


def of_code(model, size, **options):
    (part,) = profiling.parts_of(model, [Setting(threads=1)], size=size, **options)
    return part


def test_a_worker_measures_a_split_network_that_is_code_as_a_whole():
    part = of_code(CODE, "3x32x32")
    run = profiling.new_run([replace(part, split=Split(on_device=SOME))], 0.3, 0.02)

    (found,) = measure(run, Session()).run.parts

    assert found.problem is None
    assert {"E"} == {each.kind for each in found.forwards}
    assert 0 < found.output_std
    weights = part.analysis.memory.param_bytes + part.analysis.memory.buffer_bytes
    assert 2 * weights < found.memory.peak_bytes < 3 * weights


def test_a_split_module_of_this_process_is_measured_here_and_stays_as_it_was():
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 4))
    part = of_code(net, (4,), in_process=True)
    run = profiling.new_run([replace(part, split=Split(on_device=("1",)))], 0.2, 0.02)

    (found,) = measure(run, Session(messages=lambda asked: worker.run_here(asked, net))).run.parts

    assert found.problem is None
    assert {"E"} == {each.kind for each in found.forwards}
    assert [] == [name for part in net.modules() for name in vars(part) if name == "forward"]


def test_the_cheapest_assignment_of_a_network_that_is_code_is_run_to_confirm_it():
    devices = ["fake:examples/devices/cpu.json", "fake:examples/devices/gpu.json"]
    run = cnnprof.profile(CODE, input="3x64x64", device=devices, batch=8, confirm=True, in_process=True)

    (offload,) = run.offloads
    placement = offload.batches[-1].placement
    split = next(part for part in run.parts if part.split is not None)
    assert (CODE, placement.on_device) == (split.source["model"], split.split.on_device)
    assert 0 < len(placement.on_device) < len(split.analysis.rows)
    assert placement.time_s < placement.run.time_s
    assert placement.run.confirmed


def test_to_confirm_a_finished_run_of_code_that_nobody_named_is_refused(tmp_path):
    devices = [Setting(device=f"fake:examples/devices/{name}.json") for name in ("cpu", "gpu")]
    parts = [
        replace(part, source={"model": "mynets:wide", "params": {}, "inputs": []}, status="done")
        for part in profiling.parts_of(GRAPH, devices)
    ]
    run = replace(profiling.new_run(parts, 0.3, 0.02), status="done")
    with Store.open(tmp_path / "runs", write=True) as store:
        store.add(run)

    with pytest.raises(UsageError, match="goes on with MODEL mynets:wide, which runs code") as caught:
        profiling.resume(run.id, tmp_path / "runs", Session(), confirm=True)
    assert "unnamed-code" == caught.value.code
    assert run.id == profiling.resume(run.id, tmp_path / "runs", Session()).run.id
