"""How a network is run on a GPU, as it is asked for."""

from __future__ import annotations

import pytest

from cnnprof.api import profiling
from cnnprof.devices import cuda
from cnnprof.errors import UsageError
from cnnprof.model.run import Setting
from tests.helpers.gpu import Machine, network


def settings(devices: list[str], dtypes: list[str]) -> list[Setting]:
    return profiling.settings_of(
        devices, dtypes, (1,), channels_last=False, threads=None, compiled=False, training=None
    )  # fmt: skip


def test_tf32_is_float32_that_a_gpu_multiplies_with_fewer_bits():
    (found,) = settings(["cuda:1"], ["tf32"])

    assert ("float32", True, "tf32") == (found.dtype, found.tf32, found.arithmetic)


def test_beside_it_the_host_computes_in_float32_and_once_only():
    found = settings(["cpu", "cuda"], ["float32", "tf32"])

    assert [("cpu", "float32"), ("cuda", "float32"), ("cuda", "tf32")] == [
        (each.device, each.arithmetic) for each in found
    ]


@pytest.mark.parametrize("device", ["cpu", "fake"])
def test_without_a_gpu_tf32_is_refused(device):
    with pytest.raises(UsageError, match="tf32 is a way of GPUs to multiply float32") as caught:
        settings([device], ["float32", "tf32"])
    assert "add --device cuda" == caught.value.hint


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:15"])
def test_a_gpu_may_have_a_number(monkeypatch, device):
    monkeypatch.setattr(cuda, "missing", lambda _python: None)

    assert profiling.check(settings([device], ["bfloat16"]), 1.0, 0.1, python=None) is None


@pytest.mark.parametrize("device", ["cuda:", "cuda:x", "cuda:-1", "cuda:0:1", "cuda:99999", "cpu:0"])
def test_what_is_no_number_is_no_device(monkeypatch, device):
    monkeypatch.setattr(cuda, "missing", lambda _python: None)

    with pytest.raises(UsageError, match=f"unknown device '{device}'"):
        profiling.check(settings([device], ["float32"]), 1.0, 0.1, python=None)


def test_a_network_is_handed_in_as_often_as_there_are_parts(monkeypatch):
    """A process that measures several finds the function each time, and no module of its name."""
    machine = Machine()
    monkeypatch.setattr(cuda, "_toolkit", lambda: machine.toolkit)

    for _ in range(2):
        found = cuda.subject(network(machine, {"conv": 10}), {"device": "cuda"})
        assert ("conv",) == found.layers
