"""Weights of a built network: drawn from a seed, on the CPU, without disturbing anybody."""

from __future__ import annotations

import resource
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import cnnprof
from cnnprof.errors import MissingPackageError, UsageError


def same(one, other) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)


def test_one_seed_gives_the_same_weights_and_another_seed_others():
    assert same(cnnprof.build("resnet20", seed=3), cnnprof.build("resnet20", seed=3))
    assert not same(cnnprof.build("lenet5", seed=3), cnnprof.build("lenet5", seed=4))
    assert same(cnnprof.build("lenet5"), cnnprof.build("lenet5", seed=0))


def test_weights_do_not_depend_on_what_was_drawn_before_nor_on_the_callers_settings():
    expected = cnnprof.build("lenet5")
    torch.manual_seed(99)
    torch.randn(7)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"), torch.inference_mode():
            found = cnnprof.build("lenet5")
        assert torch.float64 == torch.get_default_dtype()
    finally:
        torch.set_default_dtype(torch.float32)

    assert same(expected, found)
    assert not found.c1.weight.is_inference()


def test_building_leaves_the_random_numbers_of_the_caller_alone():
    torch.manual_seed(7)
    expected = torch.randn(5)
    torch.manual_seed(7)
    cnnprof.build("lenet5", seed=1)

    assert torch.equal(expected, torch.randn(5))


def test_networks_built_in_several_threads_get_the_weights_of_their_seed_and_disturb_no_draw():
    expected = cnnprof.build("resnet20", seed=3)
    torch.manual_seed(7)
    drawn = torch.randn(5)
    torch.manual_seed(7)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda seed: cnnprof.build("resnet20", seed=seed), [3, 4, 3, 4, 3, 4]))

    assert [True, False] * 3 == [same(expected, each) for each in found]
    assert torch.equal(drawn, torch.randn(5))


def test_settings_are_restored_when_building_fails(monkeypatch):
    monkeypatch.setattr("cnnprof.layers.linear.Linear.build", lambda *_: 1 / 0)
    torch.manual_seed(7)
    expected = torch.randn(5)
    torch.manual_seed(7)

    with pytest.raises(ZeroDivisionError):
        cnnprof.build("lenet5")
    assert torch.equal(expected, torch.randn(5))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_dtype_is_that_of_floating_point_tensors_only_and_rounds_the_same_weights(dtype):
    single, found = cnnprof.build("resnet20"), cnnprof.build("resnet20", dtype=dtype)
    counters = {value.dtype for name, value in found.state_dict().items() if name.endswith("num_batches_tracked")}
    others = {value.dtype for name, value in found.state_dict().items() if not name.endswith("num_batches_tracked")}

    assert {torch.int64} == counters
    assert {dtype} == others
    assert same(single.to(dtype), found)
    assert dtype == found.eval()(torch.randn(1, 3, 32, 32, dtype=dtype)).dtype


def test_a_dtype_may_be_given_by_its_name():
    assert torch.bfloat16 == cnnprof.build("lenet5", dtype="bfloat16", device="meta").c1.weight.dtype


def test_on_meta_nothing_is_allocated_however_large_the_network():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    network = cnnprof.build("regnet_y_128gf", device="meta")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert 644_812_894 == sum(each.numel() for each in network.parameters())
    assert {"meta"} == {each.device.type for each in network.state_dict().values()}
    assert 200 * 2**20 > grown * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.cuda
def test_weights_are_the_same_on_every_device():
    found = cnnprof.build("resnet20", device="cuda")

    assert {"cuda"} == {each.device.type for each in found.state_dict().values()}
    assert same(cnnprof.build("resnet20"), found.cpu())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ({"seed": -1}, "bad-seed", "seed must be a whole number from 0 to 2^63 − 1, got -1"),
        ({"seed": True}, "bad-seed", "seed must be a whole number from 0 to 2^63 − 1, got True"),
        ({"seed": 1.5}, "bad-seed", "seed must be a whole number from 0 to 2^63 − 1, got 1.5"),
        ({"seed": 2**63}, "bad-seed", "seed must be a whole number from 0 to 2^63 − 1, got 9223372036854775808"),
        ({"device": "gpu"}, "bad-device", "unknown device 'gpu'"),
        ({"device": 1.5}, "bad-device", "unknown device 1.5"),
        ({"dtype": "int8"}, "bad-dtype", "a network cannot be built in 'int8'"),
        ({"dtype": torch.int64}, "bad-dtype", "a network cannot be built in torch.int64"),
        ({"dtype": "nn"}, "bad-dtype", "a network cannot be built in 'nn'"),
    ],
)
def test_an_argument_that_does_not_fit_is_refused(arguments, code, message):
    with pytest.raises(UsageError) as caught:
        cnnprof.build("lenet5", **arguments)

    assert (code, message) == (caught.value.code, caught.value.message)


def test_a_device_that_is_not_there_is_missing():
    with pytest.raises(MissingPackageError) as caught:
        cnnprof.build("lenet5", device="cuda:99")

    assert caught.value.message.startswith("the device cuda:99 cannot be used: ")
    assert "cnnprof doctor --import-torch says what is missing" == caught.value.hint


def test_without_torch_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)

    with pytest.raises(MissingPackageError) as caught:
        cnnprof.build("lenet5")

    assert caught.value.message.startswith("building a network needs PyTorch")
    assert "pip install 'cnnprof[torch]'" == caught.value.hint
    assert 3 == caught.value.exit_code
