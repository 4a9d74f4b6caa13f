"""Networks with one mistake in them: what a person who types a specification gets wrong, in one layer, by a seed.

A mutant knows which layers a check may name for it. Some mistakes are none: a sum reads its branches in any order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cnnprof import analyzer
from cnnprof.errors import CnnprofError
from cnnprof.layers import REGISTRY, of
from cnnprof.model.analysis import Analysis
from cnnprof.model.graph import Edge, Graph, Node
from cnnprof.model.plain import replace

TRIES = 50
"""Mistakes of one kind, drawn for one network, until one expands; most kinds fit most networks at once."""


class Mutant(NamedTuple):
    """A network with a mistake."""

    graph: Graph
    kind: str
    layers: tuple[str, ...]
    """The layers that the mistake is in: any of them locates it."""
    what: str
    equivalent: bool = False
    """It computes the same by the rules of arithmetic, so that nothing is there to be found."""


Change = Callable[[random.Random, Graph, Analysis], Mutant | None]
CHANGES: dict[str, Change] = {}


def change(kind: str) -> Callable[[Change], Change]:
    """Return a decorator that registers a kind of mistake."""

    def add(function: Change) -> Change:
        CHANGES[kind] = function
        return function

    return add


def mutants(graph: Graph, seed: int, count: int) -> Iterator[Mutant]:
    """Yield mistakes of every kind in turn that still expand, ``count`` of them; fewer where no more are found."""
    draws = random.Random(f"{graph.name} {seed}")  # noqa: S311 no secret
    analysis = analyzer.analyze(graph)
    kinds = list(CHANGES)
    draws.shuffle(kinds)
    seen: set[str] = set()
    for turn in range(count * 4):
        found = _mutant(draws, graph, analysis, kinds[turn % len(kinds)])
        if found is not None and found.what not in seen:
            seen.add(found.what)
            yield found
            if len(seen) == count:
                return


def _mutant(draws: random.Random, graph: Graph, analysis: Analysis, kind: str) -> Mutant | None:
    for _ in range(TRIES):
        found = CHANGES[kind](draws, graph, analysis)
        if found is not None and found.graph != graph and expands(found.graph):
            return found
    return None


def renamed(mutant: Mutant) -> Mutant:
    """Return the mutant with other names for all of its layers, as another author's file has."""
    names = {node.name: f"layer_{at}" for at, node in enumerate(mutant.graph.nodes)}

    def moved(edge: Edge) -> Edge:
        return replace(edge, node=names.get(edge.node, edge.node))

    nodes = tuple(
        replace(
            node, name=names[node.name], inputs=tuple(map(moved, node.inputs)), share=names.get(node.share or ""),
        )
        for node in mutant.graph.nodes
    )  # fmt: skip
    outputs = {name: moved(edge) for name, edge in mutant.graph.outputs.items()}
    graph = replace(mutant.graph, nodes=nodes, outputs=outputs, containers=())
    # Of a layer that only the original has, a check can tell no other name than the original's.
    return mutant._replace(graph=graph, layers=(*mutant.layers, *(names.get(name, name) for name in mutant.layers)))


def expands(graph: Graph) -> bool:
    """Return whether every layer accepts what it is given."""
    try:
        analyzer.analyze(graph)
    except CnnprofError:
        return False
    return True


# -- one argument -----------------------------------------------------------------------------------------------------

