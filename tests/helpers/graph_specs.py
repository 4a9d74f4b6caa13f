"""A network, layer by layer, as a specification: so that what a search found can be run again by anybody."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from cnnprof.model.graph import Edge, Graph, Node


def as_spec(graph: Graph) -> str:
    """Return the YAML of a graph whose last outputs are those of the last layer, and whose others are first ones.

    Raises:
        ValueError: another output than those, which the language cannot say.
    """
    last = graph.nodes[-1].name
    others = {name: edge for name, edge in graph.outputs.items() if edge.node != last}
    if Edge(last) not in graph.outputs.values() or any(edge.output for edge in others.values()):
        raise ValueError("outputs are those of the last layer, and the first of others; the language has no more")
    names = {edge.node: name for name, edge in others.items()}
    inputs = [f"  {each.name}: {_flow({'shape': each.shape, 'dtype': each.dtype})}" for each in graph.inputs]
    given = [each.name for each in graph.inputs]
    layers = [line for node in graph.nodes for line in _layer(node, names.get(node.name), given)]
    return "\n".join(["cnnprof: 1", f"name: {graph.name}", "inputs:", *inputs, "layers:", *layers, ""])


def _layer(node: Node, output: str | None, inputs: Collection[str]) -> list[str]:
    more: dict[str, Any] = {"name": node.name}
    more["from"] = [_text(edge, inputs) for edge in node.inputs]
    if node.frozen:
        more["frozen"] = node.frozen
    if node.when != "always":
        more["when"] = node.when
    if node.share is not None:
        more["share"] = node.share
    if output is not None:
        more["output"] = output
    return [f"  - {node.op}: {_flow(node.args)}", *(f"    {key}: {_flow(value)}" for key, value in more.items())]


def _text(edge: Edge, inputs: Collection[str]) -> str:
    return edge.node if edge.node in inputs else f"{edge.node}[{edge.output}]"  # a name alone is all of its outputs


def _flow(value: Any) -> str:
    """Return a value as JSON, which is YAML."""
    return json.dumps(value)
