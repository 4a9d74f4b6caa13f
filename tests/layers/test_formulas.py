"""Every layer type's cells have formulas that evaluate to them, whatever its arguments; some as a textbook has them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cnnprof.analyzer import analyze
from cnnprof.errors import LayerError
from cnnprof.formulas import formulas
from cnnprof.formulas.explain import explain
from cnnprof.layers import REGISTRY
from cnnprof.model.analysis import Analysis
from cnnprof.model.graph import Edge, Graph, Input, Node, Recorded
from tests.helpers.formula_check import wrong
from tests.helpers.formulas import value

every_layer = pytest.mark.parametrize("op", sorted(REGISTRY))
EVERY_EXAMPLE = [(op, n) for op in sorted(REGISTRY) for n in range(len(REGISTRY[op].examples))]
ABSENT = object()
DUMMY = Input(name="dummy", shape=(1,))


def one_layer(op, args, shapes, **more) -> Graph:
    """A network of one layer. Inputs of one batch are the network's; any others are learnable tensors."""
    learnt = len({shape[0] for shape in shapes}) != 1
    names = [f"in{at}" for at in range(len(shapes))]
    inputs = [Input(name=name, shape=tuple(shape[1:])) for name, shape in zip(names, shapes, strict=True)]
    before = [
        Node(name=name, op="parameter", args={"shape": [*shape]}, inputs=())
        for name, shape in zip(names, shapes, strict=True)
    ]
    node = Node(name="layer", op=op, args=args, inputs=tuple(map(Edge, names)), **more)
    return Graph(
        name=op, source="test", inputs=(DUMMY,) if learnt else tuple(inputs),
        nodes=(*(before if learnt else ()), node), outputs={"output": Edge("layer")},
    )  # fmt: skip


def analysed(graph: Graph, batch: int, **options) -> Analysis:
    return analyze(graph, batch=batch, input_grad=True, **options)


def batch_of(shapes) -> int:
    return shapes[0][0] if shapes else 1


def formula(column, op, args, *shapes, **more) -> str:
    """The formula of one cell of one layer."""
    return formulas(analysed(one_layer(op, args, shapes, **more), batch_of(shapes)))[-1][column]


@pytest.mark.parametrize(("op", "number"), EVERY_EXAMPLE)
def test_the_formulas_of_an_example_are_its_cells(op, number):
    example = REGISTRY[op].examples[number]
    found = analysed(one_layer(op, example.args, example.inputs), batch_of(example.inputs))

    assert [] == wrong(found, formulas(found))


@pytest.mark.parametrize(("op", "number"), EVERY_EXAMPLE)
@pytest.mark.parametrize("state", [{}, {"frozen": True}, {"when": "train"}], ids=str)
def test_an_example_can_be_explained_line_by_line(op, number, state):
    example = REGISTRY[op].examples[number]
    found = analysed(one_layer(op, example.args, example.inputs, **state), batch_of(example.inputs))

    steps = [step for section in explain(found, "layer").sections for step in section.steps]

    assert [] == [step for step in steps if step.formula is not None and float(value(step.formula)) != step.value]
    assert {"elements", "ops", "act. memory"} <= {step.name.rpartition(", ")[2] for step in steps}


