"""What is split over two devices is compared with the whole before anybody times it, and refused where it differs."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from cnnprof.api import profiling
from cnnprof.errors import WorkerError
from cnnprof.measure import checked, imported, worker
from cnnprof.measure.given import Given
from cnnprof.measure.session import Session, measure
from cnnprof.model.graph import Input
from cnnprof.model.plain import replace
from cnnprof.model.run import Setting, Split
from cnnprof.readers.imported.trace import trace


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)


class Data(Net):
    def forward(self, value: torch.Tensor) -> torch.Tensor:
        value = self.a(value)
        first = self.b(value)
        value.data.mul_(2)
        return first + self.b(value)


class Weight(Net):
    def forward(self, value: torch.Tensor) -> torch.Tensor:
        self.b.weight.data = self.b.weight * value.mean()
        return self.b(value)


class WeightInPlace(Net):
    def forward(self, value: torch.Tensor) -> torch.Tensor:
        self.a.weight.data.mul_(value.mean())
        return self.b(self.a(value))


class Set(Net):
    def forward(self, value: torch.Tensor) -> torch.Tensor:
        value = self.a(value)
        self.b(value)
        value.data = value * 2
        return self.b(value) + self.b(value)


class Shape(Net):
    def forward(self, value: torch.Tensor) -> torch.Tensor:
        value = self.a(value).unsqueeze(0)
        twice = value * 2
        value.squeeze_(0)
        return value * 3 + twice.sum()


class Inference(Net):
    def forward(self, value: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return self.b(self.a(value)) + 1


class Sparse(Net):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("adjacent", torch.eye(4).to_sparse())

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return torch.sparse.mm(self.adjacent, self.a(value).t()).t()


class Hooked(Net):
    def __init__(self) -> None:
        super().__init__()
        self.a.register_forward_pre_hook(_grow)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return self.b(self.a(value))


def _grow(module: Any, _given: Any) -> None:
    module.weight.data = module.weight.data * 1.1


class Drawing(Net):
    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return self.a(value) + torch.rand(4)


class Plain(Net):
    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return torch.relu_(self.b(self.a(value)))


def split(kind: type[Net], names: set[str]) -> torch.Tensor:
    """What a network returns with these rows on the other side, as it would be timed."""
    torch.manual_seed(0)
    module = kind().eval()
    graph = trace(copy.deepcopy(module), (Input(name="value", shape=(4,)),), name="net", source="tests:net")
    assert names <= {node.name for node in graph.nodes}, [node.name for node in graph.nodes]
    ready = imported.of(module, graph, Setting(batch=2, threads=1), names)
    (_, forward) = ready.phases[0]
    return forward()


ASSIGNMENTS = [
    (Set, {"a"}),
    (Shape, {"a", "mul", "squeeze", "mul_2"}),
    (Hooked, {"a"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "names"), ASSIGNMENTS)
def test_a_split_that_computes_something_else_is_refused(kind, names):
    with pytest.raises(WorkerError, match=r"^split like that, it (computes something else than whole|fails)") as caught:
        split(kind, names)

    assert "split-differs" == caught.value.code


def test_what_draws_random_numbers_cannot_be_checked_and_is_not_split():
    with pytest.raises(WorkerError, match="a split of it cannot be checked: it computes something else each") as caught:
        split(Drawing, {"a"})

    assert "split-unchecked" == caught.value.code


def test_a_network_that_returns_no_tensors_cannot_be_checked():
    class Silent(nn.Module):
        def forward(self, _value: torch.Tensor) -> str:
            return "done"

    with pytest.raises(WorkerError, match="it returns no tensors") as caught:
        checked.expected(Silent(), Given((torch.zeros(1),)))
    assert "split-unchecked" == caught.value.code


@pytest.mark.parametrize(
    ("kind", "names"),
    [(Plain, {"b"}), (Data, {"b", "b_2"}), (Data, {"a", "mul"}), (Weight, {"b.linear"}), (WeightInPlace, {"a.linear"})],
)
def test_a_split_that_computes_the_same_is_timed(kind, names):
    assert torch.Size([2, 4]) == split(kind, names).shape


@pytest.mark.parametrize(
    ("kind", "names", "reason"),
    [(Inference, {"a"}, "made in torch.inference_mode"), (Sparse, {"a"}, "a tensor of layout torch.sparse_coo")],
)
def test_a_split_whose_tensors_cannot_be_followed_is_refused(kind, names, reason):
    with pytest.raises(WorkerError, match=f"^split like that, .*{reason}") as caught:
        split(kind, names)

    assert "split-differs" == caught.value.code


def test_a_part_whose_split_is_refused_says_so_and_has_no_times():
    torch.manual_seed(0)
    net = Hooked()
    (part,) = profiling.parts_of(net, [Setting(threads=1)], size=(4,), in_process=True)
    run = profiling.new_run([replace(part, split=Split(on_device=("a",)))], 0.2, 0.02)

    (found,) = measure(run, Session(messages=lambda asked: worker.run_here(asked, net))).run.parts

    assert ("failed", "split-differs", ()) == (found.status, found.code, found.forwards)
    assert found.problem.startswith("split like that, it computes something else than whole: what it returns is 0.")


# What counts as the same


class Off(nn.Module):
    """Returns its input, so much too large."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return value * (1 + self.by)


GIVEN = Given((torch.tensor([3.0, 4.0, float("nan"), float("inf")]),))


@pytest.mark.parametrize(("by", "exact", "refused"), [(1e-3, False, False), (1e-3, True, True), (0.1, False, True)])
def test_other_kinds_of_device_may_round_and_the_same_kind_may_not(by, exact, refused):
    wanted = checked.expected(Off(0.0), GIVEN)

    if refused:
        with pytest.raises(WorkerError, match="of its size off"):
            checked.check(Off(by), GIVEN, wanted, exact=exact)
    else:
        assert checked.check(Off(by), GIVEN, wanted, exact=exact) is None


@pytest.mark.parametrize("made", [lambda x: x[:2], lambda x: x.double(), lambda x: (x, x), lambda x: x.nan_to_num()])
def test_another_shape_dtype_number_of_tensors_or_a_value_that_is_not_finite_is_another_result(made):
    class Other(nn.Module):
        def forward(self, value: torch.Tensor) -> Any:
            return made(value)

    with pytest.raises(WorkerError) as caught:
        checked.check(Other(), GIVEN, checked.expected(Off(0.0), GIVEN), exact=False)
    assert "split-differs" == caught.value.code


def test_memory_that_is_not_there_is_no_difference():
    class Large(nn.Module):
        def forward(self, _value: torch.Tensor) -> Any:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        checked.check(Large(), GIVEN, [], exact=False)