ARGUMENTS: Mapping[str, Callable[[Any], Sequence[Any]]] = {
    "kernel_size": lambda value: [number for number in (1, 2, 3, 5, 7) if number != value],
    "stride": lambda value: [number for number in (1, 2, 3) if number != value],
    "padding": lambda value: [number for number in (0, 1, 2, 3) if number != value],
    "dilation": lambda value: [number for number in (1, 2) if number != value],
    "groups": lambda value: [number for number in (1, 2, 4) if number != value],
    "out_channels": lambda value: [value * 2, value + 8, max(1, value // 2)],
    "out_features": lambda value: [value * 2, value + 8, max(1, value // 2)],
    "bias": lambda value: [not value],
    "eps": lambda value: [number for number in (1e-3, 1e-5, 1e-6) if number != value],
    "momentum": lambda value: [number for number in (0.1, 0.01, 0.03) if number != value],
    "p": lambda value: [number for number in (0.1, 0.2, 0.5) if number != value],
    "ceil_mode": lambda value: [not value],
    "count_include_pad": lambda value: [not value],
    "output_size": lambda _value: [1, 2, 6],
    "start_dim": lambda _value: [2],
    "dim": lambda _value: [2, 3],
    "num_heads": lambda _value: [1, 2, 4],
}
"""The wrong values of an argument, which are the right ones of other networks."""


def _argument(name: str) -> Change:
    def mutate(draws: random.Random, graph: Graph, analysis: Analysis) -> Mutant | None:
        nodes = [node for node in graph.nodes if hasattr(of(node), name) and node.share is None]
        if not nodes:
            return None
        node = draws.choice(nodes)
        value = getattr(of(node), name)
        if isinstance(value, tuple) and len(set(value)) == 1:
            value = value[0]
        if isinstance(value, (tuple, str)) or value is None:
            return None
        wrong = draws.choice(list(ARGUMENTS[name](value)))
        changed = replace(node, args={**node.args, name: wrong})
        what = f"{node.name}: {name} {value} → {wrong}"
        same = _computes_the_same(name, node, changed, analysis)
        return Mutant(_with(graph, changed), name, (node.name,), what, equivalent=same)

    return mutate


def _computes_the_same(name: str, node: Node, changed: Node, analysis: Analysis) -> bool:
    """Return whether an argument means nothing here: a kernel of one element, no padding, nothing to join."""
    inputs = analysis.row(node.name).inputs
    if name == "dilation":
        return set(_kernel(node)) == {1}
    if name == "dim" and node.op == "concat":
        return len(inputs) == 1
    if name == "count_include_pad":
        return all(window.pad_low == 0 for window in of(node).windows(inputs) or ())
    if name in ("ceil_mode", "stride"):  # nothing but the number of windows and where those after the first begin
        try:
            outputs = of(changed).outputs(inputs)
        except CnnprofError:
            return False
        return outputs == of(node).outputs(inputs) and (name == "ceil_mode" or set(outputs[0].shape[2:]) == {1})
    return False


for _name in ARGUMENTS:
    CHANGES[_name] = _argument(_name)


def _with(graph: Graph, *changed: Node) -> Graph:
    nodes = {node.name: node for node in changed}
    return replace(graph, nodes=tuple(nodes.get(node.name, node) for node in graph.nodes))


# -- another layer ----------------------------------------------------------------------------------------------------

ACTIVATIONS = ("relu", "relu6", "leakyrelu", "silu", "hardswish", "gelu", "sigmoid", "tanh")


@change("activation")
def _activation(draws: random.Random, graph: Graph, _analysis: Analysis) -> Mutant | None:
    nodes = [node for node in graph.nodes if node.op in ACTIVATIONS]
    if not nodes:
        return None
    node = draws.choice(nodes)
    other = draws.choice([op for op in ACTIVATIONS if op != node.op])
    args = {name: value for name, value in node.args.items() if hasattr(REGISTRY[other], name)}
    return Mutant(
        _with(graph, replace(node, op=other, args=args)),
        "activation",
        (node.name,),
        f"{node.name}: {node.op} → {other}",
    )


@change("pooling")
def _pooling(draws: random.Random, graph: Graph, _analysis: Analysis) -> Mutant | None:
    nodes = [node for node in graph.nodes if "maxpool" in node.op or "avgpool" in node.op]
    if not nodes:
        return None
    node = draws.choice(nodes)
    other = node.op.replace("max", "\0").replace("avg", "max").replace("\0", "avg")
    args = {name: value for name, value in node.args.items() if hasattr(REGISTRY[other], name)}
    alike = set(_kernel(node)) == {1}
    return Mutant(
        _with(graph, replace(node, op=other, args=args)), "pooling", (node.name,), f"{node.name}: {node.op} → {other}",
        equivalent=alike,
    )  # fmt: skip


def _kernel(node: Node) -> tuple[int, ...]:
    """Return the kernel's sizes; nothing of a layer without one."""
    return getattr(of(node), "kernel_size", ())


# -- layers more, less, elsewhere -------------------------------------------------------------------------------------


GROWING = ("relu", "relu6", "leakyrelu", "sigmoid", "tanh")
COMMUTE = {
    *(frozenset((other, op)) for other in ("maxpool2d", "flatten") for op in GROWING),
    *(frozenset(("dropout", op)) for op in ("relu", "leakyrelu", "flatten")),
}
"""Layers that may change places: a maximum or a view and what grows, a random factor and what hands factors on."""
IDEMPOTENT = ("identity", "relu", "relu6", "flatten")
"""Layers that change nothing when they are applied once more."""


@change("drop")
def _drop(draws: random.Random, graph: Graph, analysis: Analysis) -> Mutant | None:
    """Leave a layer out: what read it reads its input, and stands where the missing one should."""
    nodes = [node for node in graph.nodes if len(node.inputs) == 1 and not _is_shared(graph, node)]
    if not nodes:
        return None
    node = draws.choice(nodes)
    rest = replace(
        graph,
        nodes=tuple(each for each in graph.nodes if each.name != node.name),
        containers=tuple(each for each in graph.containers if each.last != node.name),
    )
    (source,) = node.inputs
    found = _redirect(rest, Edge(node.name), source)
    if any(edge.node in {each.name for each in graph.inputs} for edge in found.outputs.values()):
        return None
    seen_at = [name or source.node for name in _readers(graph)[node.name]]
    return Mutant(
        found, "drop", (node.name, *_same_neighbours(graph, node), *seen_at),
        f"{node.name}: left out",
        equivalent=node.op == "identity" or _is_at_rest(node, analysis),
    )  # fmt: skip


def _is_at_rest(node: Node, analysis: Analysis) -> bool:
    """Return whether a pooling to a size is given that size."""
    row = analysis.row(node.name)
    return node.op.startswith("adaptive") and row.inputs == row.outputs


@change("double")
def _double(draws: random.Random, graph: Graph, _analysis: Analysis) -> Mutant | None:
    """Write a layer twice: what read it reads the second one."""
    nodes = [node for node in graph.nodes if len(node.inputs) == 1 and node.share is None]
    if not nodes:
        return None
    node = draws.choice(nodes)
    again = replace(node, name=f"{node.name}_again", inputs=(Edge(node.name),))
    moved = _redirect(graph, Edge(node.name), Edge(again.name))
    at = [each.name for each in graph.nodes].index(node.name) + 1
    nodes = [*moved.nodes[:at], again, *moved.nodes[at:]]
    return Mutant(
        replace(moved, nodes=tuple(nodes)), "double", (node.name, again.name, *_same_neighbours(graph, node)),
        f"{node.name}: twice", equivalent=node.op in IDEMPOTENT or node.op.startswith("adaptive"),
    )  # fmt: skip


@change("swap layers")
def _swap(draws: random.Random, graph: Graph, _analysis: Analysis) -> Mutant | None:
    """Exchange two layers that follow each other and that nobody else reads."""
    readers = _readers(graph)
    nodes = {node.name: node for node in graph.nodes}
    movable = {node.name for node in graph.nodes if len(node.inputs) == 1 and not _is_shared(graph, node)}
    pairs = [
        (nodes[name], nodes[readers[name][0]])
        for name in nodes
        if name in movable and len(readers[name]) == 1 and readers[name][0] in movable
    ]
    pairs = [(one, two) for one, two in pairs if (one.op, one.args) != (two.op, two.args)]
    if not pairs:
        return None
    one, two = draws.choice(pairs)
    first, second = replace(two, inputs=one.inputs), replace(one, inputs=(Edge(two.name),))
    order = {one.name: first, two.name: second}
    moved = _redirect(graph, Edge(two.name), Edge(one.name))
    swapped = replace(moved, nodes=tuple(order.get(node.name, node) for node in moved.nodes))
    return Mutant(
        swapped, "swap layers", (one.name, two.name), f"{one.name} and {two.name}: exchanged",
        equivalent=frozenset((one.op, two.op)) in COMMUTE,
    )  # fmt: skip


@change("swap branches")
def _branches(draws: random.Random, graph: Graph, _analysis: Analysis) -> Mutant | None:
    """List the branches of a join in another order; a sum or a product does not care."""
    joins = [node for node in graph.nodes if len(set(node.inputs)) > 1]
    if not joins:
        return None
    node = draws.choice(joins)
    inputs = list(node.inputs)
    one, two = draws.sample(range(len(inputs)), 2)
    inputs[one], inputs[two] = inputs[two], inputs[one]
    return Mutant(
        _with(graph, replace(node, inputs=tuple(inputs))), "swap branches", (node.name,),
        f"{node.name}: branches {one} and {two} exchanged", equivalent=node.op in ("add", "mul"),
    )  # fmt: skip


@change("read another")
def _read(draws: random.Random, graph: Graph, analysis: Analysis) -> Mutant | None:
    """Let a layer read another earlier tensor of the same shape."""
    specs = {Edge(row.name, at): tensor for row in analysis.rows for at, tensor in enumerate(row.outputs)}
    order = {node.name: at for at, node in enumerate(graph.nodes)}
    node = draws.choice(graph.nodes)
    if not node.inputs:
        return None
    slot = draws.randrange(len(node.inputs))
    there = node.inputs[slot]
    others = [
        edge for edge, tensor in specs.items()
        if edge != there and tensor == specs.get(there) and order[edge.node] < order[node.name]
    ]  # fmt: skip
    if not others:
        return None
    other = draws.choice(others)
    inputs = (*node.inputs[:slot], other, *node.inputs[slot + 1 :])
    what = f"{node.name}: reads {other.node}, not {there.node}"
    before = {each.name: each for each in graph.nodes}[there.node]
    # What is written in place is there under both names.
    same = bool(before.args.get("inplace")) and before.inputs[0] == other
    return Mutant(_with(graph, replace(node, inputs=inputs)), "read another", (node.name,), what, equivalent=same)


def _redirect(graph: Graph, old: Edge, new: Edge) -> Graph:
    def moved(edge: Edge) -> Edge:
        return new if edge == old else edge

    nodes = tuple(replace(node, inputs=tuple(map(moved, node.inputs))) for node in graph.nodes)
    return replace(graph, nodes=nodes, outputs={name: moved(edge) for name, edge in graph.outputs.items()})


def _readers(graph: Graph) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {node.name: [] for node in graph.nodes}
    for node in graph.nodes:
        for edge in node.inputs:
            found.get(edge.node, []).append(node.name)
    outputs = {edge.node for edge in graph.outputs.values()}
    return {name: readers if name not in outputs else [*readers, ""] for name, readers in found.items()}


def _is_shared(graph: Graph, node: Node) -> bool:
    return node.share is not None or any(each.share == node.name for each in graph.nodes)


def _same_neighbours(graph: Graph, node: Node) -> tuple[str, ...]:
    """Return the layers in a row with one that are the same as it: which of them is missing, nobody can tell."""
    nodes = {each.name: each for each in graph.nodes}
    readers = _readers(graph)
    found = []
    for follow in (
        lambda each: [edge.node for edge in each.inputs if edge.node in nodes],
        lambda each: [name for name in readers[each.name] if name],
    ):
        at = node
        while len(follow(at)) == 1 and (nodes[follow(at)[0]].op, nodes[follow(at)[0]].args) == (node.op, node.args):
            at = nodes[follow(at)[0]]
            found.append(at.name)
    return tuple(found)
