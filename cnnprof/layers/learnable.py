"""Learnable tensors outside any other layer: a free parameter, and ConvNeXt's scale per channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnprof.layers.backward import Device, Needs, Saved, Source, kept_input
from cnnprof.layers.base import Example, Inputs, Storage, check_at_least
from cnnprof.layers.calls import FunctionLayer
from cnnprof.layers.dims import sample_dimension
from cnnprof.layers.registry import register
from cnnprof.model.analysis import Events
from cnnprof.model.graph import Shape, TensorSpec
from cnnprof.model.plain import set_normalised
from cnnprof.shapes import Reads

if TYPE_CHECKING:
    import torch


@register("parameter")
class Parameter(FunctionLayer, frozen=True):
    """A learnable tensor of any shape as a value, for class tokens and position embeddings.

    torch.nn.Parameter of zeros.
    ``shape`` is the whole tensor's, so that ``[1, 197, 768]`` broadcasts over any batch in ``add`` and ``mul``, and
    ``expand`` gives it the batch of another tensor. An input, where a chain hands one in, lends its dtype and nothing
    else. The output is the weight itself: a view.
    """

    arity = (0, 1)
    torch_name = "torch.nn.Parameter"
    examples = (Example({"shape": [1, 1, 8]}, (), ((1, 1, 8),)), Example({"shape": [5]}, ((2, 3),), ((5,),)))
    choices = {"shape": ((1, 1, 8), (3,), (2, 3, 4, 5))}
    input_choices = ((), ((2, 6),))
    keeps = ()

    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        set_normalised(self, "shape", tuple(self.shape))
        check_at_least(len(self.shape), 1, "the number of sizes in shape")
        for size in self.shape:
            check_at_least(size, 1, "shape")

    def outputs(self, inputs: Inputs) -> Inputs:
        # Token ids are integers; what is learnt is not.
        lends = bool(inputs) and "float" in inputs[0].dtype
        return (TensorSpec(self.shape, inputs[0].dtype if lends else "float32"),)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        return "nothing"

    def parameters(self, inputs: Inputs) -> dict[str, Shape]:
        return {"weight": self.shape}

    def storage(self, *, training: bool = False) -> Storage:
        return "view"

    def build(self, inputs: Inputs) -> torch.nn.Module:
        import torch

        shape = self.shape

        class Parameter(torch.nn.Module):  # type: ignore[misc] # torch is not followed
            def __init__(self) -> None:
                super().__init__()
                self.weight = torch.nn.Parameter(torch.zeros(shape))

            def forward(self, *_: torch.Tensor) -> torch.Tensor:
                return self.weight

        return Parameter()


@register("layerscale")
class LayerScale(FunctionLayer, frozen=True):
    """A learnable factor per channel of N×C×…: 1 multiplication per element.

    ``dim`` is the channels' dimension, the batch being 0. The weight has the channels and a 1 for each dimension
    behind them, (C, 1, 1) on N×C×H×W, as in torchvision's ConvNeXt; with ``dim: -1`` it is (C,), as in timm.
    """

    examples = (
        Example({}, ((2, 3, 4, 5),), ((2, 3, 4, 5),)),
        Example({"init_value": 1e-5, "dim": -1}, ((2, 7, 3),), ((2, 7, 3),)),
    )
    choices = {"init_value": (1e-6, 1.0), "dim": (1, 2, -1)}
    input_choices = (((1, 3, 4, 5),), ((2, 5, 3),), ((2, 6),))

    init_value: float = 1e-6
    dim: int = 1

    def outputs(self, inputs: Inputs) -> Inputs:
        self._axis(inputs)
        return inputs

    def _axis(self, inputs: Inputs) -> int:
        return sample_dimension(self.dim, len(inputs[0].shape))

    def parameters(self, inputs: Inputs) -> dict[str, Shape]:
        axis = self._axis(inputs)
        return {"weight": (inputs[0].shape[axis],) + (1,) * (len(inputs[0].shape) - axis - 1)}

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        return Events(muls=outputs[0].numel)

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        return (kept_input(),) if needs.parameters else ()

    def spends(self, inputs: Inputs, outputs: Inputs, source: Source) -> Inputs:
        return outputs if source == "weight" else ()  # before it is summed up over all but the channels

    def build(self, inputs: Inputs) -> torch.nn.Module:
        import torch

        channels, *behind = inputs[0].shape[self.dim :]
        shape, start = (channels, *(1 for _ in behind)), self.init_value

        class LayerScale(torch.nn.Module):  # type: ignore[misc] # torch is not followed
            def __init__(self) -> None:
                super().__init__()
                self.weight = torch.nn.Parameter(torch.full(shape, start))

            def forward(self, value: torch.Tensor) -> torch.Tensor:
                return value * self.weight

        return LayerScale()
