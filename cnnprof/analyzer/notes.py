"""What the reader of a table should know besides its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cnnprof.layers import of
from cnnprof.model.analysis import Note, Row
from cnnprof.model.graph import Edge, Graph


def notes(graph: Graph, rows: Sequence[Row]) -> Iterator[Note]:
    """Yield the notes on the inputs, on every layer, and on published figures that no longer apply."""
    yield from _input_notes(graph)
    for row in rows:
        if row.window_cut is not None and any(row.window_cut):
            yield Note(code="window-cut", layer=row.name, message=_cut_message(row))
        if row.share is not None and row.frozen:
            message = f"frozen has no effect: the weights are those of {row.share}"
            yield Note(code="shared-frozen", layer=row.name, message=message)
        if _runs_along_the_image(row):
            yield Note(code="linear-axis", layer=row.name, message=_LINEAR_AXIS)
        if not row.known:
            message = f"operator {row.op!r} is unknown: the totals are lower bounds"
            yield Note(code="unknown-operator", layer=row.name, message=message)
    yield from [Note(code="imported", message=message) for message in graph.notes]
    yield from _overwritten(graph, rows)
    if graph.overridden and graph.facts:
        message = f"published figures are not checked: {', '.join(graph.overridden)} changed the network"
        yield Note(code="facts-not-checked", message=message)


def _overwritten(graph: Graph, rows: Sequence[Row]) -> Iterator[Note]:
    """Yield a note for every layer and network output that reads a tensor written into since it was made."""
    writing = {row.name for row in rows if _writes(row)}
    if not writing:
        return
    writers: dict[Edge, str] = {}
    """The layer that wrote last into the storage of a tensor, by the tensor the storage was made for."""
    roots = {Edge(each.name): (Edge(each.name), "") for each in graph.inputs}
    for row in rows:
        for edge in row.edges:
            root, version = roots[edge]
            if writers.get(root, "") != version:
                message = f"reads {edge.node} after {writers[root]} has written into it in place"
                yield Note(code="overwritten", layer=row.name, message=message)
        if row.name in writing:
            writers[roots[row.edges[0]][0]] = row.name
        for at in range(len(row.outputs)):
            edge = Edge(row.name, at)
            shares = (row.storage != "new" or row.name in writing) and [
                each for at, each in enumerate(row.edges) if at not in row.unread
            ]
            root = roots[shares[0]][0] if shares else edge
            roots[edge] = (root, writers.get(root, "") if shares else "")
    for name, edge in graph.outputs.items():
        root, version = roots[edge]
        if writers.get(root, "") != version:
            message = f"is the output {name!r}, and {writers[root]} has written into it in place"
            yield Note(code="overwritten", layer=edge.node, message=message)


def _writes(row: Row) -> bool:
    """Return whether a layer overwrites its input, be it in training only, as dropout does."""
    if row.storage == "inplace":
        return True
    return row.known and bool(row.args.get("inplace")) and of(row).storage(training=True) == "inplace"


_LINEAR_AXIS = (
    "linear acts on the last axis only, as in torch, and here that is the image's width; is a flatten missing?"
)
_MOST_COLOURS = 4


def _runs_along_the_image(row: Row) -> bool:
    """Return whether a linear layer takes the width of an image for its features, as where a flatten was forgotten."""
    image = row.op == "linear" and len(row.inputs[0].shape) == 4  # noqa: PLR2004 batch, channels, height, width
    field = row.receptive_field
    return image and field is not None and any(axis.is_global for axis in field.axes) and not field.is_global


def _input_notes(graph: Graph) -> Iterator[Note]:
    for spec in graph.inputs:
        channels, *sizes = spec.shape
        if len(sizes) == 2 and sizes[1] <= _MOST_COLOURS < min(channels, sizes[0]):  # noqa: PLR2004 height and width
            shown, swapped = "×".join(map(str, spec.shape)), f"{sizes[1]}x{channels}x{sizes[0]}"
            message = (
                f"{shown} is read as {channels} channels of {sizes[0]}×{sizes[1]}; channels first would be {swapped}"
            )
            yield Note(code="input-order", layer=None, message=message)


def _cut_message(row: Row) -> str:
    cut = row.window_cut or ()
    axes = ("element",) if len(cut) == 1 else ("slice", "row", "column")[-len(cut) :]
    named = [(count, axis) for count, axis in zip(cut, axes, strict=True) if count]
    parts = [f"the last {count} {axis}s" if count > 1 else f"the last {axis}" for count, axis in named]
    size = "×".join(str(number) for number in row.inputs[0].shape[2:])
    never = "is" if len(parts) == 1 and sum(cut) == 1 else "are"
    return f"the window does not tile its {size} input: {' and '.join(parts)} {never} never read"
