"""Counting: a graph to one row per layer, totals, traffic and notes. No torch, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from cnnprof._version import __version__
from cnnprof.errors import LayerError, UsageError
from cnnprof.layers import REGISTRY, Layer, of
from cnnprof.model.analysis import Analysis, Events, Note, Row, Totals, Transfer
from cnnprof.model.graph import Edge, Graph, Node, TensorSpec
from cnnprof.model.plain import replace
from cnnprof.receptive import ReceptiveFields
from cnnprof.shapes import Window

DTYPE_BYTES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2,
    "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "bool": 1,
}  # fmt: skip
FLOAT_DTYPES = ("float32", "float64", "float16", "bfloat16", "int8")
"""What ``dtype`` may replace the specification's float32 by."""
_LIMIT = 2**63
_NOTHING = Events()


def analyze(graph: Graph, *, batch: int = 1, dtype: str = "float32") -> Analysis:
    """Return what ``graph`` costs for ``batch`` samples whose floats are stored as ``dtype``, in evaluation mode.

    Raises:
        UsageError: a batch below 1 or an unknown dtype.
        LayerError: a layer refuses its inputs, or a count passes 2^63 − 1.
    """
    _check(batch, dtype)
    fields = ReceptiveFields(graph.inputs)
    rows, tensors = _rows(graph, batch, dtype, fields)
    return Analysis(
        cnnprof_version=__version__,
        model=graph.name,
        source=graph.source,
        inputs=graph.inputs,
        outputs=graph.outputs,
        batch=batch,
        dtype=dtype,
        rows=rows,
        totals=_totals(graph, rows, tensors),
        containers=graph.containers,
        transfers=tuple(_transfers(graph, tensors)),
        notes=(*_notes(graph, rows), *fields.notes),
        reference=graph.reference,
        facts=graph.facts,
        overridden=graph.overridden,
    )


def freeze(graph: Graph, patterns: Sequence[str]) -> Graph:
    """Return the graph with every layer frozen whose full name matches one of the shell-style ``patterns``.

    Raises:
        UsageError: a pattern matches no layer.
    """
    for pattern in patterns:
        if not any(fnmatchcase(node.name, pattern) for node in graph.nodes):
            raise UsageError(
                f"--freeze {pattern!r} matches no layer of {graph.name}",
                hint=f"its layers are called {graph.nodes[0].name} … {graph.nodes[-1].name}; * matches anything",
                code="no-match",
            )
    nodes = (
        replace(node, frozen=node.frozen or True) if any(fnmatchcase(node.name, p) for p in patterns) else node
        for node in graph.nodes
    )
    return replace(graph, nodes=tuple(nodes)) if patterns else graph


def _check(batch: int, dtype: str) -> None:
    if isinstance(batch, bool) or not isinstance(batch, int) or not 1 <= batch < 2**31:
        raise UsageError(f"batch must be a whole number from 1 to 2^31 − 1, got {batch!r}", code="bad-batch")
    if dtype not in FLOAT_DTYPES:
        raise UsageError(f"unknown dtype {dtype!r}", hint=f"one of {', '.join(FLOAT_DTYPES)}", code="bad-dtype")


# -- rows -------------------------------------------------------------------------------------------------------------


def _rows(
    graph: Graph, batch: int, dtype: str, fields: ReceptiveFields
) -> tuple[tuple[Row, ...], dict[Edge, TensorSpec]]:
    tensors = {Edge(spec.name): TensorSpec((batch, *spec.shape), _stored(spec.dtype, dtype)) for spec in graph.inputs}
    names = {edge: name for name, edge in graph.outputs.items() if len(graph.outputs) > 1}
    rows = []
    for node in graph.nodes:
        row = _row(node, tuple(tensors[edge] for edge in node.inputs), dtype, names.get(Edge(node.name)), fields)
        tensors.update((Edge(node.name, index), tensor) for index, tensor in enumerate(row.outputs))
        rows.append(row)
    return tuple(rows), tensors


def _stored(declared: str, dtype: str) -> str:
    return dtype if declared == "float32" else declared


