"""One network on two devices: some layers on each, with a copy wherever a tensor crosses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from cnnprof.builder.lives import Lives
from cnnprof.model.graph import Edge

if TYPE_CHECKING:
    import torch


Copied = Callable[["torch.Tensor", "torch.device"], "torch.Tensor"]


def _to(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    return tensor.to(device)


def split(
    here: torch.nn.Module, there: torch.nn.Module, names: Collection[str], copied: Copied = _to
) -> torch.nn.Module:
    """Return a module that runs a network in evaluation, the layers ``names`` by ``there`` and the others by ``here``.

    It is called as ``here`` is, and returns what that does, on its device. A tensor crosses once each way, however many
    layers read it.

    Args:
        here: the network as ``build`` made it, on the device where inputs are and outputs are wanted.
        there: the same network with the same weights, on the other device.
        names: of nodes.
        copied: how a tensor gets to a device; by default as ``.to`` does it, from and to pageable memory.
    """
    from torch import nn

    class Split(nn.Module):  # type: ignore[misc] # torch is not followed
        def __init__(self) -> None:
            super().__init__()
            self.here, self.there = here, there

        def forward(self, *inputs: torch.Tensor) -> Any:
            return _Forward(self, names, copied).run(inputs)

    return Split().eval()


class _Forward:
    """The tensors of one forward, by where they are."""

    def __init__(self, module: Any, names: Collection[str], copied: Copied) -> None:
        self._sides = {False: module.here, True: module.there}
        self._devices = {side: _device(each) for side, each in self._sides.items()}
        self._names = names
        self._copied = copied
        self._found: dict[Edge, dict[bool, torch.Tensor]] = {}

    def run(self, inputs: tuple[torch.Tensor, ...]) -> Any:
        graph, lives = self._sides[False].graph, self._sides[False].lives
        self._found = {Edge(each.name): {False: value} for each, value in zip(graph.inputs, inputs, strict=True)}
        for step in lives.steps:
            if step.training:
                self._found |= {edge: self._found[lives.stands_in[edge]] for edge in _stood_in(lives, step.nodes)}
            else:
                self._call(step.nodes[0])
            for edge in lives.in_evaluation.get(step.nodes[-1].name, []):
                del self._found[edge]
        found = {name: self._on(edge, False) for name, edge in lives.kept.items()}
        return found if len(found) > 1 else next(iter(found.values()))

    def _call(self, node: Any) -> None:
        if node.op == "parameter":  # weights are on both sides; what it is given is not read
            self._found[Edge(node.name)] = {side: self._layer(node, side)() for side in self._sides}
            return
        side = node.name in self._names
        made = self._layer(node, side)(*(self._on(edge, side) for edge in node.inputs))
        for at, each in enumerate(made if isinstance(made, (tuple, list)) else (made,)):
            self._found[Edge(node.name, at)] = {side: each}

    def _layer(self, node: Any, side: bool) -> Any:  # noqa: FBT001 a side, no option
        network = self._sides[side]
        return network.get_submodule(network.paths[node.name])

    def _on(self, edge: Edge, side: bool) -> torch.Tensor:  # noqa: FBT001 a side, no option
        places = self._found[edge]
        if side not in places:
            places[side] = self._copied(places[not side], self._devices[side])
        return places[side]


def _stood_in(lives: Lives, nodes: Collection[Any]) -> Iterator[Edge]:
    names = {node.name for node in nodes}
    return (edge for edge in lives.stands_in if edge.node in names)


def _device(module: torch.nn.Module) -> torch.device:
    """Return where a module's weights are; one without any is where its buffers are, or on the CPU."""
    import torch

    tensors = (*module.parameters(), *module.buffers())
    return tensors[0].device if tensors else torch.device("cpu")
