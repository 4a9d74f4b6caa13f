"""Operations as they were seen in a running network: ``torch.roll``, ``torch.masked_fill``, ``torch.matmul``.

What an importer finds no layer type for keeps torch's name with ``torch.`` before it and the output shapes that were
seen. They are no layers of the language: nobody can write one, and the registry does not have them. What is here has
known arithmetic; anything else is an unknown operator.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, Literal, TypeVar

from cnnprof.errors import LayerError
from cnnprof.layers.attention import attention_events
from cnnprof.layers.backward import Device, Needs, Product, Saved, kept_input, kept_output
from cnnprof.layers.base import Inputs, Storage, mac_events
from cnnprof.layers.calls import FunctionLayer
from cnnprof.layers.counting import softmax_events, times, together
from cnnprof.model.analysis import Events
from cnnprof.model.graph import Shape, TensorSpec
from cnnprof.shapes import Reads

PREFIX = "torch."
"""Before the name of what was recorded."""
Remembers = Literal["nothing", "inputs", "output"]
"""What autograd keeps."""


class Recorded(FunctionLayer, frozen=True):
    """The base: output shapes come from the node that recorded them, all positions are read by every unit."""

    arity = (0, None)
    examples = ()
    pointwise: ClassVar[bool] = False
    """Every output element depends on the elements at its own place only."""
    remembers: ClassVar[Remembers] = "nothing"
    """What autograd keeps."""

    writes: Storage = "new"
    """Whether the outputs were new memory, a view of an input, or an input overwritten."""

    def outputs(self, inputs: Inputs) -> Inputs:
        raise LayerError(f"{self.op} has the output shapes that were recorded", code="unknown-operator")

    def storage(self, *, training: bool = False) -> Storage:
        return self.writes

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        return "pointwise" if self.pointwise or inputs[source].shape == outputs[target].shape else {}

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        if self.remembers == "output":
            return (kept_output(),)
        return tuple(kept_input(at) for at in range(len(inputs))) if self.remembers == "inputs" else ()

    def gradients(self, inputs: Inputs, source: int = 0) -> Storage:
        return "new"


class Moving(Recorded, frozen=True):
    """Elements chosen, copied or put elsewhere: no arithmetic."""

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        return {}


class Pointwise(Recorded, frozen=True):
    """One result per output element, of broadcasting operands."""

    pointwise = True
    work: ClassVar[Events]
    """What one output element takes."""

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        return times(self.work, outputs[0].numel) if outputs[0].numel else Events()


class Reducing(Recorded, frozen=True):
    """Results over whole dimensions: work per element that goes in and per one that comes out."""

    taking: ClassVar[Events]
    """What every element but the first of a result takes."""
    each: ClassVar[Events] = Events()
    """What every element takes, the first one too."""
    finishing: ClassVar[Events] = Events()
    """What every result takes."""

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        elements, results = inputs[0].numel, outputs[0].numel
        joined = times(self.taking, elements - results) if elements > results else Events()
        return together(joined, times(self.each, elements), times(self.finishing, results))


class Softmax(Recorded, frozen=True):
    """A softmax over ``length`` values, along whichever dimension."""

    remembers = "output"
    length: int = 1

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        return softmax_events(inputs[0].numel // self.length, self.length)


class MatrixProduct(Recorded, frozen=True):
    """A product of two values and perhaps a third that is added; …×L×K times …×K×M, or ×M×K: K products per result."""

    remembers = "inputs"

    def contracted(self, inputs: Inputs) -> int:
        """Return the products that every result adds up."""
        return inputs[0].shape[-1]

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        results = outputs[0].numel
        return mac_events(results * self.contracted(inputs), results, _added(inputs, outputs))

    def products(self, inputs: Inputs, outputs: Inputs) -> tuple[Product, ...]:
        return (Product(self.events(inputs, outputs).macs, (0,), (1,)),)

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        return (kept_input(0), kept_input(1))


def _added(inputs: Inputs, outputs: Inputs) -> int:
    """Return the additions of a third operand."""
    return outputs[0].numel if len(inputs) > 2 else 0  # noqa: PLR2004 two operands


class Convolution(MatrixProduct, frozen=True):
    """A convolution whose weights O×(C/groups)×kernel are computed or used elsewhere too."""

    def contracted(self, inputs: Inputs) -> int:
        return inputs[1].numel // inputs[1].shape[0]


class TransposedConvolution(Convolution, frozen=True):
    """A transposed convolution with weights C×(O/groups)×kernel: every input element meets all of its channel's."""

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        macs = inputs[0].numel * self.contracted(inputs)
        return mac_events(macs, min(outputs[0].numel, macs), _added(inputs, outputs))


class Einsum(MatrixProduct, frozen=True):
    """A sum of products over ``terms`` combinations of letters in all."""

    terms: int = 1

    def contracted(self, inputs: Inputs) -> int:
        return self.terms


