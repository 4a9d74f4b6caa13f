"""The result of counting: one row per layer, totals, notes. Plain data; numbers stay numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from cnnprof.model.graph import Container, Edge, Fact, Input, Origin, TensorSpec
from cnnprof.model.memory import Fit, InferenceMemory, TrainingMemory
from cnnprof.model.plain import Plain, to_builtins

if TYPE_CHECKING:
    from fractions import Fraction

    import pandas as pd

SCHEMA = "cnnprof/analysis/1"
DERIVED = ("params", "macs", "flops", "ops", "training_flops", "intensity")
"""Properties of rows and totals that stand beside their fields wherever a result leaves the program."""
COUNTS = (
    "trainable_params", "frozen_params", "buffers", "statistics", "bias_params", "param_bytes", "buffer_bytes",
    "events", "useful_macs", "training_macs", "input_grad_macs", "weight_grad_macs", "activations", "activation_bytes",
    "read_bytes", "write_bytes", "torchsummary_outputs",
)  # fmt: skip
"""Fields of a row that are missing where the operator is unknown."""


class Events(Plain, frozen=True):
    """What a layer computes, per forward of the whole batch.

    ``macs`` are multiply-accumulates without bias; their multiplications and additions are *also* in
    ``muls`` and ``adds`` (the first product of a sum needs no addition), so that ``ops`` adds up without them.
    """

    macs: int = 0
    muls: int = 0
    adds: int = 0
    cmps: int = 0
    exps: int = 0
    divs: int = 0

    @property
    def ops(self) -> int:
        """Every arithmetic operation."""
        return self.muls + self.adds + self.cmps + self.exps + self.divs


class Equivalent(Plain, frozen=True, kw_only=True):
    """A convolution written as a matrix: per sample, from its flattened input to its flattened output."""

    dense_params: int
    """Parameters of a linear layer between the same tensors, with bias where the convolution has one."""
    toeplitz_rows: int
    toeplitz_columns: int
    toeplitz_nonzeros: int
    """Entries that are a kernel weight; all other entries are zero."""


class AxisField(Plain, frozen=True, kw_only=True):
    """What one unit sees of one axis of a network input, padding included and never cut off at the input's edge."""

    input: str
    axis: int
    """The dimension of one sample's shape; 1 is the first behind the channels."""
    size: int | None = None
    """Elements from the first to the last one seen; None where no local path leads there."""
    stride: int | None = None
    """Elements by which the field moves from one unit to the unit ``stride_divisor`` further."""
    stride_divisor: int = 1
    padding: int | None = None
    """Elements by which the field of the first unit begins before the input."""
    uniform: bool = True
    """False: the fields of units differ in size or do not move evenly; ``size`` is the largest."""
    is_global: bool = False
    """True: everything is seen, whatever a local path sees besides."""

    @property
    def step(self) -> Fraction | int | None:
        """Elements by which the field moves from one unit to the next."""
        return self.stride if self.stride is None or self.stride_divisor == 1 else self._fraction()

    def _fraction(self) -> Fraction:
        from fractions import Fraction  # takes as long to import as a small network to analyse

        return Fraction(self.stride or 0, self.stride_divisor)

    def __str__(self) -> str:
        """Return size/stride/padding: ``435/32/217``, ``up to 5/(1/2)/2``, ``global (local 435/32/217)``."""
        if self.size is None:
            return "global"
        move = f"{self.stride}" if self.stride_divisor == 1 else f"({self.stride}/{self.stride_divisor})"
        local = f"{'' if self.uniform else 'up to '}{self.size}/{move}/{self.padding}"
        return f"global (local {local})" if self.is_global else local


class ReceptiveField(Plain, frozen=True):
    """What a unit sees of the network's inputs: one entry per spatial axis that it depends on."""

    axes: tuple[AxisField, ...]

    @property
    def is_global(self) -> bool:
        """True where everything is seen along every axis."""
        return all(axis.is_global for axis in self.axes)

    @property
    def uniform(self) -> bool:
        """True where all units see alike along every axis."""
        return all(axis.uniform for axis in self.axes)

    def __str__(self) -> str:
        """Return the axes in order, once where they are alike: ``435/32/217`` or ``9/1/4 × global``."""
        texts = [str(axis) for axis in self.axes]
        return texts[0] if len(set(texts)) == 1 else " × ".join(texts)