def _row(
    node: Node, inputs: tuple[TensorSpec, ...], dtype: str, output_name: str | None, fields: ReceptiveFields
) -> Row:
    if node.op not in REGISTRY:
        row = _unknown(node, inputs, output_name)
        fields.lose(node.name, len(row.outputs))
        return row
    try:
        return _known(node, of(node), inputs, dtype, output_name, fields)
    except LayerError as error:
        raise LayerError(
            f"{node.name} ({node.op}): {error.message}", argument=error.argument, hint=error.hint, code=error.code
        ) from None


def _known(
    node: Node,
    layer: Layer,
    inputs: tuple[TensorSpec, ...],
    dtype: str,
    output_name: str | None,
    fields: ReceptiveFields,
) -> Row:
    outputs = layer.outputs(inputs)
    params, bias = (0, 0) if node.share else _params(layer, inputs)
    buffers = {} if node.share else layer.buffers(inputs)
    windows = layer.windows(inputs)
    runs = node.when == "always"
    storage = layer.storage() if runs else "view"
    written = sum(tensor.numel for tensor in outputs) if storage == "new" else 0
    param_bytes = params * DTYPE_BYTES[dtype]
    buffer_bytes = sum(spec.numel * DTYPE_BYTES[_stored(spec.dtype, dtype)] for spec in buffers.values())
    moves = runs and storage != "view"
    row = Row(
        name=node.name, op=node.op, args=node.args, origin=node.origin, edges=node.inputs, inputs=inputs,
        outputs=outputs,
        trainable_params=0 if node.frozen else params,
        frozen_params=params if node.frozen else 0,
        buffers=sum(spec.numel for spec in buffers.values()),
        statistics=sum(spec.numel for name, spec in buffers.items() if name in ("running_mean", "running_var")),
        bias_params=bias,
        param_bytes=param_bytes,
        buffer_bytes=buffer_bytes,
        events=layer.events(inputs, outputs) if runs else _NOTHING,
        storage=storage,
        activations=written,
        activation_bytes=_bytes(outputs) if storage == "new" else 0,
        read_bytes=_bytes(inputs) + param_bytes + buffer_bytes if moves else 0,
        write_bytes=_bytes(outputs) if moves else 0,
        window_cut=None if windows is None else tuple([_cut(window) for window in windows]),
        equivalent=layer.equivalent(inputs, outputs),
        receptive_field=fields.follow(node.name, layer, node.inputs, inputs, outputs, windows),
        when=node.when, share=node.share, place=node.place, frozen=node.frozen, output_name=output_name,
        torchsummary_outputs=_seen_by_torchsummary(node, layer, outputs),
    )  # fmt: skip
    _check_limit(row)
    return row


def _params(layer: Layer, inputs: tuple[TensorSpec, ...]) -> tuple[int, int]:
    total = bias = 0
    for name, shape in layer.parameters(inputs).items():
        count = TensorSpec(shape).numel
        total += count
        bias += count if name.endswith("bias") else 0
    return total, bias


def _bytes(tensors: Iterable[TensorSpec]) -> int:
    return sum(tensor.numel * DTYPE_BYTES[tensor.dtype] for tensor in tensors)


def _seen_by_torchsummary(node: Node, layer: Layer, outputs: tuple[TensorSpec, ...]) -> int:
    """Torchsummary hooks modules, so what runs as a function is not there; nothing else is left out."""
    seen = (node.call or layer.call) == "module" and node.when == "always"
    return sum(tensor.numel for tensor in outputs) if seen else 0


def _unknown(node: Node, inputs: tuple[TensorSpec, ...], output_name: str | None) -> Row:
    if node.recorded is None:
        raise UsageError(
            f"{node.name}: nobody registered the operator {node.op!r} and its output was not recorded",
            hint="register a layer under that name, or give the node its recorded output shapes",
            code="unknown-operator",
        )
    return Row(
        name=node.name, op=node.op, args=node.args, origin=node.origin, edges=node.inputs, inputs=inputs,
        outputs=node.recorded, trainable_params=0, frozen_params=0, buffers=0, statistics=0, bias_params=0,
        param_bytes=0, buffer_bytes=0, events=_NOTHING, storage="new", activations=0, activation_bytes=0,
        read_bytes=0, write_bytes=0,
        known=False, when=node.when, place=node.place, frozen=node.frozen, output_name=output_name,
    )  # fmt: skip


