"""One forward of a network that is code, followed: which call is which row of its graph, and whether the next is alike.

Layers have another ``forward`` while a forward is followed, as they have in pass L. What their hooks call around it is
counted the same both times, therefore, and is no row.
"""

from __future__ import annotations

import re
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnprof.devices.base import Mark
from cnnprof.devices.steps import differing
from cnnprof.errors import UsageError
from cnnprof.layers.recorded import PREFIX
from cnnprof.measure.given import Given
from cnnprof.model.graph import Graph, Node

if TYPE_CHECKING:
    import torch

Key = tuple[str, str | None]
"""What happened: a module's path, and the function that was called in it; None: the module as a layer."""


def path_of(node: Node) -> str:
    """Return the path of the module that a node is, or was called in."""
    return (node.origin.module if node.origin is not None else None) or ""


class Call(NamedTuple):
    """One thing that happened in a forward, in order."""

    key: Key
    number: int
    """Of this module's calls, or of all functions that were seen outside of layers."""
    function: Callable[..., Any] | None = None
    """None: a module is called."""
    at: int = -1
    """Which of the function's arguments is a parameter of the network; -1: none."""
    parameter: torch.Tensor | None = None


class Followed(NamedTuple):
    """What a forward did."""

    calls: list[Call]
    """What its graph could have a row for."""
    functions: int
    """All that were seen outside of layers."""


def follow(module: torch.nn.Module, given: Given, layers: set[str]) -> Followed:
    """Return what a forward does, as far as its graph could have a row for it.

    Args:
        module: ready to run.
        given: what it is called with.
        layers: paths of the modules that are rows.

    Raises:
        UsageError: it runs layers in other threads, or has a layer that cannot be told apart.
    """
    import torch

    watch = _Watch(module, given, layers)
    parts = {path: part for path, part in module.named_modules() if path in layers}
    forwards = {path: watched(part.forward, partial(watch.layer, path)) for path, part in parts.items()}
    plain = torch.nn.Module.__call__
    torch.nn.Module.__call__ = lambda part, *args, **kwargs: watch.module(plain, part, args, kwargs)
    try:
        with worn(parts, forwards), _mode(watch.function):
            module(*given.args, **given.kwargs)
    finally:
        torch.nn.Module.__call__ = plain
    if watch.elsewhere:
        raise _threads(watch.elsewhere)
    return Followed(watch.calls, watch.functions)


def watched(forward: Callable[..., Any], begin: Mark) -> Callable[..., Any]:
    """Return a forward that tells of itself, and whose functions nobody sees."""
    import torch

    def told(*args: Any, **kwargs: Any) -> Any:
        with torch._C.DisableTorchFunction():  # noqa: SLF001 torch's only name for it
            begin()
            return forward(*args, **kwargs)

    return told


