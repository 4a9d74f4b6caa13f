"""One network against another: the first layer that differs and what it costs. No torch."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

import cnnprof
from cnnprof.model.graph import Edge, Graph, Input, Node
from cnnprof.model.plain import replace
from cnnprof.model.validation import Figure
from cnnprof.validator import validate

CHAIN = "INPUT 3x16x16 -> CONV3-8 -> RELU -> CONV3-8 -> RELU -> POOL2 -> FC-10"


def figures(mine: Graph, other: Graph) -> dict[str, Figure]:
    return {figure.what: figure for figure in validate(mine, against=other).figures}


def verdict(mine: str, other: str) -> Figure:
    """The line about layers of two models."""
    return figures(cnnprof.load(mine), cnnprof.load(other))["layers"]


def renamed(graph: Graph, seed: int = 0) -> Graph:
    """The same network with other names, its branches listed in another order, its sums in another order."""
    draw = random.Random(seed)  # noqa: S311 a test, no secret
    names = {node.name: f"n{index}" for index, node in enumerate(graph.nodes)}
    waiting, ready = list(graph.nodes), {each.name for each in graph.inputs}
    ordered: list[Node] = []
    while waiting:
        able = [node for node in waiting if {edge.node for edge in node.inputs} <= ready]
        node = draw.choice(able)
        waiting.remove(node)
        ready.add(node.name)
        edges = [Edge(names.get(edge.node, edge.node), edge.output) for edge in node.inputs]
        inputs = tuple(reversed(edges)) if node.op == "add" else tuple(edges)
        ordered.append(replace(node, name=names[node.name], inputs=inputs))
    outputs = {name: Edge(names[edge.node], edge.output) for name, edge in graph.outputs.items()}
    return replace(graph, name="renamed", nodes=tuple(ordered), outputs=outputs, containers=())


@pytest.mark.parametrize(
    "name", ["resnet50", "googlenet_2014", "densenet121", "shufflenet_v2_x0_5", "mobilenet_v3_small"]
)
def test_names_and_the_order_of_branches_mean_nothing(name):
    graph = cnnprof.load(name)

    assert {"equal"} == {figure.verdict for figure in figures(graph, renamed(graph)).values()}


def test_resnet_50_of_the_paper_strides_in_the_1x1():
    found = figures(cnnprof.load("resnet50"), cnnprof.load("resnet50_v1"))

    assert ("differs", "layer2.0.conv1") == (found["layers"].verdict, found["layers"].layer)
    assert found["layers"].note == (
        "stride sits in the 3×3 (layer2.0.conv2), in resnet50_v1 in the 1×1 (layer2.0.conv1): "
        "+231,211,008 MACs, receptive field 483 → 427; 6 layers differ"
    )
    assert (4_089_184_256, 3_857_973_248) == (found["MACs"].ours, found["MACs"].theirs)
    assert ("427", "483") == (found["receptive field"].ours, found["receptive field"].theirs)
    assert "equal" == found["parameters"].verdict == found["input"].verdict == found["output"].verdict


def test_the_other_way_round_it_sits_in_the_1x1_and_costs_less():
    note = verdict("resnet50_v1", "resnet50").note or ""

    assert note.startswith(
        "stride sits in the 1×1 (layer2.0.conv1), in resnet50 in the 3×3 (layer2.0.conv2): "
        "−231,211,008 MACs, receptive field 427 → 483"
    )


def test_a_kernel_of_3_in_place_of_5_is_named_with_its_cost():
    found = verdict(CHAIN, CHAIN.replace("CONV3-8 -> RELU -> POOL", "CONV5-8 -> RELU -> POOL"))

    # 16 taps fewer, for 8·8 pairs of channels at 16×16 positions.
    assert ("differs", "conv2d_2") == (found.verdict, found.layer)
    assert (
        "kernel_size 3×3, in pattern 5×5, padding 1×1, in pattern 2×2: "
        "−262,144 MACs, −1,024 parameters, receptive field 8 → 6"
    ) == found.note


def test_a_layer_that_only_one_network_has_is_named():
    found = verdict("vgg16_bn", "vgg16")
    missing = verdict("vgg16", "vgg16_bn")

    assert ("bn1_1", "batchnorm2d (bn1_1) is not in vgg16: +8,448 parameters; 13 layers differ") == (
        found.layer, found.note,
    )  # fmt: skip
    assert ("bn1_1", "batchnorm2d (bn1_1) is only in vgg16_bn: −8,448 parameters; 13 layers differ") == (
        missing.layer, missing.note,
    )  # fmt: skip


def test_the_first_layer_of_a_longer_block_is_named():
    assert "conv3_4" == verdict("vgg16", "vgg19").layer
    assert "layer1.2.conv1" == verdict("resnet18", "resnet34").layer
    assert "denseblock3.denselayer25.conv1" == verdict("densenet121", "densenet169").layer


def test_another_type_of_layer_is_named():
    found = verdict(CHAIN, CHAIN.replace("FC-10", "RELU -> FC-10").replace("POOL2", "AVGPOOL2"))

    assert (found.note or "").startswith("it is maxpool2d, in pattern avgpool2d")


def test_what_costs_nothing_says_so():
    found = verdict("INPUT 3x8x8 -> CONV3-4 -> RELU", "INPUT 3x8x8 -> CONV3-4 -> TANH")

    assert "it is relu, in pattern tanh (tanh): no MACs, no parameters" == found.note


def graph(*nodes: Node, name: str = "net", shape: tuple[int, ...] = (4, 8, 8)) -> Graph:
    return Graph(
        name=name, source=name, inputs=(Input(name="input", shape=shape),), nodes=nodes,
        outputs={"output": Edge(nodes[-1].name)},
    )  # fmt: skip


def node(name: str, op: str, *reads: str, **args: object) -> Node:
    return Node(name=name, op=op, args=args, inputs=tuple(map(Edge, reads)))


def test_layers_that_are_alike_but_read_something_else_are_named():
    def net(*last: str) -> Graph:
        return graph(node("a", "relu", "input"), node("b", "tanh", "a"), node("c", "add", *last), name="-".join(last))

    found = figures(net("a", "b"), net("input", "b"))["layers"]

    assert ("differs", "c", "it reads a, b, in input-b input, b: no MACs, no parameters") == (
        found.verdict, found.layer, found.note,
    )  # fmt: skip
    assert "equal" == figures(net("a", "b"), net("b", "a"))["layers"].verdict


def test_the_order_of_what_is_joined_matters_where_it_does():
    def net(*last: str) -> Graph:
        return graph(node("a", "relu", "input"), node("b", "tanh", "input"), node("c", "concat", *last))

    assert "differs" == figures(net("a", "b"), net("b", "a"))["layers"].verdict


def test_the_same_arguments_in_other_words_are_alike():
    written = graph(node("c", "conv2d", "input", out_channels=4, kernel_size=3, padding="same"))
    meant = graph(node("d", "conv2d", "input", out_channels=4, kernel_size=[3, 3], padding=[1, 1], stride=1))

    assert {"equal"} == {figure.verdict for figure in figures(written, meant).values()}


def test_what_is_frozen_in_one_network_only_differs():
    free = graph(node("c", "conv2d", "input", out_channels=4, kernel_size=3))
    frozen = replace(free, nodes=(replace(free.nodes[0], frozen=True),))

    assert "frozen false, in net true: no MACs, no parameters" == figures(free, frozen)["layers"].note


def test_another_input_is_no_other_layer():
    small = cnnprof.load("resnet18", input="3x64x64")
    found = figures(small, cnnprof.load("resnet18"))

    assert ["input", "MACs"] == [what for what, each in found.items() if each.verdict == "differs"]


def twins(first: int) -> Graph:
    """Three branches of two convolutions, alike but for who reads them, listed from ``first`` on."""
    branches = [
        (node(f"a{at}", "conv2d", "input", out_channels=4, kernel_size=3),
         node(f"b{at}", "conv2d", f"a{at}", out_channels=4, kernel_size=3))
        for at in range(3)
    ]  # fmt: skip
    listed = [each for at in range(3) for each in branches[(first + at) % 3]]
    return graph(*listed, node("m", "mul", "b0", "b1"), node("cat", "concat", "m", "b2", dim=1))


def test_twins_may_change_places():
    found = [{figure.verdict for figure in figures(twins(0), twins(at)).values()} for at in range(3)]

    assert [{"equal"}] * 3 == found


def test_a_network_of_thousands_of_layers_is_compared_with_another_in_a_moment():
    """Work is counted, not time: the sequences that are left to align are short."""
    found = verdict("resnet1202", "resnet110")

    assert "differs" == found.verdict
    assert (found.layer or "").startswith("layer1.18")


def test_no_torch_is_needed():
    code = (
        "import sys; sys.modules['torch'] = None\nimport cnnprof\n"
        "print(cnnprof.validate('resnet50', against='resnet50_v1').ok)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(cnnprof.__file__).parents[1], capture_output=True, text=True, check=False
    )

    assert ("False\n", "") == (done.stdout, done.stderr)
