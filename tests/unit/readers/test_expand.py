"""Blocks, loops, branches, names: what a specification expands to."""

from __future__ import annotations

import pytest

from cnnprof.errors import UsageError
from cnnprof.model.graph import Container, Edge
from tests.unit.readers.specs import chain, chain_problems, names, problems, read, said

CONV = "conv2d: {out_channels: 4, kernel_size: 1}"


def test_layers_of_one_type_are_numbered_from_the_second() -> None:
    assert ["relu", "relu_2", "relu_3"] == names(chain("  - relu\n  - relu\n  - relu\n"))


def test_a_taken_number_is_stepped_over() -> None:
    assert ["relu", "relu_2", "relu_3"] == names(chain("  - relu\n  - {relu: , name: relu_2}\n  - relu\n"))


def test_the_same_explicit_name_twice_is_an_error() -> None:
    found = chain_problems("  - {relu: , name: a}\n  - {relu: , name: a}\n")

    assert [("6:20", "duplicate-name")] == said(found)


def test_a_named_loop_adds_its_index() -> None:
    assert ["s.0.relu", "s.1.relu"] == names(chain("  - repeat: 2\n    name: s\n    layers: [relu]\n"))


def test_unnamed_loops_go_on_counting() -> None:
    loop = "  - repeat: 2\n    layers: [relu, identity]\n"
    found = names(chain(loop + loop))

    assert ["0.relu", "0.identity", "1.relu", "1.identity", "2.relu", "2.identity", "3.relu", "3.identity"] == found


BLOCK = "blocks:\n  b:\n    params: {out: 4}\n    layers: [conv2d: {out_channels: =out, kernel_size: 1}]\n"


def test_a_round_that_is_one_unnamed_block_takes_the_index_as_its_name() -> None:
    assert ["s.0.conv2d", "s.1.conv2d"] == names(chain("  - repeat: 2\n    name: s\n    layers: [b]\n", BLOCK))


def test_a_named_block_in_a_round_keeps_its_name() -> None:
    found = chain("  - repeat: 1\n    name: s\n    layers: [{b: , name: x}]\n", BLOCK)

    assert ["s.0.x.conv2d"] == names(found)


def test_a_block_is_a_container_with_its_last_layer() -> None:
    top = BLOCK.replace("params:", "module: Bottleneck\n    params:")

    assert (Container(path="b", block="b", module="Bottleneck", last="b.conv2d"),) == chain("  - b\n", top).containers


def test_a_for_loop_zips_its_lists() -> None:
    found = chain("  - for: {w: [4, 8], k: [1, 3]}\n    layers: [conv2d: {out_channels: =w, kernel_size: =k}]\n")

    assert [(4, 1), (8, 3)] == [(node.args["out_channels"], node.args["kernel_size"]) for node in found.nodes]


def test_zipped_lists_of_unequal_length_are_an_error() -> None:
    found = chain_problems("  - for: {w: [4, 8], k: [1]}\n    layers: [relu]\n")

    assert [("5:5", "unequal-lists")] == said(found)
    assert "w has 2, k has 1" in found[0].message


def test_index_is_the_counter_of_the_innermost_loop() -> None:
    inner = "        - repeat: 2\n          layers: [conv2d: {out_channels: '=index + 1', kernel_size: 1}]\n"
    found = chain(f"  - repeat: 2\n    layers:\n{inner}")

    assert [1, 2, 1, 2] == [node.args["out_channels"] for node in found.nodes]


def test_let_names_intermediates_in_order_and_afresh_in_every_round() -> None:
    found = chain(
        "  - for: {w: [2, 3]}\n    let: {a: =w * 2, b: =a + 1}\n"
        "    layers: [conv2d: {out_channels: =b, kernel_size: 1}]\n"
    )

    assert [5, 7] == [node.args["out_channels"] for node in found.nodes]


def test_a_block_does_not_see_its_callers_names() -> None:
    top = "blocks:\n  b: {layers: [conv2d: {out_channels: =w, kernel_size: 1}]}\n"
    found = chain_problems("  - for: {w: [1]}\n    layers: [b]\n", top)

    assert ["unknown-name"] == [problem.code for problem in found]


def test_a_block_sees_the_files_parameters() -> None:
    top = "params: {w: 5}\nblocks:\n  b: {layers: [conv2d: {out_channels: =w, kernel_size: 1}]}\n"

    assert [5] == [node.args["out_channels"] for node in chain("  - b\n", top).nodes]


