"""Questions to one layer, in a line each: what comes out, what it costs, why it refuses. No torch."""

from __future__ import annotations

from typing import Any

import pytest

from cnnprof.errors import LayerError
from cnnprof.layers import REGISTRY, Inputs, Layer
from cnnprof.model.analysis import Events
from cnnprof.model.graph import Shape, TensorSpec


def layer(op: str, **args: Any) -> Layer:
    return REGISTRY[op](**args)


def tensors(*shapes: Shape, dtype: str = "float32") -> Inputs:
    return tuple(TensorSpec(shape, dtype) for shape in shapes)


def shapes(op: str, *inputs: Shape, **args: Any) -> list[Shape]:
    """Return the shape of every output."""
    return [tensor.shape for tensor in layer(op, **args).outputs(tensors(*inputs))]


def events(op: str, *inputs: Shape, training: bool = False, **args: Any) -> Events:
    """Return the arithmetic of one forward."""
    asked = layer(op, **args)
    return asked.events(tensors(*inputs), asked.outputs(tensors(*inputs)), training=training)


def refusal(op: str, *inputs: Shape, dtype: str = "float32", **args: Any) -> tuple[str | None, str]:
    """Return the guilty argument and the sentence with which the layer refuses."""
    with pytest.raises(LayerError) as caught:
        layer(op, **args).outputs(tensors(*inputs, dtype=dtype))
    return caught.value.argument, caught.value.message
