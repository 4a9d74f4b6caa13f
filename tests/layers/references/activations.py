"""Element-wise activations, by their defining formulas. A change of sign and a constant are not arithmetic here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tests.layers.contract import signature_differs
from tests.layers.references.counting import (
    Array,
    Case,
    Index,
    Number,
    Weights,
    build,
    exponential,
    reference,
)  # fmt: skip

SMALL = Case({}, ((2, 3, 2),))
ANYTHING = "torch takes and ignores anything"
DEPRECATED = "torch's deprecated names of min_val and max_val"

for op in ("sigmoid", "logsigmoid", "tanh", "tanhshrink", "softsign"):
    for argument in ("args", "kwargs"):
        signature_differs(op, argument, ANYTHING)
for argument in ("min_value", "max_value"):
    signature_differs("hardtanh", argument, DEPRECATED)


def negative(x: Number) -> Number:
    """Return −x; turning a sign is no operation."""
    return Number(-x.value, x.tally)


def elementwise(op: str, *cases: Case, random: str | None = None) -> Callable[[Any], Any]:
    """Register ``formula(x, layer)`` as what ``op`` does to each element."""

    def add(formula: Callable[[Number, Any], Number]) -> Any:
        def run(layer, inputs: list[Array], _: Weights, **__: object) -> Array:
            return inputs[0].map(lambda x: formula(x, layer))

        return reference(op, *(cases or (SMALL,)), random=random)(run)

    return add


def clamped(x: Number, low: float, high: float) -> Number:
    if x < low:
        x = Number(low, x.tally)
    return Number(high, x.tally) if x > high else x


def exp(x: Number) -> Number:
    return exponential(math.exp, x)


def sigmoid_of(x: Number) -> Number:
    return 1 / (1 + exp(negative(x)))


def hardsigmoid_of(x: Number) -> Number:
    return clamped(x * (1 / 6) + 0.5, 0, 1)


@elementwise("relu")
def relu(x: Number, _):
    return x if x > 0 else Number(0, x.tally)


@elementwise("relu6")
def relu6(x: Number, _):
    return clamped(x, 0, 6)


@elementwise("hardtanh", SMALL, Case({"min_val": -0.1, "max_val": 0.2}, ((1, 4),)))
def hardtanh(x: Number, layer):
    return clamped(x, layer.min_val, layer.max_val)


@elementwise("threshold", Case({"threshold": 0.1, "value": 20.0}, ((2, 5),)))
def threshold(x: Number, layer):
    return x if x > layer.threshold else Number(layer.value, x.tally)


def leaky(x: Number, slope: Number | float) -> Number:
    # The product is there for every element, as in a vector unit; the comparison chooses.
    product = x * slope
    return x if x > 0 else product


@elementwise("leakyrelu", SMALL, Case({"negative_slope": 0.2}, ((1, 4),)))
def leakyrelu(x: Number, layer):
    return leaky(x, layer.negative_slope)


@elementwise("rrelu", SMALL, random="the slope of every element is drawn")
def rrelu(x: Number, layer):
    return leaky(x, (layer.lower + layer.upper) / 2)


@reference("prelu", SMALL, Case({"num_parameters": 3}, ((2, 3, 2),)))
def prelu(layer, inputs: list[Array], weights: Weights, **_: object) -> Array:
    slopes = weights["weight"].values

    def element(index: Index):
        return leaky(inputs[0][index], slopes[index[1] if layer.num_parameters > 1 else 0])

    return build(inputs[0].shape, element)


def elu_of(x: Number, alpha: float, below: Number) -> Number:
    curve = alpha * (exp(below) - 1)
    return x if x > 0 else curve


@elementwise("elu", SMALL, Case({"alpha": 0.5}, ((1, 4),)))
def elu(x: Number, layer):
    return elu_of(x, layer.alpha, x)


@elementwise("celu", SMALL, Case({"alpha": 0.5}, ((1, 4),)))
def celu(x: Number, layer):
    return elu_of(x, layer.alpha, x / layer.alpha)


@elementwise("selu")
def selu(x: Number, _):
    # Klambauer et al. 2017, "Self-Normalizing Neural Networks", equation 2 and below.
    return 1.0507009873554805 * elu_of(x, 1.6732632423543772, x)


@elementwise("gelu", SMALL, Case({"approximate": "tanh"}, ((1, 4),)))
def gelu(x: Number, layer):
    if layer.approximate == "none":
        return x * 0.5 * (1 + exponential(math.erf, x * math.sqrt(0.5)))
    inner = (x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)
    return x * 0.5 * (1 + exponential(math.tanh, inner))


@elementwise("sigmoid")
def sigmoid(x: Number, _):
    return sigmoid_of(x)


@elementwise("silu")
def silu(x: Number, _):
    return x * sigmoid_of(x)


@elementwise("logsigmoid")
def logsigmoid(x: Number, _):
    return exponential(math.log, sigmoid_of(x))


@elementwise("hardsigmoid")
def hardsigmoid(x: Number, _):
    return hardsigmoid_of(x)


@elementwise("hardswish")
def hardswish(x: Number, _):
    return x * hardsigmoid_of(x)


@elementwise("tanh")
def tanh(x: Number, _):
    return exponential(math.tanh, x)


@elementwise("tanhshrink")
def tanhshrink(x: Number, _):
    return x - exponential(math.tanh, x)


@elementwise("softplus", SMALL, Case({"beta": 2.0, "threshold": 0.5}, ((2, 5),)))
def softplus(x: Number, layer):
    scaled = x * layer.beta
    curve = exponential(math.log, 1 + exp(scaled)) / layer.beta
    return x if scaled > layer.threshold else curve


@elementwise("mish")
def mish(x: Number, _):
    return x * exponential(math.tanh, exponential(math.log, 1 + exp(x)))


@elementwise("softshrink", SMALL, Case({"lambd": 0.1}, ((2, 5),)))
def softshrink(x: Number, layer):
    above, below = x > layer.lambd, x < -layer.lambd
    shift = -layer.lambd if above else layer.lambd
    moved = x + shift
    return moved if above or below else Number(0, x.tally)


@elementwise("hardshrink", SMALL, Case({"lambd": 0.1}, ((2, 5),)))
def hardshrink(x: Number, layer):
    above, below = x > layer.lambd, x < -layer.lambd
    return x if above or below else Number(0, x.tally)


@elementwise("softsign")
def softsign(x: Number, _):
    size = negative(x) if x < 0 else x
    return x / (1 + size)
