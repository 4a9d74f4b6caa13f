"""The cheapest assignment of each layer to host or device: dynamic programming on chains, a minimum cut on graphs.

Weights lie on both sides. Inputs begin on the host, outputs end there, and a tensor crosses once each way, however many
layers read it there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnprof.errors import MissingPackageError

if TYPE_CHECKING:
    import networkx as nx

PICOSECONDS = 10**12
"""Of a second. A flow is computed in whole ones: rounding of fractions would leave it no end."""
Sides = tuple[bool, ...]
"""Of each layer, whether it is on the device."""


class Tensor(NamedTuple):
    """What may have to cross. Layers are named by their places."""

    source: int | None
    """The layer that makes it; None: an input, on the host."""
    readers: tuple[int, ...]
    ends: bool
    """It must end on the host."""
    to_device_s: float
    to_host_s: float


class Problem(NamedTuple):
    """What each layer costs on either side, in order, and the tensors between them."""

    host_s: tuple[float, ...]
    device_s: tuple[float, ...]
    tensors: tuple[Tensor, ...]


class Solution(NamedTuple):
    """An assignment, and what it costs."""

    sides: Sides
    time_s: float


def cost(problem: Problem, sides: Sides) -> float:
    """Return the seconds of an assignment: of its layers, and of what crosses."""
    layers = (problem.device_s[at] if there else problem.host_s[at] for at, there in enumerate(sides))
    return math.fsum((*layers, *_copies(problem, sides)))


def copies(problem: Problem, sides: Sides) -> float:
    """Return the seconds that copies take in an assignment."""
    return math.fsum(_copies(problem, sides))


def _copies(problem: Problem, sides: Sides) -> Iterator[float]:
    for tensor in problem.tensors:
        made_there = tensor.source is not None and sides[tensor.source]
        read = {sides[reader] for reader in tensor.readers}
        if made_there and (False in read or tensor.ends):
            yield tensor.to_host_s
        if not made_there and True in read:
            yield tensor.to_device_s


def is_chain(problem: Problem) -> bool:
    """Return whether each layer reads what the one before it makes and nothing else, and the last one's is returned."""
    last = len(problem.host_s)
    made = sorted(problem.tensors, key=lambda each: -1 if each.source is None else each.source)
    expected = [(None if at == 0 else at - 1, (at,) if at < last else (), at == last) for at in range(last + 1)]
    return expected == [(each.source, each.readers, each.ends) for each in made]


def best_two(problem: Problem) -> tuple[Solution, Solution]:
    """Return the cheapest assignment, and the cheapest one that differs from it.

    Raises:
        MissingPackageError: a graph needs networkx, which comes with torch.
    """
    found = _chain(problem) if is_chain(problem) else _graph(problem)
    first, second = (Solution(sides, cost(problem, sides)) for sides in found)
    return first, second


# Chains


class _Step(NamedTuple):
    """A way to reach one side of a layer: what it costs until there, and the way to the layer before it."""

    time_s: float
    side: bool
    before: _Step | None


def _chain(problem: Problem) -> tuple[Sides, Sides]:
    """Return the two cheapest assignments: the two cheapest ways to each side of each layer, layer by layer."""
    tensors = {tensor.source: tensor for tensor in problem.tensors}
    ways = [_Step(0.0, side=False, before=None)]
    for at, times in enumerate(zip(problem.host_s, problem.device_s, strict=True)):
        arrives = tensors[at - 1 if at else None]
        ways = [
            step
            for side in (False, True)
            for step in _cheapest(_reached(ways, side=side, time_s=times[side], tensor=arrives))
        ]
    ends = _cheapest(_reached(ways, side=False, time_s=0.0, tensor=tensors[len(problem.host_s) - 1]))
    first, second = (tuple(_walked(each.before)) for each in ends)
    return first, second


def _cheapest(ways: Iterable[_Step]) -> list[_Step]:
    return sorted(ways, key=lambda way: way.time_s)[:2]


def _reached(ways: Sequence[_Step], *, side: bool, time_s: float, tensor: Tensor) -> Iterator[_Step]:
    for way in ways:
        crossing = 0.0 if way.side == side else tensor.to_device_s if side else tensor.to_host_s
        yield _Step(way.time_s + crossing + time_s, side, way)


