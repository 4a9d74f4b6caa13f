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
        self, graph: Graph, trainable: set[str], outputs: Mapping[str, Sequence[TensorSpec]], *, input_grad: bool
    ) -> None:
        """``trainable``: the nodes whose weights, their own or shared ones, train; ``outputs`` of every node."""
        self._trainable = trainable
        self._needed = {Edge(each.name) for each in graph.inputs if input_grad and each.dtype not in INTEGERS}
        for node in graph.nodes:
            if node.name in trainable or not self._needed.isdisjoint(node.inputs):
                self._needed.update(
                    [Edge(node.name, at) for at, each in enumerate(outputs[node.name]) if each.dtype not in INTEGERS]
                )
        self._reached = _reached(graph)

    def is_needed(self, tensor: Edge) -> bool:
        """Return whether a tensor requires a gradient."""
        return tensor in self._needed

    def needs(self, node: Node) -> Needs:
        """Return what of a node requires gradients; nothing where no output of the network depends on it."""
        if node.name not in self._reached:
            return Needs((False,) * len(node.inputs), parameters=False)
        return Needs(tuple([edge in self._needed for edge in node.inputs]), node.name in self._trainable)

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


def _reached(graph: Graph) -> set[str]:
    """Return the nodes that an output of the network depends on."""
    found = {edge.node for edge in graph.outputs.values()}
    for node in reversed(graph.nodes):
        if node.name in found:
            found.update([edge.node for edge in node.inputs])
    return found
