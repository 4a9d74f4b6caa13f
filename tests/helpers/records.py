"""What is done with records, the same whatever makes them: msgspec, or what stands in for it."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from typing import Any

from cnnprof import layers, model
from cnnprof.layers import REGISTRY
from cnnprof.model import plain
from cnnprof.model.graph import Edge, Graph, TensorSpec

_OTHERS = {"cnnprof.model.records", "cnnprof.model.structs"}
"""Modules without a record: what the store reads them with, and what makes them where there is no msgspec."""


def made_by(_request: None) -> str:
    return str(plain.msgspec.__name__)


def there_and_back(texts: list[list[str]]) -> list[str]:
    """Return each text as its kind of record (``module:class``) writes it."""
    found = []
    for kind, text in texts:
        record = plain.from_json(text, load(kind))
        again = plain.to_json(record)
        if plain.from_json(again, load(kind)) != record or plain.replace(record) != record:
            raise AssertionError(f"{kind}: not equal to itself")
        found.append(again.decode())
    return found


def load(kind: str) -> type[Any]:
    module, _, name = kind.partition(":")
    return getattr(importlib.import_module(module), name)


def write(values: list[Any]) -> list[str]:
    return [plain.to_json(value).decode() for value in values]


def indented(text: str) -> list[str]:
    return [plain.to_json(plain.from_json(text, Graph), indent=indent).decode() for indent in (0, 2, 4)]


def fields(_request: None) -> dict[str, list[Any]]:
    """Return the fields and defaults of every kind of record in ``layers`` and ``model``, by qualified name."""
    return dict(sorted(_fields()))


def _fields() -> Iterator[tuple[str, list[Any]]]:
    for package in (layers, model):
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            if module.name not in _OTHERS:
                importlib.import_module(module.name)
    kinds = [plain.Plain]
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if kind.__module__.startswith((layers.__name__, model.__name__)):
            yield (
                f"{kind.__module__}.{kind.__qualname__}",
                [list(kind.__struct_fields__), [shown(each) for each in kind.__struct_defaults__]],
            )


def shown(default: object) -> str:
    return "{}" if default == {} or repr(default) == "<factory>" else repr(default)


def layer(request: dict[str, Any]) -> str:
    """Return a layer's record as text, or the error of making it."""
    try:
        return repr(REGISTRY[request["op"]](*request["positional"], **request["named"]))
    except TypeError as error:
        return f"TypeError: {error}"


def refusal(request: list[str]) -> str:
    """Return why a text is not of a kind."""
    kind, text = request
    try:
        return f"fine: {plain.from_json(text, load(kind))}"
    except Exception as error:  # noqa: BLE001 whatever it is: it is compared
        return f"{type(error).__name__}: {error}"


def frozen(_request: None) -> list[str]:
    edge, found = Edge("a"), []
    for act in (lambda: setattr(edge, "node", "b"), lambda: delattr(edge, "node"), lambda: plain.replace(edge, x=1)):
        try:
            act()
        except (AttributeError, TypeError) as error:
            found.append(f"{type(error).__name__}: {error}")
    return found


def alike(_request: None) -> dict[str, bool]:
    return {
        "equal": Edge("a") == Edge("a", 0) and hash(Edge("a")) == hash(Edge("a", 0)),
        "of another kind": Edge("a") == TensorSpec("a", 0),
        "one dict for all": Graph(name="a", source="a", inputs=(), nodes=(), outputs={}).outputs
        is Graph(name="a", source="a", inputs=(), nodes=(), outputs={}).outputs,
    }


def build(text: str) -> dict[str, Any]:
    """Return what the network of a graph has and gives."""
    import torch

    from cnnprof.builder import build as make

    graph = plain.from_json(text, Graph)
    network = make(graph)
    return {
        "parameters": sum(each.numel() for each in network.parameters()),
        "output": list(network.eval()(torch.rand(2, *graph.inputs[0].shape)).shape),
        "found": sorted(name for name in ("msgspec", "yaml", "click", "rich") if sys.modules.get(name)),
    }


def trace(_request: None) -> str:
    """Return the graph of a module that knows nothing of cnnprof, as JSON."""
    from torch import nn

    from cnnprof.readers.imported import sources
    from cnnprof.readers.imported.trace import trace as follow
    from cnnprof.readers.overrides import Overrides

    module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 10))
    source = sources.Source(module, "small", None)
    given = sources.inputs(source, Overrides(inputs={None: (3, 4, 4)}), "small")
    return plain.to_json(follow(module, given, name="small", source="small")).decode()
