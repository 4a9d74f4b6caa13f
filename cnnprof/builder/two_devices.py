"""One network on two devices: some layers on each, with a copy wherever a tensor crosses."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from cnnprof.builder.lives import Lives
from cnnprof.devices.mirrors import Copied, Mirrors, to_side
from cnnprof.layers import of
from cnnprof.model.graph import Edge

if TYPE_CHECKING:
    import torch


def split(
    here: torch.nn.Module, there: torch.nn.Module, names: Collection[str], copied: Copied = to_side
) -> torch.nn.Module:
    """Return a module that runs a network in evaluation, the layers ``names`` by ``there`` and the others by ``here``.

    It is called as ``here`` is, and returns what that does, on its device. A tensor crosses once each way, however many
    layers read it, and again where a layer has written into it in place since.

    Args:
        here: the network as ``build`` made it, on the device where inputs are and outputs are wanted.
        there: the same network with the same weights, on the other device.
        names: of nodes.
        copied: how a tensor gets to a device; by default as ``.to`` does it, from and to pageable memory.
    """
    from torch import nn

    inplace = {node.name for node in here.graph.nodes if of(node).storage() == "inplace"}

    class Split(nn.Module):  # type: ignore[misc] # torch is not followed
        def __init__(self) -> None:
            super().__init__()
            self.here, self.there = here, there

        def forward(self, *inputs: torch.Tensor) -> Any:
            running = _Forward(self, names, inplace, copied)
            try:
                return running.run(inputs)
            finally:
                running.mirrors.forget()

    return Split().eval()


class _Forward:
    """The tensors of one forward, by where they are."""

    def __init__(self, module: Any, names: Collection[str], inplace: Collection[str], copied: Copied) -> None:
        self._sides = {False: module.here, True: module.there}
        self._names, self._inplace = names, inplace
        self.mirrors = Mirrors({side: _device(each) for side, each in self._sides.items()}, copied)
        self._found: dict[Edge, torch.Tensor] = {}

    def run(self, inputs: tuple[torch.Tensor, ...]) -> Any:
        graph, lives = self._sides[False].graph, self._sides[False].lives
        self._found = {Edge(each.name): value for each, value in zip(graph.inputs, inputs, strict=True)}
        for each in inputs:
            self.mirrors.seen(each, there=False)
        for step in lives.steps:
            if step.training:
                self._found |= {edge: self._found[lives.stands_in[edge]] for edge in _stood_in(lives, step.nodes)}
            else:
                self._call(step.nodes[0])
            for edge in lives.in_evaluation.get(step.nodes[-1].name, []):
                del self._found[edge]
        found = {name: self.mirrors.on(self._found[edge], there=False) for name, edge in lives.kept.items()}
        self.mirrors.end()
        return found if len(found) > 1 else next(iter(found.values()))

    def _call(self, node: Any) -> None:
        if node.op == "parameter":  # weights are on both sides; what it is given is not read
            value = self._found[Edge(node.name)] = self._layer(node, False)()
            self.mirrors.same(value, self._layer(node, True)())
            return
        side = node.name in self._names
        brought = {edge: self.mirrors.on(self._found[edge], there=side) for edge in _read(node)}
        read = [brought.get(edge, self._found[edge]) for edge in node.inputs]
        made = self._layer(node, side)(*read)
        if node.name in self._inplace:
            self.mirrors.written(self._found[node.inputs[0]], read[0])
        for at, each in enumerate(made if isinstance(made, (tuple, list)) else (made,)):
            # What a layer only hands on counts as made by it.
            found = each.detach() if any(each is other for other in read) else each
            self.mirrors.seen(found, there=side)
            self._found[Edge(node.name, at)] = found

    def _layer(self, node: Any, side: bool) -> Any:  # noqa: FBT001 a side, no option
        network = self._sides[side]
        return network.get_submodule(network.paths[node.name])


def _read(node: Any) -> Collection[Edge]:
    """Return what a layer reads: of several inputs that it takes one of, that one."""
    takes_one = node.op == "getitem" and len(node.inputs) > 1
    return [node.inputs[node.args["index"]]] if takes_one else node.inputs


def _stood_in(lives: Lives, nodes: Collection[Any]) -> Iterator[Edge]:
    names = {node.name for node in nodes}
    return (edge for edge in lives.stands_in if edge.node in names)


def _device(module: torch.nn.Module) -> torch.device:
    """Return where a module's weights are; one without any is where its buffers are, or on the CPU."""
    import torch

    tensors = (*module.parameters(), *module.buffers())
    return tensors[0].device if tensors else torch.device("cpu")
