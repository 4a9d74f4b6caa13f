"""The network as it grows: nodes, the tensors between them, outputs and containers."""

from __future__ import annotations

from typing import NamedTuple

from cnnprof.errors import LayerError
from cnnprof.layers import Layer
from cnnprof.model.graph import Container, Edge, Node, Shape, TensorSpec
from cnnprof.readers.scopes import Value


class Placed(NamedTuple):
    """A layer with what arrives at it and what it gives."""

    layer: Layer
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class Network:
    """Collects what an expansion makes; shapes are of one sample (batch 1)."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.containers: list[Container] = []
        self.outputs: dict[str, Edge] = {}
        self.tensors: dict[Edge, TensorSpec] = {}
        self.weights: dict[str, dict[str, Shape]] = {}

    def seen(self, value: Value | None) -> list[TensorSpec] | None:
        """Return the shapes of a value; None of one that failed."""
        return None if value is None else [self.tensors[edge] for edge in value]

    def place(self, layer: Layer, value: Value) -> Placed:
        """Return ``layer`` with the shapes it takes and gives.

        Raises:
            LayerError: the inputs do not fit, or a count is out of bounds.
        """
        inputs = tuple(self.tensors[edge] for edge in value)
        _check_arity(layer, len(inputs))
        outputs = layer.outputs(inputs)
        _check_counts(layer, inputs, outputs)
        return Placed(layer, inputs, outputs)

    def append(self, node: Node, placed: Placed) -> Value:
        """Add a node; return its outputs."""
        self.nodes.append(node)
        self.weights[node.name] = placed.layer.parameters(placed.inputs)
        edges = tuple(Edge(node.name, index) for index in range(len(placed.outputs)))
        self.tensors.update(zip(edges, placed.outputs, strict=True))
        return edges

    def contain(self, path: str, before: int, block: str | None = None, module: str | None = None) -> None:
        """Record that the nodes made since there were ``before`` of them belong together."""
        if len(self.nodes) > before:
            self.containers.append(Container(path=path, block=block, module=module, last=self.nodes[-1].name))


def _check_arity(layer: Layer, count: int) -> None:
    least, most = layer.arity
    if least <= count and (most is None or count <= most):
        return
    wanted = f"{least}" if least == most else f"{least} or more" if most is None else f"{least} to {most}"
    too_many = most is not None and count > most
    hint = "pick one with getitem, or join them with add or concat" if too_many else None
    raise LayerError(f"takes {wanted} input{'' if wanted == '1' else 's'}, got {count}", code="bad-inputs", hint=hint)


def _check_counts(layer: Layer, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> None:
    for tensor in outputs:
        if min(tensor.shape, default=1) < 1:
            raise LayerError(f"the output {tensor.shape[1:]} would be empty", code="bad-shape")
    tensors = (*outputs, *(TensorSpec(shape) for shape in layer.parameters(inputs).values()))
    most = max((tensor.numel for tensor in tensors), default=0)
    if most >= 2**63:
        raise LayerError(f"a tensor of {most:,} elements: more than 2^63 − 1", code="too-large")
