"""Layer scale, element by element; a free parameter computes nothing."""

from __future__ import annotations

from tests.layers.contract import signature_differs
from tests.layers.references.counting import Array, Case, Index, Weights, build, reference

for name in ("data", "requires_grad", "shape"):
    signature_differs("parameter", name, "torch takes the data itself; whether it is trained is the node's `frozen`")


@reference(
    "layerscale",
    Case({}, ((2, 3, 2, 2),)),
    Case({"dim": -1}, ((2, 2, 3),)),
)
def layer_scale(layer, inputs: list[Array], weights: Weights, **_: object) -> Array:
    """Every element times its channel's weight."""
    weight = weights["weight"]
    axis = layer.dim % len(inputs[0].shape)

    def element(index: Index):
        return inputs[0][index] * weight.values[index[axis]]

    return build(inputs[0].shape, element)
