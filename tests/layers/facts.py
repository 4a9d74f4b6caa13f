"""One layer on one input, as its tests speak of it: shapes without the batch, parameters and operations as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnprof.layers.base import product
from tests.layers import ask

if TYPE_CHECKING:
    from cnnprof.model.analysis import Equivalent, Events
    from cnnprof.model.graph import Shape


@dataclass
class Facts:
    """``output`` is the first output's shape of one sample; ``cut`` is None where the layer has no uniform window."""

    output: Shape
    params: int
    events: Events
    cut: tuple[int, ...] | None
    equivalent: Equivalent | None


def facts(op: str, shape: Shape, *, batch: int = 1, training: bool = False, **args: Any) -> Facts:
    """Return what a layer says of itself on an input of ``shape``, one sample's."""
    layer, inputs = ask.layer(op, **args), ask.tensors((batch, *shape))
    outputs, windows = layer.outputs(inputs), layer.windows(inputs)
    return Facts(
        outputs[0].shape[1:],
        sum(product(parameter) for parameter in layer.parameters(inputs).values()),
        layer.events(inputs, outputs, training=training),
        None if windows is None else tuple(window.cut for window in windows),
        layer.equivalent(inputs, outputs),
    )


def refusal(op: str, shape: Shape, **args: Any) -> str:
    """Return the sentence with which a layer refuses an input of ``shape``, one sample's."""
    return ask.refusal(op, (1, *shape), **args)[1]
