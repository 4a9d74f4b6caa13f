"""Peak memory of inferences and training steps, added up by hand on small graphs. Sizes are in float32 values."""

from __future__ import annotations

import pytest

from cnnprof.analyzer import analyze, freeze
from cnnprof.analyzer.fits import MOST, largest_batch
from cnnprof.analyzer.heap import Heap
from cnnprof.analyzer.optimizers import optimizer_memory
from cnnprof.errors import LayerError, UsageError
from cnnprof.model.analysis import Analysis
from cnnprof.model.graph import Edge, Graph, Recorded, TensorSpec
from cnnprof.model.plain import from_json, replace, to_json
from tests.unit.test_analyzer import graph, node


def values(tensors: int) -> int:
    return tensors // 4


def alive(analysis: Analysis) -> dict[str, int]:
    return {each.layer: values(each.bytes) for each in analysis.memory.alive}


# -- a forward --------------------------------------------------------------------------------------------------------


def chain(*ops: str, size: int = 10, **more: object) -> Graph:
    names = ["input", *(f"n{at}" for at in range(len(ops)))]
    return graph(*(node(names[at + 1], op, names[at], **more) for at, op in enumerate(ops)), shape=(size,))


def test_an_output_is_allocated_while_its_input_lives_and_the_network_input_is_held_to_the_end() -> None:
    found = analyze(chain("relu", "relu", "relu")).memory

    assert (30, "n1", ("input", "n0", "n1")) == (
        values(found.peak_bytes), found.layer, tuple(each.layer for each in found.alive),
    )  # fmt: skip


def test_a_tensor_lives_until_its_last_reader() -> None:
    network = graph(
        node("a", "relu", "input"), node("b", "relu", "a"), node("c", "relu", "b"), node("d", "add", "c", "a"),
        shape=(10,),
    )  # fmt: skip

    assert {"input": 10, "a": 10, "b": 10, "c": 10} == alive(analyze(network))


def test_a_tensor_that_nobody_reads_is_forgotten_at_once() -> None:
    network = graph(node("aside", "relu", "input"), node("b", "relu", "input"), node("c", "relu", "b"), shape=(10,))

    assert {"input": 10, "b": 10, "c": 10} == alive(analyze(network))


def test_views_share_storage_and_keep_it_alive() -> None:
    network = graph(
        node("a", "relu", "input"), node("flat", "flatten", "a"), node("b", "relu", "flat"), node("c", "relu", "b"),
        shape=(2, 5),
    )  # fmt: skip

    assert {"input": 10, "a": 10, "b": 10} == alive(analyze(network))


def test_work_in_place_writes_into_its_input() -> None:
    network = graph(
        node("a", "relu", "input"), node("b", "relu", "a", inplace=True), node("c", "relu", "b", inplace=True),
        shape=(10,),
    )  # fmt: skip

    assert {"input": 10, "a": 10} == alive(analyze(network))


def test_dropout_takes_nothing_in_evaluation() -> None:
    assert {"input": 10, "n0": 10} == alive(analyze(chain("relu", "dropout")))


def test_network_outputs_are_held_to_the_end() -> None:
    network = graph(
        node("head", "relu", "input"), node("b", "relu", "input"), node("c", "relu", "b"), shape=(10,)
    )  # fmt: skip
    network = replace(network, outputs={"head": Edge("head"), "output": Edge("c")})

    assert {"input": 10, "head": 10, "b": 10, "c": 10} == alive(analyze(network))


def test_a_head_that_runs_in_training_only_holds_nothing_in_an_inference() -> None:
    network = graph(
        node("a", "relu", "input"), node("b", "relu", "a"), node("c", "relu", "b"),
        replace(node("aux", "relu", "a"), when="train"), node("d", "relu", "c"), shape=(10,),
    )  # fmt: skip
    network = replace(network, outputs={"aux": Edge("aux"), "output": Edge("d")})

    assert {"input": 10, "a": 10, "b": 10} == alive(analyze(network))


def test_what_runs_in_training_only_on_the_way_hands_its_input_on() -> None:
    network = graph(
        node("a", "relu", "input"), replace(node("depth", "stochasticdepth", "a", p=0.1, mode="row"), when="train"),
        node("b", "relu", "depth"), node("c", "relu", "b"), shape=(10,),
    )  # fmt: skip

    assert {"input": 10, "a": 10, "b": 10} == alive(analyze(network))


