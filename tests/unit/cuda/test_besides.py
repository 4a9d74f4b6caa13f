"""Memory, loading, overlap, temperatures and the environment, on a GPU that a test makes up."""

from __future__ import annotations

from typing import Any

import pytest

from cnnprof.devices.cuda import context, environment
from cnnprof.devices.cuda.overlap import Pipeline
from cnnprof.devices.cuda.passes import CudaSubject
from tests.helpers.gpu import Machine, Tensor, network

LAYERS = {"conv": 30_000, "fc": 10_000}


def subject(machine: Machine, **changes: Any) -> CudaSubject:
    return CudaSubject(machine.toolkit, network(machine, LAYERS, **changes), 0)


# Pass M


def test_the_peak_is_what_a_step_had_at_once_with_what_the_network_keeps():
    device = subject(Machine(), weights=[4_000, 96], inputs=[600], works_in=1_000)

    assert 4_000 + 96 + 600 + 1_000 == device.memory()["peak_bytes"]


def test_what_torch_holds_besides_is_no_network_s():
    machine = Machine()
    device = subject(machine, weights=[4_000], works_in=1_000)
    workspace = Tensor(machine, 32_000, "cuda")

    assert 5_000 == device.memory()["peak_bytes"]
    assert workspace.is_cuda


def test_what_an_optimizer_keeps_is_the_network_s():
    device = subject(Machine(), weights=[4_000], state=[4_000, 4_000], works_in=1_000, trains=True)

    assert 13_000 == device.memory()["peak_bytes"]


def test_a_peak_before_is_not_taken_for_the_step_s():
    machine = Machine()
    device = subject(machine, weights=[4_000], works_in=1_000)
    machine.allocate(500_000)
    machine.free(500_000)

    assert 5_000 == device.memory()["peak_bytes"]


def test_what_torch_took_of_the_gpu_for_it_stands_beside_and_what_everything_took():
    machine = Machine(block_bytes=2_000, context_bytes=300)
    found = subject(machine, weights=[4_000], works_in=1_000).memory()

    assert (5_000, 6_000, 6_300) == (found["peak_bytes"], found["reserved_bytes"], found["used_bytes"])


def test_what_only_measuring_holds_is_given_back_before():
    machine = Machine()
    device = subject(machine, weights=[4_000], works_in=1_000)
    held = machine.allocated

    device.memory()

    assert (6_000, 4_000) == (held, machine.allocated)  # twice the cache of 1,000 bytes


def test_who_counted_is_said():
    said = "torch.cuda.max_memory_allocated, without what torch holds between two steps"
    assert said == subject(Machine()).memory()["by"]


# Load


def test_loading_is_weights_from_pageable_memory_the_context_and_the_first_forward():
    machine = Machine(awake_ns=250_000_000, pageable_rate=2.0)
    context.start(machine.toolkit, "cuda", tf32=False)
    device = subject(machine, weights=[4_000, 96])

    assert {
        "weights_bytes": 4_096, "weights_ns": 2_048, "context_ns": 250_000_000, "first_ns": 40_000,
    } == device.load()  # fmt: skip


def test_of_a_device_that_was_awake_already_and_a_network_that_had_run_it_is_not_known():
    machine = Machine()
    machine.awake = True
    context.start(machine.toolkit, "cuda", tf32=False)
    device = CudaSubject(machine.toolkit, network(machine, LAYERS)._replace(fresh=False), 0)

    found = device.load()
    assert (None, None) == (found["context_ns"], found["first_ns"])


# Overlap


@pytest.mark.parametrize(
    ("copy", "compute", "both"),
    [(10_000, 40_000, 10_000 + 8 * 40_000), (50_000, 40_000, 8 * 50_000 + 40_000), (40_000, 40_000, 9 * 40_000)],
)
def test_with_two_buffers_all_but_one_copy_or_one_forward_is_covered(copy, compute, both):
    device = subject(Machine(pinned_rate=1.0), inputs=[copy])

    found = device.overlap(2)
    assert {
        "batches": 8, "copy_ns": [8 * copy] * 2, "compute_ns": [8 * compute] * 2, "both_ns": [both] * 2,
    } == found  # fmt: skip


def test_a_buffer_is_filled_again_only_when_its_batch_is_computed():
    """The copies of batches 2, 3, … begin when forwards 0, 1, … have ended."""
    machine = Machine()
    device = subject(machine, inputs=[10_000])
    begun: list[int] = []
    queue = machine.queue

    def noting(time_ns: int, effect: Any = None, engine: str | None = None) -> int:
        end = queue(time_ns, effect, engine)
        begun.extend([end - time_ns] if engine == "h2d" else [])
        return end

    pipeline = Pipeline(machine.toolkit, device._step, device._network.inputs)
    machine.finish()
    began, machine.queue = machine.now, noting
    pipeline._both()

    assert [0, 10_000, *(10_000 + 40_000 * number for number in range(1, 7))] == [each - began for each in begun]


def test_a_device_that_copies_or_computes_and_never_both_shows_as_the_sum():
    """Its copies run in the stream of its forwards."""
    machine = Machine()
    machine.torch.cuda.Stream = lambda: machine.main
    device = subject(machine, inputs=[10_000])

    assert [8 * 50_000] == device.overlap(1)["both_ns"]


def test_a_network_without_inputs_has_nothing_to_overlap():
    assert subject(Machine()).overlap(2) is None


# A layer by itself


def test_a_layer_by_itself_is_hot_and_with_its_weights_cold_by_the_device_s_time():
    device = subject(Machine(launch_ns=5_000), host_ns=2_000)

    assert {"layer": "fc", "hot_ns": [10_000] * 3, "cold_ns": [30_000] * 3} == device.alone(1, 3)


def test_a_layer_that_cannot_be_queued_ahead_has_no_time_by_itself():
    assert subject(Machine(holds=2)).alone(1, 3) is None


# Environment


def test_the_environment_is_of_the_host_the_gpu_and_the_software():
    machine = Machine()
    context.start(machine.toolkit, "cuda", tf32=False)

    found = subject(machine).environment()

    assert {
        "gpu": "Simulated", "capability": "9.0", "gpu_memory_bytes": 2**40, "l2_bytes": 1_000, "multiprocessors": 132,
        "cuda": "13.0", "cudnn": 91_300, "torch": "2.13.0", "threads": 1, "cudnn_benchmark": False,
        "tf32": {"matmul": False, "conv": False}, "gpu_numa_node": None,
    }.items() <= found.items()  # fmt: skip
    assert found["cores"] >= 1


@pytest.mark.parametrize(("text", "expected"), [("1\n", 1), ("-1\n", None), (None, None)])
def test_the_node_of_memory_next_to_the_gpu_is_read_from_the_system(tmp_path, text, expected):
    from types import SimpleNamespace

    folder = tmp_path / "0000:3b:00.0"
    folder.mkdir()
    if text:
        (folder / "numa_node").write_text(text)

    place = SimpleNamespace(pci_domain_id=0, pci_bus_id=0x3B, pci_device_id=0)
    assert expected == environment.gpu_node(place, tmp_path)


def test_the_nodes_of_memory_are_those_whose_cpus_may_be_used(tmp_path, monkeypatch):
    for name, cpus in (("node0", "0-3,8\n"), ("node1", "4-7\n"), ("node2", "\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cpulist").write_text(cpus)
    monkeypatch.setattr(environment.system, "cores", lambda: {6, 8})

    assert [0, 1] == environment.own_nodes(tmp_path)


def test_a_system_without_nodes_of_memory_says_nothing(tmp_path):
    assert environment.own_nodes(tmp_path) is None
