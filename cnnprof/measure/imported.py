"""Networks that are code, made ready to run: marks around the layers that their graph has. Runs in a worker.

A module that is a layer gets another ``forward`` with marks, for as long as pass L needs it. A hook would cost more,
and attention takes another path through its code where it sees one. What is called as a function is seen by torch's
function mode, which counts calls: a forward that was watched once says which call is which row.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from cnnprof.devices.base import Alone, Dressed, Idle, Layer, Mark, Network
from cnnprof.measure import checked
from cnnprof.measure.divided import divided
from cnnprof.measure.following import Call, Followed, Key, Order, check_rows, follow, other, path_of, rows, worn
from cnnprof.measure.given import Given
from cnnprof.measure.network import IDLE_LAYERS, IDLE_SHAPE, Marked, alone_on, draw, prepare, ready, set_up
from cnnprof.model.graph import Graph
from cnnprof.model.plain import replace
from cnnprof.model.run import Setting

if TYPE_CHECKING:
    import torch


def named(source: dict[str, Any], graph: Graph, setting: Setting, on_device: Collection[str] | None = None) -> Network:
    """Return the network of a name, made with weights.

    Args:
        source: ``model`` and ``params``, as ``load`` was given them.
        graph: what was read of it.
        setting: how it runs.
        on_device: names of the layers that are on the device of the setting, the others on the CPU; None: all are.

    Raises:
        CnnprofError: as ``load``.
    """
    from cnnprof.readers.imported import construction, sources

    set_up(setting)
    with construction.real():
        module = sources.find(source["model"], source["params"]).module
    return _network(module, graph, setting, on_device)


def of(module: torch.nn.Module, graph: Graph, setting: Setting, on_device: Collection[str] | None = None) -> Network:
    """Return the network of a copy of a module of this process."""
    set_up(setting)
    return _network(copy.deepcopy(module), graph, setting, on_device)


def _network(module: Any, graph: Graph, setting: Setting, on_device: Collection[str] | None) -> Network:
    if on_device is not None:
        return _halves(module, graph, setting, on_device)
    module, given, followed = _followed(module, graph, setting)
    return ready(module, given, _marked(module, followed, graph, given, setting.device), setting, fresh=False)


def _halves(module: Any, graph: Graph, setting: Setting, on_device: Collection[str]) -> Network:
    """Return a network on two devices, whose inputs and outputs are on the CPU. Its layers are not told apart."""
    module, given, followed = _followed(module, graph, replace(setting, device="cpu"))
    wanted = checked.expected(module, given)
    both = divided(module, followed, graph, on_device, setting.device)
    checked.check(both, given, wanted, exact=setting.device.startswith("cpu"))
    return ready(both, given, Marked((), lambda _enter, _leave: (both, nullcontext), {}), setting, fresh=False)


def _followed(module: Any, graph: Graph, setting: Setting) -> tuple[Any, Given, Followed]:
    """Return a module that is ready to run, what it is called with, and what a forward of it does."""
    import torch

    module = module.to(setting.device, getattr(torch, setting.dtype))
    prepare(module, setting)
    _freeze(module, graph)
    if not setting.compiled and any(isinstance(part, torch.nn.TransformerEncoderLayer) for part in module.modules()):
        # One operator in place of layers that are rows, where nobody watches: E would be another network than L.
        torch.backends.mha.set_fastpath_enabled(False)
    given = _given(module, graph, setting)
    with torch.set_grad_enabled(setting.mode == "training"):
        layers = {path_of(node) for node in graph.nodes if node.call == "module"}
        first, second = follow(module, given, layers), follow(module, given, layers)
    check_rows(first, second, graph, trains=setting.mode == "training")
    return module, given, second


def _given(module: torch.nn.Module, graph: Graph, setting: Setting) -> Given:
    """Return the inputs as the reader gave them: by name, or in order."""
    from cnnprof.readers.imported.trace import takes

    names = [each.name for each in graph.inputs]
    drawn = draw(graph.inputs, setting)
    return Given((), dict(zip(names, drawn, strict=True))) if takes(module, names) else Given(tuple(drawn))


def _freeze(module: torch.nn.Module, graph: Graph) -> None:
    for node in graph.nodes:
        if node.frozen and node.call == "module":
            module.get_submodule(path_of(node)).requires_grad_(requires_grad=False)


# Marks


def _marked(module: torch.nn.Module, followed: Followed, graph: Graph, given: Given, device: str) -> Marked:
    found = rows(followed.calls, graph)
    paths = {call.key[0] for call, _ in found if call.function is None}
    parts = {path: part for path, part in module.named_modules() if path in paths}
    functions = {call.number: call for call, _ in found if call.function is not None}
    layers = tuple(
        Layer(node.name, "module" if call.function is None else "function", _alone(module, parts, call, given))
        for call, node in found
    )

    def dress(enter: Mark, leave: Mark) -> tuple[Callable[..., Any], Callable[[], AbstractContextManager[Any]]]:
        order = Order([call.key for call, _ in found], functions, followed.functions)
        forwards = {path: _dressed(part.forward, (path, None), order, enter, leave) for path, part in parts.items()}
        # Without functions that are rows there is no mode, which would slow down the others.
        counting = _counting(order, enter, leave) if functions else nullcontext()
        return partial(order.of, module), partial(_marking, parts, forwards, counting, order)

    return Marked(layers, dress, {"module": _idle_modules(device), "function": _idle_functions(device)})


@contextmanager
def _marking(
    parts: dict[str, torch.nn.Module],
    forwards: dict[str, Callable[..., Any]],
    counting: AbstractContextManager[Any],
    order: Order,
) -> Iterator[None]:
    """Have modules use forwards with marks, and functions counted; at the end, check that it was the same forward."""
    with worn(parts, forwards), counting:
        yield
    order.check()


def _dressed(forward: Callable[..., Any], key: Key, order: Order, enter: Mark, leave: Mark) -> Callable[..., Any]:
    import torch

    note, after = order.seen.append, order.after

    def dressed(*args: Any, **kwargs: Any) -> Any:
        if after:
            return forward(*args, **kwargs)
        note(key)
        with torch._C.DisableTorchFunction():  # noqa: SLF001 torch's only name for it
            enter()
            result = forward(*args, **kwargs)
            leave()
            return result

    return dressed


def _counting(order: Order, enter: Mark, leave: Mark) -> Any:
    """Return torch's function mode that marks those functions that an order expects."""
    from torch.overrides import TorchFunctionMode

    note = order.seen.append

    class Counting(TorchFunctionMode):  # type: ignore[misc] # torch is not followed
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            expected = next(order.upcoming, None)
            if expected is None:
                return function(*args, **(kwargs or {}))
            known = function is expected.function and (expected.at < 0 or args[expected.at] is expected.parameter)
            note(expected.key if known else other(expected, function, args))
            enter()
            result = function(*args, **(kwargs or {}))
            leave()
            return result

    return Counting()


