"""The tables of memory: what is there at the peak adds up to it."""

from __future__ import annotations

from cnnprof.model.graph import TensorSpec
from cnnprof.model.memory import Alive, Fit, InferenceMemory, TrainingMemory
from cnnprof.model.plain import replace
from cnnprof.report.base import AtLeast
from cnnprof.report.memory import fit_text, memory_tables
from cnnprof.report.plain import render
from cnnprof.report.tables import report
from tests.unit.report.samples import small, with_unknown

TENSOR = TensorSpec((1, 4, 6, 6))
INFERENCE = InferenceMemory(
    peak_bytes=1128 + 40 + 768 + 576, param_bytes=1128, buffer_bytes=40, tensor_bytes=768 + 576, layer="conv",
    alive=(
        Alive(layer="input", what="input", tensor=TensorSpec((1, 3, 8, 8)), bytes=768),
        Alive(layer="conv", what="output", tensor=TENSOR, bytes=576),
    ),
)  # fmt: skip
TRAINING = TrainingMemory(
    optimizer="momentum", device="cuda", peak_bytes=4000, param_bytes=1128, buffer_bytes=0, input_bytes=768,
    optimizer_state_bytes=1128, gradient_bytes=0, activation_bytes=576, live_gradient_bytes=400, temporary_bytes=0,
    saved_bytes=576, foreach_peak_bytes=4096, phase="backward", layer="relu", alive=(),
)  # fmt: skip
FIT = Fit(limit_bytes=2**30, batch=12, peak_bytes=2**30 - 2**20, next_peak_bytes=2**30 + 2**20)


def test_the_tensors_alive_at_the_peak_stand_below_the_weights_and_add_up():
    (table,) = memory_tables(replace(small(), memory=INFERENCE))

    assert "peak memory of an inference, while conv runs" == table.title
    assert [
        ("parameters", None, 1128), ("buffers", None, 40), ("input (input)", ((3, 8, 8),), 768),
        ("conv", ((4, 6, 6),), 576),
    ] == [line.cells[:3] for line in table.lines]  # fmt: skip
    assert sum(table.cells("value")) == table.totals[0].cells[3] == 2512


def test_channels_stand_last_where_that_is_asked_for():
    (table,) = memory_tables(replace(small(), memory=INFERENCE), "hwc")

    assert ((6, 6, 4),) == table.lines[-1].cells[1]


def test_a_training_step_is_shown_by_what_its_memory_is_for_without_what_is_nothing():
    _, table = memory_tables(replace(small(), training=TRAINING))

    assert "peak memory of a training step with momentum on cuda, in the backward of relu" == table.title
    assert [
        ("parameters", 1128), ("input batch", 768), ("optimizer state", 1128),
        ("activations and what is kept for the backward", 576), ("gradients of activations", 400),
    ] == [line.cells[:2] for line in table.lines]  # fmt: skip
    assert sum(table.cells("value")) == table.totals[0].cells[2] == 4000
    assert (
        "kept for the backward when the forward is over: 576 B",
        "with foreach=True all parameters are updated together, as torch does on a GPU: 4.00 KiB",
    ) == table.notes


def test_the_peak_in_the_optimizers_step_names_no_layer():
    step = replace(TRAINING, phase="optimizer", layer=None)
    _, table = memory_tables(replace(small(), training=step))

    assert table.title.endswith("on cuda, in the optimizer's step")


def test_the_peak_when_the_loss_hands_out_its_gradient_names_no_layer():
    _, table = memory_tables(replace(small(), training=replace(TRAINING, layer=None)))

    assert table.title.endswith("on cuda, at the loss")


def test_an_unknown_operator_makes_the_peak_a_lower_bound():
    (table,) = memory_tables(replace(with_unknown(), memory=INFERENCE))

    assert AtLeast(2512) == table.totals[0].cells[3]
    assert "≥ 2.45 KiB  ≥ 2,512" in render(report([replace(with_unknown(), memory=INFERENCE)]))


def test_the_largest_batch_stands_below_the_memory_it_is_of():
    inference, training = memory_tables(replace(small(), training=TRAINING, fit=FIT))
    (alone,) = memory_tables(replace(small(), fit=FIT))

    assert ((), 3, 1) == (inference.notes, len(training.notes), len(alone.notes))


def test_a_fit_is_a_sentence():
    rest = "it needs 1,072,693,248 of 1,073,741,824 bytes; one more needs 1,074,790,400"
    assert f"the largest batch in 1.00 GiB is 12: {rest}" == fit_text(FIT)
    assert f"the largest batch in 1.00 GiB is at most 12: {rest}" == fit_text(FIT, bounded=True)
    assert "not even a batch of 1 fits into 1.00 GiB: it needs 2.00 GiB" == fit_text(
        Fit(limit_bytes=2**30, batch=0, peak_bytes=None, next_peak_bytes=2**31)
    )
    assert "any batch fits into 1.00 GiB" == fit_text(
        Fit(limit_bytes=2**30, batch=2**31 - 1, peak_bytes=100, next_peak_bytes=None, is_all=True)
    )
