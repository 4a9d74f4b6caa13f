"""The table of transfer learning: a strategy a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnprof.report.base import UNKNOWN, AtLeast, Column, Line, Table, Value
from cnnprof.report.describe import definitions, many, notes, sample_shapes
from cnnprof.units import Layout, count, dimensions

if TYPE_CHECKING:
    from cnnprof.model.transfer_learning import Strategy, TransferLearning

_FLOPS = "operations, whole batch"
_COLUMNS = (
    Column("strategy", "train", "text", "what of the network is trained; everything before it is frozen", rank=0),
    Column("first", "from layer", "text", "the first layer that trains", rank=8),
    Column("trainable_params", "trainable", "count", "parameters that are trained", "elements", rank=1),
    Column("frozen_params", "frozen", "count", "parameters that are not", "elements", rank=7),
    Column("forward_flops", "forward FLOPs", "count", "2 per MAC of the forward", _FLOPS, rank=6),
    Column("backward_flops", "backward FLOPs", "count", "2 per MAC of all gradients", _FLOPS, rank=2),
    Column("input_grad_flops", "input gradients", "count", "those of what layers read", _FLOPS, rank=21),
    Column("weight_grad_flops", "weight gradients", "count", "those of weights", _FLOPS, rank=20),
    Column("step_share", "step", "fraction", "FLOPs of a step ÷ those of training all", "fraction", rank=5),
    Column("training_peak_bytes", "training memory", "bytes", "peak memory of a training step", "bytes", rank=3),
    Column(
        "foreach_peak_bytes",
        "with foreach",
        "bytes",
        "that peak where the optimizer updates all parameters together, as torch does on a GPU",
        "bytes",
        rank=9,
    ),
    Column("saved_bytes", "kept", "bytes", "kept for the backward when the forward is over", "bytes", rank=30),
    Column("largest_batch", "largest batch", "count", "the largest batch that fits", "samples", rank=4),
)


def transfer_table(found: TransferLearning, layout: Layout = "chw") -> Table:
    """Return one line per strategy: what trains, what a step costs in work and in memory."""
    whole = found.strategies[-1].analysis
    hidden = {
        "largest_batch": whole.fit is None,
        "foreach_peak_bytes": not (whole.training and whole.training.device == "cuda"),
    }
    kept = [at for at, column in enumerate(_COLUMNS) if not hidden.get(column.id)]
    shown = tuple(_COLUMNS[at] for at in kept)
    sizes = " + ".join(map(dimensions, sample_shapes(whole, layout)))
    optimizer = f"{whole.training.optimizer} on {whole.training.device}" if whole.training else "no optimizer"
    return Table(
        id="transfer_learning",
        title=f"transfer learning with {found.model}, input {sizes}, batch {whole.batch}, {whole.dtype}, {optimizer}; "
        f"head {found.head} of {many(found.classes, 'output')}",
        columns=shown,
        lines=tuple(
            Line(tuple(_cells(each, whole.totals.training_flops)[at] for at in kept)) for each in found.strategies
        ),
        notes=(*_stored(found), *notes(whole)),
        definitions=definitions(shown),
    )


def _cells(strategy: Strategy, all_flops: int) -> tuple[Value, ...]:
    analysis = strategy.analysis
    totals, training, fit = analysis.totals, analysis.training, analysis.fit
    inputs, weights = 2 * totals.input_grad_macs, 2 * totals.weight_grad_macs
    counts: tuple[int, ...] = (
        totals.trainable_params, totals.frozen_params, 2 * totals.training_macs, inputs + weights, inputs, weights,
    )  # fmt: skip
    memory = (training.peak_bytes, training.foreach_peak_bytes, training.saved_bytes) if training else ()
    bound = AtLeast if totals.lower_bound else int
    return (
        strategy.name, strategy.first, *map(bound, counts),
        totals.training_flops / all_flops if all_flops else None,
        *(map(bound, memory) if memory else (None, None, None)),
        None if fit is None else UNKNOWN if totals.lower_bound else fit.batch,
    )  # fmt: skip


def _stored(found: TransferLearning) -> list[str]:
    """Return what a step costs where features are stored: the frozen part need not run for them again."""
    head = next((each for each in found.strategies if each.name == "head only"), None)
    if head is None or head.analysis.totals.lower_bound:
        return []
    row = head.analysis.row(found.head)
    flops = count(row.training_flops)
    return [
        f"where the features that the frozen layers make are stored, a step of {found.head} alone takes {flops} FLOPs"
    ]
