"""The columns of the table of layers, each defined once: id, title, unit, how to read it, what it means.

The id is the attribute of a result and the word after ``--columns``. Definitions are those of the documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnprof.errors import UsageError
from cnnprof.report.base import UNKNOWN, AtLeast, Column, Kind, Value
from cnnprof.units import Layout, displayed

if TYPE_CHECKING:
    from cnnprof.model.analysis import Analysis, Row
    from cnnprof.model.graph import TensorSpec


class View(NamedTuple):
    """What a cell may depend on besides its row."""

    analysis: Analysis
    layout: Layout = "chw"

    def shapes(self, tensors: Iterable[TensorSpec]) -> tuple[tuple[int, ...], ...]:
        """Return shapes as a reader sees them."""
        batch = self.analysis.batch
        return tuple(displayed(tensor.shape, batch=batch, layout=self.layout) for tensor in tensors)


class LayerColumn(NamedTuple):
    """A column and where its values come from."""

    column: Column
    value: Callable[[Row, View], Value]
    total: Callable[[Analysis], Value] | None = None
    group: Callable[[Sequence[Row]], Value] | None = None
    """The value of several layers taken together, where it is not what ``Column.join`` makes of theirs."""
    of_layers: bool = True
    """False: only a whole network has it."""
    measured: bool = False
    """True: an operator that nobody registered has it too."""

    def cell(self, row: Row, view: View) -> Value:
        """Return the value for one layer; a count of an operator nobody registered is unknown, never 0."""
        counted = self.of_layers and not self.measured and self.column.kind not in ("text", "shapes", "arguments")
        return UNKNOWN if counted and not row.known else self.value(row, view)

    def sum(self, analysis: Analysis) -> Value:
        """Return the value for the whole network; a lower bound where an operator is unknown."""
        found = None if self.total is None else self.total(analysis)
        bounded = analysis.totals.lower_bound and isinstance(found, int) and self.column.kind != "share"
        return AtLeast(found) if bounded and isinstance(found, int) else found


ELEMENTS = "elements, whole batch"
OPERATIONS = "operations, whole batch"
MOVED = "bytes, whole batch"


def _attribute(name: str, title: str, help_: str, *, kind: Kind = "text", rank: int = 50) -> LayerColumn:
    get = attrgetter(name)
    return LayerColumn(Column(name, title, kind, help_, rank=rank), lambda row, _: get(row))


def _number(
    name: str, title: str, unit: str, help_: str, *, kind: Kind = "count", rank: int = 50, at: str | None = None
) -> LayerColumn:
    """Return a column that adds up. ``at``: the attribute of rows and totals, where it is not the id."""
    get = attrgetter(at or name)

    def total(analysis: Analysis) -> Any:
        # What the totals do not hold is a sum over rows too.
        return get(analysis.totals) if _has(analysis.totals, at or name) else sum(get(row) for row in analysis.rows)

    return LayerColumn(Column(name, title, kind, help_, unit, "sum", rank), lambda row, _: get(row), total)


def _has(holder: object, path: str) -> bool:
    return hasattr(holder, path.split(".", maxsplit=1)[0])


def _event(name: str, title: str, help_: str) -> LayerColumn:
    return _number(name, title, OPERATIONS, help_, at=f"events.{name}")


def _equivalent(name: str, title: str, unit: str, help_: str) -> LayerColumn:
    get = attrgetter(name)
    return LayerColumn(
        Column(name, title, "count", f"the convolution as a matrix: {help_}", unit),
        lambda row, _: None if row.equivalent is None else get(row.equivalent),
    )


def _share(name: str, title: str, of: str, help_: str, rank: int = 50) -> LayerColumn:
    get = attrgetter(of)

    def value(row: Row, view: View) -> Value:
        whole = get(view.analysis.totals)
        return get(row) / whole if whole else None

    def total(analysis: Analysis) -> Value:
        return 1.0 if get(analysis.totals) else None

    return LayerColumn(Column(name, title, "share", help_, "fraction of the total", "sum", rank), value, total)


def _quotient(
    name: str, title: str, kind: Kind, unit: str, help_: str, above: str, below: Sequence[str]
) -> LayerColumn:
    """Return a column of ``above`` ÷ the sum of ``below``; several layers have the quotient of their sums."""
    upper, lowers = attrgetter(above), [attrgetter(each) for each in below]

    def quotient(parts: Iterable[Any]) -> Value:
        found = list(parts)
        divisor = sum(lower(part) for part in found for lower in lowers)
        dividend = sum(upper(part) for part in found)
        return dividend / divisor if dividend and divisor else None

    return LayerColumn(
        Column(name, title, kind, help_, unit),
        lambda row, _: quotient([row]),
        lambda analysis: quotient([analysis.totals]),
        quotient,
    )


def _measured(name: str, title: str, help_: str) -> LayerColumn:
    """Return a column of what others measured of a network: the first such figure among its facts."""

    def total(analysis: Analysis) -> Value:
        if analysis.overridden or analysis.dtype != "float32":
            return None  # it was measured of another network
        found = next((fact.value for fact in analysis.facts if fact.of == name), "")
        number = float(found) if found.replace(".", "", 1).isdecimal() else None
        return number if number is not None and number <= 100 else None  # noqa: PLR2004 percent

    return LayerColumn(Column(name, title, "count", help_, "percent"), lambda *_: None, total, of_layers=False)


def _whole(name: str, title: str, kind: Kind, unit: str, help_: str, total: Callable[[Analysis], Value]) -> LayerColumn:
    """Return a column of a whole network, which no layer has a part of."""
    return LayerColumn(Column(name, title, kind, help_, unit), lambda *_: None, total, of_layers=False)


def _training_peak(analysis: Analysis) -> Value:
    return None if analysis.training is None else analysis.training.peak_bytes


def _foreach_peak(analysis: Analysis) -> Value:
    return None if analysis.training is None else analysis.training.foreach_peak_bytes


def _largest_batch(analysis: Analysis) -> Value:
    if analysis.fit is None:
        return None
    return UNKNOWN if analysis.totals.lower_bound else analysis.fit.batch


def _source(row: Row, _: View) -> Value:
    return None if row.origin is None else str(row.origin)


def _receptive_field(row: Row, _: View) -> Value:
    return None if row.receptive_field is None else str(row.receptive_field)


def _frozen(row: Row, _: View) -> Value:
    return "frozen" if row.frozen is True else row.frozen or None


def _outputs(row: Row, view: View) -> Value:
    return view.shapes(row.outputs)


def _inputs(row: Row, view: View) -> Value:
    return view.shapes(row.inputs)


_NEW_STORAGE = "of new storage: views, identity, dropout in evaluation and in-place work are 0"
_ALL = (
    _attribute("name", "layer", "dotted path of the layer", rank=0),
    _attribute("op", "type", "operator: torch.nn's class name in lower case", rank=40),
    LayerColumn(Column("input", "input", "shapes", "shape of every input; a batch of 1 is left out", rank=55), _inputs),
    LayerColumn(
        Column("output", "output", "shapes", "shape of every output; a batch of 1 is left out", "", "last", 20),
        _outputs,
    ),
    _number(
        "params", "params", "elements", "elements of learnable tensors, frozen ones included, shared ones once", rank=10
    ),
    _number("trainable_params", "trainable", "elements", "elements of learnable tensors that require gradients"),
    _number("frozen_params", "frozen params", "elements", "elements of learnable tensors that require no gradients"),
    _number(
        "buffers", "buffers", "elements",
        "elements of tensors that are state but not learnable, num_batches_tracked included",
    ),
    _number("bias_params", "biases", "elements", "the biases among the parameters"),
    _number(
        "macs", "MACs", "multiply-accumulates, whole batch",
        "multiply-accumulates of convolutions, linear layers, matrix products and attention, no bias", rank=5,
    ),
    _number("flops", "FLOPs", OPERATIONS, "2 per multiply-accumulate, nothing else"),
    _number(
        "ops", "ops", OPERATIONS,
        "every arithmetic operation: multiplications, additions, comparisons, exponentials and divisions",
    ),
    _number("useful_macs", "useful MACs", "multiply-accumulates, whole batch",
        "MACs that read a stored element: no zero put in by padding, and nothing cropped afterwards"),
    _quotient("useful_share", "useful", "fraction", "fraction of the MACs", "useful MACs ÷ MACs",
        "useful_macs", ("macs",)),
    _number("training_macs", "forward MACs", "multiply-accumulates, whole batch",
        "MACs of the forward of a training step; as MACs, and of layers that run in training only"),
    _number("input_grad_macs", "input gradient", "multiply-accumulates, whole batch",
        "MACs of the gradients of what a layer reads, where something trains before it"),
    _number("weight_grad_macs", "weight gradient", "multiply-accumulates, whole batch",
        "MACs of the gradients of a layer's own weights, where they train"),
    _number("training_flops", "training FLOPs", OPERATIONS,
        "2 per multiply-accumulate of a training step: forward, input gradients and weight gradients"),
    _event("muls", "multiplications", "multiplications, those of the multiply-accumulates included"),
    _event("adds", "additions", "additions and subtractions; of a sum the first product needs none, a bias needs one"),
    _event("cmps", "comparisons", "comparisons"),
    _event("exps", "exponentials", "exponentials; a hyperbolic tangent, error function, logarithm or power is one"),
    _event("divs", "divisions", "divisions"),
    _number("activations", "activations", ELEMENTS, f"elements {_NEW_STORAGE}"),
    _number("activation_bytes", "act. memory", MOVED, f"bytes {_NEW_STORAGE}", kind="bytes", rank=60),
    _number("param_bytes", "param memory", "bytes", "bytes of the parameters", kind="bytes"),
    _number("buffer_bytes", "buffer memory", "bytes", "bytes of the buffers", kind="bytes"),
    _number(
        "read_bytes", "read", MOVED,
        "bytes of every input, parameter and buffer, each once; nothing for a view", kind="bytes",
    ),
    _number("write_bytes", "written", MOVED, "bytes of every output, each once; nothing for a view", kind="bytes"),
    _quotient("intensity", "intensity", "ratio", "FLOPs per byte",
        "arithmetic intensity: FLOPs ÷ (bytes read + bytes written), each layer by itself",
        "flops", ("read_bytes", "write_bytes")),
    _share("macs_share", "share", "macs", "share of the network's MACs", rank=30),
    _share("params_share", "params share", "params", "share of the network's parameters"),
    _attribute(
        "window_cut", "cut off", "rows and columns at the far edge of the input that no window reads", kind="sizes"
    ),
    LayerColumn(
        Column(
            "rf", "receptive field", "text",
            "what a unit sees of the input: size/stride/padding per axis, not cut off at the edges; up to: units "
            "differ, the largest; global: everything", "", "last",
        ),
        _receptive_field,
    ),
    _equivalent("dense_params", "dense params", "elements", "parameters of a linear layer between the same tensors"),
    _equivalent("toeplitz_rows", "Toeplitz rows", "rows", "output elements of one sample"),
    _equivalent("toeplitz_columns", "Toeplitz columns", "columns", "input elements of one sample"),
    _equivalent("toeplitz_nonzeros", "Toeplitz non-zeros", "entries", "entries that are a weight; all others are zero"),
    _attribute("place", "place", "device the specification assigns the layer to"),
    LayerColumn(
        Column("frozen", "frozen", "text", "frozen: no gradients; eval: batch norm's statistics stand still too"),
        _frozen,
    ),
    _attribute("when", "when", "always, or only in training (then its parameters count, its work does not)"),
    LayerColumn(Column("source", "source", "text", "file and line, or module, the layer comes from"), _source),
    _attribute("args", "arguments", "arguments given; what is not given has torch's default", kind="arguments"),
    _number(
        "torchsummary_outputs", "torchsummary outputs", ELEMENTS,
        "output elements as torchsummary adds them up: modules only, views and in-place work included",
    ),
    _whole("peak_bytes", "peak memory", "bytes", "bytes, whole batch", "peak memory of an inference",
        lambda analysis: analysis.memory.peak_bytes),
    _whole("training_peak_bytes", "training memory", "bytes", "bytes, whole batch",
        "peak memory of a training step with the optimizer of --training", _training_peak),
    _whole("foreach_peak_bytes", "with foreach", "bytes", "bytes, whole batch",
        "that peak where the optimizer updates all parameters together, as torch does on a GPU", _foreach_peak),
    _whole("largest_batch", "largest batch", "count", "samples",
        "the largest batch whose peak memory is no more than --fits", _largest_batch),
    _measured(
        "top1_accuracy", "top-1",
        "ImageNet images whose first guess is right, as published for the first weights under expect",
    ),
    _measured(
        "top5_accuracy", "top-5",
        "ImageNet images with a right guess among five, as published for the first weights under expect",
    ),
)  # fmt: skip

LAYER_COLUMNS: dict[str, LayerColumn] = {each.column.id: each for each in _ALL}
DEFAULT = ("name", "op", "output", "params", "macs", "macs_share")
OPTIONAL = ("activation_bytes",)
ALIASES = {"share": "macs_share", "layer": "name", "type": "op"}
"""Other words for a column: its title, or shorter. (A row's ``share`` is the layer whose weights it uses.)"""


class Catalogue(NamedTuple):
    """Columns to choose from, and other words for them."""

    columns: Mapping[str, LayerColumn] = LAYER_COLUMNS
    aliases: Mapping[str, str] = ALIASES


COUNTED = Catalogue()


def find(ids: Sequence[str], catalogue: Catalogue = COUNTED) -> tuple[LayerColumn, ...]:
    """Return the columns of these ids, in this order.

    Raises:
        UsageError: an id that no column has, or none at all.
    """
    if not ids:
        raise UsageError("no columns chosen", hint=f"some of {', '.join(catalogue.columns)}", code="no-columns")
    return tuple(_find(catalogue.aliases.get(name, name), catalogue) for name in ids)


def _find(name: str, catalogue: Catalogue) -> LayerColumn:
    if name not in catalogue.columns:
        raise UsageError(f"there is no column {name!r}", hint=_nearest(name, catalogue), code="unknown-column")
    return catalogue.columns[name]


def _nearest(name: str, catalogue: Catalogue) -> str:
    from difflib import get_close_matches

    titles = {each.column.title.lower(): each.column.id for each in catalogue.columns.values()}
    words = {**titles, **catalogue.aliases, **{each: each for each in catalogue.columns}}
    close = get_close_matches(name.lower(), list(words), n=1)
    if close:
        return f"did you mean {words[close[0]]!r}?"
    return f"the columns are {', '.join(catalogue.columns)}"
