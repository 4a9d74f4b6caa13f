"""A marked network computes what the plain one does, from the same tensors, with two calls around each layer."""

from __future__ import annotations

import copy

import pytest
import torch

import cnnprof
from cnnprof import builder


def marks_of(network, *inputs) -> tuple[object, list[str]]:
    """What a marked network gives, and the marks that it called."""
    called: list[str] = []
    marked = builder.marked(network, lambda: called.append("enter"), lambda: called.append("leave"))
    with torch.no_grad():
        return marked(*inputs), called


def image(network, batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, *network.graph.inputs[0].shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ["lenet5", "alexnet", "resnet18", "squeezenet1_0", "mobilenet_v2"])
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_a_marked_network_gives_what_the_plain_one_gives(name, mode):
    network = getattr(cnnprof.build(name), mode)()
    other = copy.deepcopy(network)
    batch = image(network)

    torch.manual_seed(3)
    with torch.no_grad():
        expected = other(batch)
    torch.manual_seed(3)
    found, called = marks_of(network, batch)

    assert torch.equal(expected, found)
    assert ["enter", "leave"] * len(network.graph.nodes) == called


@pytest.mark.parametrize(("mode", "expected"), [("eval", 0), ("train", 1)])
def test_only_layers_that_run_are_marked(mode, expected):
    network = getattr(cnnprof.build("googlenet"), mode)()
    training = sum(node.when == "train" for node in network.graph.nodes)

    _, called = marks_of(network, image(network))

    assert training > 0
    assert 2 * (len(network.graph.nodes) - training + expected * training) == len(called)


def test_layers_are_called_between_their_marks_in_the_order_of_the_graph():
    network = cnnprof.build("lenet5").eval()
    order: list[str] = []
    for node in network.graph.nodes:
        part = network.get_submodule(network.paths[node.name])
        part.register_forward_hook(lambda *_, name=node.name: order.append(name))
    marked = builder.marked(network, lambda: order.append("("), lambda: order.append(")"))

    marked(image(network))

    assert [each for node in network.graph.nodes for each in ("(", node.name, ")")] == order


def test_a_marked_network_shares_every_tensor_and_leaves_the_plain_one_alone():
    network = cnnprof.build("lenet5")
    code, forward = network.code, type(network).forward

    marked = builder.marked(network, lambda: None, lambda: None)

    assert [id(each) for each in network.parameters()] == [id(each) for each in marked.parameters()]
    assert (code, forward) == (network.code, type(network).forward)
    assert "forward" not in network.__dict__
    assert "enter_layer" not in network.code


def test_a_marked_network_trains_the_plain_ones_weights():
    network = cnnprof.build("lenet5")
    marked = builder.marked(network, lambda: None, lambda: None)

    marked(image(network)).sum().backward()

    assert [] == [name for name, each in network.named_parameters() if each.grad is None]


def test_a_layer_called_like_a_mark_is_no_mark(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(
        "cnnprof: 1\nname: net\ninput: [4]\nlayers:\n"
        "  - linear: {out_features: 4}\n    name: enter_layer\n  - linear: {out_features: 4}\n    name: leave_layer\n"
    )
    network = cnnprof.build(str(path)).eval()
    with torch.no_grad():
        expected = network(image(network))

    found, called = marks_of(network, image(network))

    assert torch.equal(expected, found)
    assert ["enter", "leave"] * 2 == called
