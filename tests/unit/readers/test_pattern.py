"""The one-line notation: each pattern beside the YAML that says the same, and each error with its column."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnprof.errors import CnnprofError, SpecError
from cnnprof.readers.overrides import Overrides
from cnnprof.readers.pattern import LONGEST, compose_pattern, is_pattern
from cnnprof.readers.spec import read_pattern
from cnnprof.readers.tree import Mapping, Scalar, Sequence, Tree, compose


def value(tree: Tree):
    if isinstance(tree, Scalar):
        return tree.value
    if isinstance(tree, Sequence):
        return [value(item) for item in tree.items]
    return {key.value: value(item) for key, item in tree.entries}


def document(pattern: str) -> dict:
    return value(compose_pattern(pattern).root)


def layers(chain: str, source: str = "INPUT 3x32x32") -> list:
    return document(f"{source} -> {chain}")["layers"]


def conv(out_channels=64, kernel_size=3, padding="same", **rest) -> dict:
    return {"conv2d": {"out_channels": out_channels, "kernel_size": kernel_size, "padding": padding, **rest}}


def pool(kernel_size=2, stride=2, op="maxpool2d", **rest) -> dict:
    return {op: {"kernel_size": kernel_size, "stride": stride, **rest}}


def linear(out_features) -> dict:
    return {"linear": {"out_features": out_features}}


RELU = {"relu": {}}


def refused(pattern: str) -> list[tuple[int, str]]:
    """Column and code of each problem."""
    with pytest.raises(SpecError) as caught:
        compose_pattern(pattern)
    str(caught.value).encode()
    return [(problem.place.column, problem.code) for problem in caught.value.problems]


def said(pattern: str) -> str:
    with pytest.raises(SpecError) as caught:
        compose_pattern(pattern)
    return str(caught.value)


def ops(pattern: str, *, input: tuple[int, ...] | None = None, **params) -> list[str]:  # noqa: A002 - as the flag
    """The operator of every layer once the pattern is expanded."""
    overrides = Overrides(params=params, inputs={None: input} if input else {})
    return [node.op for node in read_pattern(pattern, overrides).nodes]


# The same as in YAML


def test_a_pattern_is_the_same_tree_as_its_specification():
    pattern = "INPUT 3x32x32 -> [[CONV3-64 -> RELU]*2 -> POOL2]*3 -> [FC-512 -> RELU]*2 -> FC-10"
    specification = """
cnnprof: 1
name: pattern
input: [3, 32, 32]
params: {}
layers:
  - repeat: 3
    layers:
      - repeat: 2
        layers:
          - conv2d: {out_channels: 64, kernel_size: 3, padding: same}
          - relu: {}
      - maxpool2d: {kernel_size: 2, stride: 2}
  - flatten
  - repeat: 2
    layers:
      - linear: {out_features: 512}
      - relu: {}
  - linear: {out_features: 10}
"""
    assert value(compose(specification, "net.yaml").root) == document(pattern)


def test_the_general_pattern_takes_everything_from_parameters():
    pattern = "INPUT → [[CONV → RELU]*N → POOL?]*M → [FC → RELU]*K → FC"
    specification = """
cnnprof: 1
name: pattern
input: ['*', '*', '*']
params: {CONV: null, N: null, POOL: true, M: null, FC: null, K: null, CLASSES: =FC}
layers:
  - repeat: =M
    layers:
      - repeat: =N
        layers: [{conv2d: {out_channels: =CONV, kernel_size: 3, padding: same}}, {relu: {}}]
      - if: =POOL
        then: [maxpool2d: {kernel_size: 2, stride: 2}]
  - flatten
  - repeat: =K
    layers: [{linear: {out_features: =FC}}, {relu: {}}]
  - linear: {out_features: =CLASSES}
