"""Peak memory of an inference: which tensors live at the same time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from cnnprof.analyzer.heap import Heap
from cnnprof.layers import REGISTRY
from cnnprof.model.analysis import Row, Totals
from cnnprof.model.graph import Edge, Graph, TensorSpec
from cnnprof.model.memory import InferenceMemory
from cnnprof.model.plain import replace


def inference_memory(
    graph: Graph, rows: Sequence[Row], totals: Totals, tensors: Mapping[Edge, TensorSpec]
) -> InferenceMemory:
    """Return the peak of one forward in the listed order.

    An output is allocated while its inputs live; views share storage and in-place work writes into its input; a tensor
    dies after its last reader, network inputs and outputs never. There is no workspace and no rounding of an allocator.
    """
    outputs = _kept(graph, rows)
    rows = _running(rows, outputs)
    readers = last_readers(graph, rows, outputs)
    heap = _run(graph, rows, tensors, readers)
    weights = totals.param_bytes + totals.buffer_bytes
    return InferenceMemory(
        peak_bytes=weights + max(heap.peak, 0),
        param_bytes=totals.param_bytes,
        buffer_bytes=totals.buffer_bytes,
        tensor_bytes=max(heap.peak, 0),
        layer=heap.peak_layer,
        alive=heap.alive,
    )


def _kept(graph: Graph, rows: Sequence[Row]) -> set[Edge]:
    """Return what the caller of an inference holds; the heads that run in training only give it nothing."""
    *others, main = graph.outputs.values()
    training = {row.name for row in rows if row.when == "train"}
    return {main, *(edge for edge in others if edge.node not in training)}


def _running(rows: Sequence[Row], outputs: Collection[Edge]) -> Sequence[Row]:
    """Return the rows of an inference: those that run in training only are passed through, or not there at all.

    What is passed through shows its first input and reads no other.
    """
    if all(row.when == "always" for row in rows):
        return rows
    wanted = {edge.node for edge in outputs}
    found = []
    for row in reversed(rows):
        if row.when == "always" or row.name in wanted:
            found.append(row if row.when == "always" else replace(row, edges=row.edges[:1], unread=()))
            wanted.update(edge.node for edge in found[-1].edges)
    return found[::-1]


def last_readers(graph: Graph, rows: Sequence[Row], outputs: Collection[Edge]) -> dict[str, list[Edge]]:
    """Return for every row the tensors that nobody reads after it; inputs and ``outputs`` are the caller's.

    A tensor that nobody reads at all is forgotten by the row that made it.
    """
    kept = {*outputs, *(Edge(each.name) for each in graph.inputs)}
    last: dict[Edge, str] = {}
    for row in rows:
        for at in range(len(row.outputs)):
            last[Edge(row.name, at)] = row.name
        for edge in row.edges:
            last[edge] = row.name
    found: dict[str, list[Edge]] = {}
    for edge, name in last.items():
        if edge not in kept:
            found.setdefault(name, []).append(edge)
    return found


NOTHING = TensorSpec((0,))


def shown(row: Row) -> Edge:
    """Return the input that a view shows: the first one it reads."""
    return next(edge for at, edge in enumerate(row.edges) if at not in row.unread)


def place_outputs(row: Row, storage: str, places: dict[Edge, int], heap: Heap) -> None:
    """Give a row's outputs storage: new ones, or its first input's; a parameter as a value lies in the weights."""
    for at, tensor in enumerate(row.outputs):
        if storage == "new":
            places[Edge(row.name, at)] = heap.allocate(row.name, "output", tensor)
        elif not row.edges or (row.op in REGISTRY and not REGISTRY[row.op].arity[0]):
            places[Edge(row.name, at)] = heap.allocate(row.name, "output", NOTHING)
        else:
            places[Edge(row.name, at)] = heap.hold(places[shown(row)])


def make_and_forget(row: Row, tensors: Sequence[TensorSpec], heap: Heap) -> None:
    """Allocate what is there while a layer runs and not after it."""
    made = [heap.allocate(row.name, "forgotten", tensor) for tensor in tensors]
    for storage in made:
        heap.drop(storage)


def _run(
    graph: Graph, rows: Sequence[Row], tensors: Mapping[Edge, TensorSpec], readers: Mapping[str, Sequence[Edge]]
) -> Heap:
    heap = Heap()
    places = {Edge(each.name): heap.allocate(each.name, "input", tensors[Edge(each.name)]) for each in graph.inputs}
    for row in rows:
        heap.running = row.name
        place_outputs(row, row.storage, places, heap)
        make_and_forget(row, row.forgets, heap)
        for edge in readers.get(row.name, ()):
            heap.drop(places[edge])
    return heap