def test_an_argument_is_evaluated_where_the_block_is_used() -> None:
    assert [3] == [node.args["out_channels"] for node in chain("  - b: {out: =in_channels}\n", BLOCK).nodes]


def test_a_missing_and_an_unknown_argument_of_a_block_are_named() -> None:
    top = BLOCK.replace("out: 4", "out: null")
    found = chain_problems("  - b\n  - b: {out: 4, uot: 3}\n", top)

    assert [("9:5", "missing-argument"), ("10:17", "unknown-argument")] == said(found)
    assert "did you mean 'out'?" == found[1].hint


def test_a_block_that_uses_itself_is_an_error_with_the_circle() -> None:
    top = "blocks:\n  a: {layers: [b]}\n  b: {layers: [a]}\n"
    found = chain_problems("  - a\n", top)

    assert ["recursive-block"] == [problem.code for problem in found]
    assert "a -> b -> a" in found[0].message


def test_branches_begin_with_the_current_value() -> None:
    found = chain(f"  - add:\n      - [{CONV}]\n      - [{CONV}, relu]\n")

    assert (Edge("conv2d"), Edge("relu")) == found.nodes[-1].inputs
    assert [(Edge("input"),), (Edge("input"),)] == [n.inputs for n in found.nodes if n.op == "conv2d"]


def test_an_empty_branch_is_the_value_itself() -> None:
    found = chain("  - add:\n      - [relu]\n      - []\n")

    assert (Edge("relu"), Edge("input")) == found.nodes[-1].inputs


def test_named_branches_put_their_name_into_the_path() -> None:
    found = chain("  - concat: {dim: 1}\n    branches: {left: [relu], right: [relu, relu]}\n")

    assert ["left.relu", "right.relu", "right.relu_2", "concat"] == names(found)


def test_from_reads_an_earlier_value_of_this_chain_or_one_around_it() -> None:
    found = chain("  - relu\n  - group:\n      - identity\n      - {add: , from: [relu, identity]}\n    name: g\n")

    assert (Edge("relu"), Edge("g.identity")) == found.nodes[-1].inputs


def test_from_a_round_of_a_loop_is_its_last_layer() -> None:
    found = chain("  - repeat: 2\n    name: enc\n    layers: [relu, identity]\n  - {relu: , from: enc.0}\n")

    assert (Edge("enc.0.identity"),) == found.nodes[-1].inputs


def test_from_may_be_computed() -> None:
    found = chain("  - {relu: , name: e1}\n  - {relu: , name: e2}\n  - for: {skip: [e2, e1]}\n"
                  "    layers: [{identity: , from: =skip}, {identity: , from: 'e{=index + 1}'}]\n")  # fmt: skip

    assert ["e2", "e1", "e1", "e2"] == [node.inputs[0].node for node in found.nodes if node.op == "identity"]


def test_from_a_later_or_inner_name_of_a_block_is_an_error() -> None:
    found = chain_problems("  - b\n  - {relu: , from: b.conv2d}\n  - {relu: , from: later}\n", BLOCK)

    assert [("10:20", "unknown-name"), ("11:20", "unknown-name")] == said(found)


def test_one_output_of_several_is_picked_by_its_index() -> None:
    found = chain(f"  - {CONV}\n  - chunk: {{chunks: 2}}\n  - {{relu: , from: 'chunk[1]'}}\n")

    assert (Edge("chunk", 1),) == found.nodes[-1].inputs


def test_an_output_that_is_not_there_is_an_error() -> None:
    found = chain_problems("  - relu\n  - {relu: , from: 'relu[1]'}\n")

    assert [("6:20", "unknown-name")] == said(found)


def test_several_values_into_a_layer_of_one_input_are_an_error_that_says_what_to_do() -> None:
    found = chain_problems(f"  - {CONV}\n  - chunk: {{chunks: 2}}\n  - relu\n")

    assert [("7:5", "bad-inputs")] == said(found)
    assert "pick one with getitem, or join them with add or concat" == found[0].hint


def test_side_leaves_the_current_value_unchanged() -> None:
    found = chain("  - side: [{relu: , output: aux}]\n    when: train\n  - identity\n")

    assert {"aux": Edge("relu"), "output": Edge("identity")} == found.outputs
    assert (Edge("input"),) == found.nodes[-1].inputs
    assert ["train", "always"] == [node.when for node in found.nodes]