class Row(Plain, frozen=True, kw_only=True):
    """One layer. Counts are for the whole batch, parameters once."""

    name: str
    op: str
    args: dict[str, Any]
    origin: Origin | None
    edges: tuple[Edge, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    trainable_params: int
    frozen_params: int
    buffers: int
    """Elements of buffers, ``num_batches_tracked`` included."""
    statistics: int
    """Elements of buffers that Keras counts as parameters: batch norm's running mean and variance."""
    bias_params: int
    param_bytes: int
    buffer_bytes: int
    events: Events
    useful_macs: int
    """MACs that read a stored element: neither a zero put in by padding nor cropped afterwards."""
    training_macs: int
    """MACs of the forward of a training step; as ``macs``, but of layers that run in training only too."""
    input_grad_macs: int
    """MACs of the gradients of what the layer reads, where something before it trains."""
    weight_grad_macs: int
    """MACs of the gradients of the layer's own weights, where they train."""
    storage: Literal["new", "view", "inplace"]
    activations: int
    """Elements of new storage: 0 for views, identity, dropout in evaluation and in-place work."""
    activation_bytes: int
    read_bytes: int
    write_bytes: int
    forgets: tuple[TensorSpec, ...] = ()
    """What a forward makes beside its outputs and forgets at once: the places of max pooling, a norm's statistics."""
    known: bool = True
    """False: nobody registered this operator; its counts are missing, not zero."""
    window_cut: tuple[int, ...] | None = None
    """Input rows, columns … at the far edge that no window reads; None where the layer has no window."""
    equivalent: Equivalent | None = None
    receptive_field: ReceptiveField | None = None
    """Of the (first) output; None without a spatial axis to see, and behind an operator nobody registered."""
    when: Literal["always", "train"] = "always"
    share: str | None = None
    place: str | None = None
    frozen: Literal[False, True, "eval"] = False
    output_name: str | None = None
    call: Literal["module", "function"] | None = None
    """How an imported network calls it; None: it is built as a module."""
    unread: tuple[int, ...] = ()
    """Inputs, by index, that are handed to the layer and not read: a tensor that only lends its batch or its dtype."""
    torchsummary_outputs: int = 0
    """Output elements as torchsummary adds them up: modules only, views and in-place work included."""

    @property
    def params(self) -> int:
        """Elements of learnable tensors, frozen ones included."""
        return self.trainable_params + self.frozen_params

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions, linear layers, matrix products and attention, no bias."""
        return self.events.macs

    @property
    def flops(self) -> int:
        """Two per multiply-accumulate, nothing else."""
        return 2 * self.events.macs

    @property
    def ops(self) -> int:
        """Every arithmetic operation."""
        return self.events.ops

    @property
    def training_flops(self) -> int:
        """Two per multiply-accumulate of a training step: forward, input gradients and weight gradients."""
        return 2 * (self.training_macs + self.input_grad_macs + self.weight_grad_macs)

    @property
    def intensity(self) -> float | None:
        """FLOPs per byte read or written; None without a multiply-accumulate."""
        moved = self.read_bytes + self.write_bytes
        return self.flops / moved if self.macs and moved else None

    def to_dict(self) -> dict[str, Any]:
        """Return numbers, text and lists; the counts of an operator nobody registered are None, never 0."""
        found: dict[str, Any] = to_builtins(self) | {name: getattr(self, name) for name in DERIVED}
        return found if self.known else found | dict.fromkeys((*COUNTS, *DERIVED))


class Totals(Plain, frozen=True, kw_only=True):
    """Sums over all rows. ``lower_bound`` is True where an unknown operator makes every sum a lower bound."""

    layers: int
    trainable_params: int
    frozen_params: int
    buffers: int
    bias_params: int
    keras_params: int
    """Parameters as Keras counts them: batch norm's moving statistics in, ``num_batches_tracked`` out."""
    param_bytes: int
    buffer_bytes: int
    events: Events
    useful_macs: int
    training_macs: int
    input_grad_macs: int
    weight_grad_macs: int
    activations: int
    activation_bytes: int
    read_bytes: int
    write_bytes: int
    input_bytes: int
    torchsummary_input_bytes: int
    torchsummary_activation_bytes: int
    """torchsummary's "Forward/backward pass size": every module's output, doubled, 4 bytes a value."""
    torchsummary_param_bytes: int
    unknown_ops: tuple[str, ...] = ()

    @property
    def lower_bound(self) -> bool:
        """True where an unknown operator is missing from the sums."""
        return bool(self.unknown_ops)

    @property
    def params(self) -> int:
        """Elements of learnable tensors, shared weights once, frozen ones included."""
        return self.trainable_params + self.frozen_params

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the whole batch, no bias."""
        return self.events.macs

    @property
    def flops(self) -> int:
        """Two per multiply-accumulate, nothing else."""
        return 2 * self.events.macs

    @property
    def ops(self) -> int:
        """Every arithmetic operation of the whole batch."""
        return self.events.ops

    @property
    def training_flops(self) -> int:
        """Two per multiply-accumulate of a training step: forward, input gradients and weight gradients."""
        return 2 * (self.training_macs + self.input_grad_macs + self.weight_grad_macs)

    @property
    def intensity(self) -> float | None:
        """FLOPs per byte read or written, each layer by itself; None without a multiply-accumulate."""
        moved = self.read_bytes + self.write_bytes
        return self.flops / moved if self.macs and moved else None

    @property
    def torchsummary_total_bytes(self) -> int:
        """Torchsummary's "Estimated Total Size"."""
        return self.torchsummary_input_bytes + self.torchsummary_activation_bytes + self.torchsummary_param_bytes


class Transfer(Plain, frozen=True, kw_only=True):
    """Values that cross from one ``place`` to another, each tensor once per destination, whole batch."""

    source: str
    target: str
    tensor: Edge
    reader: str
    """The first node at the destination that reads it."""
    elements: int
    bytes: int


class Note(Plain, frozen=True, kw_only=True):
    """Something the reader of the table should know: a stable code, a sentence, the layer it is about."""

    code: str
    message: str
    layer: str | None = None


class Analysis(Plain, frozen=True, kw_only=True):
    """What a network costs at one batch, input size and dtype."""

    schema: str = SCHEMA
    cnnprof_version: str
    model: str
    source: str
    inputs: tuple[Input, ...]
    outputs: dict[str, Edge]
    batch: int
    dtype: str
    rows: tuple[Row, ...]
    totals: Totals
    memory: InferenceMemory
    training: TrainingMemory | None = None
    """Where an optimizer was named."""
    fit: Fit | None = None
    """The largest batch, of a training step where an optimizer was named, else of an inference; if asked for."""
    containers: tuple[Container, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    notes: tuple[Note, ...] = ()
    reference: str | None = None
    facts: tuple[Fact, ...] = ()
    overridden: tuple[str, ...] = ()
    formulas: tuple[dict[str, str], ...] = ()
    """Of each row, the formula of every cell by the id of its column; empty unless asked for."""

    def __repr__(self) -> str:
        return (
            f"<Analysis of {self.model}, batch {self.batch}, {self.dtype}: {self.totals.layers:,} layers, "
            f"{self.totals.params:,} parameters, {'≥ ' * self.totals.lower_bound}{self.totals.macs:,} MACs>"
        )

    def row(self, name: str) -> Row:
        """Return the row of the layer called ``name``.

        Raises:
            KeyError: there is no such layer.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"{self.model} has no layer {name!r}; .rows lists its {len(self.rows)} layers")

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return one dict of numbers, text and lists per layer; what is unknown is None, never 0."""
        return [row.to_dict() for row in self.rows]

    if TYPE_CHECKING:  # bound by cnnprof.api, the one room that knows both results and renderers

        def to_frame(self) -> pd.DataFrame: ...
        def _repr_html_(self) -> str: ...
        def __rich__(self) -> Any: ...
