"""torch's own tools take a built network as they take any module: compile, export, functional calls."""

from __future__ import annotations

import pytest
import torch
from torch.func import functional_call

import cnnprof
from cnnprof.layers import REGISTRY
from cnnprof.model.graph import Edge, Graph, Input, Node, TensorSpec

NETWORKS = [("lenet5", (2, 1, 32, 32)), ("resnet18", (2, 3, 32, 32)), ("googlenet", (2, 3, 64, 64))]


@pytest.fixture(autouse=True)
def _forget_what_was_compiled():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def outputs(result) -> dict[str, torch.Tensor]:
    return result if isinstance(result, dict) else {"output": result}


def assert_same(one, other) -> None:
    assert list(outputs(one)) == list(outputs(other))
    for name, value in outputs(one).items():
        torch.testing.assert_close(outputs(other)[name], value)


def seeded(network, *inputs: torch.Tensor):
    torch.manual_seed(0)  # dropout
    return network(*inputs)


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize(("name", "shape"), NETWORKS, ids=[name for name, _ in NETWORKS])
def test_a_network_compiles_in_one_graph_and_computes_the_same(name, shape, training):
    network, image = cnnprof.build(name).train(training), torch.randn(shape)
    compiled = torch.compile(network, backend="eager", fullgraph=True)

    assert_same(seeded(network, image), seeded(compiled, image))


def test_a_compiled_network_has_the_same_gradients():
    network, image = cnnprof.build("lenet5"), torch.randn(2, 1, 32, 32)
    torch.compile(network, backend="aot_eager", fullgraph=True)(image).sum().backward()
    found = network.c1.weight.grad.clone()
    network.zero_grad()
    network(image).sum().backward()

    torch.testing.assert_close(found, network.c1.weight.grad)


@pytest.mark.parametrize(
    ("training", "strict"),
    [(False, False), (True, False), (True, True)],
    ids=["evaluation", "training", "training-strict"],
)
@pytest.mark.parametrize(("name", "shape"), NETWORKS, ids=[name for name, _ in NETWORKS])
def test_a_network_is_exported_with_its_weights_names_and_computes_the_same(name, shape, training, strict):
    network, image = cnnprof.build(name).train(training), torch.randn(shape)
    exported = torch.export.export(network, (image,), strict=strict)

    assert set(network.state_dict()) == set(exported.state_dict)
    if not training:
        assert_same(network(image), exported.module()(image))


@pytest.mark.parametrize("op", sorted(REGISTRY))
def test_every_layer_type_is_exported_inside_a_network(op):
    example = REGISTRY[op].examples[0]
    inputs = tuple(Input(name=f"x{at}", shape=tuple(shape[1:])) for at, shape in enumerate(example.inputs))
    made = REGISTRY[op](**example.args).outputs(tuple(TensorSpec(tuple(shape)) for shape in example.inputs))
    graph = Graph(
        name=op,
        source="example",
        inputs=inputs,
        nodes=(Node(name="group.layer", op=op, args=example.args, inputs=tuple(Edge(each.name) for each in inputs)),),
        outputs={f"out{at}": Edge("group.layer", at) for at in range(len(made))},
    )
    network = cnnprof.build(graph).eval()
    tensors = tuple(torch.rand(shape) for shape in example.inputs)  # a root wants no negative number
    exported = torch.export.export(network, tensors, strict=False).module()

    assert_same(network(*(each.clone() for each in tensors)), exported(*(each.clone() for each in tensors)))


def test_weights_can_be_given_for_one_call():
    network, image = cnnprof.build("lenet5").eval(), torch.randn(1, 1, 32, 32)
    zeros = {name: torch.zeros_like(value) for name, value in network.named_parameters()}

    torch.testing.assert_close(functional_call(network, zeros, (image,)), torch.full((1, 10), 0.1).log())


def test_hooks_see_every_layer_also_those_that_torch_writes_as_functions():
    network, seen = cnnprof.build("residual_block", device="meta"), []
    for name, module in network.named_modules():
        if name in network.paths:
            module.register_forward_hook(lambda *_, name=name: seen.append(name))
    network(*(torch.empty(1, *each.shape, device="meta") for each in network.graph.inputs))

    assert [each.name for each in network.graph.nodes] == seen
    assert any(each.op == "add" for each in network.graph.nodes)
