"""The reference network: torchvision's weights in our graph give torchvision's outputs, and in no other graph."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

import cnnprof
from cnnprof.model.graph import Edge, Graph, Node
from cnnprof.model.plain import replace
from cnnprof.model.validation import Figure
from cnnprof.validator import validate
from cnnprof.validator.case import Case
from cnnprof.validator.reference import smaller

FAMILIES = (
    *("convnext_tiny", "densenet121", "efficientnet_b5", "efficientnet_v2_s", "fcn_resnet50", "googlenet"),
    *("inception_v3", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf", "resnet18"),
    *("resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_1", "vgg11_bn"),
)
IN_BOTH_MODES = {"output in evaluation", "output in training"}
MORE = {
    "fcn_resnet50": {"output aux in evaluation", "output aux in training"},
    "googlenet": {"output aux1 in training", "output aux2 in training"},
    "inception_v3": {"output aux in training"},
}


def figures(graph: Graph, against: str | None = None) -> dict[str, Figure]:
    """Return what the check finds, by what is compared."""
    return {figure.what: figure for figure in validate(graph, against=against, checks=["reference"]).figures}


@pytest.mark.parametrize("name", FAMILIES)
def test_outputs_are_those_of_the_real_network_in_evaluation_and_in_training(name):
    graph = cnnprof.load(name)

    found = figures(graph)
    assert [] == [figure for figure in found.values() if figure.verdict not in ("equal", "close")]
    assert IN_BOTH_MODES | MORE.get(name, set()) == {what for what in found if what.startswith("output")}
    assert found["output in evaluation"].theirs > 0.1
    norms = sum(node.op == "batchnorm2d" for node in graph.nodes)
    assert not norms or 3 * norms == found["running statistics after training"].theirs


def test_every_network_of_the_zoo_that_torchvision_has_names_it():
    from cnnprof.readers.torchvision import models, split

    library = models()
    known = {*library.list_models(module=library), *library.list_models(module=library.segmentation)}
    names = {name: cnnprof.load(name).reference for name in cnnprof.zoo()}
    assert known & names.keys() == {name for name in known if (names.get(name) or "") == f"torchvision:{name}"}
    other = {name: reference for name, reference in names.items() if reference and name not in known}
    assert {
        "googlenet_no_aux": "torchvision:googlenet(aux_logits=False)",
        "inception_v3_no_aux": "torchvision:inception_v3(aux_logits=False)",
    } == other
    assert ("googlenet", {"aux_logits": False}) == split("googlenet(aux_logits=False)")


# Mistakes that no sum shows


def changed(graph: Graph, name: str, **args: Any) -> Graph:
    """Return the network with other arguments of one node."""
    nodes = tuple(
        replace(node, args={**node.args, **args}) if node.name == name else node for node in graph.nodes
    )  # fmt: skip
    return replace(graph, nodes=nodes)


def without(graph: Graph, name: str) -> Graph:
    """Return the network without a node of one input; who read it reads what it read."""
    (gone,) = (node for node in graph.nodes if node.name == name)
    (before,) = gone.inputs

    def read(node: Node) -> Node:
        return replace(node, inputs=tuple(before if edge.node == name else edge for edge in node.inputs))

    nodes = tuple(read(node) for node in graph.nodes if node.name != name)
    return replace(graph, nodes=nodes, containers=())


def swapped(graph: Graph, name: str) -> Graph:
    """Return the network with the first two inputs of a node the other way round."""
    nodes = tuple(
        replace(node, inputs=(node.inputs[1], node.inputs[0], *node.inputs[2:])) if node.name == name else node
        for node in graph.nodes
    )
    return replace(graph, nodes=nodes)


def without_the_last(graph: Graph) -> Graph:
    """Return the network without the node that gives its output, which what that reads gives now."""
    *nodes, last = graph.nodes
    return replace(graph, nodes=tuple(nodes), outputs=dict.fromkeys(graph.outputs, last.inputs[0]), containers=())


def with_relu_behind(graph: Graph, source: str) -> Graph:
    """Return the network with a relu, named more, behind ``source``, where whatever read that reads the relu."""
    more = Node(name="more", op="relu", inputs=(Edge(source),))
    nodes: list[Node] = []
    for node in graph.nodes:
        inputs = tuple(Edge("more") if edge.node == source else edge for edge in node.inputs)
        nodes += [replace(node, inputs=inputs), *([more] if node.name == source else [])]
    return replace(graph, nodes=tuple(nodes))


def retyped(graph: Graph, op: str, other: str) -> Graph:
    return replace(graph, nodes=tuple(replace(node, op=other) if node.op == op else node for node in graph.nodes))


def strides_in_the_1x1(graph: Graph) -> Graph:
    return changed(changed(graph, "layer2.0.conv1", stride=2), "layer2.0.conv2", stride=1)


MUTANTS: dict[str, tuple[str, Callable[[Graph], Graph], str]] = {
    "the stride sits in the 1×1": ("resnet50", strides_in_the_1x1, "layer2.0.conv1"),
    "a relu is missing": ("resnet18", lambda g: without(g, "layer2.0.relu"), "layer2.0.conv2"),
    "a relu too many": ("resnet18", lambda g: with_relu_behind(g, "layer1.1.bn2"), "more"),
    "the branches are exchanged": (
        "googlenet_no_aux", lambda g: swapped(g, "inception3a.concat"), "inception3a.concat",
    ),
    "new maps come before the old ones": (
        "densenet121", lambda g: swapped(g, "denseblock2.concat3"), "denseblock2.concat3",
    ),
    "the pool is not padded": ("resnet18", lambda g: changed(g, "maxpool", padding=0, ceil_mode=True), "maxpool"),
    "a convolution is dilated": (
        "resnet18", lambda g: changed(g, "layer3.1.conv2", padding=2, dilation=2), "layer3.1.conv2",
    ),
    "padding does not count in the average": (
        "inception_v3_no_aux",
        lambda g: changed(g, "Mixed_5b.branch_pool.pooled.avgpool2d", count_include_pad=False),
        "Mixed_5b.branch_pool.pooled.avgpool2d",
    ),
    "eps of a batch norm": ("resnet18", lambda g: changed(g, "layer4.1.bn2", eps=1e-3), "layer4.1.bn2"),
    "eps of a layer norm": (
        "convnext_tiny", lambda g: changed(g, "stage.1.1.layernorm", eps=1e-5), "stage.1.1.layernorm",
    ),
    "gelu by tanh": ("convnext_tiny", lambda g: changed(g, "stage.0.0.gelu", approximate="tanh"), "stage.0.0.gelu"),
    "relu for relu6": ("mobilenet_v2", lambda g: retyped(g, "relu6", "relu"), "stem.relu6"),
    "the gate skips its activation": (
        "mobilenet_v3_small",
        lambda g: without(g, "stage.0.bottleneck.squeeze_excitation.gate.relu"),
        "stage.0.bottleneck.squeeze_excitation.gate.conv2d_2",
    ),
    "channels are not shuffled": (
        "shufflenet_v2_x0_5",
        lambda g: without(g, "stage.0.1.channelshuffle"),
        "stage.0.2.branch2.conv_bn_relu.conv2d",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mistake_that_leaves_all_sums_right_is_found_at_the_first_layer_that_gives_something_else(mutant):
    name, mutate, layer = MUTANTS[mutant]

    found = figures(mutate(cnnprof.load(name)))
    layers = found["layers with the same result in evaluation"]
    assert ("differs", layer) == (layers.verdict, layers.layer)
    assert "equal" == found["layers with weights"].verdict


def test_how_far_the_networks_are_apart_is_said_for_the_output_and_for_the_layer():
    found = figures(changed(cnnprof.load("resnet18"), "layer4.1.bn2", eps=1e-3))

    assert "layer4.1.bn2" == found["output in evaluation"].layer
    whole, nearest = found["output in evaluation"].note.split("; ")[:2]
    assert whole.startswith("max|Δ| ÷ max|theirs| = 0.")
    assert nearest.startswith("the nearest value of the reference is 0.")
    assert nearest.endswith(" of its maximum away")


def test_an_eps_that_no_output_shows_is_named():
    found = figures(changed(cnnprof.load("convnext_tiny"), "norm.layernorm", eps=1e-5))["norms with this eps"]

    assert ("differs", "norm.layernorm", 23, 22) == (found.verdict, found.layer, found.ours, found.theirs)
    assert found.note.startswith("eps = 1e-05 here, 1e-06 there")


def test_another_momentum_shows_in_the_statistics_only():
    found = figures(changed(cnnprof.load("resnet18"), "layer2.0.bn1", momentum=0.01))

    assert {"running statistics after training"} == {what for what, each in found.items() if each.verdict == "differs"}
    statistics = found["running statistics after training"]
    assert ("layer2.0.bn1", 60, 58) == (statistics.layer, statistics.ours, statistics.theirs)


def test_another_probability_of_dropout_is_named_though_nothing_is_dropped():
    found = figures(changed(cnnprof.load("squeezenet1_1"), "dropout", p=0.4))

    chances = found["layers that drop values at random"]
    assert ("differs", "dropout", 1, 0) == (chances.verdict, chances.layer, chances.ours, chances.theirs)
    assert chances.note.startswith("p = 0.4 here, 0.5 there")
    assert "equal" == found["output in training"].verdict


def test_a_lost_bias_is_the_first_layer_with_other_weights():
    found = figures(changed(cnnprof.load("alexnet"), "conv2.conv2d", bias=False))

    assert ["layers with weights", "layers that drop values at random"] == list(found)
    layers = found["layers with weights"]
    assert ("conv2.conv2d", "differs") == (layers.layer, layers.verdict)
    assert ("conv2.conv2d: 192×64×5×5", "features.3: 192×64×5×5, 192") == (layers.ours, layers.theirs)


def test_a_missing_layer_is_found_by_its_reader_which_gives_something_else():
    layers = figures(without(cnnprof.load("resnet18"), "layer1.0.bn1"))["layers with weights"]

    assert ("layer1.0.relu", "layer1.0.conv2: 64×64×3×3", "layer1.0.bn1: 64, 64") == (
        layers.layer, layers.ours, layers.theirs,
    )  # fmt: skip
    assert layers.note.startswith("the nearest value of the reference is 0.")


def test_a_relu_that_repeats_what_another_layer_gave_is_named_and_not_what_reads_it():
    """Each of its values is one of the reference: the relu before the convolution changes nothing."""
    graph = cnnprof.load("alexnet")
    nodes = {node.name: node for node in graph.nodes}
    relu = replace(nodes["conv5.relu"], inputs=nodes["conv5.conv2d"].inputs)
    conv = replace(nodes["conv5.conv2d"], inputs=(Edge("conv5.relu"),))
    order = {"conv5.conv2d": relu, "conv5.relu": conv}
    moved = tuple(
        replace(node, inputs=(Edge("conv5.conv2d"),)) if node.name == "pool5" else order.get(node.name, node)
        for node in graph.nodes
    )

    layers = figures(replace(graph, nodes=moved, containers=()))["layers with the same result in evaluation"]
    assert ("differs", "conv5.relu") == (layers.verdict, layers.layer)
    assert "it gives what conv4.relu gave, once more than the reference" == layers.note


def test_a_relu_that_ends_at_6_is_found_where_values_go_beyond():
    graph = cnnprof.load("googlenet_no_aux")
    nodes = tuple(
        replace(node, op="relu6") if node.name == "inception5a.branch3.conv.relu" else node for node in graph.nodes
    )

    layers = figures(replace(graph, nodes=nodes))["layers with the same result in evaluation"]
    assert ("differs", "inception5a.branch3.conv.relu") == (layers.verdict, layers.layer)


def test_of_many_probabilities_the_one_that_differs_is_named():
    found = figures(changed(cnnprof.load("efficientnet_b0"), "stage.2.1.stochasticdepth", p=0.5))

    chances = found["layers that drop values at random"]
    assert ("stage.2.1.stochasticdepth", 10, 9) == (chances.layer, chances.ours, chances.theirs)
    assert chances.note.startswith("p = 0.5 here, 0.05 there")


HEAD = "aux1.auxiliary"
FITS_NO_MORE: dict[str, tuple[str, Callable[[Graph], Graph], str]] = {
    "the pool gives more": (
        "densenet121", lambda g: changed(g, "adaptiveavgpool2d", output_size=2), "adaptiveavgpool2d",
    ),
    "too little is flattened": ("resnet18", lambda g: changed(g, "flatten", start_dim=2), "flatten"),
    "maps are joined side by side": ("squeezenet1_1", lambda g: changed(g, "fire7.concat", dim=3), "fire7.concat"),
    "a head is pooled to more": (
        "googlenet", lambda g: changed(g, f"{HEAD}.adaptiveavgpool2d", output_size=2), f"{HEAD}.adaptiveavgpool2d",
    ),
    "the classifier is missing": ("resnet18", without_the_last, "flatten"),
}  # fmt: skip


@pytest.mark.parametrize("mutant", FITS_NO_MORE)
def test_where_weights_do_not_fit_because_of_what_arrives_the_layer_that_gives_it_is_named(mutant):
    name, mutate, layer = FITS_NO_MORE[mutant]

    assert layer == figures(mutate(cnnprof.load(name)))["layers with weights"].layer


# What is no mistake


def test_an_order_of_branches_that_means_nothing_is_no_difference():
    """The shortcut of a residual block written before its convolutions runs first, as the same sum."""
    graph = cnnprof.load("resnet18")
    nodes = {node.name: node for node in graph.nodes}
    early = ["layer2.0.downsample.conv2d", "layer2.0.downsample.batchnorm2d"]
    order = [name for name in nodes if name not in early]
    at = order.index("layer2.0.conv1")
    moved = replace(graph, nodes=tuple(nodes[name] for name in [*order[:at], *early, *order[at:]]))

    found = figures(swapped(moved, "layer2.0.add"))
    assert [] == [each for each in found.values() if each.verdict not in ("equal", "close")]
    assert "some branches run in another order" == found["layers with weights"].note


def test_what_holds_for_its_own_size_only_is_said():
    """The maxima of SqueezeNet tile their inputs at 224: rounding down is the same there, and nowhere else."""
    graph = cnnprof.load("squeezenet1_1")
    for name in ("maxpool1", "maxpool3", "maxpool5"):
        graph = changed(graph, name, ceil_mode=False)

    output = figures(graph)["output in evaluation"]
    assert ("differs", "maxpool3") == (output.verdict, output.layer)
    assert output.note.endswith("on 3×64×75; on the network's own size both agree")


def test_a_network_that_works_on_one_size_only_is_compared_on_that():
    graph = cnnprof.load("alexnet_2017")

    assert smaller(Case(graph)) is None
    found = figures(graph, "torchvision:alexnet")
    assert {"equal"} == {each.verdict for each in found.values()}


def test_the_smaller_image_is_neither_square_nor_too_small_for_any_window():
    assert (3, 64, 75) == smaller(Case(cnnprof.load("resnet18"))).inputs[0].shape
    assert smaller(Case(cnnprof.load("inception_v3"))) is None  # its auxiliary head needs maps of 17×17
    assert smaller(Case(cnnprof.load("resnet20"))) is None  # 32×32 is small enough
    assert smaller(Case(cnnprof.load("mlp_mnist"))) is None


def test_maps_that_are_brought_back_to_the_size_of_the_image_follow_it():
    graph = smaller(Case(cnnprof.load("fcn_resnet50")))

    assert [[64, 75], [64, 75]] == [node.args["size"] for node in graph.nodes if node.op == "upsample"]


# No reference


def test_a_network_without_a_reference_is_not_compared():
    assert {} == figures(cnnprof.load("lenet5"))


def test_a_parameter_that_was_set_makes_another_network_than_the_reference():
    assert {} == figures(cnnprof.load("resnet18", set={"num_classes": 10}))
    assert "layers with weights" in figures(cnnprof.load("resnet18", input="3x96x96"))


@pytest.mark.parametrize(
    ("against", "words"),
    [
        ("keras:resnet50", "'keras:resnet50' is no reference network (write torchvision:NAME"),
        ("torchvision:resnet51", "torchvision has no network 'resnet51'"),
        ("torchvision:resnet18(__import__('os'))", "torchvision has no network"),
        ("torchvision:googlenet(aux_logits=maybe)", "torchvision has no network"),
    ],
)
def test_a_reference_that_is_not_there_fails_the_check_and_says_what_to_write(against, words):
    found = figures(cnnprof.load("resnet18"), against)["the check itself"]

    assert "failed" == found.verdict
    assert words in found.note


def test_a_reference_that_takes_no_such_input_is_named_with_it():
    found = figures(cnnprof.load("lenet5"), "torchvision:resnet18")["the check itself"]

    assert ("failed", "torchvision:resnet18") == (found.verdict, found.by)
    assert found.note.startswith("torchvision:resnet18 does not run on 1×32×32: ")


def test_without_torchvision_the_check_fails_and_says_how_to_get_it(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torchvision", None)

    found = figures(cnnprof.load("resnet18"))["the check itself"]
    assert "failed" == found.verdict
    assert found.note.endswith("(pip install torchvision)")