@every_layer
@settings(
    max_examples=60, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
@given(data=st.data())
def test_whatever_arguments_are_drawn_a_formula_is_its_cell(op, data):
    kind = REGISTRY[op]
    drawn = {
        field.name: data.draw(st.sampled_from([*kind.choices[field.name], *([] if field.required else [ABSENT])]))
        for field in msgspec.structs.fields(kind)
    }
    args = {name: value for name, value in drawn.items() if value is not ABSENT}
    shapes = data.draw(st.sampled_from(list(kind.input_choices)))
    state = {
        "frozen": data.draw(st.sampled_from([False, True, "eval"])),
        "when": data.draw(st.sampled_from(["always", "train"])),
    }
    try:
        found = analysed(one_layer(op, args, shapes, **state), batch_of(shapes))
    except LayerError:
        assume(False)

    assert [] == wrong(found, formulas(found))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("params", "3·3·3·64 + 64"),
        ("output", "1 × 64 × (⌊(224 + 1 + 1 − 3) / 1⌋ + 1) × (⌊(224 + 1 + 1 − 3) / 1⌋ + 1)"),
        ("macs", "3·3·3·64·224·224"),
        ("flops", "2·86,704,128"),
        ("adds", "3·3·3·64·224·224 − 64·224·224 + 64·224·224"),
        ("ops", "86,704,128 + 86,704,128"),
        ("useful_macs", "64·3·(3·224 − 2)·(3·224 − 2)"),
        ("toeplitz_nonzeros", "(3·224 − 2)·(3·224 − 2)·64·3"),
        ("param_bytes", "1,792·4"),
        ("read_bytes", "3·224·224·4 + 7,168"),
        ("intensity", "173,408,256 / (609,280 + 12,845,056)"),
        ("training_flops", "2·(86,704,128 + 86,704,128 + 86,704,128)"),
        ("rf", "size 1 + (3 − 1)·1; stride 1·1; padding 0 + 1·1"),
        ("window_cut", "max(0, 224 − ((224 − 1)·1 + 3 − 1)) × max(0, 224 − ((224 − 1)·1 + 3 − 1))"),
        ("macs_share", "86,704,128 / 86,704,128"),
    ],
)
def test_the_first_convolution_of_vgg_is_counted_as_a_textbook_does(column, expected):
    args = {"out_channels": 64, "kernel_size": 3, "padding": 1}

    assert expected == formula(column, "conv2d", args, (1, 3, 224, 224))


@pytest.mark.parametrize(
    ("column", "expected", "op", "args", "shapes"),
    [
        ("params", "400·120 + 120", "linear", {"out_features": 120}, [(1, 400)]),
        ("macs", "400·8·120", "linear", {"out_features": 120}, [(8, 400)]),
        ("params", "3·3·(64 / 32)·128 + 128", "conv2d", {"out_channels": 128, "kernel_size": 3, "groups": 32},
         [(1, 64, 8, 8)]),
        ("output", "1 × 8 × (⌊(9 − (2·(3 − 1) + 1)) / 2⌋ + 1)", "conv1d",
         {"out_channels": 8, "kernel_size": 3, "dilation": 2, "stride": 2}, [(1, 4, 9)]),
        ("output", "1 × 4 × (⌈(9 − 2) / 2⌉ + 1)", "maxpool1d", {"kernel_size": 2, "ceil_mode": True}, [(1, 4, 9)]),
        ("cmps", "4·7·7·(3·3 − 1)", "maxpool2d", {"kernel_size": 3, "stride": 2}, [(1, 4, 15, 15)]),
        ("adds", "512·7·7 − 512·1·1", "adaptiveavgpool2d", {"output_size": 1}, [(1, 512, 7, 7)]),
        ("output", "1 × 64 × ((28 − 1)·2 + 2 − 1 + 1) × ((28 − 1)·2 + 2 − 1 + 1)", "convtranspose2d",
         {"out_channels": 64, "kernel_size": 2, "stride": 2}, [(1, 128, 28, 28)]),
        ("buffers", "64 + 64 + 1", "batchnorm2d", {}, [(1, 64, 8, 8)]),
        ("buffer_bytes", "64·4 + 64·4 + 8", "batchnorm2d", {}, [(1, 64, 8, 8)]),
        ("muls", "64·8·8", "batchnorm2d", {}, [(1, 64, 8, 8)]),
        ("output", "1 × (64 + 32) × 8 × 8", "concat", {}, [(1, 64, 8, 8), (1, 32, 8, 8)]),
        ("output", "1 × 16·5·5", "flatten", {}, [(1, 16, 5, 5)]),
        ("output", "1 × 3 × 4·2 × 5·2", "upsample", {"scale_factor": 2}, [(1, 3, 4, 5)]),
        ("activations", "0: a view of what is there", "flatten", {}, [(1, 16, 5, 5)]),
        ("activations", "0: written over the input", "relu", {"inplace": True}, [(1, 16, 5, 5)]),
        ("torchsummary_outputs", "0: runs as a function, and torchsummary sees modules only", "concat", {},
         [(1, 2, 3), (1, 2, 3)]),
    ],
)  # fmt: skip
def test_a_formula_reads_as_a_teacher_writes_it(column, expected, op, args, shapes):
    assert expected == formula(column, op, args, *shapes)


