"""Networks that are code, on the real CPU: which call is which row, what is refused, what they are called with.

Times are compared with each other only: a busy machine fails nothing.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import cnnprof
from cnnprof.measure import following
from cnnprof.measure.following import Call
from cnnprof.measure.kept import torch_kept
from tests.integration.test_profile import figures, profile

# Which call is which row


class Gathered(nn.Module):
    """A layer and functions after it, of which the product takes by far the longest."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 64)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        value = torch.relu(self.fc(value))
        wide = torch.matmul(value.expand(20_000, 64), self.fc.weight)
        return torch.sigmoid(wide.mean(0, keepdim=True))


def _statistics(_module: Any, _given: Any, output: torch.Tensor) -> None:
    output.abs().max()
    output.mean()


def _changing(_module: Any, _given: Any, output: torch.Tensor) -> torch.Tensor:
    return torch.tanh(output) + 1


@pytest.mark.parametrize("hook", [None, _statistics, _changing, "spectral"])
def test_functions_that_a_layers_hooks_call_move_no_times_to_other_rows(hook):
    net = Gathered()
    if hook == "spectral":
        nn.utils.spectral_norm(net.fc)
    elif hook is not None:
        net.fc.register_forward_hook(hook)

    found = figures(profile(net, input=(64,)))

    times = {layer.name: layer.time.median_s for layer in found.layers if layer.calls}
    assert ["fc", "relu", "expand", "matmul", "mean", "sigmoid"] == list(times)
    assert "matmul" == max(times, key=times.get)


class Swapped(nn.Module):
    """Changes the order of its layers, their functions, or their weights, after a few forwards."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
        self.what = what
        self.calls = 0

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        first, second = self.layers if self.calls < 20 else reversed(self.layers)
        if self.what == "layers":
            return second(first(value))
        if self.what == "weights":
            return nn.functional.linear(nn.functional.linear(value, first.weight), second.weight)
        return torch.relu(value) + 1 if self.calls < 20 else torch.tanh(value) + 1


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("layers", "a forward ran layers.1, and layers.0 in its place when it was followed"),
        ("weights", "a forward ran linear with another weight, and linear in its place when it was followed"),
        ("functions", "a forward ran tanh, and relu in its place when it was followed"),
    ],
)
def test_a_forward_that_runs_as_many_layers_but_others_is_refused(what, expected):
    part = profile(Swapped(what), input=(4,))

    assert ("failed", "varying-forward") == (part.status, part.code)
    assert f"{expected}: it does not do the same each time" == part.problem


class Keeping(nn.Module):
    """Makes a constant in its first forward, and keeps it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.scale = None

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        if self.scale is None:
            self.scale = torch.ones(4).cumsum(0)
        return torch.relu(self.fc(value)) * self.scale


class Making(nn.Module):
    """Makes a layer in its forward."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return nn.ReLU()(self.fc(value))


@pytest.mark.parametrize(
    ("net", "expected"), [(Keeping(), ("fc", "relu", "mul")), (Making(), ("fc", "relu"))], ids=["kept", "made"]
)
def test_what_a_forward_makes_for_itself_is_no_other_forward(net, expected):
    part = profile(net, input=(4,))

    assert (None, expected) == (part.problem, part.layers)


class Rerun(nn.Module):
    """Its first layers run once more for the backward."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.head = nn.Linear(4, 4)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return self.head(checkpoint(self.body, value, use_reentrant=False)) * 2


def test_layers_that_run_again_for_the_backward_have_marks_in_the_forward_only():
    part = profile(Rerun(), input=(4,), training="sgd")

    assert (None, ("body.0", "body.1", "head", "mul")) == (part.problem, part.layers)


class Threaded(nn.Module):
    """Calls its layers in threads."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        found: list[torch.Tensor] = []
        thread = threading.Thread(target=lambda: found.append(self.fc(value)))
        thread.start()
        thread.join()
        return found[0]


def test_layers_in_threads_are_refused_as_that():
    part = profile(Threaded(), input=(4,))

    assert ("failed", "layers-in-threads") == (part.status, part.code)
    assert part.problem.startswith("the forward calls fc in another thread")


class Both(nn.Module):
    """Calls a layer with a batch, and with one sample of it, which is no layer of the language."""

    def __init__(self, *, last: bool) -> None:
        super().__init__()
        self.b = nn.Linear(4, 4)
        self.last = last

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return self.b(value) + self.b(value[0]) if self.last else self.b(value[0]) + self.b(value)


@pytest.mark.parametrize(
    ("last", "expected"),
    [(True, ("b", "getitem", "b.linear", "add")), (False, ("getitem", "b.linear", "b.linear_2", "add"))],
    ids=["as a layer first", "as a function first"],
)
def test_a_layer_that_is_a_function_with_another_input_is_a_row_for_each_call(last, expected):
    part = profile(Both(last=last), input=(4,))

    assert (None, expected) == (part.problem, part.layers)
    assert [1, 1, 1, 1] == [layer.calls for layer in figures(part).layers if layer.name in expected]


class Normed(nn.Module):
    """Calls a layer with a batch, and with one sample of it, for which torch has functions around the layer's own."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm1d(4)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return self.norm(value) + self.norm(value[0])


