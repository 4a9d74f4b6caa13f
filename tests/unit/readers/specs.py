"""Tiny builders: a test says only what matters."""

from __future__ import annotations

from typing import Any

import pytest

from cnnprof.errors import Problem, SpecError
from cnnprof.model.graph import Graph
from cnnprof.readers.language import parse
from cnnprof.readers.overrides import Overrides, parse_inputs
from cnnprof.readers.spec import graph
from cnnprof.readers.tree import compose

HEADER = "cnnprof: 1\nname: net\n"


def read(text: str, variant: str | None = None, **overrides: Any) -> Graph:
    """Read a whole specification; ``params`` and ``input`` as on the command line."""
    document = compose(text, "net.yaml")
    inputs = parse_inputs(overrides.get("input"))
    return graph(document, parse(document), variant, Overrides(params=overrides.get("params", {}), inputs=inputs))


def chain(layers: str, top: str = "", **overrides: Any) -> Graph:
    """Read a chain of layers below ``input: [3, 8, 8]``."""
    return read(f"{HEADER}input: [3, 8, 8]\n{top}layers:\n{layers}", **overrides)


def names(found: Graph) -> list[str]:
    return [node.name for node in found.nodes]


def problems(text: str, **overrides: Any) -> list[Problem]:
    """The problems of a whole specification that is refused."""
    with pytest.raises(SpecError) as caught:
        read(text, **overrides)
    return list(caught.value.problems)


def chain_problems(layers: str, top: str = "", **overrides: Any) -> list[Problem]:
    with pytest.raises(SpecError) as caught:
        chain(layers, top, **overrides)
    return list(caught.value.problems)


def said(found: list[Problem]) -> list[tuple[str, str]]:
    """Line:column and code of each problem."""
    return [(f"{p.place.line}:{p.place.column}" if p.place else "", p.code) for p in found]
