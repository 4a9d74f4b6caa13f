"""Transfer learning: what freezing the front of a network saves in work and memory.

Three strategies: train a new head on frozen features; train the last layers; train all of them. What is frozen needs no
gradient, and nothing before the first layer that trains is kept for a backward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cnnprof.errors import UsageError
from cnnprof.layers import REGISTRY
from cnnprof.model.analysis import Analysis
from cnnprof.model.graph import Graph, Node
from cnnprof.model.plain import replace
from cnnprof.model.transfer_learning import Strategy, TransferLearning

LAST = 3
"""Layers with multiply-accumulates that "last layers" trains: the classifier of VGG and AlexNet."""
_WIDTHS = ("out_features", "out_channels")


def transfer_learning(
    graph: Graph, analyze: Callable[[Graph], Analysis], *, classes: int | None = None, last: int | None = None
) -> TransferLearning:
    """Return the strategies for a network, the cheapest first.

    Args:
        graph: the network.
        analyze: returns what a network costs, with the memory of a training step.
        classes: outputs of a new head; by default as many as there are.
        last: how many layers with multiply-accumulates the second strategy trains, the head among them; by default 3,
            or all where there are fewer.

    Raises:
        UsageError: there is no layer to be the head, or fewer than ``last``.
        LayerError: the new head does not fit behind the network.
    """
    weighted = _weighted(graph, analyze(graph))
    head = weighted[-1]
    last = min(LAST, len(weighted)) if last is None else last
    if not 1 <= last <= len(weighted):
        raise UsageError(
            f"the last {last} layers with weights of {graph.name} cannot be trained: it has {len(weighted)}",
            code="no-match",
        )
    if classes is not None:
        graph = _with_head(graph, head, classes)
    firsts = {"head only": head.name, "last layers": weighted[-last].name, "all": weighted[0].name}
    main = _main(graph)
    strategies = [_strategy(graph, analyze, name, first, main) for name, first in firsts.items()]
    return TransferLearning(
        model=graph.name, head=head.name, classes=_width(graph, head.name)[1], strategies=tuple(strategies)
    )


def _weighted(graph: Graph, analysis: Analysis) -> list[Node]:
    """Return the layers that multiply inputs by weights of their own and lead to the main output, in order."""
    rows, reached = {row.name: row for row in analysis.rows}, _main(graph)
    found = [
        node for node in graph.nodes
        if node.name in reached and node.share is None and rows[node.name].params and rows[node.name].training_macs
    ]  # fmt: skip
    if not found:
        raise UsageError(f"{graph.name} has no layer with weights to train", code="no-match")
    return found


def _main(graph: Graph) -> set[str]:
    """Return the nodes that the main output depends on."""
    found = {list(graph.outputs.values())[-1].node}
    for node in reversed(graph.nodes):
        if node.name in found:
            found.update(edge.node for edge in node.inputs)
    return found


def _width(graph: Graph, name: str) -> tuple[str, int]:
    """Return which argument of a layer says how many outputs it has, and how many."""
    node = next(node for node in graph.nodes if node.name == name)
    for argument in _WIDTHS:
        if argument in node.args:
            return argument, node.args[argument]
    raise UsageError(
        f"the last layer with weights, {name} ({node.op}), has no {' or '.join(_WIDTHS)} to make a new head of",
        code="no-head",
    )


def _with_head(graph: Graph, head: Node, classes: int) -> Graph:
    argument, _ = _width(graph, head.name)
    args: Mapping[str, Any] = head.args | {argument: classes}
    REGISTRY[head.op](**args)  # refuses what is no number of classes
    nodes = [replace(node, args=args) if node.name == head.name else node for node in graph.nodes]
    return replace(graph, nodes=tuple(nodes), overridden=(*graph.overridden, f"--classes {classes}"))


def _strategy(graph: Graph, analyze: Callable[[Graph], Analysis], name: Any, first: str, main: set[str]) -> Strategy:
    names = [node.name for node in graph.nodes]
    # Auxiliary heads are no part of the new task.
    frozen = set() if name == "all" else {*names[: names.index(first)], *(each for each in names if each not in main)}
    found = analyze(replace(graph, nodes=tuple(_frozen(graph.nodes, frozen))))
    trained = [row for row in found.rows if row.trainable_params]
    return Strategy(name=name, first=trained[0].name if trained else first, layers=len(trained), analysis=found)


def _frozen(nodes: Sequence[Node], names: set[str]) -> list[Node]:
    return [replace(node, frozen=node.frozen or True) if node.name in names else node for node in nodes]
