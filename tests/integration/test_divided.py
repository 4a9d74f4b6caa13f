"""Networks that are code, divided over two sides: they give what they give whole, and copy what was predicted.

Both sides are this CPU; ``TwoSides`` raises where an operation is given tensors of both, as two devices would.
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from typing import Any
from weakref import ref

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from cnnprof import analyzer
from cnnprof.errors import CnnprofError, WorkerError
from cnnprof.measure import divided
from cnnprof.measure.following import follow, path_of
from cnnprof.measure.given import Given
from cnnprof.model.graph import Graph, Input
from cnnprof.offload.tensors import crossings
from cnnprof.readers.imported.trace import trace
from cnnprof.readers.torchvision import models
from tests.helpers.threads import one_thread
from tests.helpers.two_sides import TwoSides, tensors

BATCH = 2


_one_thread = pytest.fixture(autouse=True)(one_thread)


class Both:
    """A network, and how it is divided."""

    def __init__(self, module: nn.Module, *shapes: tuple[int, ...]) -> None:
        torch.manual_seed(5)
        self.module = module.eval()
        inputs = tuple(Input(name=f"input{at}", shape=shape) for at, shape in enumerate(shapes))
        self.graph: Graph = trace(copy.deepcopy(self.module), inputs, name="net", source="tests:net")
        self.given = tuple(torch.randn(BATCH, *shape) for shape in shapes)
        self.names = [node.name for node in self.graph.nodes if node.when == "always"]
        self.predicted = analyzer.analyze(self.graph, batch=BATCH)
        self.whole = cache(lambda times: self._run(copy.deepcopy(self.module), times))
        """The inputs as so many forwards leave them, and what the last returns."""

    def split(self, names: Collection[str], *, times: int = 1) -> tuple[list[torch.Tensor], Any, TwoSides]:
        """Return the same where the rows ``names`` are on the other side, and what crossed in the last forward."""
        sides, module = TwoSides(), copy.deepcopy(self.module)
        layers = {path_of(node) for node in self.graph.nodes if node.call == "module"}
        with torch.no_grad():
            before = copy.deepcopy(module.state_dict())
            _, followed = (follow(module, Given(tuple(map(torch.clone, self.given))), layers) for _ in range(2))
            module.load_state_dict(before)
            found: Any = divided.divided(module, followed, self.graph, set(names), "cpu", sides.copied)
        sides.own(found.there)
        with sides:
            inputs, returned = self._run(found, times, sides)
        assert not any(map(sides.side, tensors(returned)))
        return inputs, returned, sides

    def _run(self, module: nn.Module, times: int, sides: TwoSides | None = None) -> tuple[list[torch.Tensor], Any]:
        inputs = [each.clone() for each in self.given]
        returned = None
        for _ in range(times):
            if sides is not None:
                sides.crossed.clear()
            with torch.no_grad():
                returned = module(*inputs)
        return inputs, returned

    def check(self, names: Collection[str], *, predicted: bool = True, times: int = 1) -> None:
        """Assert that it gives the same divided, that its inputs end alike, and that what crosses is predicted."""
        left, expected = self.whole(times)
        inputs, found, sides = self.split(names, times=times)
        assert type(expected) is type(found)
        assert len(tensors(expected)) == len(tensors(found)) > 0
        assert all(map(torch.equal, tensors(expected), tensors(found)))
        assert all(map(torch.equal, left, inputs))
        if predicted:
            assert Counter(crossings(self.predicted, names)) == Counter(sides.crossed)


# Networks of torchvision

_ARGUMENTS = {"googlenet": {"init_weights": False}, "inception_v3": {"init_weights": False}}
_SIZES = {
    "resnet18": 32, "mobilenet_v3_small": 32, "googlenet": 32, "densenet121": 32, "inception_v3": 80, "swin_t": 32,
}  # fmt: skip


@pytest.mark.parametrize("name", _SIZES)
def test_every_assignment_of_a_network_gives_what_one_device_gives_and_copies_what_crosses(name):
    size = _SIZES[name]
    net = Both(getattr(models(), name)(weights=None, **_ARGUMENTS.get(name, {})), (3, size, size))
    draw = random.Random(0)  # noqa: S311 a choice of cases
    half = len(net.names) // 2

    for names in (net.names[half:], draw.sample(net.names, half), draw.sample(net.names, half)):
        net.check(names)


# Networks as people write them


class Written(nn.Module):
    """Layers used twice, work in place, views, lists of tensors, weights in functions, what only hands on."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.shared = nn.Conv2d(4, 4, 1)
        self.act = nn.ReLU(inplace=True)
        self.drop = nn.Dropout()
        self.same = nn.Identity()
        self.norm = nn.BatchNorm2d(4)
        self.scale = nn.Parameter(torch.rand(4, 1, 1))
        self.head = nn.Linear(4, 5, bias=False)
        self.register_buffer("shift", torch.rand(4, 1, 1))

    def forward(self, image: torch.Tensor, other: torch.Tensor) -> Any:
        value = self.act(self.norm(self.conv(image)))
        kept = self.shared(value)
        value = self.drop(self.shared(kept) + value)
        value += kept + self.same(kept)
        kept.mul_(0.5)
        first, second = value.chunk(2, dim=1)
        value = torch.cat([first, second, kept], dim=1) if value.dim() == 3 else torch.cat([second, first], dim=1)
        value = functional.relu(value * self.scale + self.shift, inplace=True)
        flat = self.same(functional.adaptive_avg_pool2d(value, 1).flatten(1))
        scores = functional.linear(input=flat, weight=self.head.weight)
        pair = [torch.stack((flat, other)), other]
        return {"scores": self.head(flat) - scores.tanh(), "kept": kept, "pair": pair, "most": flat.max(1)}