def _check_limit(row: Row) -> None:
    most = max(row.param_bytes, row.ops, row.macs * 2, row.read_bytes, row.write_bytes)
    if most >= _LIMIT:
        raise LayerError(f"a count of {most:,} passes 2^63 − 1", code="too-large")


# -- the whole network ------------------------------------------------------------------------------------------------


def _totals(graph: Graph, rows: Sequence[Row], tensors: dict[Edge, TensorSpec]) -> Totals:
    def add(field: str) -> int:
        return sum(getattr(row, field) for row in rows)

    trains_only = {row.name for row in rows if row.when == "train"}
    modules = sum(tensors[Edge(c.last)].numel for c in graph.containers if c.module and c.last not in trains_only)
    inputs = [tensors[Edge(spec.name)] for spec in graph.inputs]
    trainable, frozen = add("trainable_params"), add("frozen_params")
    totals = Totals(
        layers=len(rows),
        trainable_params=trainable,
        frozen_params=frozen,
        buffers=add("buffers"),
        bias_params=add("bias_params"),
        keras_params=trainable + frozen + add("statistics"),
        param_bytes=add("param_bytes"),
        buffer_bytes=add("buffer_bytes"),
        events=_sum_events(row.events for row in rows),
        activations=add("activations"),
        activation_bytes=add("activation_bytes"),
        input_bytes=_bytes(inputs),
        torchsummary_input_bytes=4 * sum(tensor.numel for tensor in inputs),
        torchsummary_activation_bytes=2 * 4 * (add("torchsummary_outputs") + modules),
        torchsummary_param_bytes=4 * (trainable + frozen),
        unknown_ops=tuple(sorted({row.op for row in rows if not row.known})),
    )
    if max(totals.ops, totals.flops, totals.activation_bytes, totals.torchsummary_activation_bytes) >= _LIMIT:
        raise LayerError(f"the totals of {graph.name} pass 2^63 − 1", code="too-large")
    return totals


def _sum_events(events: Iterable[Events]) -> Events:
    found = list(events)
    return Events(
        macs=sum(e.macs for e in found), muls=sum(e.muls for e in found), adds=sum(e.adds for e in found),
        cmps=sum(e.cmps for e in found), exps=sum(e.exps for e in found), divs=sum(e.divs for e in found),
    )  # fmt: skip


def _transfers(graph: Graph, tensors: dict[Edge, TensorSpec]) -> Iterator[Transfer]:
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
                elements=tensor.numel, bytes=_bytes([tensor]),
            )  # fmt: skip


def _notes(graph: Graph, rows: Sequence[Row]) -> Iterator[Note]:
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
    if graph.overridden and graph.facts:
        message = f"published figures are not checked: {', '.join(graph.overridden)} changed the network"
        yield Note(code="facts-not-checked", message=message)


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


def _cut(window: Window) -> int:
    """Return what a window cuts off; one smaller than its stride, as a 1×1 shortcut's, samples and need not tile."""
    return 0 if window.stride > window.span else window.cut


def _cut_message(row: Row) -> str:
    cut = row.window_cut or ()
    axes = ("element",) if len(cut) == 1 else ("slice", "row", "column")[-len(cut) :]
    named = [(count, axis) for count, axis in zip(cut, axes, strict=True) if count]
    parts = [f"the last {count} {axis}s" if count > 1 else f"the last {axis}" for count, axis in named]
    size = "×".join(str(number) for number in row.inputs[0].shape[2:])
    never = "is" if len(parts) == 1 and sum(cut) == 1 else "are"
    return f"the window does not tile its {size} input: {' and '.join(parts)} {never} never read"
