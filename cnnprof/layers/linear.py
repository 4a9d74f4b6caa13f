"""Dense layers: torch.nn.Linear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnprof.errors import LayerError
from cnnprof.layers.backward import Device, Needs, Saved, kept_input
from cnnprof.layers.base import Example, Inputs, Layer, check_at_least, mac_events, one_input, text
from cnnprof.layers.registry import register
from cnnprof.model.analysis import Events
from cnnprof.model.graph import Shape, TensorSpec
from cnnprof.shapes import Reads, Taps

if TYPE_CHECKING:
    import torch


@register("linear")
class Linear(Layer, frozen=True):
    """A dense layer over the last dimension: N×…×in_features to N×…×out_features."""

    examples = (
        Example({"out_features": 10}, ((1, 400),), ((1, 10),)),
        Example({"out_features": 100, "bias": False}, ((2, 784),), ((2, 100),)),
        Example({"out_features": 5}, ((2, 3, 4, 7),), ((2, 3, 4, 5),)),
    )
    choices = {"out_features": (0, 1, 7), "bias": (True, False)}
    input_choices = (((1, 4),), ((3, 1),), ((2, 3, 5),), ((2, 3, 4, 6),), ((4,),))

    out_features: int
    bias: bool = True

    def __post_init__(self) -> None:
        check_at_least(self.out_features, 1, "out_features")

    def outputs(self, inputs: Inputs) -> Inputs:
        tensor = one_input(inputs, self.op)
        if len(tensor.shape) < 2:  # noqa: PLR2004 a batch and its features
            raise LayerError(f"linear needs features behind the batch, got {text(tensor.shape)}", code="bad-shape")
        return (TensorSpec((*tensor.shape[:-1], self.out_features), tensor.dtype),)

    def parameters(self, inputs: Inputs) -> dict[str, Shape]:
        weight = (self.out_features, inputs[0].shape[-1])
        return {"weight": weight, "bias": (self.out_features,)} if self.bias else {"weight": weight}

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        count = outputs[0].numel
        return mac_events(inputs[0].shape[-1] * count, count, count if self.bias else 0)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        return {dim: Taps(dim) for dim in range(len(inputs[0].shape) - 1)}

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        return (kept_input(),) if needs.parameters else ()

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        return nn.Linear(inputs[0].shape[-1], self.out_features, bias=self.bias)