WRITTEN = Both(Written(), (3, 6, 6), (4,))


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from(WRITTEN.names)))
def test_any_assignment_of_what_people_write_gives_the_same_and_copies_what_crosses(names):
    WRITTEN.check(names)


class Aliased(nn.Module):
    """Writes into tensors through views of them, and into views through what they show, and into its input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.act = nn.ReLU(inplace=True)
        self.same = nn.Identity()
        self.register_buffer("seen", torch.zeros(4))

    def forward(self, image: torch.Tensor) -> Any:
        value = self.conv(image)
        flat = value.flatten(1)
        half = value[:, :2]
        self.act(value)  # what is returned is dropped: both views show it
        value = self.same(value)
        half.add_(1)
        value[:, 3] = half[:, 0] * 2
        flat.mul_(3)
        first, second = value.unbind(1)[:2]
        first.sub_(second)
        image.mul_(0.5)
        self.seen += value.mean((0, 2, 3))
        return half.sum(), value + self.act(half.clone()).sum(), flat.tanh(), self.seen * 1, image - 1


ALIASED = Both(Aliased(), (3, 4, 4))


@settings(max_examples=150, deadline=None)
@given(st.sets(st.sampled_from(ALIASED.names)))
def test_what_is_written_in_place_reaches_whatever_shows_it_on_either_side_and_the_next_forward(names):
    ALIASED.check(names, predicted=False, times=3)


class Placed(nn.Module):
    """Makes tensors where others are, moves others there, and keeps one."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.kept: torch.Tensor | None = None

    def train(self, mode: bool = True) -> nn.Module:  # noqa: FBT001, FBT002 torch's signature
        self.kept = None
        return super().train(mode)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        value = self.fc(value)
        steps = torch.arange(4, device=value.device, dtype=value.dtype)
        mask = torch.zeros_like(value) + torch.bernoulli(torch.ones_like(value))
        mask[:, 1] = value.new_ones(())
        if self.kept is None:
            self.kept = torch.ones(4, device=value.device).cumsum(0)
        moved = (value * steps).to(steps.device).cpu()
        return moved.to(value) + mask.to(value.device, torch.float32) * self.kept * self.fc(moved)


PLACED = Both(Placed(), (4,))


@settings(max_examples=40, deadline=None)
@given(st.sets(st.sampled_from(PLACED.names)))
def test_what_the_code_itself_makes_is_on_the_host_and_brought_where_it_is_read(names):
    PLACED.check(names, predicted=False, times=2)


@dataclass
class Result:
    scores: torch.Tensor
    more: tuple[torch.Tensor, ...] = ()


class Returning(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, value: torch.Tensor) -> Result:
        value = self.fc(value)
        return Result(value, (value + 1,))


def test_what_is_returned_in_a_dataclass_is_brought_to_the_host():
    net = Both(Returning(), (4,))
    _, expected = net.whole(1)

    _, found, sides = net.split(net.names)

    assert torch.equal(expected.scores, found.scores)
    assert torch.equal(expected.more[0], found.more[0])
    assert not sides.side(found.scores) | sides.side(found.more[0])
    assert [("h2d", 32), ("d2h", 32), ("d2h", 32)] == sides.crossed


# What is around layers


def _changed(_module: Any, _given: Any, output: torch.Tensor) -> torch.Tensor:
    return torch.tanh(output) + 1


