"""Whatever layers are called, they shadow nothing, run nothing and can be found again."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch.func import functional_call

import cnnprof
from cnnprof.builder.source import identifier, is_plain
from cnnprof.model.graph import Edge, Graph, Input
from cnnprof.model.plain import replace
from tests.builder.specs import build, chain, node

HOSTILE = [
    "class", "if", "None", "print", "self", "getattr", "__debug__", "input",  # what Python reads
    "train", "type", "forward", "training", "parameters", "state_dict", "_modules", "T_destination",  # nn.Module's own
    "__class__", "__dict__", "__init__", "__mangled", "code", "graph", "paths", "_shared",
    "0", "07", "٣", "-1", "a-b", "a b", "a'b", 'a"b', "a\\", "a\nb", "a#b", "",
    "größe", "ﬁ", "fi", "²", "🙂", "\x1b[31m",
    "{0}", "%s", "');import os;('", "\ud800",
]  # fmt: skip


def named(name: str) -> Graph:
    """Return a network of a layer of that name, of a group of that name, and of ordinary ones."""
    return chain(
        node(name, "linear", "input", out_features=3),
        node(f"group.{name}", "relu", name),
        node(f"{name}_.inner", "linear", f"group.{name}", out_features=3),
        node("last", "relu", f"{name}_.inner"),
        inputs=(Input(name="x" if name == "input" else "input", shape=(3,)),),
    )


def retarget(graph: Graph) -> Graph:
    """A network input may not bear a layer's name; let the first layer read the input that there is."""
    first, *others = graph.nodes
    return replace(graph, nodes=(replace(first, inputs=(Edge(graph.inputs[0].name),)), *others))


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_layer_may_have_any_name(name):
    graph = retarget(named(name))
    network = cnnprof.build(graph)
    first = network.get_submodule(network.paths[name])
    values = torch.randn(2, 3)

    assert list(network.paths) == [each.name for each in graph.nodes]
    assert len(set(network.paths.values())) == len(graph.nodes)
    assert isinstance(first, torch.nn.Linear)
    assert first.weight is network.state_dict(keep_vars=True)[f"{network.paths[name]}.weight"]
    expected = network.last(network.get_submodule(network.paths[f"{name}_.inner"])(torch.relu(first(values))))
    assert torch.equal(expected, network(values))
    assert torch.equal(expected, functional_call(network, network.state_dict(), (values,)))
    assert not network.eval().training
    assert "linear" in repr(network).lower()
    assert (repr(network) + network.code).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("class", "class"),
        ("0", "0"),
        ("a-b", "a-b"),
        ("größe", "größe"),
        ("train", "train_"),
        ("type", "type_"),
        ("__class__", "__class___"),
        ("code", "code_"),
        ("", "_"),
        ("\x1b[31m", "_[31m"),
        ("conv.weight", "conv.weight"),
    ],
)
def test_a_name_is_kept_unless_torch_has_it_for_itself(name, path):
    network = cnnprof.build(chain(node(name, "relu", "input"), node("last", "relu", name)))

    assert path == network.paths[name]


def test_of_two_names_the_one_that_is_free_is_kept():
    network = cnnprof.build(chain(node("train", "relu", "input"), node("train_", "tanh", "train")))

    assert {"train": "train__", "train_": "train_"} == network.paths


def test_a_layer_below_another_layer_does_not_take_its_weight_for_a_name():
    network = cnnprof.build(
        chain(
            node("conv", "conv2d", "input", out_channels=3, kernel_size=1),
            node("conv.weight", "relu", "conv"),
            node("conv.after", "tanh", "conv.weight"),
        )
    )

    assert {"conv": "conv", "conv.weight": "conv.weight_", "conv.after": "conv.after"} == network.paths
    assert isinstance(network.conv.weight, torch.nn.Parameter)
    assert (1, 3, 8, 8) == network(torch.randn(1, 3, 8, 8)).shape


def test_names_of_a_specification_that_are_words_of_python_or_torch(tmp_path):
    network = build(
        tmp_path,
        """
        input: [3]
        layers:
          - {linear: {out_features: 3}, name: train}
          - {linear: {out_features: 3}, name: import}
          - group: [relu]
            name: forward
        """,
    )

    assert "train = self.train_(input)" in network.code
    assert "import_2 = getattr(self, 'import')(train)" in network.code
    assert "forward_relu = self.forward_.relu(import_2)" in network.code


def test_layers_whose_names_look_alike_in_code_are_told_apart():
    network = cnnprof.build(
        chain(node("a.b_c", "relu", "input"), node("a_b.c", "tanh", "a.b_c"), node("a_b_c", "sigmoid", "a_b.c"))
    )
    values = torch.randn(1, 3, 8, 8)

    assert torch.equal(values.relu().tanh().sigmoid(), network(values))
    assert "a_b_c_3 = self.a_b_c(a_b_c_2)" in network.code


def test_an_input_of_any_name_can_be_given():
    inputs = (Input(name="self", shape=(3,)), Input(name="class", shape=(3,)), Input(name="a.b", shape=(3,)))
    network = cnnprof.build(chain(node("add", "add", "self", "class", "a.b"), inputs=inputs))
    ones = torch.ones(1, 3)

    assert network.code.startswith("def forward(self, self_2, class_2, a_b):\n")
    assert [[3.0, 3.0, 3.0]] == network(ones, class_2=ones, a_b=ones).tolist()


def test_an_outputs_name_is_only_a_text():
    graph = chain(node("relu", "relu", "input"), node("tanh", "tanh", "relu"))
    name = "'): exec('raise SystemExit"
    network = cnnprof.build(replace(graph, outputs={name: Edge("relu"), "output": Edge("tanh")}))

    assert [name, "output"] == list(network(torch.randn(1, 3, 8, 8)))


def test_the_name_of_a_network_is_printed_harmlessly():
    network = cnnprof.build(replace(chain(node("relu", "relu", "input")), name="\x1b]0;x\x07 net\n"))

    assert repr(network).startswith("_0_x_net_(")


def test_any_text_becomes_one_identifier():
    letters = "aZ0_.-ﬁ²ªß\u0301\u200d\ud800 🙂٣ⅷº·"
    taken: set[str] = set()
    for name in ["", *map("".join, product(letters, letters))]:
        found = identifier(name, taken)
        assert is_plain(found), ascii(found)
        assert found not in taken
        taken.add(found)
