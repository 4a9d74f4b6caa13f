"""Which layer of one network is which of another, and how they differ. No torch; names play no part.

Layers are alike where they do the same with the same arguments. What is alike from the inputs on, or from here to the
outputs, is paired first, whatever order branches are listed in; what is left is aligned as two sequences.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import accumulate, zip_longest
from typing import Any, NamedTuple

from cnnprof.layers import REGISTRY, of
from cnnprof.model.analysis import Analysis, Row
from cnnprof.model.graph import Edge, Graph, Input, Node
from cnnprof.model.plain import to_builtins

COMMUTATIVE = ("add", "mul")
"""Operators that take their inputs in any order."""
SLOW = 10**6
"""Pairs of layers beyond which what occurs everywhere (relu) is no anchor for the alignment."""


class Look(NamedTuple):
    """A layer and everything that makes it what it is, but for its name."""

    at: int
    node: Node
    row: Row
    args: dict[str, Any]
    """Every argument, defaults included, each written in one way."""

    @property
    def token(self) -> tuple[str, str]:
        """What is equal for layers that are alike."""
        rest = [self.node.when, self.node.frozen, self.node.share is not None]
        return self.node.op, json.dumps([self.args, *rest], sort_keys=True, default=str)


class Difference(NamedTuple):
    """A layer that only one network has (the other is None), or two that are not alike."""

    mine: Look | None
    other: Look | None
    reads: tuple[str, str] | None = None
    """Where they are alike but read something else: the names of what each reads."""

    @property
    def changed(self) -> dict[str, tuple[Any, Any]]:
        """The arguments that two layers of the same type do not share, here and there."""
        if self.mine is None or self.other is None or self.mine.node.op != self.other.node.op:
            return {}
        mine, other = _traits(self.mine), _traits(self.other)
        return {key: (mine[key], other[key]) for key in mine if key in other and mine[key] != other[key]}


def _traits(look: Look) -> dict[str, Any]:
    return look.args | {"when": look.node.when, "frozen": look.node.frozen, "share": look.node.share is not None}


def differences(mine: tuple[Graph, Analysis], other: tuple[Graph, Analysis]) -> list[Difference]:
    """Return how two networks differ, first differences first; nothing where they are the same."""
    ours, theirs = _looks(*mine), _looks(*other)
    numbers: dict[Any, int] = {}
    labels, others = ([*_labels(graph, looks, numbers)] for graph, looks in ((mine[0], ours), (other[0], theirs)))
    pairs: dict[int, int] = {}
    for part in (slice(2), slice(1), slice(1, 2)):  # alike before and behind; before; behind
        _pair(pairs, [label[part] for label in labels], [label[part] for label in others])
    taken = set(pairs.values())
    rest = [look for look in ours if look.at not in pairs], [look for look in theirs if look.at not in taken]
    found = [*_aligned(*rest, pairs)]
    alike = {look.node.name: label for look, label in zip(theirs, others, strict=True)}
    found += _rewired(ours, theirs, pairs, [*zip(mine[0].inputs, other[0].inputs, strict=False)], alike)
    return sorted(found, key=_positions(pairs))


def _looks(graph: Graph, analysis: Analysis) -> list[Look]:
    return [
        Look(at, node, row, _arguments(node, row))
        for at, (node, row) in enumerate(zip(graph.nodes, analysis.rows, strict=True))
    ]


def _arguments(node: Node, row: Row) -> dict[str, Any]:
    if node.op not in REGISTRY:
        return {name: _plain(value) for name, value in node.args.items()}
    layer = of(node)
    found = {name: _plain(value) for name, value in to_builtins(layer).items()}
    if isinstance(found.get("padding"), str):  # "same" around an odd kernel is the same as its number
        pads = [(window.pad_low, window.pad_high) for window in layer.windows(row.inputs) or ()]
        if pads and all(low == high for low, high in pads):
            found["padding"] = tuple(low for low, _ in pads)
    return found


def _plain(value: Any) -> Any:
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


# Pairs

Labels = tuple[int, ...]
"""Two numbers: equal where a layer and everything before it are alike, and where everything behind it is."""


def _labels(graph: Graph, looks: Sequence[Look], numbers: dict[Any, int]) -> Iterator[Labels]:
    return zip(_ahead(graph, looks, numbers), _behind(graph, looks, numbers), strict=True)


def _ahead(graph: Graph, looks: Sequence[Look], numbers: dict[Any, int]) -> list[int]:
    """Return a number for each layer that is equal where it and everything before it are alike."""
    seen: dict[str, int] = {
        each.name: numbers.setdefault(("input", at, each.dtype), len(numbers)) for at, each in enumerate(graph.inputs)
    }
    for look in looks:
        reads = [(seen[edge.node], edge.output) for edge in look.node.inputs]
        key = ("ahead", look.token, *_ordered(look, reads), seen.get(look.node.share or ""))
        seen[look.node.name] = numbers.setdefault(key, len(numbers))
    return [seen[look.node.name] for look in looks]


def _behind(graph: Graph, looks: Sequence[Look], numbers: dict[Any, int]) -> list[int]:
    """Return a number for each layer that is equal where it and everything behind it are alike."""
    read: dict[str, list[tuple[int, ...]]] = defaultdict(list)
    for at, edge in enumerate(reversed(graph.outputs.values())):
        read[edge.node].append((-1, at, edge.output))
    seen: dict[str, int] = {}
    for look in reversed(looks):
        key = ("behind", look.token, *sorted(read[look.node.name]))
        number = seen[look.node.name] = numbers.setdefault(key, len(numbers))
        for slot, edge in enumerate(look.node.inputs):
            read[edge.node].append((number, 0 if look.node.op in COMMUTATIVE else slot, edge.output))
    return [seen[look.node.name] for look in looks]


def _ordered(look: Look, reads: list[Any]) -> list[Any]:
    return sorted(reads) if look.node.op in COMMUTATIVE else reads


def _pair(pairs: dict[int, int], ours: Sequence[Labels], theirs: Sequence[Labels]) -> None:
    """Add pairs of layers of the same label, in order, that have no partner yet."""
    taken = set(pairs.values())
    free: dict[Labels, list[int]] = defaultdict(list)
    for at, label in reversed([*enumerate(theirs)]):
        if at not in taken:
            free[label].append(at)
    for at, label in enumerate(ours):
        if at not in pairs and free.get(label):
            pairs[at] = free[label].pop()


# What is left


KEYS: tuple[Callable[[Look], Any], ...] = (
    lambda look: look.token,
    lambda look: (look.node.op, look.node.name),
    lambda look: look.node.op,
)
"""By what layers are aligned: alike; of one type and, only to choose among many, of one name; of one type."""


def _aligned(
    ours: Sequence[Look], theirs: Sequence[Look], pairs: dict[int, int], level: int = 0
) -> Iterator[Difference]:
    """Yield what differs between two sequences, and add pairs for what is alike or changed."""
    for tag, mine, other in _opcodes(ours, theirs, KEYS[level]):
        if tag == "equal":
            pairs.update((one.at, two.at) for one, two in zip(mine, other, strict=True))
            yield from (Difference(one, two) for one, two in zip(mine, other, strict=True) if level)
        elif tag == "replace" and level + 1 < len(KEYS):
            yield from _aligned(mine, other, pairs, level + 1)
        else:
            yield from _replaced(mine, other, pairs)


def _replaced(mine: Sequence[Look], other: Sequence[Look], pairs: dict[int, int]) -> Iterator[Difference]:
    for one, two in zip_longest(mine, other):
        if one is not None and two is not None:
            pairs[one.at] = two.at
        yield Difference(one, two)


Opcode = tuple[str, Sequence[Look], Sequence[Look]]


def _opcodes(ours: Sequence[Look], theirs: Sequence[Look], key: Callable[[Look], Any]) -> Iterator[Opcode]:
    matcher = SequenceMatcher(
        None, [key(look) for look in ours], [key(look) for look in theirs], autojunk=len(ours) * len(theirs) > SLOW
    )
    for tag, first, last, start, end in matcher.get_opcodes():
        yield tag, ours[first:last], theirs[start:end]


def _rewired(
    ours: Sequence[Look],
    theirs: Sequence[Look],
    pairs: dict[int, int],
    inputs: Iterable[tuple[Input, Input]],
    alike: dict[str, Labels],
) -> Iterator[Difference]:
    """Yield pairs of layers that are alike but read something else; of twins, ``alike``, it does not matter which."""
    partner = {ours[at].node.name: theirs[to].node.name for at, to in pairs.items()}
    partner |= {one.name: two.name for one, two in inputs}
    mine, other = ({look.node.name: look.node for look in looks} for looks in (ours, theirs))
    paired = set(partner.values())

    def meant(edges: Sequence[Edge | None], look: Look) -> list[Any]:
        return _ordered(look, [(repr(alike.get(edge.node, edge.node)), edge.output) for edge in edges if edge])

    for one, two in ((ours[at], theirs[to]) for at, to in pairs.items()):
        reads = [_source(edge, mine, partner) for edge in one.node.inputs]
        there = [_source(edge, other, paired) for edge in two.node.inputs]
        if one.token == two.token and None not in (*reads, *there):
            expected = [Edge(partner[edge.node], edge.output) for edge in reads if edge]
            if meant(expected, one) != meant(there, two):
                yield Difference(one, two, (_names(one.node.inputs), _names(two.node.inputs)))


def _source(edge: Edge, nodes: dict[str, Node], paired: Container[str]) -> Edge | None:
    """Return what is read, through layers that only one network has; None where those join several."""
    while edge.node not in paired:
        node = nodes.get(edge.node)
        if node is None or len(node.inputs) != 1:
            return None
        edge = node.inputs[0]
    return edge


def _names(edges: Iterable[Edge]) -> str:
    return ", ".join(edge.node for edge in edges)


def _positions(pairs: dict[int, int]) -> Callable[[Difference], tuple[float, int]]:
    """Return the sort key of a difference: what only the other network has stands where its last neighbour does."""
    others = sorted(pairs.items(), key=lambda pair: pair[1])
    ends = [to for _, to in others]
    reached = [-1, *accumulate((at for at, _ in others), max)]

    def position(difference: Difference) -> tuple[float, int]:
        if difference.mine is not None:
            return difference.mine.at, 0
        at = difference.other.at if difference.other else 0
        return reached[bisect_left(ends, at)] + 0.5, at

    return position
