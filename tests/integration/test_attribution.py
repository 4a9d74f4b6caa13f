"""Pass K on real networks: which operators layers run. torch.profiler's names, none of its times."""

from __future__ import annotations

import os

import pytest
import torch
from torch import nn

import cnnprof
from cnnprof.devices.attribution import attributed
from cnnprof.measure import network
from cnnprof.measure.summary import summarise
from cnnprof.model.run import Setting


def ready(model: str, **setting):
    return network.built(cnnprof.load(model), Setting(threads=1, **setting))


def attribution(model: str, **setting):
    found = ready(model, **setting)
    return attributed(found.marked, [layer.name for layer in found.layers])


def test_every_layer_that_runs_has_the_operators_that_it_runs():
    found = attribution("INPUT 3x8x8 -> CONV3-4 -> RELU -> FC-10")

    assert ["conv2d", "relu", "flatten", "linear"] == [each["layer"].split("_")[0] for each in found]
    for layer, name in ((1, "aten::clamp_min"), (2, "aten::view"), (3, "aten::addmm")):
        assert name in [each["name"] for each in found[layer]["kernels"]]
    assert {"operator"} == {kernel["kind"] for each in found for kernel in each["kernels"]}


def test_operators_are_counted_and_have_no_times():
    (_, relu) = attribution("INPUT 3x8x8 -> CONV3-4 -> RELU")

    assert {"aten::relu": 1, "aten::clamp_min": 1} == {each["name"]: each["launches"] for each in relu["kernels"]}
    assert {"name", "kind", "launches"} == set().union(*relu["kernels"])


def test_in_training_the_forward_is_looked_at():
    found = attribution("lenet5", mode="training")

    assert 13 == len(found)
    assert "aten::addmm" in [each["name"] for each in found[-2]["kernels"]]


def test_a_profiler_that_is_at_work_already_leaves_nothing_told_and_goes_on():
    found = ready("lenet5")

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], acc_events=True) as theirs:
        torch.relu(torch.ones(3))
        ours = attributed(found.marked, [layer.name for layer in found.layers])

    assert ours is None
    assert "aten::relu" in [each.name for each in theirs.events()]


def test_nothing_is_printed_and_the_environment_is_as_it_was(capfd, monkeypatch):
    monkeypatch.delenv("KINETO_LOG_LEVEL", raising=False)

    attribution("lenet5")

    assert ("", "") == capfd.readouterr()
    assert "KINETO_LOG_LEVEL" not in os.environ


class Again(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(512, 512)  # large enough for its product to take longest on a busy machine too

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.fc(self.fc(value)))


def test_a_row_has_the_operator_that_takes_longest_in_it_and_no_launches_on_a_cpu():
    part = cnnprof.profile(Again(), input=(512,), batch=32, threads=1, budget_s=0.5, in_process=True).parts[0]

    times = {each.name: (each.kernel, each.calls, each.launches) for each in summarise(part).layers}
    one = ("aten::addmm", 1, None)
    assert {"fc": one, "fc_2": one, "tanh": ("aten::tanh", 1, None)} == times


@pytest.mark.parametrize("options", [{"compile": True}, {"device": "fake"}])
def test_without_layers_or_without_torch_nothing_is_told(options):
    part = cnnprof.profile("INPUT 1x4x4 -> FC-2", threads=1, budget_s=0.5, in_process=True, **options).parts[0]

    assert () == part.kernels


def test_in_a_process_whose_gpu_is_awake_no_profiler_is_loaded(monkeypatch):
    """A GPU's profiler would slow down whatever runs there later."""
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)

    part = cnnprof.profile("INPUT 1x4x4 -> FC-2", threads=1, budget_s=0.5, in_process=True).parts[0]

    assert part.status in {"done", "budget"}
    assert () == part.kernels