def test_a_layer_that_is_several_functions_with_another_input_is_refused_as_that():
    part = profile(Normed(), input=(4, 5))

    assert ("failed", "layer-and-functions") == (part.status, part.code)
    assert part.problem.startswith("norm is one layer where it is called with one input, and norm.unsqueeze, ")


def test_a_made_layer_of_several_functions_is_refused_as_that():
    calls = [Call(("act", "neg"), 0, torch.neg), Call(("act", "softmax"), 1, torch.softmax)]

    with pytest.raises(cnnprof.UsageError, match="act is made in the forward, or kept where torch") as caught:
        following._made("act", calls)

    assert "hidden-layer" == caught.value.code


# What a network is called with, and what it returns


class Pair(nn.Module):
    """Two inputs of other sizes, one that may be left out between them."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow = nn.Linear(4, 2)
        self.wide = nn.Linear(8, 2)

    def forward(self, a: torch.Tensor, mask: Any = None, b: Any = None) -> torch.Tensor:
        assert mask is None
        return self.narrow(a) + self.wide(b)


class NamedOnly(Pair):
    """The same, by name only."""

    def forward(self, *, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(a, None, b)


@pytest.mark.parametrize("net", [Pair(), NamedOnly()], ids=["optional", "keyword-only"])
@pytest.mark.parametrize("training", [None, "sgd"])
def test_inputs_reach_the_arguments_of_their_names_in_any_order(net, training):
    part = profile(net, input={"b": (8,), "a": (4,)}, training=training, temperature=True)

    assert (None, ("narrow", "wide", "add")) == (part.problem, part.layers)


@dataclass
class Answer:
    """What some networks return."""

    value: torch.Tensor


class Answering(Making):
    def forward(self, value: torch.Tensor) -> Any:
        return Answer(self.fc(value))


@pytest.mark.parametrize("training", [None, "sgd"])
def test_an_output_in_a_dataclass_is_an_output(training):
    part = profile(Answering(), input=(4,), training=training)

    assert (None, ("fc",)) == (part.problem, part.layers)


# What else is switched


def test_an_encoder_runs_layer_by_layer_in_every_pass_of_an_inference():
    """Else torch would run each of its layers as one operator, except where functions are watched."""
    from cnnprof.measure import imported
    from cnnprof.model.run import Setting

    net = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    graph = cnnprof.load(nn.Sequential(net), input=(3, 8))
    with torch_kept("cpu"):
        ready = imported.of(nn.Sequential(net), graph, Setting(threads=1))
        with torch.profiler.profile() as profiler:
            ready.phases[0][1]()

    operators = {each.key for each in profiler.key_averages()}
    assert (False, True) == ("aten::_transformer_encoder_layer_fwd" in operators, "aten::linear" in operators)
    assert torch.backends.mha.get_fastpath_enabled()


class Switched(nn.Module):
    """Notes how it is called; copies of it note in the same list."""

    seen: list[Any] = []

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        if value.device.type != "meta":
            here = torch.empty(0).device.type
            self.seen.append((torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu"), here))
            torch.set_default_dtype(torch.float64)
        return self.fc(value)


@contextmanager
def _default_device():
    torch.set_default_device("meta")
    try:
        yield
    finally:
        assert torch.device("meta") == torch.get_default_device()
        torch.set_default_device(None)


@pytest.mark.parametrize(
    "around",
    [
        torch.no_grad,
        torch.inference_mode,
        lambda: torch.autocast("cpu", dtype=torch.bfloat16),
        lambda: torch.device("meta"),
        _default_device,
    ],
    ids=["no_grad", "inference_mode", "autocast", "device", "default device"],
)
def test_what_the_caller_has_switched_is_off_while_it_is_measured_and_on_afterwards(around):
    net, seen = Switched(), Switched.seen
    seen.clear()
    try:
        with around():
            before = torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), torch.get_default_device()
            part = profile(net, input=(4,), training="sgd", batch=2, dtype="float32")
            after = torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), torch.get_default_device()
        dtype = torch.get_default_dtype()
    finally:
        torch.set_default_dtype(torch.float32)

    assert (None, ("forward", "backward", "optimizer")) == (part.problem, part.phases)
    assert {(False, False, "cpu")} == set(seen)
    assert before == after
    assert torch.float32 == dtype
