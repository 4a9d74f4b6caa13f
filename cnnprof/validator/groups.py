"""Grouped convolutions as what they are: one convolution per group.

FlopCounterMode takes the backward of a grouped convolution for one without groups. So a grouped convolution is counted
by itself, as its groups times one of them, and the network around it with a stand-in that multiplies nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cnnprof.analyzer.rows import owners
from cnnprof.layers import REGISTRY
from cnnprof.layers.conv import Conv
from cnnprof.layers.convtranspose import ConvTranspose
from cnnprof.model.graph import Node
from cnnprof.model.plain import replace
from cnnprof.validator.case import Case, without_memory

if TYPE_CHECKING:
    import torch

Counted = Callable[[Callable[[], Any]], int]


def without_groups(case: Case) -> tuple[Any, list[Any]]:
    """Return the network on the meta device, in training mode, with a stand-in for each grouped convolution."""
    module = without_memory(case.graph)
    owner, frozen = owners(case.graph), {node.name for node in case.graph.nodes if node.frozen}
    stand_ins = []
    for node in case.graph.nodes:
        if (
            node.op in REGISTRY
            and issubclass(REGISTRY[node.op], Conv | ConvTranspose)
            and node.args.get("groups", 1) > 1
        ):
            parent, _, name = module.paths[node.name].rpartition(".")
            stand_ins.append(_stand_in(case, node, trained=owner[node.name] not in frozen))
            setattr(module.get_submodule(parent), name, stand_ins[-1])
    return module, stand_ins


def _stand_in(case: Case, node: Node, *, trained: bool) -> torch.nn.Module:
    import torch

    layer: Any = REGISTRY[node.op](**node.args)
    row = case.analysis.row(node.name)
    groups, (batch, channels, *sizes) = layer.groups, row.inputs[0].shape
    one = replace(row.inputs[0], shape=(batch, channels // groups, *sizes))

    class StandIn(torch.nn.Module):  # type: ignore[misc] # torch is not followed
        """Passes gradients on from output to input and weights, by sums."""

        def __init__(self) -> None:
            super().__init__()
            with torch.device("meta"):
                self.part = replace(layer, groups=1, out_channels=layer.out_channels // groups).build((one,))
            self.groups, self.input_grad, self.reached = groups, False, False

        def forward(self, value: torch.Tensor) -> torch.Tensor:
            self.input_grad = value.requires_grad
            total = value.sum() + torch.stack([each.sum() for each in self.part.parameters()]).sum()
            output = total.expand(row.outputs[0].shape).clone()
            if output.requires_grad:
                output.register_hook(self._note)
            return output

        def _note(self, _gradient: torch.Tensor) -> None:
            self.reached = True

        def count(self, counted: Counted) -> tuple[int, int]:
            """Return the FLOPs of all groups: forward and, where the network's backward came here, backward."""
            value = torch.empty(one.shape, device="meta", requires_grad=self.input_grad)
            outputs: list[Any] = []
            ahead = counted(lambda: outputs.append(self.part(value)))
            back = counted(lambda: outputs[0].sum().backward()) if self.reached else 0
            return self.groups * ahead, self.groups * back

    return StandIn().requires_grad_(trained)
