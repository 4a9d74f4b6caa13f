"""Real networks on the real CPU: which layers are told apart, where planted work turns up, what stays as it was.

Times are compared with each other and with work that was planted, never with a clock: a busy machine fails nothing.
"""

from __future__ import annotations

import copy
import functools
import time
from typing import Any

import pytest
import torch
from torch import nn

import cnnprof
from cnnprof.measure import network, session
from cnnprof.measure.summary import summarise
from cnnprof.model.profile import Profile
from cnnprof.model.run import Part
from tests.helpers.measuring import measured
from tests.helpers.threads import one_thread

BURNT_S = 0.002
HALF_S = BURNT_S / 2


_one_thread = pytest.fixture(autouse=True)(one_thread)


def burn(*_: object) -> None:
    """Be busy for two milliseconds of this thread's own time, however busy others are."""
    end = time.thread_time() + BURNT_S
    while time.thread_time() < end:
        pass


def profile(model: Any, **options: Any) -> Part:
    usual = {"in_process": True, "threads": 1, "budget_s": 0.4}
    return cnnprof.profile(model, **(usual | options)).parts[0]


def figures(part: Part) -> Profile:
    assert part.problem is None
    return summarise(part)


class Conv(nn.Conv2d):
    """A convolution that burns time inside: a layer like any other."""

    def _conv_forward(self, *given: Any) -> torch.Tensor:
        burn()
        return super()._conv_forward(*given)


class Net(nn.Module):
    """Four rows: two modules, a function, a module."""

    def __init__(self, conv: Any = nn.Conv2d, between: Any = None) -> None:
        super().__init__()
        self.conv = conv(3, 4, 3)
        self.act = nn.ReLU()
        self.head = nn.Linear(4 * 14 * 14, 10)
        self.between = between

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        value = self.act(self.conv(image))
        if self.between is not None:
            self.between()
        return self.head(torch.flatten(value, 1))


def hooked() -> Net:
    net = Net()
    net.act.register_forward_hook(burn)
    return net


# Planted work


def cpu_times(profile: Profile) -> dict[str, float]:
    return {layer.name: layer.cpu_time.median_s for layer in profile.layers}


@pytest.fixture(scope="module")
def plain() -> Profile:
    return figures(profile(Net(), input=(3, 16, 16)))


def test_the_rows_of_a_plain_network_are_its_modules_and_its_function(plain):
    assert ["conv", "act", "flatten", "head"] == [layer.name for layer in plain.layers]
    assert [1, 1, 1, 1] == [layer.calls for layer in plain.layers]
    assert max(cpu_times(plain).values()) < HALF_S


def test_work_in_a_layer_is_in_that_layers_row_and_nowhere_else(plain):
    found = figures(profile(Net(Conv), input=(3, 16, 16)))

    before, after = cpu_times(plain), cpu_times(found)
    assert after["conv"] - before["conv"] > HALF_S
    assert [] == [name for name in ("act", "flatten", "head") if after[name] - before[name] > HALF_S]
    assert found.ledger.layers_s - plain.ledger.layers_s > HALF_S
    assert found.ledger.glue_s - plain.ledger.glue_s < HALF_S


@pytest.mark.parametrize("net", [Net(between=burn), hooked()], ids=["between", "hook"])
def test_work_between_layers_or_in_a_hook_is_glue_and_in_no_row(plain, net):
    found = figures(profile(net, input=(3, 16, 16)))

    before, after = cpu_times(plain), cpu_times(found)
    assert found.ledger.glue_s - plain.ledger.glue_s > HALF_S
    assert [] == [name for name in before if after[name] - before[name] > HALF_S]


@pytest.mark.parametrize(
    "plant",
    [
        lambda part: setattr(part, "forward", functools.partial(_burning, part.forward)),
        lambda part: part.register_forward_hook(burn),
        lambda part: part.register_forward_pre_hook(burn),
    ],
    ids=["layer", "hook", "pre-hook"],
)
def test_work_in_a_line_of_a_built_network_is_in_that_lines_row(monkeypatch, plant):
    """Marks of built networks stand around whole lines, calls of modules with their hooks."""
    plain = cpu_times(figures(profile("lenet5")))
    build = network.builder.build

    def planted(*args: Any, **options: Any) -> Any:
        made = build(*args, **options)
        if made.graph.name != "idle":
            plant(made.get_submodule(made.paths["f6"]))
        return made

    monkeypatch.setattr(network.builder, "build", planted)
    found = cpu_times(figures(profile("lenet5")))

    assert found["f6"] - plain["f6"] > HALF_S
    assert [] == [name for name in plain if name != "f6" and found[name] - plain[name] > HALF_S]


