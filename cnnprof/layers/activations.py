"""Element-wise activations of torch.nn: one result per input element, of the same shape.

Counts follow each function's defining formula, in torch's documentation, once per element: a minimum, a maximum or a
case distinction is 1 comparison; tanh, erf, log and exp are 1 exponential; a subtraction is an addition; a change of
sign and a constant computed from the arguments are free.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from cnnprof.errors import LayerError
from cnnprof.layers.backward import Device, Needs, Saved, kept, kept_input, kept_output
from cnnprof.layers.base import Example, Inputs, check_at_least, text
from cnnprof.layers.counting import times
from cnnprof.layers.elementwise import Elementwise
from cnnprof.layers.registry import register
from cnnprof.model.analysis import Events
from cnnprof.model.graph import Shape

BOTH = (False, True)


@register("relu")
class ReLU(Elementwise, frozen=True):
    """max(0, x), for any shape.

    1 comparison.
    """

    work = Events(cmps=1)
    keeps = (kept_output(),)
    choices = {"inplace": BOTH}

    inplace: bool = False


@register("relu6")
class ReLU6(Elementwise, frozen=True):
    """min(max(0, x), 6), for any shape.

    2 comparisons.
    """

    work = Events(cmps=2)
    choices = {"inplace": BOTH}

    inplace: bool = False


@register("hardtanh")
class Hardtanh(Elementwise, frozen=True):
    """x held between min_val and max_val, for any shape.

    2 comparisons.
    """

    work = Events(cmps=2)
    choices = {"min_val": (-1.0, 0.0), "max_val": (1.0, 6.0), "inplace": BOTH}

    min_val: float = -1.0
    max_val: float = 1.0
    inplace: bool = False

    def __post_init__(self) -> None:
        if self.max_val <= self.min_val:
            raise LayerError(f"max_val must be > min_val {self.min_val}, got {self.max_val}", argument="max_val")


@register("threshold")
class Threshold(Elementwise, frozen=True):
    """x where x > threshold, else value, for any shape.

    1 comparison.
    """

    work = Events(cmps=1)
    examples = (Example({"threshold": 0.1, "value": 20.0}, ((1, 3, 4),), ((1, 3, 4),)),)
    choices = {"threshold": (0.0, 1.0), "value": (-1.0, 0.0), "inplace": BOTH}

    threshold: float
    value: float
    inplace: bool = False


@register("leakyrelu")
class LeakyReLU(Elementwise, frozen=True):
    """x where x > 0, else negative_slope·x, for any shape.

    1 comparison, 1 multiplication.
    """

    work = Events(cmps=1, muls=1)
    inplace_keeps = "output"
    choices = {"negative_slope": (0.01, 0.2), "inplace": BOTH}

    negative_slope: float = 0.01
    inplace: bool = False


@register("rrelu")
class RReLU(Elementwise, frozen=True):
    """x where x > 0, else slope·x with a slope drawn from lower..upper, for any shape.

    In evaluation the slope is their mean. 1 comparison, 1 multiplication; the draw is not arithmetic.
    """

    makes_what_it_keeps = True
    work = Events(cmps=1, muls=1)
    inplace_keeps = "output"
    choices = {"lower": (0.0, 0.125), "upper": (0.25, 0.5), "inplace": BOTH}

    lower: float = 1 / 8
    upper: float = 1 / 3
    inplace: bool = False

    def __post_init__(self) -> None:
        if self.upper < self.lower:
            raise LayerError(f"upper must be >= lower {self.lower}, got {self.upper}", argument="upper")

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        return (*super().saved(inputs, outputs, needs, device), kept(inputs[0]))  # the slopes drawn


@register("prelu")
class PReLU(Elementwise, frozen=True):
    """x where x > 0, else weight·x with a learnable slope, for any shape N×C×….

    One slope, or one per channel: ``num_parameters`` is 1 or C. 1 comparison, 1 multiplication.
    """

    work = Events(cmps=1, muls=1)
    examples = (
        Example({}, ((2, 3, 4, 5),), ((2, 3, 4, 5),)),
        Example({"num_parameters": 3}, ((2, 3, 4, 5),), ((2, 3, 4, 5),)),
    )
    choices = {"num_parameters": (1, 3, 6), "init": (0.25, 1.0)}

    num_parameters: int = 1
    init: float = 0.25

    def __post_init__(self) -> None:
        check_at_least(self.num_parameters, 1, "num_parameters")

    def outputs(self, inputs: Inputs) -> Inputs:
        channels = inputs[0].shape[1:2] or (1,)
        if self.num_parameters not in (1, *channels):
            raise LayerError(
                f"num_parameters must be 1 or the {channels[0]} channels of {text(inputs[0].shape)}, "
                f"got {self.num_parameters}",
                argument="num_parameters",
            )
        return inputs

    def parameters(self, inputs: Inputs) -> dict[str, Shape]:
        return {"weight": (self.num_parameters,)}


@register("elu")
class ELU(Elementwise, frozen=True):
    """x where x > 0, else alpha·(exp(x) − 1), for any shape.

    1 comparison, 1 exponential, 1 addition, 1 multiplication.
    """

    work = Events(cmps=1, exps=1, adds=1, muls=1)
    inplace_keeps = "output"
    choices = {"alpha": (1.0, 0.5), "inplace": BOTH}

    alpha: float = 1.0
    inplace: bool = False


@register("celu")
class CELU(Elementwise, frozen=True):
    """x where x > 0, else alpha·(exp(x / alpha) − 1), for any shape.

    ELU and 1 division.
    """

    work = Events(cmps=1, exps=1, adds=1, muls=1, divs=1)
    inplace_keeps = "output"
    choices = {"alpha": (1.0, 0.5), "inplace": BOTH}

    alpha: float = 1.0
    inplace: bool = False

    def __post_init__(self) -> None:
        if self.alpha == 0:
            raise LayerError("alpha divides and must not be 0", argument="alpha")


@register("selu")
class SELU(Elementwise, frozen=True):
    """scale·(x where x > 0, else alpha·(exp(x) − 1)) with fixed constants, for any shape.

    ELU and 1 multiplication.
    """

    work = Events(cmps=1, exps=1, adds=1, muls=2)
    inplace_keeps = "output"
    choices = {"inplace": BOTH}

    inplace: bool = False


@register("gelu")
class GELU(Elementwise, frozen=True):
    """x·½·(1 + erf(x·√½)), for any shape.

    1 exponential, 3 multiplications, 1 addition. With ``approximate: tanh`` it is
    ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x·x·x))): 1 exponential, 6 multiplications, 2 additions.
    """

    work = Events(exps=1, muls=3, adds=1)
    tanh_work: ClassVar[Events] = Events(exps=1, muls=6, adds=2)
    choices = {"approximate": ("none", "tanh")}

    approximate: Literal["none", "tanh"] = "none"

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        return times(self.tanh_work if self.approximate == "tanh" else self.work, outputs[0].numel)


@register("sigmoid")
class Sigmoid(Elementwise, frozen=True):
    """1 / (1 + exp(−x)), for any shape.

    1 exponential, 1 addition, 1 division.
    """

    work = Events(exps=1, adds=1, divs=1)
    keeps = (kept_output(),)


@register("silu")
class SiLU(Elementwise, frozen=True):
    """x·sigmoid(x), also called swish, for any shape.

    Sigmoid and 1 multiplication.
    """

    work = Events(exps=1, adds=1, divs=1, muls=1)
    choices = {"inplace": BOTH}

    inplace: bool = False


@register("logsigmoid")
class LogSigmoid(Elementwise, frozen=True):
    """log(1 / (1 + exp(−x))), for any shape.

    Sigmoid and 1 exponential, the logarithm.
    """

    makes_what_it_keeps = True
    work = Events(exps=2, adds=1, divs=1)

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        # A CPU also keeps what it computed on the way.
        return (kept_input(), kept(inputs[0])) if device == "cpu" else (kept_input(),)


@register("hardsigmoid")
class Hardsigmoid(Elementwise, frozen=True):
    """x·⅙ + ½ held between 0 and 1, for any shape.

    1 multiplication, 1 addition, 2 comparisons.
    """

    work = Events(muls=1, adds=1, cmps=2)
    choices = {"inplace": BOTH}

    inplace: bool = False


@register("hardswish")
class Hardswish(Elementwise, frozen=True):
    """x·hardsigmoid(x), for any shape.

    Hardsigmoid and 1 multiplication.
    """

    work = Events(muls=2, adds=1, cmps=2)
    choices = {"inplace": BOTH}

    inplace: bool = False


@register("tanh")
class Tanh(Elementwise, frozen=True):
    """tanh(x), for any shape.

    1 exponential.
    """

    work = Events(exps=1)
    keeps = (kept_output(),)


@register("tanhshrink")
class Tanhshrink(Elementwise, frozen=True):
    """x − tanh(x), for any shape.

    1 exponential, 1 addition.
    """

    makes_what_it_keeps = True
    work = Events(exps=1, adds=1)

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        return (kept(inputs[0]),)  # tanh(x)


@register("softplus")
class Softplus(Elementwise, frozen=True):
    """log(1 + exp(beta·x)) / beta, but x where beta·x > threshold, for any shape.

    1 multiplication, 1 comparison, 2 exponentials (exp and log), 1 addition, 1 division.
    """

    work = Events(muls=1, cmps=1, exps=2, adds=1, divs=1)
    choices = {"beta": (1.0, 0.5), "threshold": (20.0, 1.0)}

    beta: float = 1.0
    threshold: float = 20.0

    def __post_init__(self) -> None:
        if self.beta == 0:
            raise LayerError("beta divides and must not be 0", argument="beta")


@register("mish")
class Mish(Elementwise, frozen=True):
    """x·tanh(log(1 + exp(x))), for any shape.

    3 exponentials, 1 addition, 1 multiplication.
    """

    work = Events(exps=3, adds=1, muls=1)
    choices = {"inplace": BOTH}

    inplace: bool = False


@register("softshrink")
class Softshrink(Elementwise, frozen=True):
    """x − lambd above lambd, x + lambd below −lambd, else 0, for any shape.

    2 comparisons, 1 addition.
    """

    work = Events(cmps=2, adds=1)
    choices = {"lambd": (0.5, 0.0)}

    lambd: float = 0.5

    def __post_init__(self) -> None:
        if self.lambd < 0:
            raise LayerError(f"lambd must be >= 0, got {self.lambd}", argument="lambd")


@register("hardshrink")
class Hardshrink(Elementwise, frozen=True):
    """x above lambd and below −lambd, else 0, for any shape.

    2 comparisons.
    """

    work = Events(cmps=2)
    choices = {"lambd": (0.5, 0.0)}

    lambd: float = 0.5


@register("softsign")
class Softsign(Elementwise, frozen=True):
    """x / (1 + |x|), for any shape.

    1 comparison (the absolute value), 1 addition, 1 division.
    """

    makes_what_it_keeps = True
    work = Events(cmps=1, adds=1, divs=1)

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        return (kept_input(), kept(inputs[0]))  # 1 + |x|
