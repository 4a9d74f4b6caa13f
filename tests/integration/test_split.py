"""A network split over two devices, measured: on the CPU twice, and in a worker."""

from __future__ import annotations

import torch

from cnnprof import analyzer
from cnnprof.api import profiling
from cnnprof.measure import network
from cnnprof.measure.session import Session, measure
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