def test_what_a_group_says_holds_for_all_inside_and_an_own_key_wins() -> None:
    found = chain(
        "  - group: [relu, {relu: , frozen: false, place: gpu1}]\n    frozen: eval\n    place: gpu0\n  - relu\n"
    )

    assert [("eval", "gpu0"), (False, "gpu1"), (False, None)] == [(node.frozen, node.place) for node in found.nodes]


def test_a_frozen_block_freezes_its_layers() -> None:
    top = BLOCK.replace("params:", "frozen: true\n    params:")

    assert [True] == [node.frozen for node in chain("  - b\n", top).nodes]


def test_share_names_the_layer_whose_weights_are_used() -> None:
    same = "conv2d: {out_channels: 3, kernel_size: 1}"
    found = chain(f"  - {same}\n  - {{{same}, share: conv2d}}\n")

    assert [None, "conv2d"] == [node.share for node in found.nodes]


def test_weights_of_another_shape_cannot_be_shared() -> None:
    found = chain_problems(f"  - {CONV}\n  - {{{CONV}, share: conv2d}}\n  - {{{CONV}, share: nobody}}\n")

    assert ["bad-share"] == [problem.code for problem in found][:1]


def test_use_takes_a_computed_block_or_layer() -> None:
    top = BLOCK + "params: {kind: b, act: relu6}\n"
    found = chain("  - use: =kind\n    with: {out: 2}\n  - use: =act\n    with: {inplace: true}\n", top)

    assert ["b.conv2d", "relu6"] == names(found)


def test_use_of_an_unknown_name_is_an_error() -> None:
    found = chain_problems("  - use: =kind\n  - use: rleu\n", "params: {kind: nothing}\n")

    assert [("7:10", "unknown-block")] == said(found)
    assert "did you mean 'relu'?" == found[0].hint


def test_an_if_may_depend_on_what_arrives() -> None:
    found = chain("  - if: =in_channels == 3\n    then: [relu]\n    else: [identity]\n  - if: =in_shape[1] > 100\n"
                  "    then: [relu]\n")  # fmt: skip

    assert ["relu"] == names(found)


@pytest.mark.parametrize("bound", ["repeat: =in_channels", "repeat: =c", "for: {w: '=range(in_channels)'}"])
def test_a_bound_may_not_depend_on_a_shape_not_even_through_let(bound: str) -> None:
    top = f"blocks:\n  b:\n    let: {{c: =in_channels}}\n    layers: [{{{bound}, layers: [relu]}}]\n"

    assert ["shape-in-bound"] == [problem.code for problem in chain_problems("  - b\n", top)]


FAMILY = """cnnprof: 1
name: family
input: [3, 8, 8]
params: {w: 4, k: 1}
variants:
  a: {}
  b: {w: 8, input: [1, 4, 4]}
layers: [conv2d: {out_channels: =w, kernel_size: =k}]
expect:
  b:
    reference: torchvision:b
    facts: [{of: params, value: "16", source: book}]
"""


def test_a_variant_overrides_parameters_and_input() -> None:
    found = read(FAMILY, "b")

    assert ("b", 8, (1, 4, 4), "torchvision:b") == (
        found.name, found.nodes[0].args["out_channels"], found.inputs[0].shape, found.reference,
    )  # fmt: skip


def test_set_wins_over_the_variant_and_input_over_all() -> None:
    found = read(FAMILY, "b", params={"w": 2}, input="2x5x5")

    assert (2, (2, 5, 5)) == (found.nodes[0].args["out_channels"], found.inputs[0].shape)
    assert ("--set w", "--input") == found.overridden


def test_a_family_without_a_named_variant_lists_its_variants() -> None:
    with pytest.raises(UsageError, match=r"net.yaml describes 2 variants: a, b"):
        read(FAMILY)


def test_an_unknown_variant_or_parameter_gets_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="has no variant 'c'"):
        read(FAMILY, "c")
    with pytest.raises(UsageError, match="--set ww: family has no such parameter") as caught:
        read(FAMILY, "a", params={"ww": 1})

    assert "did you mean 'w'?" == caught.value.hint


def test_a_free_input_size_must_be_given() -> None:
    text = "cnnprof: 1\ninput: [3, '*', '*']\nlayers: [relu]\n"

    with pytest.raises(UsageError, match=r"leaves its input size open \(3x\*x\*\)"):
        read(text)
    assert (3, 5, 7) == read(text, input=(3, 5, 7)).inputs[0].shape


