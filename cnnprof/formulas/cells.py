"""The formula of every cell of the table of layers: one function per column, in ``CELLS``.

A formula is an expression in the grammar of docs/definitions.md that evaluates to the cell. A cell of several sizes has
one for each, separated by ``×``, and by ``;`` between tensors. After ``: `` may stand a reason in words. None: the cell
is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from cnnprof.formulas.case import Case, elements
from cnnprof.formulas.traced import factor, largest, number, ratio, total, written
from cnnprof.model.analysis import Equivalent
from cnnprof.shapes import Window

Formula = Callable[[Case], str | None]
Part = Literal["dense_params", "toeplitz_rows", "toeplitz_columns", "toeplitz_nonzeros"]
Event = Literal["macs", "muls", "adds", "cmps", "exps", "divs"]

TIMES = " × "
"""Between the sizes of a tensor."""
AND = "; "
"""Between tensors."""


def nothing(why: str) -> str:
    """Return the formula of a 0 that has a reason."""
    return f"0: {why}"


_SHARED = nothing("the weights are counted where they are shared from")
_RESTS = nothing("works in training only")
_VIEW = nothing("a view of what is there")
_INPLACE = nothing("written over the input")


# -- state ------------------------------------------------------------------------------------------------------------


def _owned(formula: Formula) -> Formula:
    return lambda case: _SHARED if case.row.share is not None else formula(case)


def _trainable(case: Case) -> str:
    return nothing("frozen") if case.row.frozen else written(case.params)


def _frozen(case: Case) -> str:
    return written(case.params) if case.row.frozen else nothing("not frozen")


def _biases(case: Case) -> str:
    return written(total([elements(shape) for name, shape in case.weights.items() if name.endswith("bias")]))


def _buffers(case: Case) -> str:
    return written(total([tensor.numel for tensor in case.buffers.values()]))


# -- work -------------------------------------------------------------------------------------------------------------


def _event(name: Event) -> Formula:
    return lambda case: written(getattr(case.events, name)) if case.runs else _RESTS


def _ops(case: Case) -> str:
    events = case.row.events
    kinds = [count for count in (events.muls, events.adds, events.cmps, events.exps, events.divs) if count]
    return written(total([number(count) for count in kinds])) if case.runs else _RESTS


def _useful(case: Case) -> str:
    return written(case.useful_macs) if case.runs else _RESTS


def _weight_grads(case: Case) -> str:
    if case.row.weight_grad_macs or not case.products:
        return written(total(case.weight_grads))
    return nothing("no weight here trains" if case.weights else "no weights")


def _input_grads(case: Case) -> str:
    if case.row.input_grad_macs or not case.products:
        return written(total(case.input_grads))
    return nothing("nothing before it trains")


def _training_flops(case: Case) -> str:
    row = case.row
    parts = [number(macs) for macs in (row.training_macs, row.input_grad_macs, row.weight_grad_macs) if macs]
    return written(number(2) * total(parts)) if parts else "0"


# -- memory -----------------------------------------------------------------------------------------------------------


def _stored(formula: Formula) -> Formula:
    def stored(case: Case) -> str | None:
        if case.row.storage == "new":
            return formula(case)
        return _INPLACE if case.row.storage == "inplace" else _unstored(case)

    return stored


def _moved(formula: Formula) -> Formula:
    return lambda case: _unstored(case) if case.row.storage == "view" else formula(case)


def _unstored(case: Case) -> str:
    return _VIEW if case.runs else _RESTS


def _written_bytes(case: Case) -> str:
    return written(total([tensor.nbytes for tensor in case.outputs]))


def _written_elements(case: Case) -> str:
    return written(total([tensor.numel for tensor in case.outputs]))


def _read_bytes(case: Case) -> str:
    # A tensor that arrives twice is read once.
    arriving = dict(zip(case.row.edges, case.inputs, strict=True)).values()
    parts = [tensor.nbytes for tensor in arriving]
    parts += [number(held) for held in (case.weight_bytes, case.buffer_bytes) if held]
    return written(total(parts))


# -- quotients --------------------------------------------------------------------------------------------------------


def _useful_share(case: Case) -> str | None:
    useful, macs = case.row.useful_macs, case.row.macs
    return ratio(number(useful), number(macs)) if useful else None


def _intensity(case: Case) -> str | None:
    row = case.row
    return ratio(number(row.flops), number(row.read_bytes) + number(row.write_bytes)) if row.macs else None


def _macs_share(case: Case) -> str | None:
    return ratio(number(case.row.macs), number(case.totals.macs)) if case.totals.macs else None


def _params_share(case: Case) -> str | None:
    return ratio(number(case.row.params), number(case.totals.params)) if case.totals.params else None


# -- sizes ------------------------------------------------------------------------------------------------------------


def _output(case: Case) -> str:
    return AND.join(listed(tensor.shape) for tensor in case.computed)


def listed(found: Iterable[int]) -> str:
    """Return the formulas of several sizes."""
    return TIMES.join(map(factor, found))


def _window_cut(case: Case) -> str | None:
    return None if case.windows is None else TIMES.join(map(_cut, case.windows))


def _cut(window: Window) -> str:
    if window.stride > window.span:
        return nothing("a window smaller than its stride samples")
    reached = (number(window.output) - 1) * number(window.stride) + number(window.span) - window.pad_low
    return written(largest(0, window.size - reached))


# -- other forms ------------------------------------------------------------------------------------------------------


def _equivalent(part: Part) -> Formula:
    def formula(case: Case) -> str | None:
        found: Equivalent | None = case.equivalent
        return None if found is None else written(getattr(found, part))

    return formula


def _torchsummary(case: Case) -> str:
    if not case.runs:
        return _RESTS
    if not case.row.torchsummary_outputs:
        return nothing("runs as a function, and torchsummary sees modules only")
    return _written_elements(case)


CELLS: dict[str, Formula] = {
    "output": _output,
    "params": _owned(lambda case: written(case.params)),
    "trainable_params": _owned(_trainable),
    "frozen_params": _owned(_frozen),
    "bias_params": _owned(_biases),
    "buffers": _owned(_buffers),
    "param_bytes": _owned(lambda case: written(case.weight_bytes)),
    "buffer_bytes": _owned(lambda case: written(case.buffer_bytes)),
    "macs": _event("macs"),
    "flops": lambda case: written(number(2) * number(case.row.macs)) if case.row.macs else _event("macs")(case),
    "ops": _ops,
    "muls": _event("muls"),
    "adds": _event("adds"),
    "cmps": _event("cmps"),
    "exps": _event("exps"),
    "divs": _event("divs"),
    "useful_macs": _useful,
    "useful_share": _useful_share,
    "training_macs": lambda case: written(total([product.macs for product in case.products])),
    "input_grad_macs": _input_grads,
    "weight_grad_macs": _weight_grads,
    "training_flops": _training_flops,
    "activations": _stored(_written_elements),
    "activation_bytes": _stored(_written_bytes),
    "read_bytes": _moved(_read_bytes),
    "write_bytes": _moved(_written_bytes),
    "intensity": _intensity,
    "macs_share": _macs_share,
    "params_share": _params_share,
    "window_cut": _window_cut,
    "dense_params": _equivalent("dense_params"),
    "toeplitz_rows": _equivalent("toeplitz_rows"),
    "toeplitz_columns": _equivalent("toeplitz_columns"),
    "toeplitz_nonzeros": _equivalent("toeplitz_nonzeros"),
    "torchsummary_outputs": _torchsummary,
}
"""Column to formula. A new column is one line here."""
