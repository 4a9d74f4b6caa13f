"""What the element-wise activations share: one result per input element, of the same shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from cnnprof.layers.backward import Device, Needs, Saved, kept, kept_output
from cnnprof.layers.base import Example, Inputs, Layer, Storage
from cnnprof.layers.counting import times
from cnnprof.model.analysis import Events
from cnnprof.model.plain import to_builtins

if TYPE_CHECKING:
    import torch


class Elementwise(Layer, frozen=True):
    """One result per input element. A subclass is named as in torch.nn and declares its arguments and its work."""

    work: ClassVar[Events]
    """The events of one element."""
    inplace_keeps: ClassVar[Literal["copy", "output"]] = "copy"
    """In place the input is gone: the derivative is computed from the output, or from a copy made of the input."""
    examples: ClassVar[tuple[Example, ...]] = (Example({}, ((2, 3, 4, 5),), ((2, 3, 4, 5),)),)
    input_choices = (((1, 3, 4, 5),), ((2, 6),), ((3, 2, 2, 1, 2),))

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        return times(self.work, outputs[0].numel)

    def storage(self, *, training: bool = False) -> Storage:
        return "inplace" if getattr(self, "inplace", False) else "new"

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        if self.storage(training=True) == "new" or self.keeps == (kept_output(),):
            return self.keeps
        return (kept_output() if self.inplace_keeps == "output" else kept(inputs[0]),)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        module: torch.nn.Module = getattr(nn, type(self).__name__)(**to_builtins(self))
        return module