@pytest.mark.parametrize("hook", ["forward", "spectral", "weight"])
@pytest.mark.parametrize("on_device", [["0"], ["1", "2"]])
def test_a_layers_hooks_and_parametrizations_do_the_same_on_either_side(hook, on_device):
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)).eval()
    if hook == "forward":
        net[0].register_forward_hook(_changed)
    elif hook == "spectral":
        nn.utils.spectral_norm(net[0])
    else:
        nn.utils.parametrizations.weight_norm(net[0])
    with torch.no_grad():
        net(torch.zeros(1, 4))  # spectral norm makes its weight in a forward; with gradients nobody could copy it

    Both(net, (4,)).check(on_device)


class Swapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return torch.relu(value) + 1 if self.calls < 4 else torch.tanh(value) + 1


def test_another_forward_than_the_one_that_was_followed_is_refused():
    net = Both(Swapped(), (4,))

    with pytest.raises(WorkerError, match="a forward ran tanh, and relu in its place when it was followed"):
        net.split(["relu"], times=3)


# Memory


class Long(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(6)])

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        for each in self.layers:
            value = each(value)
        return value


def test_a_copy_lives_as_long_as_what_it_is_a_copy_of_and_nothing_outlives_the_forward():
    net = Both(Long(), (4,))
    alive: list[int] = []
    made: list[ref[torch.Tensor]] = []

    def copied(tensor: torch.Tensor, _device: object, into: torch.Tensor | None = None) -> torch.Tensor:
        assert into is None
        found = tensor.clone()
        made.append(ref(found))
        alive.append(sum(each() is not None for each in made))
        return found

    module = copy.deepcopy(net.module)
    with torch.no_grad():
        followed = follow(module, Given(net.given), {path_of(node) for node in net.graph.nodes})
        split = divided.divided(module, followed, net.graph, net.names[::2], "cpu", copied)
        image = net.given[0].clone()
        returned = split(image)

    # That of the input, which lives on, and one more.
    assert [1, 2, 2, 2, 2, 2] == alive
    assert torch.Size([BATCH, 4]) == returned.shape
    assert [] == [each for each in made if each() is not None]


# Two devices


class Converting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        wide = (self.fc(value) * self.scale).to(value.device, torch.float64)
        return wide + torch.arange(4, device=wide.device)


def test_rows_are_on_the_other_device_whatever_the_code_says_of_devices():
    """That device is torch's own without contents, from which nothing can be copied."""
    net = Both(Converting(), (4,))
    crossed: list[tuple[str, torch.Size]] = []

    def copied(tensor: torch.Tensor, device: torch.device, into: torch.Tensor | None = None) -> torch.Tensor:
        assert into is None
        crossed.append((str(device), tensor.shape))
        return torch.zeros_like(tensor, device=device)

    with torch.no_grad():
        followed = follow(net.module, Given(net.given), {"fc"})
        split = divided.divided(net.module, followed, net.graph, net.names, "meta", copied)
        returned = split(*net.given)

    assert [("meta", (2, 4)), ("meta", (4,)), ("cpu", (2, 4))] == crossed
    assert (torch.float64, torch.device("cpu")) == (returned.dtype, returned.device)


# Code that lets go of what others still show


OPS: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "fc": lambda net, value: net.fc(value) if value.shape[-1] == 4 else torch.tanh(value),
    "relu_": lambda _, value: torch.relu_(value),
    "act": lambda net, value: net.act(value),
    "same": lambda net, value: net.same(value),
    "add_": lambda _, value: value.add_(1),
    "more": lambda _, value: value + 1,
    "view": lambda _, value: value.view(-1),
    "half": lambda _, value: value[..., :2],
    "transposed": lambda _, value: value.t() if value.dim() == 2 else value.flatten(),
    "detached": lambda _, value: value.detach(),
    "data": lambda _, value: value.data,
}


class Drawn(nn.Module):
    """Does what was drawn with one of three variables, and puts what comes of it into another."""

    def __init__(self, steps: list[tuple[str, int, int]]) -> None:
        super().__init__()
        self.steps = steps
        self.fc, self.act, self.same = nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Identity()

    def forward(self, value: torch.Tensor) -> list[torch.Tensor]:
        held = [self.fc(value), self.fc(value), value * 1]
        for op, read, to in self.steps:
            held[to] = OPS[op](self, held[read])
        return [each * 2 for each in held]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_is_written_reaches_views_whose_originals_the_code_has_dropped(data):
    place = st.integers(0, 2)
    steps = data.draw(st.lists(st.tuples(st.sampled_from(sorted(OPS)), place, place), min_size=1, max_size=6))
    try:
        net = Both(Drawn(steps), (4,))
        net.whole(1)
    except (CnnprofError, RuntimeError):  # no view of these strides
        assume(condition=False)
    for _ in range(4):
        net.check(data.draw(st.sets(st.sampled_from(net.names))), predicted=False)