class Attention(Recorded, frozen=True):
    """softmax(Q·Kᵀ)·V with a mask that is added, or with fewer heads of keys and values than of queries."""

    remembers = "inputs"

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        query, key = inputs[0].shape, inputs[1].shape
        rows = inputs[0].numel // query[-1]
        masked = Events(adds=rows * key[-2]) if len(inputs) > 3 else Events()  # noqa: PLR2004 queries, keys, values
        return together(attention_events(rows, key[-2], query[-1], outputs[0].shape[-1]), masked)

    def products(self, inputs: Inputs, outputs: Inputs) -> tuple[Product, ...]:
        query, key = inputs[0].shape, inputs[1].shape
        scores = inputs[0].numel // query[-1] * key[-2]
        return Product(scores * query[-1], (0,), (1,)), Product(scores * outputs[0].shape[-1], (0, 1), (2,))


class Recurrent(Recorded, frozen=True):
    """A recurrent network over a sequence: every weight matrix meets every step of every sample once.

    ``gates`` is what one hidden element takes beside the products and the additions of their sums: of an LSTM three
    sigmoids, two hyperbolic tangents, three products and a sum (Hochreiter and Schmidhuber 1997, as torch computes it).
    """

    remembers = "inputs"
    gates: ClassVar[Events] = Events()

    def _matrices(self, inputs: Inputs) -> list[int]:
        return [tensor.numel for tensor in inputs[1:] if len(tensor.shape) == 2]  # noqa: PLR2004 a matrix

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        steps = inputs[0].numel // inputs[0].shape[-1]
        vectors = [tensor.numel for tensor in inputs[1:] if len(tensor.shape) == 1]
        products = mac_events(steps * sum(self._matrices(inputs)), 0, steps * sum(vectors))
        return together(products, times(self.gates, outputs[0].numel))

    def products(self, inputs: Inputs, outputs: Inputs) -> tuple[Product, ...]:
        steps = inputs[0].numel // inputs[0].shape[-1]
        matrices = [at for at, tensor in enumerate(inputs) if at and len(tensor.shape) == 2]  # noqa: PLR2004
        return tuple(Product(steps * inputs[at].numel, (0,), (at,)) for at in matrices)


class Buffer(Recorded, frozen=True):
    """A buffer of the network as a value: state that is not learnt."""

    writes: Storage = "view"
    shape: tuple[int, ...] = ()
    dtype: str = "float32"

    def buffers(self, inputs: Inputs) -> dict[str, TensorSpec]:
        return {"buffer": TensorSpec(self.shape, self.dtype)}


T = TypeVar("T")


def _named(names: str, value: T) -> dict[str, T]:
    return dict.fromkeys(names.split(), value)


class Number(Recorded, frozen=True):
    """A learnable tensor as a value where it is no layer of the language: a single number."""

    writes: Storage = "view"
    shape: tuple[int, ...] = ()
    dtype: str = "float32"

    def parameters(self, inputs: Inputs) -> dict[str, Shape]:
        return {"weight": self.shape}


MOVES = (
    "reshape view view_as reshape_as flatten unflatten ravel permute transpose t mT T H mH movedim moveaxis swapaxes "
    "swapdims squeeze unsqueeze expand expand_as broadcast_to contiguous clone detach data real to type type_as float "
    "double half bfloat16 int long bool cpu cuda alias narrow select getitem setitem chunk split unbind tensor_split "
    "hsplit vsplit diagonal unfold as_strided cat stack hstack vstack pad roll flip fliplr flipud rot90 repeat tile "
    "repeat_interleave index index_select gather take take_along_dim masked_fill masked_select where index_put "
    "index_copy scatter copy fill zero tril triu diag diag_embed embedding one_hot meshgrid pixel_shuffle "
    "pixel_unshuffle channel_shuffle fold constant dropout dropout1d dropout2d dropout3d alpha_dropout "
    "feature_alpha_dropout identity block_diag interpolate_nearest"
)

