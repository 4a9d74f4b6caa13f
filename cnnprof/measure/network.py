"""A network made ready to run: its module, its inputs, its steps, and its layers with marks. Runs in a worker."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnprof import builder
from cnnprof.devices import cuda
from cnnprof.devices.base import Alone, Dressed, Idle, Layer, Mark, Network
from cnnprof.devices.storages import total, tracker
from cnnprof.errors import MissingPackageError, UsageError
from cnnprof.measure import checked
from cnnprof.measure.given import Given, tensors
from cnnprof.model.graph import Edge, Graph, Input, Node
from cnnprof.model.plain import replace
from cnnprof.model.run import Setting

if TYPE_CHECKING:
    import torch

IDLE_LAYERS = 100
"""Layers that do little, on which the cost of marks is measured."""
IDLE_SHAPE = (1, 2**17)
"""What they go over: half a MiB, so that between two marks the nearer caches fill with something else, as in a network:
on layers of one number marks are in the caches, and seem cheaper than they are."""
COUNTER = "torch's MemTracker"
_IMAGE_DIMS = 4
_DRAWN = range(1, 3)
"""What integer inputs hold: indices that every table has."""


class Marked(NamedTuple):
    """How a module's layers are told apart."""

    layers: tuple[Layer, ...]
    dress: Callable[[Mark, Mark], tuple[Callable[..., Any], Callable[[], AbstractContextManager[Any]]]]
    """Given marks: what is called in place of the module, and what is entered around it."""
    idle: dict[str, Idle]


def ready(module: torch.nn.Module, given: Given, marked: Marked, setting: Setting, *, fresh: bool = True) -> Network:
    """Return a module that is ready to run in the steps of a setting; ``fresh``: it has not run yet."""
    import torch

    trains = setting.mode == "training"
    called: Any = torch.compile(module) if setting.compiled else module
    steps = _Steps(module, given, setting) if trains else None

    def forward_of(call: Callable[..., Any]) -> Callable[[], Any]:
        return steps.forward(call) if steps else _inference(call, given)

    first = ("forward", forward_of(called))
    phases = (first, ("backward", steps.backward), ("optimizer", steps.update)) if steps else (first,)
    if setting.compiled:  # now: it takes longer than a budget, and is no part of any forward
        for _, step in phases:
            step()

    def dressed(enter: Mark, leave: Mark) -> Dressed:
        call, around = marked.dress(enter, leave)
        return Dressed(forward_of(call), around)

    return Network(
        layers=() if setting.compiled else marked.layers,
        phases=phases,
        marked=None if setting.compiled else dressed,
        idle={} if setting.compiled else marked.idle,
        peak_bytes=lambda: _peak_bytes(module, given, steps, [step for _, step in phases]),
        counter=COUNTER,
        output_std=lambda: _output_std(module, given),
        inputs=given.tensors,
        weights=(*module.parameters(), *module.buffers()),
        state=steps.state if steps else list,
        fresh=fresh and not setting.compiled,
    )


def _inference(call: Callable[..., Any], given: Given) -> Callable[[], Any]:
    import torch

    def forward() -> Any:
        with torch.no_grad():
            return call(*given.args, **given.kwargs)

    return forward


