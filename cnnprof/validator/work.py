"""Multiply-accumulates of a forward and of a training step against torch's FlopCounterMode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cnnprof.layers.products import parse
from cnnprof.model.analysis import Row
from cnnprof.model.plain import replace
from cnnprof.model.validation import Figure, compared
from cnnprof.validator.case import Case

_BY = "FlopCounterMode"
_OF_ONE = (
    "an einsum whose operands share no sum but those over one element is a product of elements in torch, "
    "and the counter knows matrix products only"
)


def forward(case: Case) -> Iterator[Figure]:
    """Yield the FLOPs of a forward in evaluation: 2 per multiply-accumulate."""
    module = case.on_meta
    with _without_gradients(module):
        total, layers = _counted(lambda: module(*case.inputs("meta")))
    ours = case.analysis.totals.flops
    first = None if ours == total else _first(case, layers)
    figure = compared("macs", "FLOPs of a forward", ours, total, by=_BY, layer=first)
    yield _judged(figure, case, lambda row: row.flops)


def _judged(figure: Figure, case: Case, flops: Callable[[Row], int]) -> Figure:
    """Return the figure, explained where it differs by the ``flops`` of all einsums that the counter does not see."""
    unseen = [row for row in case.analysis.rows if row.op == "einsum" and _sums_one_element(row)]
    missing = sum(flops(row) for row in unseen)
    if figure.verdict != "differs" or int(figure.ours or 0) - int(figure.theirs or 0) != missing:
        return figure
    note = _OF_ONE if figure.note is None else f"{_OF_ONE}; {figure.note}"
    return replace(figure, verdict="explained", note=note)


def _sums_one_element(row: Row) -> bool:
    """Return whether every letter that an einsum's operands share and the result has not is of size 1."""
    terms, result = parse(row.args["equation"])
    shapes = [tensor.shape for tensor in row.inputs]
    sizes = {
        label: size for term, shape in zip(terms, shapes, strict=True) for label, size in zip(term, shape, strict=True)
    }
    shared = set.intersection(*map(set, terms)) - set(result)
    return all(sizes[label] == 1 for label in shared)


@contextmanager
def _without_gradients(module: Any) -> Iterator[None]:
    """Let no parameter require a gradient: under ``no_grad`` the counter fails where one is handed on as a value."""
    trained = [each for each in module.parameters() if each.requires_grad]
    try:
        module.requires_grad_(requires_grad=False)
        yield
    finally:
        for each in trained:
            each.requires_grad_(requires_grad=True)


def _first(case: Case, layers: dict[str, int]) -> str | None:
    paths = case.on_meta.paths
    return next(
        (row.name for row in case.analysis.rows if row.known and layers.get(paths[row.name], 0) != row.flops), None
    )


def _counted(run: Any) -> tuple[int, dict[str, int]]:
    """Return the FLOPs of what ``run`` does, and of every submodule by its path.

    The fused attention of a CPU is one operator that the counter does not know; its matrix products it does.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        run()
    found = {path.partition(".")[2]: sum(ops.values()) for path, ops in counter.get_flop_counts().items()}
    return counter.get_total_flops(), found


def training(case: Case) -> Iterator[Figure]:
    """Yield the FLOPs of a training step: forward and backward of the sum of all outputs."""
    from cnnprof.validator.groups import without_groups

    module, grouped = without_groups(case)
    outputs: list[Any] = []
    ahead, _ = _counted(lambda: outputs.append(module(*case.inputs("meta"))))
    found = outputs[0].values() if isinstance(outputs[0], dict) else outputs
    tensors = [each for each in found if each.requires_grad]
    back, _ = _counted(lambda: sum(each.sum() for each in tensors).backward() if tensors else None)
    parts = [each.count(lambda run: _counted(run)[0]) for each in grouped]
    totals = case.analysis.totals
    note = f"{len(grouped)} grouped convolutions are counted group by group (the counter forgets the groups)"
    ours = 2 * totals.training_macs, 2 * (totals.input_grad_macs + totals.weight_grad_macs)
    theirs = ahead + sum(each[0] for each in parts), back + sum(each[1] for each in parts)
    first = None if ours == theirs else _first_trained(case)
    figure = compared(
        "training", "FLOPs of a training forward", ours[0], theirs[0], by=_BY,
        layer=first if ours[0] != theirs[0] else None,
    )  # fmt: skip
    yield _judged(figure, case, lambda row: 2 * row.training_macs)
    figure = compared(
        "training", "FLOPs of the backward", ours[1], theirs[1], by=_BY, note=note if grouped else None,
        layer=first if ours[1] != theirs[1] else None,
    )  # fmt: skip
    yield _judged(figure, case, lambda row: 2 * (row.input_grad_macs + row.weight_grad_macs))


def _first_trained(case: Case) -> str | None:
    """Return the first layer that alone trains otherwise than its row says.

    The counter cannot say in which module of a network with branches a backward runs. Grouped convolutions are left
    out, whose backward it gets wrong.
    """
    trained: set[str] = set()
    for row in case.analysis.rows:
        asked = [edge.node in trained for edge in row.edges]
        if row.trainable_params or any(asked):
            trained.add(row.name)
        said = 2 * row.training_macs, 2 * (row.input_grad_macs + row.weight_grad_macs)
        if row.known and row.args.get("groups", 1) == 1 and _alone(case, row, asked) != said:
            return row.name
    return None


def _alone(case: Case, row: Row, asked: list[bool]) -> tuple[int, int]:
    """Return the FLOPs of a layer's own forward and backward in training; ``asked``: inputs that need gradients."""
    import torch

    part = case.part(row.name).train()
    inputs = [
        torch.zeros(each.shape, dtype=getattr(torch, each.dtype), device="meta").requires_grad_(needed)
        for each, needed in zip(row.inputs, asked, strict=True)
    ]
    outputs: list[Any] = []
    ahead, _ = _counted(lambda: outputs.append(part(*(each.clone() for each in inputs))))
    part.eval()
    made = outputs[0] if isinstance(outputs[0], tuple) else (outputs[0],)
    tensors = [each for each in made if each.requires_grad]
    back, _ = _counted(lambda: sum(each.sum() for each in tensors).backward() if tensors else None)
    return ahead, back