def test_several_inputs_have_names_and_the_chain_begins_with_all() -> None:
    text = "cnnprof: 1\ninputs: {a: [3, 4], b: {shape: [3, 4], dtype: int64}}\nlayers: [{getitem: {index: 1}}]\n"
    found = read(text, input={"b": (3, 5), "a": (3, 5)})

    assert (Edge("a"), Edge("b")) == found.nodes[0].inputs
    assert [("float32", (3, 5)), ("int64", (3, 5))] == [(spec.dtype, spec.shape) for spec in found.inputs]


def test_an_input_nobody_declared_is_an_error() -> None:
    with pytest.raises(UsageError, match="the inputs are a, b"):
        read("cnnprof: 1\ninputs: {a: [3], b: [3]}\nlayers: [add]\n", input="3x4")


def test_a_required_parameter_of_the_file_comes_from_set() -> None:
    text = "cnnprof: 1\ninput: [3, 4, 4]\nparams: {n: null}\nlayers: [{repeat: =n, layers: [relu]}]\n"

    assert 2 == len(read(text, params={"n": 2}).nodes)


def test_a_flat_loop_puts_nothing_into_the_path() -> None:
    found = chain("  - repeat: 2\n    flat: true\n    layers: [{relu: , name: 'r{=index}'}, identity]\n")

    assert ["r0", "identity", "r1", "identity_2"] == names(found)


def test_a_flat_loop_has_no_name_and_flat_is_true_or_false() -> None:
    named = chain_problems("  - repeat: 2\n    flat: true\n    name: x\n    layers: [relu]\n")
    wrong = chain_problems("  - repeat: 2\n    flat: 3\n    layers: [relu]\n")

    assert [("6:11", "bad-value")] == said(named) == said(wrong)


def test_what_stands_beside_a_loop_holds_for_its_rounds_and_sees_its_variables() -> None:
    found = chain("  - for: {gpu: [a, b]}\n    place: =gpu\n    frozen: true\n    layers: [relu]\n  - relu\n")

    assert [("a", True), ("b", True), (None, False)] == [(node.place, node.frozen) for node in found.nodes]


def test_a_formula_that_fails_says_where_inside_it_and_what_to_do() -> None:
    found = chain_problems("  - conv2d: {out_channels: =widht * 2, kernel_size: 1}\n", "params: {width: 3}\n")

    assert [("6:29", "unknown-name")] == said(found)
    assert "did you mean 'width'?" == found[0].hint


def test_a_long_formula_is_not_repeated_whole() -> None:
    found = chain_problems(f"  - conv2d: {{out_channels: ={'1 + ' * 500}1, kernel_size: 1}}\n")

    assert 150 > len(found[0].message)


def test_an_open_input_size_gets_a_size_that_would_do() -> None:
    with pytest.raises(UsageError) as caught:
        read("cnnprof: 1\ninput: ['*', '*', '*']\nlayers: [relu]\n")

    assert "give one: --input 3x224x224" == caught.value.hint


LET = "cnnprof: 1\ninput: [3, 9, 7]\nlet: {size: '=in_shape[1:]', half: '=size[0] // 2'}\n"


def test_the_main_chain_has_intermediates_that_know_the_input() -> None:
    found = read(LET + "layers: [{maxpool2d: {kernel_size: 2}}, {upsample: {size: =size}}]\n", input="3x11x5")

    assert (11, 5) == found.nodes[-1].args["size"]


def test_intermediates_of_the_main_chain_are_not_seen_by_blocks_nor_used_as_bounds() -> None:
    blocks = "blocks: {b: {layers: [upsample: {size: =size}]}}\n"
    bounded = "layers: [{repeat: =half, layers: [relu]}]\n"

    assert ["unknown-name"] == [problem.code for problem in problems(LET + blocks + "layers: [b]\n")]
    assert ["shape-in-bound"] == [problem.code for problem in problems(LET + bounded)]


def test_an_intermediate_that_fails_is_an_error_with_its_place() -> None:
    found = problems("cnnprof: 1\ninput: [3, 9, 7]\nlet: {a: '=in_shape[5]'}\nlayers: [relu]\n")

    assert ["bad-index"] == [problem.code for problem in found]
    assert 3 == (found[0].place.line if found[0].place else None)
