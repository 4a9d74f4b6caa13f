"""Networks that are code, made ready to run: marks around the layers that their graph has. Runs in a worker.

A module that is a layer gets another ``forward`` with marks, for as long as pass L needs it. A hook would cost more,
and attention takes another path through its code where it sees one. What is called as a function is seen by torch's
function mode, which counts calls: a forward that was watched once says which call is which row.
"""

from __future__ import annotations

import copy
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnprof.devices.base import Alone, Dressed, Idle, Layer, Mark, Network
from cnnprof.measure.network import IDLE_LAYERS, IDLE_SHAPE, Marked, alone_on, draw, prepare, ready, set_up
from cnnprof.model.graph import Graph, Node
from cnnprof.model.run import Setting

if TYPE_CHECKING:
    import torch

Key = tuple[str, str | None]
"""What happened: a module's path, and the function that was called in it; None: the module as a layer."""


def named(source: dict[str, Any], graph: Graph, setting: Setting) -> Network:
    """Return the network of a name, made with weights.

    Args:
        source: ``model`` and ``params``, as ``load`` was given them.
        graph: what was read of it.
        setting: how it runs.

    Raises:
        CnnprofError: as ``load``.
    """
    from cnnprof.readers.imported import construction, sources

    set_up(setting)
    with construction.real():
        module = sources.find(source["model"], source["params"]).module
    return _network(module, graph, setting)


def of(module: torch.nn.Module, graph: Graph, setting: Setting) -> Network:
    """Return the network of a copy of a module of this process."""
    set_up(setting)
    return _network(copy.deepcopy(module), graph, setting)


def _network(module: Any, graph: Graph, setting: Setting) -> Network:
    import torch

    module = module.to(setting.device, getattr(torch, setting.dtype))
    prepare(module, setting)
    _freeze(module, graph)
    inputs = draw(graph.inputs, setting)
    with torch.set_grad_enabled(setting.mode == "training"):
        calls = _watch(module, inputs, {_path(node) for node in graph.nodes if node.call == "module"})
    return ready(module, inputs, _marked(module, calls, graph, inputs, setting.device), setting, fresh=False)


def _path(node: Node) -> str:
    """Return the path of the module that a node is, or was called in."""
    return (node.origin.module if node.origin is not None else None) or ""


def _freeze(module: torch.nn.Module, graph: Graph) -> None:
    for node in graph.nodes:
        if node.frozen and node.call == "module":
            module.get_submodule(_path(node)).requires_grad_(requires_grad=False)


# Which call is which row


class _Call(NamedTuple):
    """One thing that happened in a forward, in order."""

    key: Key
    number: int
    """Of this module's calls, or of all functions that were seen outside of layers."""


def _watch(module: torch.nn.Module, inputs: Sequence[torch.Tensor], layers: set[str]) -> list[_Call]:
    """Return what a forward does, as far as its graph could have a row for it."""
    import torch

    watch = _Watch(module, inputs, layers)
    plain = torch.nn.Module.__call__
    torch.nn.Module.__call__ = lambda part, *args, **kwargs: watch.module(plain, part, args, kwargs)
    try:
        with _mode(watch.function):
            module(*inputs)
    finally:
        torch.nn.Module.__call__ = plain
    return watch.calls