"""
    expected = value(compose(specification, "net.yaml").root)

    actual = document(pattern)
    assert expected == actual
    assert sorted(expected["params"]) == sorted(actual["params"])


@pytest.mark.parametrize(
    ("pattern", "params", "expected"),
    [
        ("INPUT → FC", {"FC": 10}, ["flatten", "linear"]),
        ("INPUT → [FC → RELU]*K → FC", {"K": 2, "FC": 10}, ["flatten", "linear", "relu", "linear", "relu", "linear"]),
        ("INPUT → CONV → RELU → FC", {"CONV": 4, "FC": 10}, ["conv2d", "relu", "flatten", "linear"]),
        (
            "INPUT → [CONV → RELU → POOL]*2 → FC → RELU → FC",
            {"CONV": 4, "FC": 5, "CLASSES": 10},
            ["conv2d", "relu", "maxpool2d"] * 2 + ["flatten", "linear", "relu", "linear"],
        ),
        (
            "INPUT → [[CONV → RELU]*2 → POOL]*3 → [FC → RELU]*2 → FC",
            {"CONV": 4, "FC": 5},
            (["conv2d", "relu"] * 2 + ["maxpool2d"]) * 3 + ["flatten"] + ["linear", "relu"] * 2 + ["linear"],
        ),
    ],
)
def test_the_lectures_five_patterns_expand(pattern, params, expected):
    assert expected == ops(pattern, input=(3, 32, 32), **params)


def test_an_optional_pool_can_be_left_out():
    pattern = "INPUT 3x8x8 -> [CONV-4 -> RELU -> POOL?]*2 -> FC-10"

    assert 2 == ops(pattern).count("maxpool2d")
    assert 0 == ops(pattern, POOL=False).count("maxpool2d")


def test_letters_set_the_repeats():
    assert ["relu"] * 6 == ops("INPUT 3x8x8 -> [RELU*N]*m", N=2, m=3)


# Notation


@pytest.mark.parametrize(
    "pattern",
    [
        "INPUT 3x32x32 -> CONV3-64 -> RELU -> POOL2 -> FC-10",
        "INPUT 3x32x32→CONV3-64→RELU→POOL2→FC-10",
        "INPUT 3x32x32 - CONV3-64 - RELU - POOL2 - FC-10",
        "INPUT-3x32x32-CONV3-64-RELU-POOL2-FC-10",
        "INPUT 3x32x32, CONV3-64, RELU, POOL2, FC-10",
        "[INPUT 3x32x32 - CONV3-64 - RELU - POOL2 - FC-10]",
        "(INPUT 3x32x32 - (CONV3-64 - RELU) - [POOL2] - FC-10)",
        "INPUT [32x32x3] -> CONV3-64 -> RELU -> POOL2 -> FC-10",
        "INPUT: [32x32x3] -> CONV3-64 -> RELU -> POOL2 -> FC-10",
        "INPUT:(32x32x3)->CONV3-64->RELU->POOL2->FC-10",
        "input 3×32×32 -> conv3-64 -> relu -> pool2 -> fc-10",
        "INPUT 3 X 32 x 32 -> CONV3 - 64 -> RELU -> POOL -> FC - 10",
        "\n INPUT 3x32x32\t->\nCONV-64 -> [[RELU]] -> POOL -> FC-10 ",
    ],
)
def test_arrows_brackets_and_cases_have_several_forms(pattern):
    expected = [conv(), RELU, pool(), "flatten", linear(10)]

    assert ([3, 32, 32], expected) == (document(pattern)["input"], document(pattern)["layers"])


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("INPUT 1x28x20", [1, 28, 20]),
        ("INPUT [28x20x1]", [1, 28, 20]),
        ("INPUT 784", [784]),
        ("INPUT [784]", [784]),
        ("INPUT", ["*"] * 3),
    ],
)
def test_a_size_in_brackets_has_its_channels_last(source, expected):
    assert expected == document(f"{source} -> RELU")["input"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CONV3-64", conv()),
        ("CONV-64", conv()),
        ("CONV", conv("=CONV")),
        ("CONV5", conv("=CONV", 5)),
        ("CONV3x1-8", conv(8, [3, 1])),
        ("CONV3×1-8", conv(8, [3, 1])),
        ("CONV5-6s1", conv(6, 5, stride=1)),
        ("CONV5-6p0", conv(6, 5, 0)),
        ("CONV5-6s2p0", conv(6, 5, 0, stride=2)),
        ("CONV7-64s2", conv(64, 7, 3, stride=2)),
        ("CONV4-64s2", conv(64, 4, 1, stride=2)),
        ("CONV5x3-64s2", conv(64, [5, 3], [2, 1], stride=2)),
        ("CONVs2", conv("=CONV", 3, 1, stride=2)),
        ("POOL", pool()),
        ("POOL2", pool()),
        ("POOL3", pool(3, 3)),
        ("POOL3s2", pool(3, 2)),
        ("POOL3s2p1", pool(3, 2, padding=1)),
        ("POOL2x1", pool([2, 1], [2, 1])),
        ("MAXPOOL3s2", pool(3, 2)),
        ("AVGPOOL2", pool(op="avgpool2d")),
        ("POOL?", {"if": "=POOL", "then": [pool()]}),
        ("POOL3 ?", {"if": "=POOL", "then": [pool(3, 3)]}),
        ("RELU", RELU),
        ("RELU6", {"relu6": {}}),
        ("TANH", {"tanh": {}}),
        ("SIGMOID", {"sigmoid": {}}),
        ("SOFTMAX", {"softmax": {"dim": 1}}),
        ("LOGSOFTMAX", {"logsoftmax": {"dim": 1}}),
        ("DROPOUT", {"dropout": {}}),
        ("BN", {"batchnorm2d": {}}),
        ("RELU*3", {"repeat": 3, "layers": [RELU]}),
        ("RELU × 3", {"repeat": 3, "layers": [RELU]}),
        ("[RELU]*0", {"repeat": 0, "layers": [RELU]}),
        ("[RELU] * K", {"repeat": "=K", "layers": [RELU]}),
    ],
)
def test_a_word_is_one_layer(text, expected):
    assert [expected] == layers(text)


def test_a_minus_before_a_digit_is_a_size_and_before_a_word_an_arrow():
    assert [conv(), RELU, "flatten", linear(10), {"softmax": {"dim": 1}}] == layers("CONV3-64-RELU-FC-10-SOFTMAX")


def test_a_repeat_ends_at_an_arrow():
    repeated = {"repeat": "=N", "layers": [conv("=CONV"), RELU]}

    assert [{"repeat": "=M", "layers": [repeated, pool()]}, RELU] == layers("[(CONV-RELU)*N-POOL]*M-RELU")


# Flattening


def test_a_flat_input_needs_no_flattening():
    assert [linear(10), RELU, {"batchnorm1d": {}}] == layers("FC-10 -> RELU -> BN", "INPUT 784")


def test_only_the_first_fully_connected_layer_is_flattened_before():
    assert ["flatten", linear(20), RELU, linear(10)] == layers("FC-20 -> RELU -> FC-10")


def test_a_repeat_of_flat_layers_is_flattened_before_it():
    inner = {"repeat": 2, "layers": [{"dropout": {}}, {"batchnorm1d": {}}, linear(8)]}

    assert ["flatten", {"repeat": 3, "layers": [inner]}, linear(10)] == layers("[[DROPOUT -> BN -> FC-8]*2]*3 -> FC-10")


def test_a_repeat_with_volumes_is_flattened_inside():
    assert [{"repeat": 1, "layers": [pool(), "flatten", linear(8)]}, linear(4)] == layers("[POOL -> FC-8]*1 -> FC-4")


@pytest.mark.parametrize(("count", "expected"), [("0", 0), ("K", "=K")])
def test_a_repeat_that_may_not_happen_has_flattened_nothing(count, expected):
    repeated = {"repeat": expected, "layers": [pool(), "flatten", linear(8)]}

    assert [repeated, "flatten", linear(4)] == layers(f"[POOL -> FC-8]*{count} -> FC-4")


def test_batch_norm_is_of_volumes_before_and_of_vectors_after_the_flattening():
    assert [{"batchnorm2d": {}}, "flatten", linear(8), {"batchnorm1d": {}}] == layers("BN -> FC-8 -> BN")


# Parameters


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ("FC", {"FC": None}),
        ("FC-10", {}),
        ("FC -> FC-10", {"FC": None}),
        ("FC -> RELU -> FC", {"FC": None, "CLASSES": "=FC"}),
        ("[FC -> RELU]*K", {"FC": None, "K": None}),
        ("FC -> [FC -> RELU]*2", {"FC": None}),
        ("CONV -> POOL? -> FC-10", {"CONV": None, "POOL": True}),
    ],
)
def test_what_has_no_size_becomes_a_parameter(chain, expected):
    assert expected == document(f"INPUT 3x32x32 -> {chain}")["params"]


def test_the_last_layer_is_as_wide_as_there_are_classes():
    graph = read_pattern("INPUT 784 -> [FC -> RELU]*K -> FC", Overrides(params={"K": 1, "FC": 100, "CLASSES": 10}))

    assert [100, 10] == [node.args["out_features"] for node in graph.nodes if node.op == "linear"]


def test_without_classes_the_last_layer_is_as_wide_as_the_others():
    graph = read_pattern("INPUT 784 -> [FC -> RELU]*K -> FC", Overrides(params={"K": 1, "FC": 10}))

    assert [10, 10] == [node.args["out_features"] for node in graph.nodes if node.op == "linear"]


# Places


def test_every_node_stands_where_it_was_written():
    pattern = "INPUT 3x32x32 -> [CONV5-6s2p0 -> POOL?]*N"
    found = compose_pattern(pattern)
    repeat = found.root.get("layers").items[0]
    arguments = repeat.get("layers").items[0].get("conv2d")

    def text_at(tree: Tree) -> str:
        assert 1 == tree.line
        return pattern[tree.column - 1 :]

    assert text_at(found.root).startswith("INPUT")
    assert text_at(found.root.get("input")).startswith("3x32")
    assert text_at(repeat).startswith("[CONV5")
    assert text_at(repeat.entries[0][0]).startswith("*N")
    assert text_at(repeat.get("repeat")) == "N"
    assert text_at(arguments).startswith("CONV5")
    assert text_at(arguments.get("kernel_size")).startswith("5-6")
    assert text_at(arguments.get("out_channels")).startswith("6s2")
    assert text_at(arguments.get("stride")).startswith("2p0")
    assert text_at(arguments.get("padding")).startswith("0 ->")
    assert text_at(repeat.get("layers").items[1]).startswith("POOL?")
    assert text_at(found.root.get("params").get("N")) == "N"


def test_a_layers_error_points_into_the_pattern():
    with pytest.raises(SpecError) as caught:
        read_pattern("INPUT 3x32x32 -> CONV3-64 -> POOL2s0", Overrides())

    assert (
        "<pattern>:1:36: error[bad-argument] maxpool2d: stride must be >= 1, got 0\n"
        "  INPUT 3x32x32 -> CONV3-64 -> POOL2s0\n"
        "                                     ^"
    ) == str(caught.value)


# What is refused


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", [(1, "pattern-syntax")]),
        ("CONV3-64 -> RELU", [(1, "pattern-syntax")]),
        ("INPUTS -> FC", [(1, "pattern-syntax")]),
        ("INPUT 3x32 -> FC", [(7, "pattern-syntax")]),
        ("INPUT 3x3x3x3 -> FC", [(7, "pattern-syntax")]),
        ("INPUT 3x32x -> FC", [(7, "pattern-syntax")]),
        ("INPUT [32x32x3 -> FC", [(16, "pattern-syntax")]),
        ("INPUT FC", [(7, "pattern-syntax")]),
        ("INPUT -> FC FC", [(13, "pattern-syntax")]),
        ("INPUT -> ", [(10, "pattern-syntax")]),
        ("INPUT -> -> FC", [(10, "pattern-syntax")]),
        ("INPUT -> []", [(11, "pattern-syntax")]),
        ("INPUT -> [FC", [(13, "pattern-syntax")]),
        ("INPUT -> [FC)", [(13, "pattern-syntax")]),
        ("INPUT -> FC]", [(12, "pattern-syntax")]),
        ("[INPUT -> FC", [(13, "pattern-syntax")]),
        ("INPUT -> FC-10x", [(12, "pattern-syntax")]),
        ("INPUT -> 64", [(10, "pattern-syntax")]),
        ("INPUT -> FC*", [(13, "pattern-syntax")]),
        ("INPUT -> FC*NM", [(13, "pattern-syntax")]),
        ("INPUT -> FC*2x", [(13, "pattern-syntax")]),
        ("INPUT -> FC*2*2", [(14, "pattern-syntax")]),
        ("INPUT -> CONV?", [(10, "pattern-syntax")]),
        ("INPUT -> RELU-3", [(15, "pattern-syntax")]),
        ("INPUT -> FC10", [(12, "pattern-syntax")]),
        ("INPUT -> POOL2-3", [(16, "pattern-syntax")]),
        ("INPUT -> \x1b[31m", [(10, "pattern-syntax")]),
        ("INPUT -> CNOV3-64 -> RLU -> FC-10", [(10, "unknown-layer"), (22, "unknown-layer")]),
        ("INPUT 9223372036854775808 -> FC*9223372036854775808", [(7, "too-large"), (33, "too-large")]),
        ("INPUT -> FC-99999999999999999999", [(13, "too-large")]),
        ("INPUT 3x8x8 -> " + "[" * 65 + "RELU" + "]" * 65, [(81, "too-deep")]),
    ],
)
def test_an_error_has_its_column(pattern, expected):
    assert expected == refused(pattern)


def test_an_error_is_drawn_under_the_pattern():
    assert (
        "<pattern>:1:18: error[unknown-layer] unknown layer CNOV\n"
        "  INPUT 3x32x32 -> CNOV3-64\n"
        "                   ^\n"
        "  hint: did you mean CONV?"
    ) == said("INPUT 3x32x32 -> CNOV3-64")


def test_what_resembles_no_layer_brings_all_there_are():
    assert "hint: the layers are CONV, POOL, MAXPOOL, AVGPOOL, FC, RELU," in said("INPUT -> XYZ")


def test_a_part_that_a_layer_does_not_take_brings_how_it_is_written():
    assert "hint: a fully connected layer is written FC-10" in said("INPUT -> FC10")


def test_a_pattern_has_at_most_ten_thousand_characters():
    chain = "INPUT 3x8x8" + " -> RELU" * 1200
    assert 1200 == len(document(chain.ljust(LONGEST))["layers"])
    assert [(1, "pattern-too-long")] == refused(chain.ljust(LONGEST + 1))


def test_sixty_four_brackets_are_allowed():
    assert ["relu"] == ops("INPUT 3x8x8 -> " + "[" * 64 + "RELU" + "]*1" * 64)


def test_twenty_five_problems_are_reported_and_no_more():
    assert 25 == len(refused("INPUT" + " -> XYZ" * 100))


def test_a_pattern_of_spaces_or_one_long_word_is_read_in_no_time():
    patterns = [
        "INPUT 3" + " " * 9_900,
        "INPUT -> " + "A" * 9_900,
        "INPUT -> " + "A" * 4_900 + " " * 4_900,
        "INPUT " + "1x" * 4_900,
    ]
    before = time.process_time()
    codes = [getattr(_outcome(pattern), "code", "read") for pattern in patterns]

    assert ["read", "unknown-layer", "unknown-layer", "pattern-syntax"] == codes
    assert time.process_time() - before < 0.5


def _outcome(pattern: str) -> Mapping | SpecError:
    try:
        return compose_pattern(pattern).root
    except SpecError as error:
        return error


# What is meant as a pattern


@pytest.mark.parametrize(
    "text",
    ["INPUT -> FC", "input: FC", " INPUT", "[INPUT - FC]", "( INPUT 3x3x3", "INPUT→FC", "INPUT,FC", "INPUT-FC-10"],
)
def test_what_begins_with_the_word_input_is_a_pattern(text):
    assert is_pattern(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vgg16",
        "inputs",
        "input_net",
        "input.yaml",
        "input-net.yaml",
        "input-net.yaml#small",
        "INPUT/x",
        "./INPUT",
        "-",
    ],
)
def test_names_and_files_are_no_patterns(text):
    assert not is_pattern(text)


# Properties

SOUP = st.lists(
    st.sampled_from(
        [
            "INPUT",
            "3x32x32",
            "[32x32x3]",
            "CONV3-64",
            "CONV",
            "POOL2",
            "POOL?",
            "RELU",
            "FC-10",
            "FC",
            "BN",
            "SOFTMAX",
            "->",
            "→",
            "-",
            ",",
            "[",
            "]",
            "(",
            ")",
            "*",
            "*2",
            "*N",
            "*0",
            "?",
            ":",
            "64",
            "x",
            "s2",
            "p1",
            "XYZ",
            "é",
            "\n",
            "\x00",
            "×",
        ]
    ),
    max_size=25,
).map(" ".join)


@settings(deadline=None)
@given(
    st.one_of(
        SOUP, SOUP.map("INPUT 3x8x8 -> {}".format), SOUP.map("INPUT -> [{}]*2 -> FC".format), st.text(max_size=40)
    )
)
def test_any_text_gives_a_document_or_an_error_within_it(text):
    found = _outcome(text)
    if isinstance(found, SpecError):
        for problem in found.problems:
            assert 1 <= problem.place.column <= len(text) + 1
        assert str(found).isascii() or str(found).encode()
        return
    assert ["cnnprof", "name", "input", "params", "layers"] == [key.value for key, _ in found.entries]


ITEMS = st.recursive(
    st.sampled_from(["CONV3-4", "CONV", "CONV3-4s2", "RELU", "POOL", "POOL?", "FC-10", "FC", "BN", "DROPOUT"]),
    lambda inner: st.tuples(
        st.lists(inner, min_size=1, max_size=3).map(" -> ".join), st.sampled_from(["", "*2", "*N", "*0"])
    ).map("[{0[0]}]{0[1]}".format),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.lists(ITEMS, min_size=1, max_size=4).map(" -> ".join))
def test_every_well_formed_pattern_gives_a_network_or_an_error_of_a_layer(chain):
    document(f"INPUT 3x32x32 -> {chain}")
    params = {
        name: found
        for name, found in {"CONV": 4, "FC": 5, "N": 1}.items()
        if name in document(f"INPUT -> {chain}")["params"]
    }
    try:
        graph = read_pattern(f"INPUT 3x32x32 -> {chain}", Overrides(params=params))
    except CnnprofError as error:
        found = error.code
    else:
        found = "a network" if graph.nodes else "nothing"
    assert found in ("a network", "bad-shape", "bad-argument", "empty-network")