class _Steps:
    """A training step: forward with a loss, backward, optimizer and the gradients' end."""

    def __init__(self, module: torch.nn.Module, given: Given, setting: Setting) -> None:
        trained = [each for each in module.parameters() if each.requires_grad]
        if not trained:
            raise UsageError(
                "nothing of it trains: all of its parameters are frozen, or it has none",
                hint="profile its inference",
                code="nothing-trains",
            )
        self.optimizer = _optimizer(setting.optimizer, trained)
        self._given = given
        self._loss: Any = None

    def forward(self, call: Callable[..., Any]) -> Callable[[], None]:
        def forward() -> None:
            # The mean stands for any loss: its time is that of reading the outputs once.
            outputs = tensors(call(*self._given.args, **self._given.kwargs))
            self._loss = sum(each.float().mean() for each in outputs if each.requires_grad)

        return forward

    def backward(self) -> None:
        self._loss.backward()
        self._loss = None

    def update(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def state(self) -> list[Any]:
        return tensors(list(self.optimizer.state.values()))


def _optimizer(name: str, trained: list[torch.Tensor]) -> torch.optim.Optimizer:
    import torch

    if name == "adam":
        return torch.optim.Adam(trained)
    return torch.optim.SGD(trained, lr=1e-3, momentum=0.9 if name == "momentum" else 0.0)


def _peak_bytes(
    module: torch.nn.Module, given: Given, steps: _Steps | None, phases: Sequence[Callable[[], Any]]
) -> int:
    known = [module, *given.tensors, *([steps.optimizer] if steps else [])]
    with tracker(*known) as found:
        for phase in phases:
            phase()
    return total(found)


def _output_std(module: torch.nn.Module, given: Given) -> float:
    import torch

    with torch.no_grad():
        return float(tensors(module(*given.args, **given.kwargs))[-1].double().std(correction=0))


# What a specification says


def built(graph: Graph, setting: Setting) -> Network:
    """Return a network that cnnprof builds, on the device, in the dtype and the layout of a setting.

    Raises:
        CnnprofError: as ``builder.build``.
    """
    set_up(setting)
    module: Any = builder.build(graph, seed=setting.seed, device=setting.device, dtype=setting.dtype)
    prepare(module, setting)
    given = Given(tuple(draw(graph.inputs, setting)))
    layers = tuple(
        Layer(node.name, "line", partial(alone_on, module, module.get_submodule(module.paths[node.name]), 0, given))
        for node in graph.nodes
        if node.when == "always" or setting.mode == "training"
    )
    marked = Marked(
        layers,
        lambda enter, leave: (builder.marked(module, enter, leave), nullcontext),
        {"line": _idle_lines(setting)},
    )
    return ready(module, given, marked, setting)


def split(graph: Graph, setting: Setting, names: Sequence[str]) -> Network:
    """Return a network whose layers ``names`` are on the device of a setting, and the others on the CPU.

    Weights are on both; inputs and outputs on the CPU. Its layers are not told apart.

    Raises:
        CnnprofError: as ``builder.build``.
        WorkerError: as ``checked.check``.
    """
    set_up(setting)
    on_cpu = replace(setting, device="cpu")
    here, there = (
        builder.build(graph, seed=setting.seed, device=each.device, dtype=setting.dtype) for each in (on_cpu, setting)
    )
    for each in (here, there):
        prepare(each, setting)
    module, given = builder.split(here, there, frozenset(names)), Given(tuple(draw(graph.inputs, on_cpu)))
    checked.check(module, given, checked.expected(here, given), exact=setting.device.startswith("cpu"))
    unmarked = Marked((), lambda _enter, _leave: (module, nullcontext), {})
    return ready(module, given, unmarked, setting, fresh=False)


def set_up(setting: Setting) -> None:
    """Have torch compute with as many threads as were asked for, if so, and on the GPU that was."""
    import torch

    if setting.threads is not None:
        torch.set_num_threads(setting.threads)
    if setting.device.startswith("cuda"):
        cuda.start(setting.device, tf32=setting.tf32)


def prepare(module: torch.nn.Module, setting: Setting) -> None:
    """Put a module into the mode and the layout of a setting."""
    import torch

    module.train(setting.mode == "training")
    if setting.layout == "channels_last":
        module.to(memory_format=torch.channels_last)


def draw(inputs: Sequence[Input], setting: Setting) -> list[torch.Tensor]:
    """Return random inputs of a batch: normally distributed, never zeros, which some hardware computes faster."""
    import torch

    generator = torch.Generator().manual_seed(setting.seed)
    found = [_drawn(each, setting, generator) for each in inputs]
    if setting.layout == "channels_last":
        return [
            each.contiguous(memory_format=torch.channels_last) if each.dim() == _IMAGE_DIMS else each for each in found
        ]
    return found


def _drawn(tensor: Input, setting: Setting, generator: torch.Generator) -> torch.Tensor:
    import torch

    shape, dtype = (setting.batch, *tensor.shape), getattr(torch, tensor.dtype)
    if dtype.is_floating_point:
        return torch.randn(shape, generator=generator).to(setting.device, getattr(torch, setting.dtype))
    return torch.randint(_DRAWN.start, _DRAWN.stop, shape, generator=generator).to(setting.device, dtype)


def _idle_lines(setting: Setting) -> Idle:
    """Return layers in a row, built as any network is."""
    import torch

    nodes = tuple(
        Node(name=f"layer{at}", op="relu", args={"inplace": True}, inputs=(Edge(f"layer{at - 1}" if at else "input"),))
        for at in range(IDLE_LAYERS)
    )
    graph = Graph(
        name="idle",
        source="idle",
        inputs=(Input(name="input", shape=IDLE_SHAPE[1:]),),
        nodes=nodes,
        outputs={"output": Edge(nodes[-1].name)},
    )
    module: Any = builder.build(graph, device=setting.device)
    value = torch.zeros(IDLE_SHAPE, device=setting.device)

    def marked(enter: Mark, leave: Mark) -> Dressed:
        dressed = builder.marked(module, enter, leave)
        return Dressed(lambda: dressed(value))

    return Idle(IDLE_LAYERS, lambda: module(value), marked)


def alone_on(module: Any, part: torch.nn.Module, number: int, given: Given) -> Alone:
    """Return one layer by itself, on what reaches it in the network when it is called for that time (from 0)."""
    args, kwargs = _arriving(module, part, number, given)

    def running(layer: torch.nn.Module) -> Callable[[], Any]:
        def run() -> Any:
            with _no_grad():
                return layer(*args, **kwargs)

        return run

    read = tensors([args, kwargs])
    return Alone(running(part), running(copy.deepcopy(part)), lambda: [each.sum() for each in read])


def _no_grad() -> Any:
    import torch

    return torch.no_grad()


class _Arrived(BaseException):
    """A layer was reached: no error, and nothing in between may take it for one."""


def _arriving(module: Any, part: torch.nn.Module, number: int, given: Given) -> tuple[Any, Any]:
    calls: list[tuple[Any, Any]] = []

    def stop(_module: Any, args: Any, kwargs: Any) -> None:
        calls.append((_copied(args), _copied(kwargs)))
        if len(calls) > number:
            raise _Arrived

    handle = part.register_forward_pre_hook(stop, with_kwargs=True)
    try:
        with _no_grad(), suppress(_Arrived):
            module(*_copied(given.args), **_copied(dict(given.kwargs)))
    finally:
        handle.remove()
    return calls[-1]


def _copied(value: Any) -> Any:
    """Return arguments whose tensors are the layer's alone: it may write into them."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_copied(each) for each in value)
    return value


def check_torch() -> None:
    """Raise MissingPackageError where torch cannot be imported in this interpreter."""
    import sys

    try:
        import torch  # noqa: F401 asked whether it is there
    except ImportError as error:
        raise MissingPackageError(
            f"measuring needs PyTorch, and {sys.executable} cannot import it: {error}",
            hint=f"{sys.executable} -m pip install torch",
        ) from error
