"""The tables of memory: what is there at the peak of an inference, and at that of a training step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnprof.report.base import AtLeast, Column, Line, Table, Value
from cnnprof.report.describe import definitions
from cnnprof.units import Layout, count, displayed, memory

if TYPE_CHECKING:
    from cnnprof.model.analysis import Analysis
    from cnnprof.model.memory import Alive, Fit, TrainingMemory

_COLUMNS = (
    Column("what", "at the peak", "text", "what the memory is for", rank=0),
    Column("shape", "shape", "shapes", "of a tensor; a batch of 1 is left out", rank=4),
    Column("bytes", "memory", "bytes", "bytes", "bytes", "sum", rank=1),
    Column("value", "exactly", "count", "the same bytes, exactly", "bytes", "sum", rank=2),
)
_INFERENCE = (
    "peak of an inference",
    (
        "weights, buffers and the tensors that are alive when most of them are: a tensor dies after its last reader, "
        "the network's inputs are held to the end; no workspace, no rounding of an allocator"
    ),
)
_TRAINING = (
    "peak of a training step",
    (
        "the most of a steady step of forward, backward, optimizer and zero_grad(set_to_none=True); tensors that "
        "autograd keeps for the backward live until the backward of their layer"
    ),
)
_PARTS = (
    ("parameters", "param_bytes"),
    ("buffers", "buffer_bytes"),
    ("input batch", "input_bytes"),
    ("optimizer state", "optimizer_state_bytes"),
    ("gradients of parameters", "gradient_bytes"),
    ("activations and what is kept for the backward", "activation_bytes"),
    ("gradients of activations", "live_gradient_bytes"),
    ("temporaries of the optimizer", "temporary_bytes"),
)


def memory_tables(analysis: Analysis, layout: Layout = "chw") -> tuple[Table, ...]:
    """Return the peak of an inference and, where an optimizer was named, of a training step."""
    fit = analysis.fit
    inference = _inference_table(analysis, layout, fit if analysis.training is None else None)
    if analysis.training is None:
        return (inference,)
    return inference, _training_table(analysis, analysis.training, fit)


def _inference_table(analysis: Analysis, layout: Layout, fit: Fit | None) -> Table:
    found = analysis.memory
    lines = [_line("parameters", found.param_bytes), _line("buffers", found.buffer_bytes)]
    lines += [_tensor_line(each, analysis, layout) for each in found.alive]
    where = f", while {found.layer} runs" if found.layer else ""
    return _table(analysis, "memory", f"peak memory of an inference{where}", lines, found.peak_bytes, _INFERENCE, fit)


def _training_table(analysis: Analysis, found: TrainingMemory, fit: Fit | None) -> Table:
    lines = [_line(title, size) for title, field in _PARTS if (size := getattr(found, field))]
    where = {"optimizer": "in the optimizer's step"}.get(found.phase, f"in the {found.phase} of {found.layer}")
    if found.layer is None and found.phase != "optimizer":
        where = "at the loss"
    title = f"peak memory of a training step with {found.optimizer} on {found.device}, {where}"
    table = _table(analysis, "training_memory", title, lines, found.peak_bytes, _TRAINING, fit)
    bound = "≥ " if analysis.totals.lower_bound else ""
    more = [f"kept for the backward when the forward is over: {bound}{memory(found.saved_bytes)}"]
    if found.foreach_peak_bytes != found.peak_bytes:
        default = ", as torch does on a GPU" if found.device == "cuda" else ""
        size = f"{bound}{memory(found.foreach_peak_bytes)}"
        more.append(f"with foreach=True all parameters are updated together{default}: {size}")
    return table._replace(notes=(*more, *table.notes))


def _table(
    analysis: Analysis,
    name: str,
    title: str,
    lines: list[Line],
    peak: int,
    definition: tuple[str, str],
    fit: Fit | None,
) -> Table:
    bounded = analysis.totals.lower_bound
    size: Value = AtLeast(peak) if bounded else peak
    # Sums over many tensors have no shape.
    shown = [at for at, column in enumerate(_COLUMNS) if column.id != "shape" or any(line.cells[at] for line in lines)]
    return Table(
        id=name,
        title=title,
        columns=tuple(_COLUMNS[at] for at in shown),
        lines=tuple(Line(tuple(line.cells[at] for at in shown)) for line in lines),
        totals=(Line(tuple(("total", None, size, size)[at] for at in shown)),),
        notes=() if fit is None else (fit_text(fit, bounded=bounded),),
        definitions=(*definitions(_COLUMNS), definition),
    )


def _line(what: str, size: int) -> Line:
    return Line((what, None, size, size))


def _tensor_line(alive: Alive, analysis: Analysis, layout: Layout) -> Line:
    shape = displayed(alive.tensor.shape, batch=analysis.batch, layout=layout)
    more = {"input": " (input)", "forgotten": " (beside its output)"}.get(alive.what, "")
    return Line((alive.layer + more, (shape,), alive.bytes, alive.bytes))


def fit_text(fit: Fit, *, bounded: bool = False) -> str:
    """Return what is the largest batch, in a sentence."""
    limit = memory(fit.limit_bytes)
    if fit.batch == 0 or fit.peak_bytes is None:
        needs = "more than can be counted" if fit.next_peak_bytes is None else memory(fit.next_peak_bytes)
        return f"not even a batch of 1 fits into {limit}: it needs {needs}"
    if fit.is_all:
        return f"any batch fits into {limit}"
    at_most = "at most " if bounded else ""
    more = "" if fit.next_peak_bytes is None else f"; one more needs {count(fit.next_peak_bytes)}"
    return (
        f"the largest batch in {limit} is {at_most}{count(fit.batch)}: it needs {count(fit.peak_bytes)} of "
        f"{count(fit.limit_bytes)} bytes{more}"
    )