_ADD, _MUL, _DIV = Events(adds=1), Events(muls=1), Events(divs=1)
_CMP, _EXP = Events(cmps=1), Events(exps=1)
POINTWISE: dict[str, tuple[Events, Remembers]] = {
    **_named("add sub rsub subtract", (_ADD, "nothing")),
    **_named("mul multiply square", (_MUL, "inputs")),
    **_named("neg mul_number", (_MUL, "nothing")),
    "div_number": (_DIV, "nothing"),
    **_named("div divide true_divide reciprocal", (_DIV, "inputs")),
    **_named("floor_divide remainder fmod", (_DIV, "nothing")),
    **_named("abs maximum minimum clamp_min clamp_max relu fmax fmin", (_CMP, "inputs")),
    **_named(
        "eq ne lt le gt ge floor ceil round trunc sign isnan isinf isfinite logical_and logical_or logical_not "
        "logical_xor bitwise_and bitwise_or bitwise_not bitwise_xor invert and or xor not_equal greater less",
        (_CMP, "nothing"),
    ),
    **_named("clamp clip relu6 hardtanh", (Events(cmps=2), "inputs")),
    **_named("exp exp2 expm1 sqrt rsqrt tanh", (_EXP, "output")),
    **_named("log log2 log10 log1p pow float_power sin cos tan erf atan atan2", (_EXP, "inputs")),
    "sigmoid": (Events(exps=1, adds=1, divs=1), "output"),
    "silu": (Events(exps=1, adds=1, divs=1, muls=1), "inputs"),
    "gelu": (Events(exps=1, muls=3, adds=1), "inputs"),
    "softplus": (Events(exps=2, adds=1), "inputs"),
    "leaky_relu": (Events(cmps=1, muls=1), "inputs"),
    "addcmul": (Events(muls=1, adds=1), "inputs"),
    "addcdiv": (Events(divs=1, adds=1), "inputs"),
    "lerp": (Events(muls=1, adds=2), "inputs"),
    # Four products and three sums of what lies around each place (docs/definitions.md), bicubic five times as much.
    "interpolate": (Events(muls=4, adds=3), "nothing"),
    "interpolate_bicubic": (Events(muls=20, adds=15), "nothing"),
    "grid_sample": (Events(muls=4, adds=3), "inputs"),
    # Arithmetic of norms whose statistics are computed (docs/definitions.md).
    **_named("layer_norm group_norm instance_norm rms_norm", (Events(adds=4, muls=3), "inputs")),
    "batch_norm": (Events(adds=1, muls=1), "inputs"),
    "normalize": (Events(adds=1, muls=1, divs=1), "inputs"),
}

REDUCING: dict[str, tuple[Events, Events, Events, Remembers]] = {
    "sum": (_ADD, Events(), Events(), "nothing"),
    "nansum": (_ADD, Events(), Events(), "nothing"),
    "mean": (_ADD, Events(), _DIV, "nothing"),
    **_named("max min amax amin aminmax argmax argmin any all", (_CMP, Events(), Events(), "inputs")),
    "prod": (_MUL, Events(), Events(), "inputs"),
    # The mean; its distance squared; the mean of that.
    **_named("var var_mean", (Events(adds=2), Events(adds=1, muls=1), Events(divs=2), "inputs")),
    **_named("std std_mean", (Events(adds=2), Events(adds=1, muls=1), Events(divs=2, exps=1), "inputs")),
    **_named("norm vector_norm", (_ADD, _MUL, _EXP, "inputs")),
    "logsumexp": (Events(cmps=1, adds=1), Events(adds=1, exps=1), _EXP, "inputs"),
    "cumsum": (Events(), _ADD, Events(), "nothing"),
    "cumprod": (Events(), _MUL, Events(), "inputs"),
}


SOFTMAX = ("softmax", "log_softmax")
MATRIX_PRODUCTS = ("matmul", "mm", "bmm", "mv", "dot", "addmm", "baddbmm", "linear")
CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")
TRANSPOSED_CONVOLUTIONS = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
_SIGMOID = Events(exps=1, adds=1, divs=1)
RECURRENT: dict[str, Events] = {
    "lstm": together(times(_SIGMOID, 3), Events(exps=2, muls=3, adds=1)),
    "gru": together(times(_SIGMOID, 2), Events(exps=1, muls=3, adds=2)),
    "rnn_tanh": _EXP,
    "rnn_relu": _CMP,
}
OTHERS: dict[str, type[Recorded]] = {
    **_named(MOVES, Moving),
    **dict.fromkeys(SOFTMAX, Softmax),
    **dict.fromkeys(MATRIX_PRODUCTS, MatrixProduct),
    **dict.fromkeys(CONVOLUTIONS, Convolution),
    **dict.fromkeys(TRANSPOSED_CONVOLUTIONS, TransposedConvolution),
    "einsum": Einsum,
    "scaled_dot_product_attention": Attention,
    "buffer": Buffer,
    "parameter": Number,
}


@cache
def recorded(op: str) -> type[Recorded] | None:
    """Return what is known of a recorded operation, ``torch.roll``; None where its arithmetic is not known.

    Made when it is first asked for: a process that imports no network need not have two hundred classes.
    """
    if not op.startswith(PREFIX):
        return None
    name = op.removeprefix(PREFIX)
    if name in POINTWISE:
        work, remembers = POINTWISE[name]
        return _made(op, Pointwise, work=work, remembers=remembers)
    if name in REDUCING:
        taking, each, finishing, remembers = REDUCING[name]
        return _made(op, Reducing, taking=taking, each=each, finishing=finishing, remembers=remembers)
    if name in RECURRENT:
        return _made(op, Recurrent, gates=RECURRENT[name])
    return _made(op, OTHERS[name]) if name in OTHERS else None


def _made(op: str, base: type[Recorded], **attributes: object) -> type[Recorded]:
    kind: Any = type(base)
    made: type[Recorded] = kind(base.__name__, (base,), {"__module__": __name__, "op": op, **attributes}, frozen=True)
    return made
