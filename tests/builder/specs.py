"""Networks built inside a test."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import cnnprof
from cnnprof.model.graph import Edge, Graph, Input, Node


def build(folder: Path, text: str, **arguments: Any) -> Any:
    """Return the module of a specification; ``text`` begins at ``input:``."""
    path = folder / "spec.yaml"
    path.write_text("cnnprof: 1\nname: spec\n" + textwrap.dedent(text), encoding="utf-8")
    return cnnprof.build(str(path), **arguments)


def chain(*nodes: Node, inputs: tuple[Input, ...] = (Input(name="input", shape=(3, 8, 8)),)) -> Graph:
    """Return the graph of nodes whose last one is the output; names are taken as they are."""
    return Graph(name="chain", source="test", inputs=inputs, nodes=nodes, outputs={"output": Edge(nodes[-1].name)})


def node(name: str, op: str, *inputs: str, **args: Any) -> Node:
    """Return a node that reads the first outputs of ``inputs``."""
    return Node(name=name, op=op, args=args, inputs=tuple(Edge(each) for each in inputs))
