"""Which tensors need gradients in training, and the multiply-accumulates that those gradients take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cnnprof.layers.backward import Needs, Product
from cnnprof.model.graph import Edge, Graph, Node, TensorSpec

INTEGERS = ("int64", "int32", "int16", "uint8", "bool")
"""What has no gradient. (Under ``dtype="int8"`` an int8 is a float that is stored in one byte.)"""


class Gradients:
    """What autograd does with a graph whose outputs all enter the loss.

    A tensor requires a gradient where a trainable parameter, or a network input that requires one, lies before it; its
    gradient is computed where an output of the network lies behind it.
    """

    def __init__(
        self,
        graph: Graph,
        trainable: set[str],
        tensors: Mapping[Edge, TensorSpec],
        unread: Mapping[str, Sequence[int]],
        *,
        input_grad: bool,
    ) -> None:
        """Follow a graph.

        ``trainable``: the nodes whose weights, their own or shared ones, train; ``tensors``: of every edge; ``unread``:
        the inputs of a node, by index, that it does not read.
        """
        self._trainable = trainable
        self._unread = unread
        self._needed = {Edge(each.name) for each in graph.inputs if input_grad and each.dtype not in INTEGERS}
        made: dict[str, list[Edge]] = {}
        for edge, tensor in tensors.items():
            if tensor.dtype not in INTEGERS:
                made.setdefault(edge.node, []).append(edge)
        for node in graph.nodes:
            if node.name in trainable or not self._needed.isdisjoint(self._read(node)):
                self._needed.update(made.get(node.name, ()))
        self._reached = self._reach(graph)

    def _read(self, node: Node) -> Sequence[Edge]:
        """Return the inputs that a node reads."""
        unread = self._unread.get(node.name)
        return node.inputs if not unread else [edge for at, edge in enumerate(node.inputs) if at not in unread]

    def _reach(self, graph: Graph) -> set[str]:
        """Return the nodes that an output of the network depends on."""
        found = {edge.node for edge in graph.outputs.values()}
        for node in reversed(graph.nodes):
            if node.name in found:
                found.update([edge.node for edge in self._read(node)])
        return found

    def is_needed(self, tensor: Edge) -> bool:
        """Return whether a tensor requires a gradient."""
        return tensor in self._needed

    def needs(self, node: Node) -> Needs:
        """Return what of a node requires gradients; nothing where no output of the network depends on it."""
        if node.name not in self._reached:
            return Needs((False,) * len(node.inputs), parameters=False)
        unread = self._unread.get(node.name, ())
        wanted = [edge in self._needed and at not in unread for at, edge in enumerate(node.inputs)]
        return Needs(tuple(wanted), node.name in self._trainable)

    def macs(self, node: Node, products: Sequence[Product]) -> tuple[int, int]:
        """Return the multiply-accumulates of a node's input gradients, and of its weight gradients.

        Every operand of a product that needs a gradient takes as many as the product itself.
        """
        if not products:
            return 0, 0
        needs, inputs, weights = self.needs(node), 0, 0
        for product in products:
            for operand in (product.left, product.right):
                if needs.of(operand):
                    if all(isinstance(source, str) for source in operand):
                        weights += product.macs
                    else:
                        inputs += product.macs
        return inputs, weights
