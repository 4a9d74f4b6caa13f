"""Tracing, drawing and giving weights, and where two networks part, on small modules of torch."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import cnnprof
from cnnprof.errors import LayerError
from cnnprof.validator.alignment import Owner, align, trace
from cnnprof.validator.divergence import recorded_error, relative
from cnnprof.validator.transplant import FAINT, LARGE, draw, give


class Residual(nn.Module):
    """x + norm(conv(x)), a learnable factor, a function on a weight, and a layer that nobody uses."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(3)
        self.head = nn.Conv2d(3, 5, 1)
        self.unused = nn.Linear(2, 2)
        self.factor = nn.Parameter(torch.ones(3, 1, 1))

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        value = value + self.factor.exp() * self.norm(self.conv(value)).relu_()
        return nn.functional.conv2d(value, self.head.weight, self.head.bias)


def traced(module: nn.Module) -> list[Owner]:
    return trace(module.to("meta"), (torch.empty(2, 3, 8, 8, device="meta"),))


def test_owners_are_found_in_the_order_of_use_with_those_before_them():
    owners = traced(Residual())

    assert ["conv", "norm", "", "head", "unused"] == [owner.path for owner in owners]
    assert [(), (0,), (1,), (2,), ()] == [owner.before for owner in owners]
    assert ((3, 1, 1),) == owners[2].parameters
    assert ((3,), (3,), ()) == owners[1].buffers


def test_a_traced_module_is_left_in_the_mode_it_was_in():
    module = Residual().eval()
    traced(module)

    assert not module.training


@pytest.fixture
def drawn() -> tuple[nn.Module, list[Owner]]:
    module = Residual()
    owners = traced(module)
    draw(module, owners)
    return module, owners


def test_no_weight_is_left_at_0_or_1_and_what_arrives_at_a_norm_is_faint(drawn):
    module, _ = drawn

    bound = math.sqrt(6 / 27) * FAINT
    assert bound / 2 < module.conv.weight.abs().max() <= bound
    assert bound * 8 < module.head.weight.abs().max() <= math.sqrt(6 / 3)
    assert 0.5 <= module.norm.weight.min() < module.norm.weight.max() <= 1.5
    assert 0.5 * FAINT**2 <= module.norm.running_var.min() < module.norm.running_var.max() <= 1.5 * FAINT**2
    assert 0 < module.norm.running_mean.abs().max() <= 0.5 * FAINT
    bias = module.head.bias.abs().sort().values
    assert 0 < bias[0] < bias[-2] <= 0.5 < bias[-1] == LARGE
    assert 3 == module.norm.num_batches_tracked


def test_the_same_seed_draws_the_same_weights(drawn):
    module, _ = drawn
    other, third = Residual(), Residual()
    draw(other, traced(other))
    draw(third, traced(third), seed=1)

    assert all(
        torch.equal(*pair) for pair in zip(module.state_dict().values(), other.state_dict().values(), strict=True)
    )
    assert not torch.equal(module.conv.weight, third.conv.weight)


def test_a_buffer_that_is_no_statistic_cannot_be_drawn():
    module = nn.Sequential(nn.Conv2d(3, 3, 1))
    module.register_buffer("table", torch.arange(4))

    with pytest.raises(LayerError, match="has a buffer 'table' that is no running statistic"):
        draw(module.to("meta"), [])


def test_parameters_are_shared_and_statistics_are_copied():
    theirs = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8))
    graph = cnnprof.load("INPUT 3x8x8 -> CONV3-8 -> BN")
    ours = cnnprof.build(graph, device="meta")
    layers = traced(theirs)
    pairs = align(traced(ours), layers).pairs
    draw(theirs, layers)
    give(pairs, ours, theirs)

    conv, norm = (ours.get_submodule(ours.paths[node.name]) for node in graph.nodes)
    assert conv.weight is theirs[0].weight
    assert conv.bias is theirs[0].bias
    assert norm.running_var is not theirs[1].running_var
    assert torch.equal(norm.running_var, theirs[1].running_var)


def test_what_two_layers_of_ours_share_moves_for_both(tmp_path):
    path = tmp_path / "shared.yaml"
    path.write_text(
        "{cnnprof: 1, name: shared, input: [4], layers: "
        "[{linear: {out_features: 4}, name: a}, relu, {linear: {out_features: 4}, name: b, share: a}]}"
    )
    theirs = nn.Sequential(nn.Linear(4, 4))
    ours = cnnprof.build(str(path), device="meta")
    value = (torch.empty(2, 4, device="meta"),)
    layers = trace(theirs.to("meta"), value)
    pairs = align(trace(ours, value), layers).pairs
    draw(theirs, layers)
    give(pairs, ours, theirs)

    assert ours.a.weight is theirs[0].weight is ours.b.weight


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([1.0, 2.0], [1.0, 4.0], 0.5),
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([0.0], [0.0], 0.0),
        ([1.0], [0.0], math.inf),
        ([1.0], [1.0, 1.0], math.inf),
        ([], [], 0.0),
    ],
)
def test_a_difference_is_relative_to_the_largest_value_of_theirs(ours, theirs, expected):
    assert expected == relative(torch.tensor(ours), torch.tensor(theirs))


def test_what_is_not_a_number_is_never_close():
    assert not relative(torch.tensor([math.nan]), torch.tensor([1.0])) <= 1e-5


def test_a_layer_that_ran_in_one_network_only_is_infinitely_far_off():
    value = [(1, torch.tensor([1.0]))]

    assert math.inf == recorded_error(None, value) == recorded_error(value, None)
    assert 0.0 == recorded_error(value, value)
