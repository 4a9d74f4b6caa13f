"""The module that a network is built as, around a ``forward`` that was written for it."""

from __future__ import annotations

import itertools
import linecache
import re
import weakref
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from cnnprof.model.graph import Graph

if TYPE_CHECKING:
    import torch

_numbers = itertools.count(1)


def network_class(graph: Graph) -> Any:
    """Return a class for one network; whoever builds it gives it ``code``, ``forward`` and ``paths``."""
    return type("Network", (_base(),), {"graph": graph, "code": "", "paths": {}})


def compiled(code: str, title: str) -> Callable[..., Any]:
    """Return the function ``forward`` whose source ``code`` is; tracebacks and debuggers show its lines."""
    file = f"<cnnprof {_words(title)} {next(_numbers)}>"
    namespace: dict[str, Any] = {}
    exec(compile(code, file, "exec"), namespace)  # noqa: S102 written by source.py, where no name stands unchecked
    forward: Callable[..., Any] = namespace["forward"]
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    weakref.finalize(forward, linecache.cache.pop, file, None)
    return forward


def _words(title: str) -> str:
    """Return a title as it may be printed: whatever a name holds, it is not to act in a terminal."""
    return re.sub(r"\W+", "_", title)[:60]


@cache
def _base() -> Any:
    from torch import nn

    class Network(nn.Module):  # type: ignore[misc] # torch is not followed
        """A network from a specification. ``code`` is the source of its forward, ``graph`` what it was built from.

        ``paths`` says where each node's module stands: under the node's own name wherever torch has none like it.
        """

        graph: Graph
        code: str
        paths: Mapping[str, str]
        _resting: tuple[str, ...] = ()
        _shared: tuple[tuple[str, str], ...] = ()

        def __getitem__(self, index: int) -> Any:
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

        def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
            tied = self._tied()
            result = super().load_state_dict(*args, **kwargs)
            _tie(tied)
            return result

        def _apply(self, *args: Any, **kwargs: Any) -> Any:
            # Moving makes new tensors of buffers, and on some ways of parameters; what was one stays one.
            tied = self._tied()
            super()._apply(*args, **kwargs)
            _tie(tied)
            return self

        def _tied(self) -> list[Tied]:
            pairs = ((self.get_submodule(path), self.get_submodule(owner)) for path, owner in self._shared)
            return [each for module, owner in pairs for each in find_tied(module, owner)]

        def _get_name(self) -> str:
            return _words(self.graph.name)

    return Network


Tied = tuple[dict[str, Any], dict[str, Any], str]
"""The parameters (or buffers) of a module and of the owner of one of them, and the name that both have for it."""


def find_tied(module: torch.nn.Module, owner: torch.nn.Module) -> list[Tied]:
    """Return the tensors that both have under the same name and that are the same object."""
    return [each for each in corresponding(module, owner) if each[0][each[2]] is each[1][each[2]]]


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


def _tie(tied: list[Tied]) -> None:
    for here, there, name in tied:
        here[name] = there[name]
