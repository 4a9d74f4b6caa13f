"""What would cross between host and device: every tensor of a network, who makes it, who reads it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from cnnprof.model.analysis import Analysis, Row
from cnnprof.model.graph import Edge, TensorSpec
from cnnprof.model.offload import Direction

_WEIGHTS = ("parameter", "torch.parameter", "torch.buffer")
"""Rows that are weights, which lie on both sides: nothing of them crosses."""
_FLOATS = ("float64", "float32", "float16", "bfloat16")


class Value(NamedTuple):
    """A tensor that is read, or that the network returns."""

    bytes: int
    source: int | None
    """The layer that makes it, by its place among those that run; None: an input of the network, on the host."""
    readers: tuple[int, ...]
    """In order, each once."""
    ends: bool
    """It is returned: it must end on the host."""
    narrow_bytes: int
    """With a byte per value, where they are floats."""


class Flow(NamedTuple):
    """The layers that run, in order, and the tensors between them."""

    names: tuple[str, ...]
    values: tuple[Value, ...]

    @property
    def inputs(self) -> tuple[Value, ...]:
        """What has to go to the device, where all layers are there."""
        return tuple(each for each in self.values if each.source is None and each.readers)

    @property
    def outputs(self) -> tuple[Value, ...]:
        """What has to come back."""
        return tuple(each for each in self.values if each.source is not None and each.ends)


def flow(analysis: Analysis) -> Flow:
    """Return what flows in an inference.

    There, the first input of a layer that works in training only takes the place of what it gives, and no output but
    the main one is such a layer's.
    """
    rows = [row for row in analysis.rows if row.when == "always"]
    through = {row.name: row.edges[0] for row in analysis.rows if row.when == "train" and row.edges}
    readers: dict[Edge, list[int]] = {}
    for at, row in enumerate(rows):
        for edge in _read(row):
            readers.setdefault(_resolved(edge, through), []).append(at)
    *_, main = analysis.outputs.values()
    ends = {_resolved(each, through) for each in analysis.outputs.values() if each == main or each.node not in through}
    return Flow(
        tuple(row.name for row in rows),
        tuple(
            Value(spec.nbytes, source, tuple(dict.fromkeys(readers.get(edge, ()))), edge in ends, _narrow(spec))
            for edge, source, spec in _made(analysis, rows)
            if edge in readers or edge in ends
        ),
    )


def crossings(analysis: Analysis, on_device: Collection[str]) -> Iterator[tuple[Direction, int]]:
    """Yield what crosses in a forward with these layers on the device: the way, and the bytes."""
    found = flow(analysis)
    sides = [name in on_device for name in found.names]
    for value in found.values:
        made_there = value.source is not None and sides[value.source]
        read = {sides[reader] for reader in value.readers}
        if made_there and (False in read or value.ends):
            yield "d2h", value.bytes
        if not made_there and True in read:
            yield "h2d", value.bytes


def _made(analysis: Analysis, rows: list[Row]) -> Iterator[tuple[Edge, int | None, TensorSpec]]:
    for each in analysis.inputs:
        dtype = analysis.dtype if each.dtype in _FLOATS else each.dtype
        yield Edge(each.name), None, TensorSpec((analysis.batch, *each.shape), dtype)
    for place, row in enumerate(rows):
        if row.op not in _WEIGHTS:
            yield from ((Edge(row.name, at), place, spec) for at, spec in enumerate(row.outputs))


def _read(row: Row) -> list[Edge]:
    return [edge for at, edge in enumerate(row.edges) if at not in row.unread]


def _resolved(edge: Edge, through: Mapping[str, Edge]) -> Edge:
    while edge.node in through:
        edge = through[edge.node]
    return edge


def _narrow(spec: TensorSpec) -> int:
    return spec.numel if spec.dtype in _FLOATS else spec.nbytes