def _burning(forward: Any, *given: Any) -> Any:
    burn()
    return forward(*given)


def test_work_in_the_optimizer_is_in_that_phase(monkeypatch):
    plain = figures(profile("lenet5", training="sgd")).phases
    step = torch.optim.SGD.step
    monkeypatch.setattr(torch.optim.SGD, "step", lambda *given: (burn(), step(*given))[1])

    found = figures(profile("lenet5", training="sgd")).phases

    assert ["forward", "backward", "optimizer"] == list(found)
    assert found["optimizer"].median_s - plain["optimizer"].median_s > HALF_S


# Which layers are told apart


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("resnet18", {"input": (3, 64, 64)}),
        ("resnet18", {"input": (3, 64, 64), "training": "sgd", "batch": 2}),
        ("googlenet", {"input": (3, 96, 96)}),
        ("googlenet", {"training": "sgd", "batch": 2}),
        ("unet", {"input": (1, 188, 188)}),
        ("densenet121", {"input": (3, 64, 64)}),
        ("mobilenet_v3_small", {"input": (3, 64, 64)}),
    ],
)
def test_every_row_of_a_zoo_network_that_runs_has_its_marks_in_order(model, options):
    part = profile(model, **options)

    trains = "training" in options
    rows = [row.name for row in part.analysis.rows if trains or row.when == "always"]
    assert rows == list(part.layers)
    assert {"line"} == set(part.marks)
    marked = [each for each in part.forwards if each.kind == "L"]
    assert {2 * len(rows) + 1} == {len(each.marks_ns) for each in marked}
    assert [] == [each for each in marked if min(each.marks_ns) < 0 or sum(each.marks_ns) > each.wall_ns]


NO_LAYER = {"parameter", "buffer", "constant"}


@pytest.mark.parametrize(
    ("model", "size"),
    [("mobilenet_v3_small", 64), ("densenet121", 64), ("googlenet", 96), ("vit_b_16", None)],
)
def test_every_row_of_an_imported_network_that_runs_is_timed(model, size):
    part = profile(f"torchvision:{model}", input=(3, size, size) if size else None)

    expected = [row.name for row in part.analysis.rows if row.when == "always" and row.op not in NO_LAYER]
    timed = [layer.name for layer in figures(part).layers if layer.calls]
    assert expected == list(part.layers) == timed


def test_every_row_of_an_imported_training_step_is_timed():
    part = profile("torchvision:googlenet", batch=2, training="momentum")

    assert [row.name for row in part.analysis.rows if row.op not in NO_LAYER] == list(part.layers)
    assert {"module", "function"} == set(part.marks)


class Twice(nn.Module):
    """One module called twice, and functions of every form of call."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        value = self.conv(self.conv(image)) + image
        return nn.functional.relu(value).mul(2).sum(dim=(2, 3))


def test_a_module_that_is_called_twice_is_two_rows_and_functions_are_rows_too():
    part = profile(Twice(), input=(3, 8, 8))

    assert [row.name for row in part.analysis.rows] == list(part.layers)
    assert ["module"] * 2 + ["function"] * 4 == list(part.marks)


class Varying(nn.Module):
    """Runs a layer more in every second forward."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.calls = 0

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.fc(self.fc(value)) if self.calls % 2 else self.fc(value)


def test_a_forward_that_does_not_always_do_the_same_is_refused():
    part = profile(Varying(), input=(4,))

    assert ("failed", "varying-forward") == (part.status, part.code)
    assert "it does not do the same each time" in part.problem