def _alone(
    module: torch.nn.Module, parts: dict[str, torch.nn.Module], call: Call, given: Given
) -> Callable[[], Alone] | None:
    """Return what prepares a module by itself; a function's arguments are not only tensors."""
    path = call.key[0]
    if call.function is not None or not path:
        return None
    return lambda: alone_on(module, parts[path], call.number, given)


def _idle_modules(device: str) -> Idle:
    import torch

    part = torch.nn.ReLU(inplace=True)
    value = torch.zeros(IDLE_SHAPE, device=device)

    def plain() -> None:
        for _ in range(IDLE_LAYERS):
            part(value)

    def marked(enter: Mark, leave: Mark) -> Dressed:
        order, twin = Order([], {}, 0), torch.nn.ReLU(inplace=True)
        twin.__dict__["forward"] = _dressed(twin.forward, ("", None), order, enter, leave)

        def run() -> None:
            for _ in range(IDLE_LAYERS):
                twin(value)

        return Dressed(partial(order.of, run))

    return Idle(IDLE_LAYERS, plain, marked)


def _idle_functions(device: str) -> Idle:
    """Return a function that does little, called as functions are."""
    import torch

    value = torch.zeros(IDLE_SHAPE, device=device)

    def plain() -> None:
        for _ in range(IDLE_LAYERS):
            torch.relu_(value)

    def marked(enter: Mark, leave: Mark) -> Dressed:
        relu = Call(("", "relu"), 0, torch.relu_)
        order = Order([], dict.fromkeys(range(IDLE_LAYERS), relu), IDLE_LAYERS)
        counting = _counting(order, enter, leave)
        return Dressed(partial(order.of, plain), lambda: counting)

    return Idle(IDLE_LAYERS, plain, marked)