def test_a_view_of_several_inputs_shows_the_one_it_reads() -> None:
    network = graph(
        node("a", "relu", "input"), node("second", "getitem", "a", "input", index=1), node("b", "relu", "second"),
        node("c", "relu", "b"), shape=(10,),
    )  # fmt: skip

    assert {"input": 10, "b": 10, "c": 10} == alive(analyze(network))


def test_a_parameter_as_a_value_lies_in_the_weights() -> None:
    network = graph(node("token", "parameter", shape=[10]), node("sum", "add", "input", "token"), shape=(10,))
    found = analyze(network).memory

    assert (10, 20, 30) == (values(found.param_bytes), values(found.tensor_bytes), values(found.peak_bytes))


def test_max_pooling_makes_the_places_of_its_maxima_and_forgets_them() -> None:
    network = graph(node("pool", "maxpool1d", "input", kernel_size=2), node("a", "relu", "pool"), shape=(1, 8))
    found = analyze(network).memory

    # 8 numbers arrive and 4 leave, with 4 places of twice their width beside them.
    assert (8 + 4 + 2 * 4, "pool") == (values(found.peak_bytes), found.layer)
    assert [("input", "input"), ("pool", "output"), ("pool", "forgotten")] == [
        (each.layer, each.what) for each in found.alive
    ]


def test_weights_and_buffers_are_part_of_the_peak() -> None:
    found = analyze(graph(node("bn", "batchnorm1d", "input"), shape=(10,)), batch=2).memory

    assert (20, 20 + 2, 40, 82) == (
        values(found.param_bytes), values(found.buffer_bytes), values(found.tensor_bytes), values(found.peak_bytes),
    )  # fmt: skip


def test_an_operator_nobody_registered_has_the_outputs_that_were_recorded() -> None:
    strange = replace(node("x", "roi_align", "input"), recorded=(Recorded((1, 50)),))

    assert {"input": 10, "x": 50} == alive(analyze(graph(strange, shape=(10,))))


def test_memory_goes_to_json_and_back() -> None:
    found = analyze(graph(FC, shape=(10,)), training="adam")

    assert found == from_json(to_json(found), Analysis)


# -- a training step --------------------------------------------------------------------------------------------------

FC = node("fc", "linear", "input", out_features=5, bias=False)
"""On 10 features: 50 weights."""


def test_the_parts_of_a_training_step_add_up_to_its_peak() -> None:
    for optimizer in ("sgd", "momentum", "adam"):
        found = analyze(graph(FC, node("relu", "relu", "fc"), shape=(10,)), batch=100, training=optimizer).training
        assert found is not None
        parts = (
            found.param_bytes, found.buffer_bytes, found.input_bytes, found.optimizer_state_bytes,
            found.gradient_bytes, found.activation_bytes, found.live_gradient_bytes, found.temporary_bytes,
        )  # fmt: skip

        assert found.peak_bytes == sum(parts)


def test_a_large_batch_has_its_peak_in_the_backward() -> None:
    found = analyze(graph(FC, node("relu", "relu", "fc"), shape=(10,)), batch=100, training="sgd").training
    assert found is not None

    # The gradient of relu's input is made while relu's output is kept and the gradient of it lives.
    assert ("backward", "relu", 50, 1000, 500, 1000, 0) == (
        found.phase, found.layer, values(found.param_bytes), values(found.input_bytes),
        values(found.activation_bytes), values(found.live_gradient_bytes), values(found.gradient_bytes),
    )  # fmt: skip
    assert 500 == values(found.saved_bytes)


def test_large_weights_have_their_peak_in_the_optimizers_step() -> None:
    found = analyze(graph(FC, shape=(10,)), training="adam").training
    assert found is not None

    assert ("optimizer", None, 50, 100 + 1, 50, 100, 10) == (
        found.phase, found.layer, values(found.param_bytes), values(found.optimizer_state_bytes),
        values(found.gradient_bytes), values(found.temporary_bytes), values(found.input_bytes),
    )  # fmt: skip
    assert (311, 261) == (values(found.peak_bytes), values(found.foreach_peak_bytes))


def test_a_frozen_prefix_keeps_nothing_and_has_no_state() -> None:
    network = graph(
        FC, node("relu", "relu", "fc"), node("head", "linear", "relu", out_features=2, bias=False), shape=(10,)
    )
    found = analyze(freeze(network, ["fc"]), training="momentum").training
    assert found is not None

    assert (60, 10, 5) == (values(found.param_bytes), values(found.optimizer_state_bytes), values(found.saved_bytes))