def _walked(step: _Step | None) -> Sequence[bool]:
    sides = []
    while step is not None and step.before is not None:
        sides.append(step.side)
        step = step.before
    return sides[::-1]


def best_cut(problem: Problem) -> tuple[int, int, float]:
    """Return the first and last layer of the best run of layers on the device in a chain, and what all then costs."""
    tensors = {tensor.source: tensor for tensor in problem.tensors}
    before = 0.0  # what the layers so far cost more on the device
    entry, entered = math.inf, 0
    best = (0, 0, math.inf)
    for at, (host, device) in enumerate(zip(problem.host_s, problem.device_s, strict=True)):
        enter = tensors[at - 1 if at else None].to_device_s - before
        if enter < entry:
            entry, entered = enter, at
        before += device - host
        more = entry + before + tensors[at].to_host_s
        if more < best[2]:
            best = (entered, at, more)
    first, last, _ = best
    return first, last, cost(problem, tuple(first <= at <= last for at in range(len(problem.host_s))))


# Graphs


def _graph(problem: Problem) -> tuple[Sides, Sides]:
    left = _left(_network(problem))
    first = _cut(left, len(problem.host_s))
    edge = _cheapest_to_force(left, first)
    left.edges[edge]["capacity"] = math.inf
    return first, _cut(left, len(problem.host_s))


def _left(network: nx.DiGraph) -> nx.DiGraph:
    """Return what could still flow at the largest flow: every cut has what it costs more than the cheapest one."""
    flows = _networkx().algorithms.flow
    left = flows.shortest_augmenting_path(network, "host", "device")
    for *_, each in left.edges(data=True):
        each["capacity"] -= each["flow"]
    return left


def _cut(network: nx.DiGraph, layers: int) -> Sides:
    _, (_, device) = _networkx().minimum_cut(network, "host", "device")
    return tuple(at in device for at in range(layers))


def _cheapest_to_force(left: nx.DiGraph, first: Sides) -> tuple[Any, Any]:
    """Return the edge that holds one layer on its other side, of the layer for which that costs least.

    Each is tried from what is left, and no further than the best so far: from the start, every layer would take as long
    as the first cut.
    """
    flows = _networkx().algorithms.flow
    least: int | None = None
    found: tuple[Any, Any] = ("host", 0)
    for at, there in enumerate(first):
        edge: tuple[Any, Any] = ("host", at) if there else (at, "device")
        held = left.edges[edge]["capacity"]
        left.edges[edge]["capacity"] = left.graph["inf"]
        flows.shortest_augmenting_path(left, "host", "device", residual=left, cutoff=least)
        left.edges[edge]["capacity"] = held
        more = left.graph["flow_value"]
        if least is None or more < least:
            least, found = more, edge
    return found


def _network(problem: Problem) -> nx.DiGraph:
    """Return the network whose cuts are the assignments: what stays with ``host`` is on the host.

    A layer with the device cuts its edge from ``host``, one on the host its edge to ``device``. A tensor has a node of
    its own for each way: it goes with the device as soon as one of its readers does, which costs the copy there once,
    unless its maker is with the device too; the other way likewise.
    """
    graph = _networkx().DiGraph()
    for at, (host, device) in enumerate(zip(problem.host_s, problem.device_s, strict=True)):
        graph.add_edge("host", at, capacity=_whole(device))
        graph.add_edge(at, "device", capacity=_whole(host))
    for number, tensor in enumerate(problem.tensors):
        source: Any = "host" if tensor.source is None else tensor.source
        there, back = ("there", number), ("back", number)
        graph.add_edge(source, there, capacity=_whole(tensor.to_device_s))
        for reader in tensor.readers:
            graph.add_edge(there, reader, capacity=math.inf)
        if tensor.source is None:
            continue
        graph.add_edge(back, source, capacity=_whole(tensor.to_host_s))
        for here in (*tensor.readers, *(["host"] if tensor.ends else [])):
            graph.add_edge(here, back, capacity=math.inf)
    return graph


def _whole(seconds: float) -> int:
    return max(1, round(seconds * PICOSECONDS))  # an edge without any would be left out, and could not hold a layer


def _networkx() -> Any:
    try:
        import networkx as nx
    except ImportError as error:
        raise MissingPackageError(
            "placing a network that is no chain needs networkx", hint="pip install 'cnnprof[torch]'"
        ) from error
    return nx
