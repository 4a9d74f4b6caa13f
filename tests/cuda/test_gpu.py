"""On a real NVIDIA GPU: the ledger closes, passes agree, copies are as fast as copies are, telemetry is there.

Deselected by default; ``pytest -m cuda tests/cuda`` where there is a GPU. No time is asserted, only what figures of one
run say of each other.
"""

from __future__ import annotations

import statistics
import time
from functools import cache
from typing import Any

import pytest

from cnnprof.api.profiling import profile
from cnnprof.measure.summary import summarise
from cnnprof.model.profile import Ledger, Profile
from cnnprof.model.run import Part

pytestmark = pytest.mark.cuda

MIB = 2**20


@cache
def measured(model: str, batch: int = 64, dtype: str = "float32", **changes: Any) -> Part:
    (part,) = profile(model, device="cuda", batch=batch, dtype=dtype, budget_s=8.0, **changes).parts
    assert part.status in {"done", "budget"}, part.problem
    return part


def summed(model: str, batch: int = 64, dtype: str = "float32", **changes: Any) -> Profile:
    return summarise(measured(model, batch, dtype, **changes))


def ledger(model: str, batch: int = 64) -> Ledger:
    found = summed(model, batch).ledger
    assert found is not None
    return found


# Passes


@pytest.mark.parametrize("model", ["resnet18", "resnet50", "vgg16"])
def test_the_ledger_closes_at_batch_64(model):
    assert abs(ledger(model).unexplained_share) <= 0.05


@pytest.mark.parametrize("model", ["resnet18", "resnet50", "vgg16"])
def test_queued_ahead_the_layers_take_what_the_whole_takes_at_batch_64(model):
    found = ledger(model)

    assert abs(found.layers_s / found.end_to_end.median_s - 1) <= 0.03


def test_at_batch_1_a_small_network_waits_for_its_host():
    found = ledger("mobilenet_v2", 1)

    assert found.launch_gaps_s is not None
    assert found.launch_gaps_s > 0


@pytest.mark.parametrize(("model", "batch"), [("mobilenet_v2", 1), ("resnet18", 64)])
def test_every_pass_is_made_and_nearly_every_forward_is_queued_ahead(model, batch):
    part = measured(model, batch)

    assert {"E", "L", "Q", "G", "F"} == {each.kind for each in part.forwards if not each.warm_up}
    queued = [bool(each.marks_ns) for each in part.forwards if each.kind == "Q"]
    assert statistics.mean(queued) >= 0.9


@pytest.mark.parametrize(("model", "batch"), [("mobilenet_v2", 1), ("resnet18", 64)])
def test_a_replayed_graph_is_no_slower_than_a_forward(model, batch):
    gain = summed(model, batch).graph_gain

    assert gain is not None
    assert gain >= 0.98


def test_the_device_s_time_of_a_forward_is_no_more_than_the_host_s():
    forwards = [each for each in measured("resnet18").forwards if each.kind == "E"]

    assert [] == [each for each in forwards if each.device_ns is None or each.device_ns > each.wall_ns]


def test_a_deep_network_is_queued_in_chunks():
    part = measured("densenet201", 1)

    assert len(part.layers) > 166
    assert any(each.marks_ns for each in part.forwards if each.kind == "Q")


def test_each_layer_with_weights_launches_kernels():
    found = {each.layer: {kernel.kind for kernel in each.kernels} for each in measured("resnet18").kernels}

    assert {"kernel"} <= found["conv1"]
    assert {"kernel"} <= found["fc"]


# Memory


@pytest.mark.parametrize("model", ["resnet18", "resnet50", "vgg16"])
def test_the_peak_is_the_predicted_one_at_batch_64(model):
    part = measured(model)

    assert part.memory is not None
    assert part.analysis is not None
    assert abs(part.memory.peak_bytes / part.analysis.memory.peak_bytes - 1) <= 0.05


def test_torch_reserves_at_least_what_it_hands_out_and_the_gpu_is_used_by_more_than_that():
    found = measured("resnet18").memory

    assert found is not None
    assert found.reserved_bytes is not None
    assert found.used_bytes is not None
    assert found.peak_bytes <= found.reserved_bytes < found.used_bytes


# The cache


def test_after_the_cache_was_overwritten_a_small_network_s_forward_takes_no_less_of_the_device():
    kinds = {
        kind: statistics.median(each.device_ns or 0 for each in measured("lenet5", 1).forwards if each.kind == kind)
        for kind in ("E", "F")
    }

    assert kinds["F"] >= 0.95 * kinds["E"]


# Copies


@pytest.mark.parametrize("direction", ["h2d", "d2h"])
def test_copies_out_of_pinned_memory_are_as_fast_as_a_plain_loop_of_them(direction):
    (copy,) = [
        each for each in measured("resnet18").copies
        if (each.direction, each.memory, each.bytes) == (direction, "pinned", 64 * MIB)
    ]  # fmt: skip

    assert abs(statistics.median(copy.times_ns) / looped_ns(direction, 64 * MIB) - 1) <= 0.10