CONV = Node(name="conv", op="conv2d", args={"out_channels": 2, "kernel_size": 3}, inputs=(Edge("input"),))
IMAGE = Input(name="input", shape=(3, 6, 6))


def network(*nodes: Node) -> Graph:
    return Graph(name="net", source="test", inputs=(IMAGE,), nodes=nodes, outputs={"output": Edge(nodes[-1].name)})


def test_what_is_shared_or_rests_says_why_it_is_0():
    args = {"out_channels": 3, "kernel_size": 1}
    first = Node(name="a", op="conv2d", args=args, inputs=(Edge("input"),))
    again = Node(name="b", op="conv2d", args=args, inputs=(Edge("a"),), share="a")
    drop = Node(name="c", op="relu", inputs=(Edge("b"),), when="train")
    found = analysed(network(first, again, drop), 1)

    texts = formulas(found)

    assert [] == wrong(found, texts)
    assert "0: the weights are counted where they are shared from" == texts[1]["params"]
    assert "3·6·6·4 + 48" == texts[1]["read_bytes"]
    assert "the weights are counted where they are shared from" == explain(found, "b").step("params").about
    assert "0: works in training only" == texts[2]["cmps"] == texts[2]["activations"]


def test_what_is_frozen_has_parameters_and_no_gradient():
    found = analyze(network(msgspec.structs.replace(CONV, frozen=True)))

    (texts,) = formulas(found)

    assert ("0: frozen", "3·3·3·2 + 2") == (texts["trainable_params"], texts["frozen_params"])
    assert ("0: no weight here trains", "0: nothing before it trains") == (
        texts["weight_grad_macs"], texts["input_grad_macs"],
    )  # fmt: skip


def test_an_unknown_operator_has_no_formulas_and_neither_has_the_field_behind_it():
    strange = Node(
        name="strange", op="mystery", inputs=(Edge("conv"),), recorded=(Recorded((1, 2, 4, 4)),)
    )  # fmt: skip
    relu = Node(name="relu", op="relu", inputs=(Edge("strange"),))
    found = analyze(network(CONV, strange, relu))

    texts = formulas(found)

    assert [] == wrong(found, texts)
    assert {} == texts[1]
    assert "rf" not in texts[2]


def test_a_tensor_that_arrives_twice_is_read_once():
    twice = Node(name="twice", op="add", inputs=(Edge("input"), Edge("input")))

    assert "3·6·6·4" == formulas(analyze(network(twice)))[0]["read_bytes"]


def test_the_field_of_a_join_is_the_higher_high_and_the_lower_low():
    branch = Node(
        name="wide", op="conv2d", args={"out_channels": 2, "kernel_size": 5, "padding": 2}, inputs=(Edge("input"),)
    )
    thin = Node(name="thin", op="conv2d", args={"out_channels": 2, "kernel_size": 1}, inputs=(Edge("input"),))
    join = Node(name="join", op="concat", inputs=(Edge("wide"), Edge("thin")))
    found = analyze(network(branch, thin, join))

    assert "size max(5 − 2, 1 − 0) + max(2, 0); stride 1; padding max(2, 0)" == formulas(found)[-1]["rf"]
