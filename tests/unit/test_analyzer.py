"""Counting a graph: rows, totals, traffic and notes, on graphs made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from cnnprof.analyzer import analyze, freeze
from cnnprof.errors import LayerError, UsageError
from cnnprof.model.analysis import Analysis, Events, Note
from cnnprof.model.graph import Container, Edge, Fact, Graph, Input, Node, Recorded, TensorSpec


def node(name: str, op: str, *inputs: str, **more: Any) -> Node:
    args = {key: more.pop(key) for key in list(more) if key not in Node.__struct_fields__}
    return Node(name=name, op=op, args=args, inputs=tuple(Edge(source) for source in inputs), **more)


def graph(*nodes: Node, shape: tuple[int, ...] = (3, 6, 6), **more: Any) -> Graph:
    return Graph(
        name="net", source="test", inputs=(Input(name="input", shape=shape),), nodes=nodes,
        outputs={"output": Edge(nodes[-1].name)}, **more,
    )  # fmt: skip


CONV = node("conv", "conv2d", "input", out_channels=2, kernel_size=3)
BN = node("bn", "batchnorm2d", "conv")


def test_a_convolution_counts_as_the_textbook_does() -> None:
    row = analyze(graph(CONV)).rows[0]

    assert (56, 2, 864, 1728, 1728) == (row.params, row.bias_params, row.macs, row.flops, row.ops)
    assert (TensorSpec((1, 2, 4, 4)),) == row.outputs


def test_counts_are_for_the_whole_batch_and_parameters_count_once() -> None:
    totals = analyze(graph(CONV), batch=8).totals

    assert (56, 8 * 864, 8 * 32) == (totals.params, totals.macs, totals.activations)
    assert 8 * 32 * 4 == totals.activation_bytes


def test_bytes_follow_the_dtype_but_integer_buffers_keep_theirs() -> None:
    row = analyze(graph(CONV, BN), dtype="float16").row("bn")

    assert ("float16", 8, 4 + 4 + 8) == (row.outputs[0].dtype, row.param_bytes, row.buffer_bytes)


def test_keras_counts_moving_statistics_as_parameters() -> None:
    totals = analyze(graph(CONV, BN)).totals

    assert (60, 5, 64) == (totals.params, totals.buffers, totals.keras_params)


def test_a_frozen_layer_has_frozen_parameters_only() -> None:
    totals = analyze(freeze(graph(CONV, BN), ["co*"])).totals

    assert (4, 56, 60) == (totals.trainable_params, totals.frozen_params, totals.params)


def test_a_pattern_that_freezes_nothing_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"--freeze 'fc\*' matches no layer of net"):
        freeze(graph(CONV), ["fc*"])


def test_a_layer_that_trains_only_keeps_its_parameters_and_does_no_work() -> None:
    side = node("aux", "conv2d", "input", out_channels=2, kernel_size=3, when="train")
    row = analyze(graph(side, CONV)).row("aux")

    assert (56, Events(), 0, 0) == (row.params, row.events, row.activations, row.read_bytes)
    assert 0 == row.torchsummary_outputs


def test_shared_weights_count_once_and_their_work_twice() -> None:
    again = node("again", "conv2d", "input", out_channels=2, kernel_size=3, share="conv")
    totals = analyze(graph(CONV, again)).totals

    assert (56, 2 * 864) == (totals.params, totals.macs)


def test_views_and_in_place_work_need_no_new_memory() -> None:
    found = analyze(graph(CONV, node("relu", "relu", "conv", inplace=True), node("flat", "flatten", "relu")))

    assert [("new", 32), ("inplace", 0), ("view", 0)] == [(row.storage, row.activations) for row in found.rows]


def test_torchsummary_doubles_every_module_output_and_counts_containers_again() -> None:
    nodes = (CONV, node("relu", "relu", "conv", inplace=True), node("flat", "flatten", "relu"))
    plain = analyze(graph(*nodes)).totals
    contained = analyze(graph(*nodes, containers=(Container(path="b", module="Block", last="relu"),))).totals

    assert (2 * 4 * 64, 2 * 4 * 96) == (plain.torchsummary_activation_bytes, contained.torchsummary_activation_bytes)
    assert 3 * 36 * 4 + 2 * 4 * 64 + 56 * 4 == plain.torchsummary_total_bytes


def test_reading_and_writing_count_inputs_weights_and_outputs_once() -> None:
    row = analyze(graph(CONV)).rows[0]

    assert ((108 + 56) * 4, 32 * 4) == (row.read_bytes, row.write_bytes)


def towers() -> Graph:
    return graph(
        node("a", "conv2d", "input", out_channels=2, kernel_size=3, place="gpu0"),
        node("b", "conv2d", "input", out_channels=2, kernel_size=3, place="gpu1"),
        node("both", "concat", "a", "b", place="gpu0"),
        node("again", "add", "b", "b", place="gpu0"),
    )


def test_a_tensor_crosses_once_to_each_place_that_reads_it() -> None:
    transfers = analyze(towers(), batch=2).transfers

    assert [("gpu1", "gpu0", "b", "both", 64, 256)] == [
        (t.source, t.target, t.tensor.node, t.reader, t.elements, t.bytes) for t in transfers
    ]


def test_a_window_that_does_not_tile_says_what_it_cuts_off() -> None:
    pool = node("pool", "maxpool2d", "input", kernel_size=3, stride=3)
    found = analyze(graph(pool, shape=(1, 7, 7)))

    message = "the window does not tile its 7×7 input: the last row and the last column are never read"
    assert (Note(code="window-cut", message=message, layer="pool"),) == found.notes


@pytest.mark.parametrize(
    ("op", "shape", "says"),
    [
        ("maxpool1d", (1, 7), "7 input: the last element is never read"),
        ("maxpool1d", (1, 8), "8 input: the last 2 elements are never read"),
        ("maxpool3d", (1, 7, 6, 8), "7×6×8 input: the last slice and the last 2 columns are never read"),
    ],
)
def test_what_is_cut_off_is_named_by_its_axis(op: str, shape: tuple[int, ...], says: str) -> None:
    pool = node("pool", op, "input", kernel_size=3, stride=3)

    assert [f"the window does not tile its {says}"] == [n.message for n in analyze(graph(pool, shape=shape)).notes]


def test_a_window_smaller_than_its_stride_samples_and_is_not_said_to_cut() -> None:
    shortcut = node("down", "conv2d", "input", out_channels=2, kernel_size=1, stride=2)
    found = analyze(graph(shortcut))

    assert ((0, 0), ()) == (found.rows[0].window_cut, found.notes)


def test_a_linear_layer_along_the_width_of_an_image_gets_a_note() -> None:
    fc = node("fc", "linear", "conv", out_features=10)

    assert [("linear-axis", "fc")] == [(n.code, n.layer) for n in analyze(graph(CONV, fc)).notes]
    assert (
        () == analyze(graph(CONV, node("flat", "flatten", "conv"), node("fc", "linear", "flat", out_features=3))).notes
    )


def test_an_input_whose_channels_seem_to_stand_last_gets_a_note() -> None:
    relu = node("relu", "relu", "input")
    message = "224×200×3 is read as 224 channels of 200×3; channels first would be 3x224x200"

    assert [Note(code="input-order", message=message)] == list(analyze(graph(relu, shape=(224, 200, 3))).notes)
    assert [(), ()] == [analyze(graph(relu, shape=shape)).notes for shape in ((3, 224, 224), (64, 1, 1))]


def test_freezing_a_layer_that_uses_another_ones_weights_gets_a_note() -> None:
    again = node("again", "conv2d", "input", out_channels=2, kernel_size=3, share="conv", frozen=True)

    assert [("shared-frozen", "again")] == [(n.code, n.layer) for n in analyze(graph(CONV, again)).notes]


def test_published_figures_of_a_changed_network_are_not_checked_and_it_says_so() -> None:
    changed = graph(CONV, facts=(Fact(of="params", value="56", source="book"),), overridden=("--set width",))

    assert ["facts-not-checked"] == [note.code for note in analyze(changed).notes]


def unknown() -> Graph:
    strange = node("strange", "aten::foo", "conv", recorded=(Recorded((1, 2, 4, 4)),))
    return graph(CONV, strange, node("relu", "relu", "strange"))


def test_an_unknown_operator_makes_the_totals_lower_bounds() -> None:
    found = analyze(unknown())

    assert (True, ("aten::foo",), 864) == (found.totals.lower_bound, found.totals.unknown_ops, found.totals.macs)
    assert [False] == [row.known for row in found.rows if row.name == "strange"]
    assert ["unknown-operator"] == [note.code for note in found.notes]


def test_an_unknown_operator_without_recorded_shapes_is_an_error() -> None:
    with pytest.raises(UsageError, match="nobody registered the operator 'aten::foo'"):
        analyze(graph(CONV, node("strange", "aten::foo", "conv")))


@pytest.mark.parametrize("batch", [0, -1, True, 1.5])
def test_a_batch_below_one_is_refused(batch: Any) -> None:
    with pytest.raises(UsageError, match="batch must be a whole number from 1"):
        analyze(graph(CONV), batch=batch)


def test_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown dtype 'float8'"):
        analyze(graph(CONV), dtype="float8")


def test_a_count_beyond_63_bits_is_an_error_and_never_a_wrong_number() -> None:
    big = graph(node("conv", "conv2d", "input", out_channels=2**20, kernel_size=1), shape=(2**20, 2**10, 2**10))

    with pytest.raises(LayerError, match=r"conv \(conv2d\): a count of .* passes 2\^63 − 1"):
        analyze(big, batch=2**10)


def test_totals_beyond_63_bits_are_an_error_too() -> None:
    nodes = [node(f"c{i}", "conv2d", "input", out_channels=2**21, kernel_size=1) for i in range(40)]

    with pytest.raises(LayerError, match=r"the totals of net pass 2\^63 − 1"):
        analyze(graph(*nodes, shape=(2**20, 2**9, 2**9)), batch=2)


def test_a_row_is_found_by_its_name() -> None:
    found = analyze(graph(CONV, BN))

    assert "bn" == found.row("bn").name
    with pytest.raises(KeyError, match=r"net has no layer 'fc'; \.rows lists its 2 layers"):
        found.row("fc")


def test_a_result_says_in_one_line_what_it_is() -> None:
    assert "<Analysis of net, batch 2, float32: 1 layers, 56 parameters, 1,728 MACs>" == repr(
        analyze(graph(CONV), batch=2)
    )
    assert repr(analyze(unknown())).endswith("3 layers, 56 parameters, ≥ 864 MACs>")


def test_a_result_becomes_dicts_with_the_derived_counts() -> None:
    first = analyze(graph(CONV)).to_dicts()[0]

    assert ("conv", 56, 864, 1728, 1728) == tuple(first[key] for key in ("name", "params", "macs", "flops", "ops"))


def test_the_main_output_has_no_name_unless_there_are_several() -> None:
    one = analyze(graph(CONV))
    two = analyze(Graph(**{**{f: getattr(graph(CONV, BN), f) for f in Graph.__struct_fields__},
                           "outputs": {"aux": Edge("conv"), "output": Edge("bn")}}))  # fmt: skip

    assert [None] == [row.output_name for row in one.rows]
    assert ["aux", "output"] == [row.output_name for row in two.rows]


def test_an_analysis_survives_json() -> None:
    from cnnprof.model.plain import from_json, to_json

    found = analyze(towers())

    assert found.totals == from_json(to_json(found), Analysis).totals


def test_what_an_importer_saw_of_one_sample_grows_with_the_batch() -> None:
    strange = node("x", "roi_align", "input", recorded=(Recorded((1, 3, 6, 6)),))
    behind = node("conv", "conv2d", "x", out_channels=2, kernel_size=3)

    assert (8, 3, 6, 6) == analyze(graph(strange, behind), batch=8).row("x").outputs[0].shape
    assert 8 * 864 == analyze(graph(strange, behind), batch=8).totals.macs


def test_reading_a_tensor_after_work_in_place_on_it_is_noted() -> None:
    stack = node("stack", "relu", "input")
    inplace = node("inplace", "relu", "stack", inplace=True)
    late = node("late", "add", "inplace", "stack")
    flat = node("flat", "flatten", "inplace")

    expected = Note(code="overwritten", layer="late", message="reads stack after inplace has written into it in place")
    assert [expected] == [each for each in analyze(graph(stack, inplace, late)).notes if each.code == "overwritten"]
    assert [] == [each for each in analyze(graph(stack, inplace, flat)).notes if each.code == "overwritten"]


def test_freezing_an_empty_network_is_refused() -> None:
    empty = Graph(name="net", source="test", inputs=(Input(name="input", shape=(3,)),), nodes=(), outputs={})
    with pytest.raises(UsageError, match="matches no layer"):
        freeze(empty, ["*"])
