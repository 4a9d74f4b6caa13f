"""Real networks on a GPU that a test makes up: their marks are seen, in chunks too, and in each phase of a step."""

from __future__ import annotations

from functools import cache

import pytest

from cnnprof.api import load
from cnnprof.api.profiling import profile
from cnnprof.devices import cuda
from cnnprof.devices.base import Network
from cnnprof.devices.cuda import costs
from cnnprof.devices.cuda.passes import CudaSubject
from cnnprof.measure import imported, network
from cnnprof.model.graph import Graph
from cnnprof.model.plain import replace
from cnnprof.model.run import Setting
from tests.helpers.gpu import Machine, Tensor

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

    assert ("E", "L", "Q", "G", "F") == device.passes
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
    assert ("E", "L", "Q", "F") == device.passes


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


@pytest.fixture
def made_up(monkeypatch) -> Machine:
    """A GPU of this process, whose networks are built on the CPU."""
    machine = Machine(record_ns=5_000_000, event_ns=1_000_000, replay_ns=500_000)  # slow: its time is the budget
    built = network.built

    def on_cpu(graph: Graph, setting: Setting) -> Network:
        network.set_up(setting)
        tensors = [(Tensor(machine, size, "cuda"),) for size in (4_096, 768)]
        return built(graph, replace(setting, device="cpu"))._replace(weights=tensors[0], inputs=tensors[1])

    monkeypatch.setattr(cuda, "_toolkit", lambda: machine.toolkit)
    monkeypatch.setattr(cuda, "missing", lambda _python: None)
    monkeypatch.setattr(network, "built", on_cpu)
    return machine


@pytest.mark.usefixtures("made_up")
def test_a_run_goes_through_every_room_for_each_batch_and_dtype():
    run = profile("lenet5", device="cuda", dtype=["float32", "tf32"], batch=[1, 2], budget_s=5.0, in_process=True)

    assert [(None, None)] * 4 == [(part.problem, part.code) for part in run.parts]
    assert [("float32", 1), ("float32", 2), ("tf32", 1), ("tf32", 2)] == [
        (part.setting.arithmetic, part.setting.batch) for part in run.parts
    ]
    assert [False, False, True, True] == [part.environment["tf32"]["conv"] for part in run.parts]
    for part in run.parts:
        assert {"E", "L", "Q", "G", "F"} == {each.kind for each in part.forwards if not each.warm_up}
        assert {True} == {each.verified for each in part.copies}
        assert part.ledger is not None


def test_afterwards_torch_multiplies_as_before(made_up):
    before = made_up.torch.backends.cudnn.allow_tf32

    profile("lenet5", device="cuda", budget_s=0.1, in_process=True)

    assert before is made_up.torch.backends.cudnn.allow_tf32 is True


@pytest.mark.usefixtures("made_up")
def test_a_gpu_of_a_number_that_is_not_there_costs_its_own_part_only():
    first, second = profile("lenet5", device=["cuda:3", "cuda:0"], budget_s=0.1, in_process=True).parts

    assert ("failed", "missing-device") == (first.status, first.code)
    assert second.problem is None
