"""A network split over two devices, measured: on the CPU twice, and in a worker."""

from __future__ import annotations

import torch

from cnnprof import analyzer
from cnnprof.api import profiling
from cnnprof.measure import network, worker
from cnnprof.measure.session import Session, measure, request
from cnnprof.measure.summary import summarise
from cnnprof.model.plain import replace
from cnnprof.model.run import Setting, Split
from cnnprof.readers import read
from cnnprof.readers.overrides import Overrides

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