# What a forward computes does not change under marks


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "densenet121", "googlenet", "vit_b_16"])
def test_a_marked_forward_of_an_imported_network_gives_the_same(name):
    from cnnprof.measure import imported
    from cnnprof.model.run import Setting

    graph = cnnprof.load(f"torchvision:{name}")
    source = {"model": f"torchvision:{name}", "params": {}}
    ready = imported.named(source, graph, Setting(threads=1))
    marks: list[str] = []
    dressed = ready.marked(lambda: marks.append("enter"), lambda: marks.append("leave"))

    with torch.no_grad():
        expected = ready.phases[0][1]()
        with dressed.around():
            found = dressed.run()
        again = ready.phases[0][1]()

    assert torch.equal(expected, found)
    assert torch.equal(expected, again)
    assert ["enter", "leave"] * len(ready.layers) == marks


# A user's own module


def test_a_users_module_is_afterwards_what_it_was():
    net = hooked().train()
    net.head.requires_grad_(requires_grad=False)
    net.conv(torch.zeros(1, 3, 16, 16)).sum().backward()
    state = copy.deepcopy(net.state_dict())
    grads = {name: None if each.grad is None else each.grad.clone() for name, each in net.named_parameters()}
    hooks = {path: (dict(each._forward_hooks), dict(each._forward_pre_hooks)) for path, each in net.named_modules()}
    attributes = {path: set(each.__dict__) for path, each in net.named_modules()}
    torch.set_num_threads(1)
    torch.manual_seed(5)
    random = torch.get_rng_state()

    part = profile(net, input=(3, 16, 16), training="adam", threads=2, temperature=True)

    assert ("failed", None) != (part.status, part.problem)
    assert len(measured(part)) > 0
    assert all(torch.equal(state[name], each) for name, each in net.state_dict().items())
    assert all(grads[name] is each.grad or torch.equal(grads[name], each.grad) for name, each in net.named_parameters())
    assert net.training
    assert [True, True, False, False] == [each.requires_grad for each in net.parameters()]
    assert hooks == {path: (dict(m._forward_hooks), dict(m._forward_pre_hooks)) for path, m in net.named_modules()}
    assert attributes == {path: set(each.__dict__) for path, each in net.named_modules()}
    assert 1 == torch.get_num_threads()
    assert torch.equal(random, torch.get_rng_state())


def test_a_name_measured_in_process_leaves_torchs_threads_and_random_numbers_alone():
    random = torch.get_rng_state()

    part = profile("alexnet", input=(3, 64, 64), threads=2, training="sgd", batch=2)

    assert 2 == part.environment["threads"]
    assert 1 == torch.get_num_threads()
    assert torch.equal(random, torch.get_rng_state())


def test_a_module_is_not_taken_to_another_process():
    with pytest.raises(cnnprof.UsageError, match="cannot be measured in another one"):
        cnnprof.profile(Net(), input=(3, 16, 16))


