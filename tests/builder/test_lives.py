"""Which tensors are alive while each layer of a built network runs."""

from __future__ import annotations

import weakref

import pytest
import torch

import cnnprof
from cnnprof.analyzer.inference import last_readers
from cnnprof.model.graph import Edge
from tests.builder.specs import build


def label(edge: Edge) -> str:
    return f"{edge.node}.{edge.output}" if edge.output else edge.node


def alive(network, *inputs: torch.Tensor) -> dict[str, list[str]]:
    """Return for every layer that runs which outputs (``name``, ``name.1``) are there when it begins."""
    outputs: dict[str, weakref.ref] = {}
    seen: dict[str, list[str]] = {}

    def before(name: str):
        return lambda *_: seen.update({name: [each for each, there in outputs.items() if there() is not None]})

    def after(name: str):
        def hook(_module, _inputs, output):
            tensors = output if isinstance(output, tuple) else (output,)
            outputs.update({label(Edge(name, at)): weakref.ref(tensor) for at, tensor in enumerate(tensors)})

        return hook

    hooks = []
    for name, path in network.paths.items():
        module = network.get_submodule(path)
        hooks += [module.register_forward_pre_hook(before(name)), module.register_forward_hook(after(name))]
    with torch.inference_mode():  # a view keeps no base
        network(*inputs)
    for hook in hooks:
        hook.remove()
    return seen


TEXT = """
    input: [3, 8, 8]
    layers:
      - relu
      - add:
          - - tanh
            - sigmoid
          - []
      - softplus
      - side:
          - gelu:
            from: relu
          - silu:
            output: aux
        when: train
      - {mish: null, when: train}
      - elu
"""


def test_in_training_a_tensor_dies_after_its_last_reader(tmp_path):
    expected = {
        "relu": [],
        "tanh": ["relu"],
        "sigmoid": ["relu", "tanh"],
        "add": ["relu", "sigmoid"],
        "softplus": ["relu", "add"],
        "gelu": ["relu", "softplus"],
        "silu": ["softplus", "gelu"],
        "mish": ["softplus", "silu"],
        "elu": ["silu", "mish"],
    }
    assert expected == alive(build(tmp_path, TEXT), torch.randn(1, 3, 8, 8))


def test_in_evaluation_what_only_training_reads_keeps_nothing_alive(tmp_path):
    expected = {
        "relu": [],
        "tanh": ["relu"],
        "sigmoid": ["relu", "tanh"],
        "add": ["relu", "sigmoid"],
        "softplus": ["add"],
        "elu": ["softplus"],
    }
    assert expected == alive(build(tmp_path, TEXT).eval(), torch.randn(1, 3, 8, 8))


@pytest.mark.parametrize("name", ["densenet121", "googlenet", "shufflenet_v2_x0_5", "unet", "efficientnet_b0"])
def test_a_network_keeps_the_storages_alive_that_its_analysis_says_and_no_others(name):
    graph, analysis = cnnprof.load(name), cnnprof.analyze(name)
    network = cnnprof.build(graph, device="meta").eval()
    runs = [row for row in analysis.rows if row.when == "always"]
    *_, main = graph.outputs.values()
    readers = last_readers(graph, runs, {main})
    storages: dict[str, str] = {}
    for row in runs:
        for at in range(len(row.outputs)):
            own = label(Edge(row.name, at))
            storages[own] = own if row.storage == "new" else storages.get(label(row.edges[0]), "input")
    expected, there = {}, []
    for row in runs:
        expected[row.name] = {storages[each] for each in there}
        gone = {label(edge) for edge in readers.get(row.name, ())}
        there = [
            each
            for each in (*there, *(label(Edge(row.name, at)) for at in range(len(row.outputs))))
            if each not in gone
        ]

    found = alive(network, *(torch.empty(1, *each.shape, device="meta") for each in graph.inputs))

    assert expected == {row: {storages[each] for each in names} for row, names in found.items()}