@contextmanager
def worn(parts: Mapping[str, torch.nn.Module], forwards: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    """Have modules use other forwards."""
    before = {path: part.__dict__.get("forward") for path, part in parts.items()}
    for path, part in parts.items():
        part.__dict__["forward"] = forwards[path]
    try:
        yield
    finally:
        for path, part in parts.items():
            del part.__dict__["forward"]
            if before[path] is not None:
                part.__dict__["forward"] = before[path]


class _Watch:
    def __init__(self, module: torch.nn.Module, given: Given, layers: set[str]) -> None:
        self.calls: list[Call] = []
        self.functions = 0
        self.elsewhere = ""
        """A layer that was called in another thread."""
        self._layers = layers
        self._paths = {id(each): path for path, each in module.named_modules()}
        self._path = [""]
        self._inside = False
        """A layer, or its hooks."""
        self._thread = threading.get_ident()
        self._parameters = {id(each) for each in module.parameters()}
        self._known = {id(each): each for each in (*given.tensors, *module.parameters(), *module.buffers())}
        """Tensors that depend on the network: what is computed of others only is a constant."""
        self._times: dict[str, int] = {}

    def layer(self, path: str) -> None:
        if threading.get_ident() != self._thread:
            self.elsewhere = path
        number = self._times[path] = self._times.get(path, -1) + 1
        self.calls.append(Call((path, None), number))

    def module(self, plain: Callable[..., Any], part: torch.nn.Module, args: Any, kwargs: Any) -> Any:
        import torch

        if self._inside or threading.get_ident() != self._thread:
            return plain(part, *args, **kwargs)
        path = self._paths.get(id(part))
        if path in self._layers:
            self._inside = True
            try:
                result = plain(part, *args, **kwargs)
            finally:
                self._inside = False
            with torch._C.DisableTorchFunction():  # noqa: SLF001 torch's only name for it
                self._learn(result)
            return result
        name = type(part).__name__.lower()
        self._path.append(path if path is not None else ".".join(filter(None, (self._path[-1], name))))
        began = len(self.calls)
        try:
            result = plain(part, *args, **kwargs)
        finally:
            made = self._path.pop()
        if path is None and made in self._layers:
            self.calls[began:] = [_made(made, self.calls[began:])]
        return result

    def function(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        from cnnprof.readers.imported.calls import MAKERS, QUIET, function_name, tensors_in

        number = self.functions
        self.functions += 1
        result = function(*args, **kwargs)
        if self._inside:  # a hook of a layer calls it
            return result
        name = function_name(function).removesuffix("_")
        if name not in QUIET | MAKERS and any(id(each) in self._known for each in tensors_in(args, kwargs)):
            at = next((at for at, each in enumerate(args) if id(each) in self._parameters), -1)
            self.calls.append(Call((self._path[-1], name), number, function, at, args[at] if at >= 0 else None))
            self._learn(result)
        return result

    def _learn(self, result: Any) -> None:
        from cnnprof.readers.imported.calls import tensors_in

        self._known |= {id(each): each for each in tensors_in(result)}


def _made(path: str, calls: Sequence[Call]) -> Call:
    """Return the one call that a layer is which the forward makes, or hides from torch: nothing else can be marked."""
    if len(calls) == 1 and calls[0].function is not None:
        return calls[0]._replace(key=(path, None))
    raise UsageError(
        f"{path} is made in the forward, or kept where torch does not see it, and calls {len(calls)} functions: "
        "its marks have no place",
        hint="make it in __init__ as an attribute of its module, lists of layers as nn.ModuleList",
        code="hidden-layer",
    )


def _threads(path: str) -> UsageError:
    return UsageError(
        f"the forward calls {path} in another thread: times of layers that run at once do not add up to a whole",
        hint="call the layers one after the other, or measure them as networks of their own",
        code="layers-in-threads",
    )


def _mode(call: Callable[..., Any]) -> Any:
    from torch.overrides import TorchFunctionMode

    class Mode(TorchFunctionMode):  # type: ignore[misc] # torch is not followed
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return call(function, args, kwargs or {})

    return Mode()


# Which call is which row

_STILL = ("parameter", "buffer", "constant")
"""Nodes that are values: nothing is called for them."""


def rows(calls: Sequence[Call], graph: Graph) -> list[tuple[Call, Node]]:
    """Return the calls that rows of the graph stand for, in order; the first call of a kind is its first row.

    A layer's function is a call of the layer too: it was called with an input that makes it no layer of the language.
    """
    layers = {path_of(node) for node in graph.nodes if node.call == "module"}
    waiting: dict[Key, deque[Node]] = {}
    for node in graph.nodes:
        waiting.setdefault(_key(node, layers), deque()).append(node)
    found = []
    for call in calls:
        nodes = waiting.get(call.key)
        if nodes:
            found.append((call, nodes.popleft()))
    return found


def check_rows(first: Followed, second: Followed, graph: Graph, *, trains: bool) -> None:
    """Check the first forward of a network and the next, which may lack what the first has made and kept.

    Raises:
        UsageError: one call of a layer is several rows.
        WorkerError: a row's layer was not called in the first, or another one in the second.
    """
    _check_layers(first.calls, graph, trains=trains)
    ran = {node.name for _, node in rows(first.calls, graph)}
    expected = [node.name for node in graph.nodes if _runs(node, trains=trains)]
    missing = [name for name in expected if name not in ran]
    if missing:
        raise differing(f"without {missing[0]}", "with it")
    more = Counter(call.key for call in second.calls) - Counter(call.key for call in first.calls)
    if more:
        raise differing(_said(list(more), 0), "not, or less often,")


def _check_layers(calls: Sequence[Call], graph: Graph, *, trains: bool) -> None:
    """Check that a layer that is functions too, with another input, is called once for each of its rows."""
    called = Counter(call.key[0] for call in calls if call.key[1] is None)
    nodes = [node for node in graph.nodes if _runs(node, trains=trains)]
    modules = {path_of(node) for node in nodes if node.call == "module"}
    of_layers = Counter(path_of(node) for node in nodes if path_of(node) in modules)
    several = {path_of(node) for node in nodes if node.call == "function" and path_of(node) in modules}
    for path in sorted(several):
        if of_layers[path] != called[path]:
            names = ", ".join(node.name for node in nodes if node.call == "function" and path_of(node) == path)
            raise UsageError(
                f"{path} is one layer where it is called with one input, and {names} with another: "
                "its calls cannot be told apart",
                hint="call it with inputs of as many dimensions, a batch first, or make it two modules",
                code="layer-and-functions",
            )


def _still(node: Node) -> bool:
    return node.op.removeprefix(PREFIX) in _STILL


def _runs(node: Node, *, trains: bool) -> bool:
    return not _still(node) and (trains or node.when == "always")


def _key(node: Node, layers: Collection[str]) -> Key:
    path = path_of(node)
    if path in layers and not _still(node):
        return path, None
    return path, re.sub(r"(_\d+)+$", "", node.name.removeprefix(f"{path}."))


# Whether a forward is like the one that was followed


class Order:
    """What is marked in a forward, in order, and what should be."""

    def __init__(self, keys: Sequence[Key], functions: Mapping[int, Call], count: int) -> None:
        """Take what should be.

        Args:
            keys: of all that has marks.
            functions: those that have, by their number.
            count: of all functions.
        """
        self.seen: list[Key] = []
        self.after: list[bool] = []
        """Filled where the forward has ended: what runs its layers again for the backward has no marks."""
        self.upcoming: Iterator[Call | None] = iter(())
        self._keys = list(keys)
        self._functions = [functions.get(number) for number in range(count)] + [Call(("", None), count)]

    def of(self, module: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call what the order is of.

        What is called around it has no number: torch.no_grad, which is a function too, and a loss.
        """
        self.seen.clear()
        self.after.clear()
        self.upcoming = iter(self._functions)
        try:
            return module(*args, **kwargs)
        finally:
            self.upcoming = iter(())
            self.after.append(True)

    def check(self) -> None:
        """Raise WorkerError where the forward was another one."""
        if self.seen == self._keys:
            return
        same = next(
            (at for at, pair in enumerate(zip(self.seen, self._keys, strict=False)) if pair[0] != pair[1]), None
        )
        at = min(len(self.seen), len(self._keys)) if same is None else same
        raise differing(_said(self.seen, at), f"{_said(self._keys, at)} in its place")


def _said(keys: Sequence[Key], at: int) -> str:
    if at >= len(keys):
        return f"{len(keys)} layers and no further one"
    path, function = keys[at]
    where = f" in {path}" if path and function is not None else ""
    return f"{function or path or 'the network as one layer'}{where}"


def other(expected: Call, function: Callable[..., Any], args: Sequence[Any]) -> Key:
    """Return what was called where something else may have been expected: two objects may be one function."""
    from cnnprof.readers.imported.calls import function_name

    name = function_name(function).removesuffix("_")
    if expected.function is None or name != function_name(expected.function).removesuffix("_"):
        return expected.key[0], name
    if expected.at >= 0 and not any(each is expected.parameter for each in args):
        return expected.key[0], f"{name} with another weight"
    return expected.key
