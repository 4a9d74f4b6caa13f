"""A network as plain data: nodes in topological order, edges by (node, output index).

Nothing here knows what an operator does; ``cnnprof.layers.of(node)`` gives the behaviour.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from cnnprof.model.plain import Plain

Shape = tuple[int, ...]


DTYPE_BYTES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2,
    "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "bool": 1,
}  # fmt: skip
"""Bytes of one element, by torch's name of the dtype."""


class TensorSpec(Plain, frozen=True):
    """Shape (batch first) and dtype (torch's name, ``float32``) of one tensor."""

    shape: Shape
    dtype: str = "float32"

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.numel * DTYPE_BYTES[self.dtype]


class Recorded(Plain, frozen=True):
    """An output as an importer saw it for one sample, and which of its dimensions grow with the batch."""

    shape: Shape
    dtype: str = "float32"
    batch_dims: tuple[int, ...] = (0,)

    def at(self, batch: int) -> TensorSpec:
        """Return the tensor for ``batch`` samples."""
        grown = tuple(size * batch if dim in self.batch_dims else size for dim, size in enumerate(self.shape))
        return TensorSpec(grown, self.dtype)


class Edge(Plain, frozen=True):
    """One value: output ``output`` of the node or network input named ``node``."""

    node: str
    output: int = 0


class Origin(Plain, frozen=True, kw_only=True):
    """Where a node was written: a position in a file, or a module path of an imported network."""

    source: str
    line: int | None = None
    column: int | None = None
    module: str | None = None

    def __str__(self) -> str:
        """Return ``vgg.yaml:12``, or the source with the module's path where there is no line."""
        place = self.module if self.line is None else self.line
        return self.source if place is None else f"{self.source}:{place}"


class Input(Plain, frozen=True, kw_only=True):
    """A network input. ``shape`` is one sample, without the batch."""

    name: str
    shape: Shape
    dtype: str = "float32"


class Node(Plain, frozen=True, kw_only=True):
    """One operator call."""

    name: str
    """Dotted path, unique in the graph."""
    op: str
    """Registered layer name, ``conv2d``; an operator nobody registered keeps its own name."""
    args: dict[str, Any] = {}
    """The arguments that were given: numbers, text, booleans, lists. What was not given has its default."""
    inputs: tuple[Edge, ...]
    origin: Origin | None = None
    frozen: Literal[False, True, "eval"] = False
    """True: parameters do not require gradients; "eval": batch norm's statistics stand still too."""
    when: Literal["always", "train"] = "always"
    share: str | None = None
    """Name of the earlier node whose weights this node uses."""
    place: str | None = None
    """The device the specification assigns this node to."""
    call: Literal["module", "function"] | None = None
    """How the network calls it, where known: torch hooks see modules only."""
    recorded: tuple[Recorded, ...] | None = None
    """Outputs as an importer saw them, where the operator does not compute them."""


class Container(Plain, frozen=True, kw_only=True):
    """A path prefix that groups nodes. ``module`` is set where the group is an ``nn.Module`` of its own."""

    path: str
    block: str | None = None
    module: str | None = None
    last: str
    """Name of the node whose outputs are the container's outputs."""


class Fact(Plain, frozen=True, kw_only=True):
    """A published figure about a network. ``value`` is text: its last digit is its tolerance."""

    of: str
    value: str
    source: str
    at: str | None = None
    convention: str | None = None
    holds: bool = True
    why: str | None = None


class Graph(Plain, frozen=True, kw_only=True):
    """A whole network. ``outputs`` maps an output's name to its value; the last one is the main output."""

    name: str
    source: str
    """What the user typed, or the file it came from."""
    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    outputs: dict[str, Edge]
    containers: tuple[Container, ...] = ()
    reference: str | None = None
    facts: tuple[Fact, ...] = ()
    overridden: tuple[str, ...] = ()
    """What ``--set`` or ``--input`` changed; with any of it the facts no longer speak of this network."""
    notes: tuple[str, ...] = ()
    """What an importer has to say of what it saw."""
