"""The module that a network is built as, around a ``forward`` that was written for it."""

from __future__ import annotations

import copy
import itertools
import linecache
import re
import types
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cnnprof.builder.lives import Lives
from cnnprof.builder.source import ENTER, LEAVE
from cnnprof.model.graph import Graph

if TYPE_CHECKING:
    import torch
    from torch.nn import Module
else:
    Module = object  # torch is imported when a network is built; its class has nn.Module behind this one

_numbers = itertools.count(1)

Tied = tuple[dict[str, Any], dict[str, Any], str]
"""The parameters (or buffers) of a module and of the owner of one of them, and the name that both have for it."""


class Network(Module):  # type: ignore[misc] # torch is not followed
    """A network from a specification. ``code`` is the source of its forward, ``graph`` what it was built from.

    ``paths`` says where each node's module stands: under the node's own name wherever torch has none like it.
    """

    graph: Graph
    code: str
    paths: Mapping[str, str]
    lives: Lives
    """When its tensors die, and what stands in for what."""
    _write: Callable[..., str]
    """Writes the source of its forward, marked or not."""
    _resting: tuple[str, ...]
    """Paths of what stays in evaluation mode."""
    _shared: tuple[tuple[str, str], ...]
    """Paths of what uses another's tensors, and of that."""
    _loading: Sequence[Tied] = ()
    """What was one tensor when weights began to be loaded."""

    def __getitem__(self, index: int) -> Any:
        """Return the child of that number, as ``code`` asks for it."""
        try:
            return self._modules[str(index)]
        except KeyError:
            raise IndexError(index) from None

    def train(self, mode: bool = True) -> Any:  # noqa: FBT001, FBT002 torch's signature
        """Set the mode; what is frozen with its statistics stays in evaluation mode."""
        super().train(mode)
        for path in self._resting:
            self.get_submodule(path).eval()
        return self

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        # torch begins here with each module, also where one around this network loads; it ends with ``stay_tied``.
        self._loading = self._tied()
        super()._load_from_state_dict(*args, **kwargs)

    def _apply(self, *args: Any, **kwargs: Any) -> Any:
        # Moving makes new tensors of buffers, and sometimes of parameters; what was one stays one.
        tied = self._tied()
        super()._apply(*args, **kwargs)
        _tie(tied)
        return self

    def _tied(self) -> list[Tied]:
        pairs = ((self.get_submodule(path), self.get_submodule(owner)) for path, owner in self._shared)
        return [
            (mine, theirs, name)
            for module, owner in pairs
            for mine, theirs, name in corresponding(module, owner)
            if mine[name] is theirs[name]
        ]

    def __copy__(self) -> Any:
        return self._twin(self.__dict__)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        memo[id(self)] = twin = self._twin({})
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin

    def _twin(self, state: Mapping[str, Any]) -> Any:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(state)
        return twin

    def __reduce_ex__(self, protocol: object) -> Any:
        # The class was written for this one network; what read it back would have to run code out of the pickle.
        raise TypeError("a built network is not pickled: save its state_dict(), and load that into cnnprof.build(…)")

    def _get_name(self) -> str:
        return printable(self.graph.name)


def network_class(graph: Graph) -> Any:
    """Return a class for one network; whoever builds it gives it ``code``, ``forward``, ``paths`` and the rest."""
    from torch import nn

    unfinished = {"code": "", "paths": {}, "_write": str, "_resting": (), "_shared": ()}
    return type("Network", (Network, nn.Module), {"__doc__": Network.__doc__, "graph": graph, **unfinished})


def stay_tied(network: Network, _keys: object = None) -> None:
    """Make one again what was one before weights were loaded: with ``assign``, every layer got a tensor of its own."""
    _tie(network._loading)  # noqa: SLF001 the network's own hook
    network._loading = ()  # noqa: SLF001


def marked(network: Network, enter: Callable[[], None], leave: Callable[[], None]) -> Any:
    """Return a network of the same modules and tensors that calls ``enter`` before and ``leave`` after each layer."""
    twin = copy.copy(network)
    code = network._write(marked=True)  # noqa: SLF001 its own
    twin.forward = types.MethodType(compiled(code, network.graph.name, {ENTER: enter, LEAVE: leave}), twin)
    return twin


def compiled(code: str, title: str, names: Mapping[str, Any] | None = None) -> Callable[..., Any]:
    """Return the function ``forward`` whose source ``code`` is; tracebacks and debuggers show its lines.

    ``names``: what the code finds beside Python's own.
    """
    file = f"<cnnprof {printable(title)} {next(_numbers)}>"
    namespace: dict[str, Any] = {**(names or {})}
    exec(compile(code, file, "exec"), namespace)  # noqa: S102 written by source.py, where no name stands unchecked
    forward: Callable[..., Any] = namespace.pop("forward")
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    weakref.finalize(forward, linecache.cache.pop, file, None)
    return forward


def printable(title: str) -> str:
    """Return a title of which nothing can act in a terminal."""
    return re.sub(r"\W+", "_", title)[:60]


def corresponding(module: torch.nn.Module, owner: torch.nn.Module) -> list[Tied]:
    """Return the parameters and buffers that both have under the same name."""
    found: list[Tied] = []
    others = dict(owner.named_modules())
    for path, mine in module.named_modules():
        theirs = others.get(path)
        if theirs is not None:
            for kind in ("_parameters", "_buffers"):
                here, there = getattr(mine, kind), getattr(theirs, kind)
                found += [(here, there, name) for name, value in here.items() if value is not None and name in there]
    return found


def _tie(tied: Sequence[Tied]) -> None:
    for here, there, name in tied:
        here[name] = there[name]