class _Watch:
    def __init__(self, module: torch.nn.Module, inputs: Sequence[torch.Tensor], layers: set[str]) -> None:
        self.calls: list[_Call] = []
        self._layers = layers
        self._paths = {id(each): path for path, each in module.named_modules()}
        self._path = [""]
        self._known = {id(each): each for each in (*inputs, *module.parameters(), *module.buffers())}
        """Tensors that depend on the network: what is computed of others only is a constant."""
        self._functions = 0
        self._times: dict[str, int] = {}

    def module(self, plain: Callable[..., Any], part: torch.nn.Module, args: Any, kwargs: Any) -> Any:
        import torch

        path = self._paths.get(id(part))
        if path is None:  # made in the forward, or hidden in a list
            path = ".".join(filter(None, (self._path[-1], type(part).__name__.lower())))
        if path not in self._layers:
            self._path.append(path)
            try:
                return plain(part, *args, **kwargs)
            finally:
                self._path.pop()
        number = self._times[path] = self._times.get(path, -1) + 1
        self.calls.append(_Call((path, None), number))
        with torch._C.DisableTorchFunction():  # noqa: SLF001 torch's only name for it
            result = plain(part, *args, **kwargs)
        self._learn(result)
        return result

    def function(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        from cnnprof.readers.imported.calls import MAKERS, QUIET, function_name, tensors_in

        number = self._functions
        self._functions += 1
        result = function(*args, **kwargs)
        name = function_name(function).removesuffix("_")
        if name not in QUIET | MAKERS and any(id(each) in self._known for each in tensors_in(args, kwargs)):
            self.calls.append(_Call((self._path[-1], name), number))
            self._learn(result)
        return result

    def _learn(self, result: Any) -> None:
        from cnnprof.readers.imported.calls import tensors_in

        self._known |= {id(each): each for each in tensors_in(result)}


def _rows(calls: Sequence[_Call], graph: Graph) -> list[tuple[_Call, Node]]:
    """Return the calls that rows of the graph stand for, in order; the first call of a kind is its first row."""
    waiting: dict[Key, deque[Node]] = {}
    for node in graph.nodes:
        waiting.setdefault(_key(node), deque()).append(node)
    found = []
    for call in calls:
        nodes = waiting.get(call.key)
        if nodes:
            found.append((call, nodes.popleft()))
    return found


def _key(node: Node) -> Key:
    path = _path(node)
    if node.call == "module":
        return path, None
    return path, re.sub(r"(_\d+)+$", "", node.name.removeprefix(f"{path}."))


# Marks


def _marked(
    module: torch.nn.Module, calls: Sequence[_Call], graph: Graph, inputs: Sequence[torch.Tensor], device: str
) -> Marked:
    rows = _rows(calls, graph)
    parts = {path: part for path, part in module.named_modules() if (path, None) in {call.key for call, _ in rows}}
    layers = tuple(
        Layer(node.name, "function" if call.key[1] else "module", _alone(module, parts, call, inputs))
        for call, node in rows
    )
    functions = {call.number for call, _ in rows if call.key[1] is not None}

    def dress(enter: Mark, leave: Mark) -> tuple[Callable[..., Any], Callable[[], AbstractContextManager[Any]]]:
        forwards = {path: _dressed(part.forward, enter, leave) for path, part in parts.items()}
        if not functions:  # then no mode slows down those without a row
            return module, partial(_worn, parts, forwards, nullcontext)
        counting = _counting(functions, enter, leave)
        return partial(counting.of, module), partial(_worn, parts, forwards, lambda: counting)

    return Marked(layers, dress, {"module": _idle_modules(device), "function": _idle_functions(device)})


def _dressed(forward: Callable[..., Any], enter: Mark, leave: Mark) -> Callable[..., Any]:
    import torch

    def dressed(*args: Any, **kwargs: Any) -> Any:
        with torch._C.DisableTorchFunction():  # noqa: SLF001 torch's only name for it
            enter()
            result = forward(*args, **kwargs)
            leave()
            return result

    return dressed


@contextmanager
def _worn(
    parts: dict[str, torch.nn.Module], forwards: dict[str, Callable[..., Any]], counting: Callable[[], Any]
) -> Iterator[None]:
    """Have modules use other forwards, and functions counted."""
    before = {path: part.__dict__.get("forward") for path, part in parts.items()}
    for path, part in parts.items():
        part.__dict__["forward"] = forwards[path]
    try:
        with counting():
            yield
    finally:
        for path, part in parts.items():
            del part.__dict__["forward"]
            if before[path] is not None:
                part.__dict__["forward"] = before[path]


def _counting(functions: set[int], enter: Mark, leave: Mark) -> Any:
    """Return torch's function mode that marks the functions of these numbers; ``of`` calls what they are counted in."""
    from torch.overrides import TorchFunctionMode

    numbered = [number in functions for number in range(max(functions) + 1)]

    class Counting(TorchFunctionMode):  # type: ignore[misc] # torch is not followed
        upcoming: Iterator[bool] = iter(())

        def of(self, module: Callable[..., Any], *given: Any) -> Any:
            # What is called around it has no number: torch.no_grad, which is a function too, and a loss.
            self.upcoming = iter(numbered)
            return module(*given)

        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if not next(self.upcoming, False):
                return function(*args, **(kwargs or {}))
            enter()
            result = function(*args, **(kwargs or {}))
            leave()
            return result

    return Counting()


def _mode(call: Callable[..., Any]) -> Any:
    from torch.overrides import TorchFunctionMode

    class Mode(TorchFunctionMode):  # type: ignore[misc] # torch is not followed
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return call(function, args, kwargs or {})

    return Mode()


def _alone(
    module: torch.nn.Module, parts: dict[str, torch.nn.Module], call: _Call, inputs: Sequence[torch.Tensor]
) -> Callable[[], Alone] | None:
    """Return what prepares a module by itself; a function's arguments are not only tensors."""
    path, function = call.key
    if function is not None or not path or path not in parts:
        return None
    return lambda: alone_on(module, parts[path], call.number, inputs)


def _idle_modules(device: str) -> Idle:
    import torch

    part = torch.nn.ReLU(inplace=True)
    value = torch.zeros(IDLE_SHAPE, device=device)

    def plain() -> None:
        for _ in range(IDLE_LAYERS):
            part(value)

    def marked(enter: Mark, leave: Mark) -> Dressed:
        other = torch.nn.ReLU(inplace=True)
        other.__dict__["forward"] = _dressed(other.forward, enter, leave)

        def run() -> None:
            for _ in range(IDLE_LAYERS):
                other(value)

        return Dressed(run)

    return Idle(IDLE_LAYERS, plain, marked)


def _idle_functions(device: str) -> Idle:
    """Return a function that does little, called as functions are."""
    import torch

    value = torch.zeros(IDLE_SHAPE, device=device)

    def plain() -> None:
        for _ in range(IDLE_LAYERS):
            torch.relu_(value)

    def marked(enter: Mark, leave: Mark) -> Dressed:
        counting = _counting(set(range(IDLE_LAYERS)), enter, leave)
        return Dressed(partial(counting.of, plain), lambda: counting)

    return Idle(IDLE_LAYERS, plain, marked)