class Raising(nn.Module):
    """Breaks after a few forwards."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.calls = 0

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls > 40:
            raise ValueError("their own error")
        return self.fc(value)


def test_a_module_that_raises_keeps_what_was_measured_and_its_own_words():
    net = Raising()

    part = profile(net, input=(4,))

    assert ("failed", "their own error") == (part.status, part.problem)
    assert len(part.forwards) > 0
    assert net.calls < 40


def test_an_interrupt_in_the_middle_leaves_torch_and_the_module_as_they_were():
    net, calls = Net(), []

    def interrupt() -> None:
        calls.append(1)
        if len(calls) > 30:
            raise KeyboardInterrupt

    net.between = interrupt
    with pytest.raises(KeyboardInterrupt) as caught:
        profile(net, input=(3, 16, 16), threads=2)

    assert ("interrupted", 1) == (caught.value.partial.status, torch.get_num_threads())
    assert "forward" not in net.conv.__dict__


# Settings


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_a_training_step_has_three_phases_that_add_up(optimizer):
    part = profile("lenet5", training=optimizer, batch=4)

    assert ("forward", "backward", "optimizer") == part.phases
    assert [] == [each for each in part.forwards if sum(each.phases_ns) != each.wall_ns or min(each.phases_ns) <= 0]


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_a_network_runs_in_its_dtype(dtype):
    part = profile("resnet18", dtype=dtype, input=(3, 32, 32))

    assert (dtype, None) == (part.setting.dtype, part.problem)
    assert part.analysis.memory.peak_bytes == part.memory.peak_bytes
    assert 0 < part.output_std


def test_a_network_runs_with_its_channels_last(monkeypatch):
    seen, ready = [], network.ready
    monkeypatch.setattr(network, "ready", lambda *given: seen.append(given) or ready(*given))

    part = profile("lenet5", channels_last=True, batch=2)

    module, given = seen[0][:2]
    weights = [each for each in module.parameters() if each.dim() == 4]
    assert "channels_last" == part.setting.layout
    assert [True] * 4 == [each.is_contiguous(memory_format=torch.channels_last) for each in (*given.tensors, *weights)]


def test_frozen_layers_do_not_train():
    free = profile("lenet5", training="adam")
    frozen = profile("lenet5", training="adam", freeze="c*")

    assert frozen.memory.peak_bytes < free.memory.peak_bytes
    assert abs(frozen.analysis.training.peak_bytes - frozen.memory.peak_bytes) <= 0.02 * frozen.memory.peak_bytes


@pytest.mark.parametrize("model", ["lenet5", Net()])
def test_what_trains_nothing_is_no_training_step(model):
    size = (3, 16, 16) if isinstance(model, Net) else None

    part = profile(model, training="sgd", freeze="*", input=size)

    assert ("failed", "nothing-trains") == (part.status, part.code)


def test_a_compiled_network_is_measured_as_a_whole():
    part = profile("INPUT 3x8x8 -> CONV3-4 -> RELU -> FC-10", compile=True)

    assert (None, ()) == (part.problem, part.layers)
    assert {"E"} == {each.kind for each in part.forwards}
    assert len(measured(part)) > 0


# Memory


@pytest.mark.parametrize("model", ["lenet5", "resnet18"])
def test_the_measured_peak_of_an_inference_is_the_predicted_one(model):
    part = profile(model)

    assert part.analysis.memory.peak_bytes == part.memory.peak_bytes


@pytest.mark.parametrize("model", ["lenet5", "resnet18"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_measured_peak_of_a_training_step_is_the_predicted_one_within_two_percent(model, optimizer):
    part = profile(model, training=optimizer, batch=2)

    assert part.memory.peak_bytes == pytest.approx(part.analysis.training.peak_bytes, rel=0.02)


# Layers alone


def test_every_module_runs_alone_hot_and_cold():
    part = profile("INPUT 3x8x8 -> CONV3-4 -> RELU -> FC-10", temperature=True, budget_s=60.0, interval=0.5)

    assert list(part.layers) == [each.layer for each in part.temperatures]
    assert {(11, 11)} == {(len(each.hot_ns), len(each.cold_ns)) for each in part.temperatures}
    assert min(min(each.hot_ns + each.cold_ns) for each in part.temperatures) > 0


def test_of_an_imported_network_modules_run_alone_and_functions_do_not():
    part = profile(Twice(), input=(3, 8, 8), temperature=True, budget_s=60.0, interval=0.5)

    assert list(part.layers[:2]) == [each.layer for each in part.temperatures]


# Through a worker


def test_a_worker_measures_what_this_process_would():
    part = profile("lenet5", in_process=False)

    assert None is part.problem
    assert [row.name for row in part.analysis.rows] == list(part.layers)
    assert (1, torch.__version__) == (part.environment["threads"], part.environment["torch"])
    assert part.analysis.memory.peak_bytes == part.memory.peak_bytes


def test_a_users_module_is_measured_by_its_name_in_a_worker(tmp_path, monkeypatch):
    (tmp_path / "mynet.py").write_text(
        "from torch import nn\nprint('on standard output')\nnet = nn.Sequential(nn.Linear(4, 4), nn.ReLU())\n"
    )
    monkeypatch.chdir(tmp_path)

    part = profile("mynet:net", in_process=False, input=(4,))

    assert (None, ("0", "1")) == (part.problem, part.layers)


@pytest.mark.parametrize("model", ["lenet5", "torchvision:squeezenet1_1"])
def test_an_interpreter_that_has_only_torch_measures_networks_that_are_built(monkeypatch, model):
    """Of code, the libraries that it needs have to be there too, which is said."""
    monkeypatch.setattr(session, "TARGET", "tests.helpers.bare:measure")

    part = profile(model, in_process=False)

    if model == "lenet5":
        assert [row.name for row in part.analysis.rows] == list(part.layers)
        assert (None, part.analysis.memory.peak_bytes) == (part.problem, part.memory.peak_bytes)
    else:
        assert ("failed", True) == (part.status, "torchvision" in part.problem)