def test_shared_weights_have_one_gradient() -> None:
    square = node("a", "linear", "input", out_features=10, bias=False)
    again = replace(node("b", "linear", "a", out_features=10, bias=False), share="a")
    found = analyze(graph(square, again, shape=(10,)), training="momentum").training
    assert found is not None

    assert (100, 100) == (values(found.param_bytes), values(found.optimizer_state_bytes))


def test_what_dropout_keeps_depends_on_the_device() -> None:
    network = graph(FC, node("drop", "dropout", "fc"), shape=(10,))
    cpu, cuda = (analyze(network, training="sgd", device=device).training for device in ("cpu", "cuda"))
    assert cpu is not None
    assert cuda is not None

    assert (5 * 4, 5 * 1) == (cpu.saved_bytes, cuda.saved_bytes)


def test_training_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown optimizer 'lion'"):
        analyze(chain("relu"), training="lion")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="unknown device 'gpu'"):
        analyze(chain("relu"), training="sgd", device="gpu")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="stored as int8 does not train"):
        analyze(chain("relu"), training="sgd", dtype="int8")


# -- optimizers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "device", "expected"),
    [
        ("sgd", "cpu", (0, 0, 0)),
        ("momentum", "cpu", (500, 0, 0)),
        ("adam", "cpu", (1000 + 2 * 4, 100 + 2 * 400, 500)),
        ("adam", "cuda", (1000, 100 + 2 * 400, 500)),
    ],
)
def test_an_optimizer_has_states_per_parameter_and_temporaries_of_neighbours_or_of_all(optimizer, device, expected):
    assert expected == optimizer_memory(optimizer, [100, 400], device)


# -- the heap ---------------------------------------------------------------------------------------------------------


def test_a_storage_is_freed_with_its_last_holder() -> None:
    heap = Heap()
    one = heap.allocate("a", "output", TensorSpec((3,)))
    heap.hold(one)
    heap.drop(one)
    assert 12 == heap.bytes

    heap.drop(one)
    assert (0, 12) == (heap.bytes, heap.peak)


def test_what_was_there_at_the_peak_is_named_in_the_order_it_was_made() -> None:
    heap = Heap()
    first = heap.allocate("a", "output", TensorSpec((3,)))
    heap.drop(heap.allocate("b", "output", TensorSpec((2,))))
    second = heap.allocate("c", "output", TensorSpec((4,)))
    heap.drop(first)
    heap.allocate("d", "output", TensorSpec((1,)))
    heap.drop(second)

    assert ["a", "c"] == [each.layer for each in heap.alive]


# -- the largest batch ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 7, 10, 11, 12, 13, 100, 101, 5_003, 10**9])
def test_the_largest_batch_is_the_last_that_fits(limit: int) -> None:
    def peak(batch: int) -> int:
        return 7 + max(3 * batch, 40 + batch, 5 * batch - 900)

    found = largest_batch(peak, limit)
    brute = max((batch for batch in range(1, 2_000) if peak(batch) <= limit), default=0)
    expected = brute if brute < 1_999 else (limit - 7 + 900) // 5

    assert expected == found.batch
    assert (None if expected == 0 else peak(expected), peak(expected + 1)) == (found.peak_bytes, found.next_peak_bytes)


def test_few_batches_are_asked_for() -> None:
    asked = []

    def peak(batch: int) -> int:
        asked.append(batch)
        return 1_000_000 + 12_345 * batch

    assert (2**40 - 1_000_000) // 12_345 == largest_batch(peak, 2**40).batch
    assert len(asked) < 10


def test_what_does_not_grow_fits_at_any_batch() -> None:
    found = largest_batch(lambda _: 100, 100)

    assert (MOST, True) == (found.batch, found.is_all)


def test_a_batch_that_cannot_be_counted_does_not_fit() -> None:
    def peak(batch: int) -> int:
        if batch > 1000:
            raise LayerError("too much", code="too-large")
        return batch

    assert 1000 == largest_batch(peak, 10**12).batch


def test_another_error_is_no_answer() -> None:
    def peak(_: int) -> int:
        raise LayerError("no", code="bad-shape")

    with pytest.raises(LayerError):
        largest_batch(peak, 10)


def test_memory_that_cannot_be_counted_is_refused() -> None:
    huge = graph(node("p", "parameter", shape=[2**30, 2**30]), node("sum", "sum", "p", dim=[1]), shape=(10,))
    with pytest.raises(LayerError, match="memory of net passes"):
        analyze(huge, training="adam")
