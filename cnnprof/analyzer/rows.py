"""One row per node: what its layer says of it, and what depends on its place in the graph."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cnnprof.analyzer.gradients import Gradients
from cnnprof.errors import LayerError, UsageError
from cnnprof.layers import Layer, kind, of
from cnnprof.layers.backward import Product
from cnnprof.layers.base import Pads, Storage
from cnnprof.model.analysis import Equivalent, Events, Row
from cnnprof.model.graph import DTYPE_BYTES, Edge, Graph, Node, TensorSpec
from cnnprof.model.plain import Plain
from cnnprof.receptive import ReceptiveFields
from cnnprof.shapes import Window

_LIMIT = 2**63
_NOTHING = Events()
_STATISTICS = ("running_mean", "running_var")

Tensors = tuple[TensorSpec, ...]


class Counts(Plain, frozen=True, kw_only=True):
    """What an operator with these arguments and inputs costs, wherever it stands."""

    layer: Layer
    outputs: Tensors
    params: int
    bias_params: int
    param_bytes: int
    buffers: int
    statistics: int
    buffer_bytes: int
    events: Events
    useful_macs: int
    products: tuple[Product, ...]
    storage: Storage
    forgets: Tensors
    zeros: Pads | None
    input_bytes: int
    output_bytes: int
    output_elements: int
    windows: Sequence[Window] | None
    window_cut: tuple[int, ...] | None
    equivalent: Equivalent | None
    unread: tuple[int, ...]


class Counter:
    """Asks the layers; the same question, as the blocks of a deep network repeat it, is asked once."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self._known: dict[Any, Counts] = {}

    def __call__(self, node: Node, inputs: Tensors, zeros: Pads | None, recorded: Tensors | None = None) -> Counts:
        """Return what a node costs. ``zeros``: what the layer before has put around its first input.

        ``recorded``: its outputs, where they were seen and not computed.

        Raises:
            LayerError: the layer refuses its arguments or inputs, or a count passes 2^63 − 1; it names the node.
        """
        key = (node.op, repr(node.args), inputs, zeros, recorded)
        found = self._known.get(key)
        if found is None:
            try:
                found = self._known[key] = self._count(of(node), inputs, zeros, recorded)
            except LayerError as error:
                raise LayerError(
                    f"{node.name} ({node.op}): {error.message}",
                    argument=error.argument, hint=error.hint, code=error.code,
                ) from None  # fmt: skip
        return found

    def _count(self, layer: Layer, inputs: Tensors, zeros: Pads | None, recorded: Tensors | None) -> Counts:
        computed = layer.outputs(inputs) if recorded is None else recorded
        events, windows = layer.events(inputs, computed), layer.windows(inputs)
        outputs = tuple([stored(tensor, self.dtype) for tensor in computed])
        sizes = {name: math.prod(shape) for name, shape in layer.parameters(inputs).items()}
        params = sum(sizes.values())
        buffers = {name: stored(tensor, self.dtype) for name, tensor in layer.buffers(inputs).items()}
        found = Counts(
            layer=layer,
            outputs=outputs,
            params=params,
            bias_params=sum([size for name, size in sizes.items() if name.endswith("bias")]),
            param_bytes=params * DTYPE_BYTES[self.dtype],
            buffers=_elements(buffers.values()),
            statistics=_elements([tensor for name, tensor in buffers.items() if name in _STATISTICS]),
            buffer_bytes=_bytes(buffers.values()),
            events=events,
            useful_macs=layer.useful_macs(inputs, computed, zeros) if events.macs else 0,
            products=layer.products(inputs, computed) if events.macs else (),
            storage=layer.storage(),
            forgets=layer.forgets(inputs, outputs),
            zeros=layer.zeros(inputs),
            input_bytes=_bytes(inputs),
            output_bytes=_bytes(outputs),
            output_elements=_elements(outputs),
            windows=windows,
            window_cut=None if windows is None else tuple([_cut(window) for window in windows]),
            equivalent=layer.equivalent(inputs, computed),
            unread=tuple([at for at in range(len(inputs)) if layer.reads(inputs, computed, at) == "nothing"]),
        )
        _check_limit(found)
        return found


