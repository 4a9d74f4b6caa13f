"""Modules made without memory for their weights, whatever their constructors do meanwhile."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnprof.readers.imported.construction import construct


def devices(module: nn.Module) -> dict[str, str]:
    return {name: each.device.type for name, each in (*module.named_parameters(), *module.named_buffers())}


def test_parameters_have_no_memory_and_small_buffers_keep_their_values():
    module = construct(lambda: nn.BatchNorm2d(8))

    assert {"weight": "meta", "bias": "meta"} == {name: devices(module)[name] for name in ("weight", "bias")}
    assert [1.0] * 8 == module.running_var.tolist()


def test_a_network_of_a_terabyte_is_made():
    module = construct(lambda: nn.Linear(2**20, 2**18))

    assert (2**38, "meta") == (module.weight.numel(), module.weight.device.type)


def test_a_large_buffer_has_no_memory_either():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("small", torch.ones(2**18))
            self.register_buffer("large", torch.ones(2**18 + 1), persistent=False)

    module = construct(Masked)

    assert {"small": "cpu", "large": "meta"} == devices(module)
    assert ["small"] == list(module.state_dict())


def test_what_a_constructor_computes_is_real():
    class Scheduled(nn.Module):
        def __init__(self):
            super().__init__()
            self.rates = [rate.item() for rate in torch.linspace(0, 1, 3)]
            self.weight = nn.Parameter(torch.zeros(2))

    assert [0.0, 0.5, 1.0] == construct(Scheduled).rates


def test_a_parameter_under_two_names_stays_one():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            shared = nn.Parameter(torch.zeros(2, 3))
            self.first, self.second = shared, shared
            self.third = self.first

    module = construct(Tied)

    assert module.first is module.second is module.third
    assert ["first"] == [name for name, _ in module.named_parameters()]


def test_frozen_parameters_stay_frozen_and_marks_on_parameters_stay():
    class Marked(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(2), requires_grad=False)
            other = nn.Parameter(torch.zeros(2))
            other.no_decay = True
            self.other = other

    module = construct(Marked)

    assert (False, True) == (module.weight.requires_grad, module.other.requires_grad)
    assert module.other.no_decay


def test_lazy_parameters_are_left_alone():
    assert isinstance(construct(lambda: nn.LazyLinear(3)).weight, nn.UninitializedParameter)


def test_a_constructor_that_runs_what_it_has_made_is_on_the_meta_device_altogether():
    class Measured(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.register_buffer("table", torch.arange(4.0) * self.conv.bias)
            self.channels = self.conv(torch.zeros(1, 3, 8, 8)).shape[1]

    module = construct(Measured)

    assert 4 == module.channels
    assert {"meta"} == set(devices(module).values())


def test_a_constructor_that_looks_into_its_parameters_gets_real_ones():
    class Curious(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.full((2,), 3.0))
            self.largest = self.weight.max().item()

    module = construct(Curious)

    assert (3.0, "cpu") == (module.largest, module.weight.device.type)


def test_any_other_error_of_a_constructor_is_its_own_and_it_is_called_once():
    calls = []

    def make():
        calls.append(1)
        raise RuntimeError("no such thing")

    with pytest.raises(RuntimeError, match="no such thing"):
        construct(make)
    assert [1] == calls


def test_afterwards_modules_are_made_as_ever():
    with pytest.raises(ZeroDivisionError):
        construct(lambda: 1 / 0)

    assert "cpu" == nn.Linear(2, 2).weight.device.type


def test_a_constructor_that_initialises_gets_back_the_tensor_it_gave():
    class Drawn(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(2, 3))
            self.same = nn.init.normal_(self.weight) is self.weight and self.weight.data.fill_(1.0).mul_(2).is_meta

    assert construct(Drawn).same


def test_what_a_constructor_draws_for_itself_is_drawn_and_afterwards_all_is():
    drawn = construct(lambda: nn.init.uniform_(torch.zeros(8), 1, 2))

    assert bool((drawn >= 1).all())
    assert bool((torch.zeros(8).uniform_(1, 2) >= 1).all())
    assert "uniform_" not in vars(torch.Tensor)