def looped_ns(direction: str, size: int, times: int = 20) -> float:
    import torch

    host = torch.empty(size, dtype=torch.uint8, pin_memory=True)
    device = torch.empty(size, dtype=torch.uint8, device="cuda")
    target, source = (device, host) if direction == "h2d" else (host, device)
    target.copy_(source)
    torch.cuda.synchronize()
    began = time.perf_counter_ns()
    for _ in range(times):
        target.copy_(source, non_blocking=True)
    torch.cuda.synchronize()
    return (time.perf_counter_ns() - began) / times


def test_all_copies_arrive_and_larger_ones_take_longer():
    copies = measured("resnet18").copies

    assert {True} == {each.verified for each in copies}
    pinned = {each.bytes: statistics.median(each.times_ns) for each in copies
              if (each.direction, each.memory) == ("h2d", "pinned")}  # fmt: skip
    assert pinned[256 * MIB] > pinned[64 * MIB] > pinned[4 * MIB]


def test_copying_and_computing_at_once_takes_no_longer_than_one_after_the_other():
    found = measured("resnet18").overlap

    assert found is not None
    both, copy, compute = (statistics.median(each) for each in (found.both_ns, found.copy_ns, found.compute_ns))
    assert max(copy, compute) * 0.95 <= both <= (copy + compute) * 1.05


def test_what_is_paid_before_the_first_forward_is_known():
    found = measured("resnet18").load

    assert found is not None
    assert found.weights_bytes >= 11_689_512 * 4
    assert found.weights_ns is not None
    assert found.context_ns is not None
    assert found.first_ns is not None


# Circumstances


def test_telemetry_is_there():
    before, after = measured("resnet18").telemetry

    assert ("before", "after") == (before.when, after.when)
    assert [] == [
        name for name in ("sm_clock_mhz", "memory_clock_mhz", "power_w", "temperature_c", "throttle")
        if getattr(after, name) is None
    ]  # fmt: skip


def test_the_environment_names_the_gpu_and_what_was_fixed():
    found = measured("resnet18").environment

    assert found["gpu"]
    assert found["driver"]
    assert found["cudnn"]
    assert {"matmul": False, "conv": False} == found["tf32"]
    assert found["cudnn_benchmark"] is False


@pytest.mark.parametrize("dtype", ["tf32", "bfloat16", "float16"])
def test_fewer_bits_are_no_slower(dtype):
    fewer, full = summed("resnet50", 64, dtype).whole, summed("resnet50").whole

    assert fewer is not None
    assert full is not None
    assert fewer.median_s <= full.median_s * 1.05


def test_training_is_measured_in_three_phases():
    part = measured("resnet18", 8, training="momentum")

    assert ("forward", "backward", "optimizer") == part.phases
    assert "G" not in {each.kind for each in part.forwards}
    assert part.environment["no_graph"]


def test_a_compiled_network_is_measured_as_a_whole():
    part = measured("lenet5", 8, compile=True)

    assert () == part.layers
    assert {"E", "G", "F"} == {each.kind for each in part.forwards if not each.warm_up}


def test_a_network_of_torchvision_is_measured_layer_by_layer():
    found = summed("torchvision:resnet18", 8).ledger

    assert found is not None
    assert abs(found.unexplained_share) <= 0.05


# Faults


def test_memory_that_ends_in_a_series_of_batches_costs_the_rest_of_it_only():
    """FAULTS 16."""
    import torch

    first_output_bytes = 64 * 224 * 224 * 4
    too_many = torch.cuda.get_device_properties(0).total_memory // first_output_bytes + 1
    run = profile("vgg16", device="cuda", batch=[1, too_many], budget_s=2.0)

    assert ["done", "out-of-memory"] == [
        "done" if each.status in {"done", "budget"} else each.status for each in run.parts
    ]


def test_a_gpu_that_is_not_there_is_said_so():
    (part,) = profile("lenet5", device="cuda:99", budget_s=1.0).parts

    assert "missing-device" == part.code
    assert "--device cuda:99 needs a GPU of that number" in (part.problem or "")


def test_an_assert_on_the_device_ends_its_own_part_only(tmp_path, monkeypatch):
    """FAULTS 17."""
    (tmp_path / "asserting.py").write_text(
        "import torch\n"
        "class Asserting(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        if x.is_cuda:\n"
        "            x.flatten()[torch.full((1,), 10**6, device=x.device)]\n"
        "        return torch.relu(x)\n"
    )
    monkeypatch.chdir(tmp_path)
    failing = profile("asserting:Asserting", device="cuda", input=(1, 4, 4), budget_s=1.0).parts[0]

    assert "device-failed" == failing.code
    assert measured("lenet5", 1).status in {"done", "budget"}
