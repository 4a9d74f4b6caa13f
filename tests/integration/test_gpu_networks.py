"""Real networks on a GPU that a test makes up: their marks are seen, in chunks too, and in each phase of a step."""

from __future__ import annotations

from functools import cache

import pytest

from cnnprof.api import load
from cnnprof.devices.cuda import costs
from cnnprof.devices.cuda.passes import CudaSubject
from cnnprof.measure import imported, network
from cnnprof.model.graph import Graph
from cnnprof.model.run import Setting
from tests.helpers.gpu import Machine

HOLDS_FIVE_LAYERS = 20


@cache
def read(model: str) -> Graph:
    return load(model)


def subject(machine: Machine, model: str, **setting) -> CudaSubject:
    chosen, graph = Setting(threads=1, **setting), read(model)
    code = ":" in model
    made = imported.named({"model": model, "params": {}}, graph, chosen) if code else network.built(graph, chosen)
    return CudaSubject(machine.toolkit, made, 0)


@pytest.mark.parametrize("model", ["lenet5", "torchvision:squeezenet1_1"])
@pytest.mark.parametrize("kind", ["L", "Q"])
def test_every_layer_of_a_real_network_is_marked(model, kind):
    machine = Machine(record_ns=10, event_ns=1)
    device = subject(machine, model)

    found = device.run(kind)

    assert ("E", "L", "Q", "G") == device.passes
    assert 2 * len(device.layers) + 1 == len(found["marks_ns"])
    assert min(found["marks_ns"]) > 0


@pytest.mark.parametrize("model", ["lenet5", "torchvision:squeezenet1_1"])
def test_a_real_network_is_queued_in_chunks_in_the_middle_of_its_forward(model):
    machine = Machine(event_ns=1, holds=HOLDS_FIVE_LAYERS)
    device = subject(machine, model)
    machine.record_ns = 10

    found = device.run("Q")

    assert device._queue.at_once < len(device.layers)
    assert 2 * len(device.layers) + 1 == len(found["marks_ns"])


def test_a_real_training_step_has_its_phases_in_every_pass():
    device = subject(Machine(event_ns=1), "lenet5", mode="training", optimizer="adam", batch=2)

    for kind in device.passes:
        found = device.run(kind)
        assert 3 == len(found["phases_ns"])
    assert ("E", "L", "Q") == device.passes


def test_an_optimizer_s_state_is_what_it_keeps_after_a_step():
    device = subject(Machine(), "lenet5", mode="training", optimizer="adam", batch=2)

    state, weights = device._network.state(), device._network.weights
    # Two moments and the number of steps of each parameter.
    assert 3 * len(weights) == len(state)


@pytest.mark.parametrize("model", ["lenet5", "torchvision:squeezenet1_1"])
def test_what_marks_cost_is_measured_on_real_idle_layers(model):
    machine = Machine(record_ns=40, event_ns=3)
    device = subject(machine, model)

    found = device.costs()

    assert {*device.marks, "Q"} <= found.keys()
    assert 3.0 == found["Q"]["outside_ns"]


def test_of_a_forward_that_waits_for_its_device_idle_layers_have_no_time_queued_ahead():
    machine = Machine()
    made = subject(machine, "lenet5")._network
    idle = made.idle["line"]

    assert costs.of_device(machine.toolkit, idle._replace(plain=machine.finish)) is None