def stored(tensor: TensorSpec, dtype: str) -> TensorSpec:
    """Return the tensor as it lies in memory: the specification's float32 is stored as ``dtype``."""
    return tensor if tensor.dtype != "float32" or dtype == "float32" else TensorSpec(tensor.shape, dtype)


def _elements(tensors: Iterable[TensorSpec]) -> int:
    return sum([tensor.numel for tensor in tensors])


def _bytes(tensors: Iterable[TensorSpec]) -> int:
    return sum([tensor.nbytes for tensor in tensors])


def _cut(window: Window) -> int:
    """Return what a window cuts off; one smaller than its stride, as a 1×1 shortcut's, samples and need not tile."""
    return 0 if window.stride > window.span else window.cut


def _check_limit(counts: Counts) -> None:
    most = max(
        counts.param_bytes, counts.events.ops, 6 * counts.events.macs,
        counts.input_bytes + counts.param_bytes + counts.buffer_bytes, counts.output_bytes,
    )  # fmt: skip
    if most >= _LIMIT:
        raise LayerError(f"a count of {most:,} passes 2^63 − 1", code="too-large")


def make_rows(
    graph: Graph, batch: int, dtype: str, fields: ReceptiveFields, *, input_grad: bool
) -> tuple[tuple[Row, ...], dict[Edge, TensorSpec], Gradients]:
    """Return every layer's row, every tensor by its edge, and which of them need gradients."""
    tensors = {Edge(each.name): stored(TensorSpec((batch, *each.shape), each.dtype), dtype) for each in graph.inputs}
    counter = Counter(dtype)
    zeros: dict[Edge, Pads] = {}
    counted: list[tuple[Node, Tensors, Counts | None]] = []
    for node in graph.nodes:
        inputs = tuple([tensors[edge] for edge in node.inputs])
        counts = None
        if kind(node.op) is not None:
            recorded = None if node.recorded is None else _recorded(node, batch)
            counts = counter(node, inputs, zeros.get(node.inputs[0]) if zeros and node.inputs else None, recorded)
        for at, tensor in enumerate(_recorded(node, batch) if counts is None else counts.outputs):
            tensors[Edge(node.name, at)] = tensor
        if counts is not None and counts.zeros is not None:
            zeros[Edge(node.name)] = counts.zeros
        counted.append((node, inputs, counts))
    gradients = _gradients(graph, counted, tensors, input_grad=input_grad)
    writer = _Writer(graph, fields, gradients, batch)
    return tuple([writer.row(*each) for each in counted]), tensors, gradients


def _gradients(
    graph: Graph,
    counted: Sequence[tuple[Node, Tensors, Counts | None]],
    tensors: Mapping[Edge, TensorSpec],
    *,
    input_grad: bool,
) -> Gradients:
    frozen = {node.name for node in graph.nodes if node.frozen}
    owner = owners(graph)
    trainable = {
        node.name
        for node, _, counts in counted
        if counts is not None and counts.params and owner[node.name] not in frozen
    }
    unread = {node.name: counts.unread for node, _, counts in counted if counts is not None and counts.unread}
    return Gradients(graph, trainable, tensors, unread, input_grad=input_grad)


def owners(graph: Graph) -> dict[str, str]:
    """Return for every node whose weights it uses: its own, or those at the end of a chain of ``share``."""
    found: dict[str, str] = {}
    for node in graph.nodes:
        found[node.name] = node.name if node.share is None else found[node.share]
    return found


def _recorded(node: Node, batch: int) -> Tensors:
    """Return the outputs an importer saw, for a whole batch."""
    if node.recorded is None:
        raise UsageError(
            f"{node.name}: nobody registered the operator {node.op!r} and its output was not recorded",
            hint="register a layer under that name, or give the node its recorded output shapes",
            code="unknown-operator",
        )
    return tuple([tensor.at(batch) for tensor in node.recorded])


