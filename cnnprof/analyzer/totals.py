"""Sums over all rows, and what crosses from place to place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter

from cnnprof.errors import LayerError
from cnnprof.model.analysis import Events, Row, Totals, Transfer
from cnnprof.model.graph import Edge, Graph, TensorSpec

_LIMIT = 2**63


_SUMS = (
    "trainable_params", "frozen_params", "buffers", "bias_params", "param_bytes", "buffer_bytes", "useful_macs",
    "training_macs", "input_grad_macs", "weight_grad_macs", "activations", "activation_bytes", "read_bytes",
    "write_bytes",
)  # fmt: skip
"""Fields of the totals that are the sum of the rows' field of that name."""
_EVENTS = ("macs", "muls", "adds", "cmps", "exps", "divs")


def make_totals(graph: Graph, rows: Sequence[Row], tensors: Mapping[Edge, TensorSpec]) -> Totals:
    """Return the sums over all rows.

    Raises:
        LayerError: one of them passes 2^63 − 1.
    """
    trains_only = {row.name for row in rows if row.when == "train"}
    modules = sum(tensors[Edge(c.last)].numel for c in graph.containers if c.module and c.last not in trains_only)
    inputs = [tensors[Edge(spec.name)] for spec in graph.inputs]
    sums = {name: _add(rows, name) for name in _SUMS}
    params = sums["trainable_params"] + sums["frozen_params"]
    events = [row.events for row in rows]
    totals = Totals(
        layers=len(rows),
        keras_params=params + _add(rows, "statistics"),
        events=Events(**{name: sum(map(attrgetter(name), events)) for name in _EVENTS}),
        input_bytes=sum(tensor.nbytes for tensor in inputs),
        torchsummary_input_bytes=4 * sum(tensor.numel for tensor in inputs),
        torchsummary_activation_bytes=2 * 4 * (_add(rows, "torchsummary_outputs") + modules),
        torchsummary_param_bytes=4 * params,
        unknown_ops=tuple(sorted({row.op for row in rows if not row.known})),
        **sums,
    )
    most = max(totals.ops, totals.training_flops, totals.read_bytes + totals.write_bytes, totals.param_bytes)
    if max(most, totals.activation_bytes, totals.torchsummary_activation_bytes) >= _LIMIT:
        raise LayerError(f"the totals of {graph.name} pass 2^63 − 1", code="too-large")
    return totals


def _add(rows: Sequence[Row], field: str) -> int:
    return sum(map(attrgetter(field), rows))


def transfers(graph: Graph, tensors: Mapping[Edge, TensorSpec]) -> Iterator[Transfer]:
    """Yield what crosses from place to place; a tensor that is read twice at its destination crosses once."""
    places = {node.name: node.place for node in graph.nodes}
    seen = set()
    for node in graph.nodes:
        for edge in node.inputs:
            source, target = places.get(edge.node), node.place
            if source is None or target is None or source == target or (edge, target) in seen:
                continue
            seen.add((edge, target))
            tensor = tensors[edge]
            yield Transfer(
                source=source, target=target, tensor=edge, reader=node.name,
                elements=tensor.numel, bytes=tensor.nbytes,
            )  # fmt: skip
