"""When each tensor of a forward dies, in training and in evaluation mode. No torch.

A node with ``when: train`` runs in training only. In evaluation its first input takes the place of what it gives, where
somebody outside reads that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from cnnprof.model.graph import Edge, Graph, Node


class Step(NamedTuple):
    """Nodes that run one after the other; ``training``: nodes that run in training only."""

    training: bool
    nodes: tuple[Node, ...]


Deaths = dict[str, list[Edge]]
"""What nobody reads after a node, by the node's name, in the order in which it was made."""


class Lives(NamedTuple):
    """The order of a forward, what stands in for what in evaluation, and what dies where."""

    steps: tuple[Step, ...]
    stands_in: dict[Edge, Edge]
    """What training-only nodes hand on in evaluation: their output to the tensor that takes its place."""
    in_training: Deaths
    in_evaluation: Deaths
    """Deaths after a training-only node's name are those after the last node of its step."""
    kept: dict[str, Edge]
    """The outputs that are there in evaluation; all are in training."""


def find_lives(graph: Graph, counts: Mapping[str, int]) -> Lives:
    """Return the lives of all tensors of a graph; ``counts``: the number of outputs of every node."""
    steps = tuple(_steps(graph.nodes))
    nodes = {node.name: node for node in graph.nodes}
    *_, main = graph.outputs.values()
    kept = {name: edge for name, edge in graph.outputs.items() if edge == main or not _is_training(nodes, edge)}
    read = {edge for node in graph.nodes if node.when == "always" for edge in node.inputs} | {main}
    stands_in = {
        edge: _stand_in(nodes, edge)
        for node in graph.nodes if node.when == "train"
        for edge in _edges(node, counts) if edge in read
    }  # fmt: skip
    inputs = {Edge(each.name) for each in graph.inputs}
    return Lives(
        steps=steps,
        stands_in=stands_in,
        in_training=_deaths(_training(graph.nodes, counts), inputs | {*graph.outputs.values()}),
        in_evaluation=_deaths(_evaluation(steps, counts, stands_in), inputs | {*kept.values()}),
        kept=kept,
    )


def _steps(nodes: Sequence[Node]) -> Iterator[Step]:
    for when, run in groupby(nodes, lambda node: node.when):
        if when == "train":
            yield Step(True, tuple(run))
        else:
            yield from (Step(False, (node,)) for node in run)


def _edges(node: Node, counts: Mapping[str, int]) -> list[Edge]:
    return [Edge(node.name, at) for at in range(counts[node.name])]


def _is_training(nodes: Mapping[str, Node], edge: Edge) -> bool:
    return edge.node in nodes and nodes[edge.node].when == "train"


def _stand_in(nodes: Mapping[str, Node], edge: Edge) -> Edge:
    """Follow first inputs back to something that is there in evaluation; a node without inputs stands for itself."""
    while _is_training(nodes, edge) and nodes[edge.node].inputs:
        edge = nodes[edge.node].inputs[0]
    return edge


Line = tuple[str, Iterable[Edge], Iterable[Edge]]
"""A node's name, what it makes, what it reads."""


def _training(nodes: Sequence[Node], counts: Mapping[str, int]) -> Iterator[Line]:
    for node in nodes:
        yield node.name, _edges(node, counts), node.inputs


def _evaluation(steps: Sequence[Step], counts: Mapping[str, int], stands_in: Mapping[Edge, Edge]) -> Iterator[Line]:
    for step in steps:
        last = step.nodes[-1]
        if step.training:
            made = [edge for node in step.nodes for edge in _edges(node, counts) if edge in stands_in]
            yield last.name, made, [stands_in[edge] for edge in made]
        else:
            yield last.name, _edges(last, counts), last.inputs


def _deaths(lines: Iterable[Line], kept: set[Edge]) -> Deaths:
    last: dict[Edge, str] = {}
    for name, made, read in lines:
        last.update((edge, name) for edge in (*made, *read))
    found: Deaths = {}
    for edge, name in last.items():
        if edge not in kept:
            found.setdefault(name, []).append(edge)
    return found