class _Writer:
    """Writes rows: counts, and what a node's name, neighbours, freezing and place add to them."""

    def __init__(self, graph: Graph, fields: ReceptiveFields, gradients: Gradients, batch: int) -> None:
        self.batch = batch
        self.owners = owners(graph)
        self.names = {edge: name for name, edge in graph.outputs.items() if len(graph.outputs) > 1}
        self.fields = fields
        self.gradients = gradients

    def row(self, node: Node, inputs: Tensors, counts: Counts | None) -> Row:
        """Return the row of a node; ``counts`` None: nobody registered its operator."""
        return self._unknown(node, inputs) if counts is None else self._row(node, inputs, counts)

    def _row(self, node: Node, inputs: Tensors, counts: Counts) -> Row:
        runs, owner = node.when == "always", node.share is None
        storage: Storage = counts.storage if runs else "view"
        moves = runs and storage != "view"
        input_grad, weight_grad = self.gradients.macs(node, counts.products)
        return Row(
            name=node.name, op=node.op, args=node.args, origin=node.origin, edges=node.inputs, inputs=inputs,
            outputs=counts.outputs,
            trainable_params=counts.params if owner and not node.frozen else 0,
            frozen_params=counts.params if owner and node.frozen else 0,
            buffers=counts.buffers if owner else 0,
            statistics=counts.statistics if owner else 0,
            bias_params=counts.bias_params if owner else 0,
            param_bytes=counts.param_bytes if owner else 0,
            buffer_bytes=counts.buffer_bytes if owner else 0,
            events=counts.events if runs else _NOTHING,
            useful_macs=counts.useful_macs if runs else 0,
            training_macs=sum([product.macs for product in counts.products]),
            input_grad_macs=input_grad,
            weight_grad_macs=weight_grad,
            storage=storage,
            forgets=counts.forgets if runs else (),
            activations=counts.output_elements if storage == "new" else 0,
            activation_bytes=counts.output_bytes if storage == "new" else 0,
            read_bytes=_read(node, inputs, counts) if moves else 0,
            write_bytes=counts.output_bytes if moves else 0,
            window_cut=counts.window_cut,
            equivalent=counts.equivalent,
            receptive_field=self.fields.follow(
                node.name, counts.layer, node.inputs, inputs, counts.outputs, counts.windows
            ),
            when=node.when, share=node.share and self.owners[node.share], place=node.place, frozen=node.frozen,
            unread=counts.unread,
            output_name=self.names.get(Edge(node.name)), call=node.call,
            torchsummary_outputs=counts.output_elements if runs and _hooked(node, counts.layer) else 0,
        )  # fmt: skip

    def _unknown(self, node: Node, inputs: Tensors) -> Row:
        outputs = _recorded(node, self.batch)
        self.fields.lose(node.name, len(outputs))
        return Row(
            name=node.name, op=node.op, args=node.args, origin=node.origin, edges=node.inputs, inputs=inputs,
            outputs=outputs, trainable_params=0, frozen_params=0, buffers=0, statistics=0, bias_params=0,
            param_bytes=0, buffer_bytes=0, events=_NOTHING, useful_macs=0, training_macs=0, input_grad_macs=0,
            weight_grad_macs=0, storage="new" if node.when == "always" else "view",
            activations=0, activation_bytes=0, read_bytes=0, write_bytes=0,
            known=False, when=node.when, place=node.place, frozen=node.frozen,
            output_name=self.names.get(Edge(node.name)), call=node.call,
        )  # fmt: skip


def _read(node: Node, inputs: Tensors, counts: Counts) -> int:
    """Return the bytes of every input, parameter and buffer, each once; those that are shared are read all the same."""
    distinct = dict(zip(node.inputs, inputs, strict=True))
    found = counts.input_bytes if len(distinct) == len(inputs) else _bytes(distinct.values())
    return found + counts.param_bytes + counts.buffer_bytes


def _hooked(node: Node, layer: Layer) -> bool:
    """Return whether torchsummary sees a node: it hooks modules, so what runs as a function is not there."""
    return (node.call or layer.call) == "module"
