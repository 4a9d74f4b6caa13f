"""A network split over two devices gives what it gives on one, and copies what has to cross, once each way."""

from __future__ import annotations

import random

import pytest
import torch

from cnnprof import analyzer, builder
from cnnprof.offload.tensors import crossings
from cnnprof.readers import read
from cnnprof.readers.overrides import Overrides

BRANCHES = """\
cnnprof: 1
name: branches
input: [3, 8, 8]
layers:
  - conv2d: {out_channels: 4, kernel_size: 3, padding: 1}
    name: first
  - add:
      - - relu
        - conv2d: {out_channels: 4, kernel_size: 1}
      - - conv2d: {out_channels: 4, kernel_size: 1}
          name: other
      - []
  - add:
      - - parameter: {shape: [1, 4, 8, 8]}
      - []
  - side:
      - flatten
      - linear: {out_features: 3}
        output: aside
  - side:
      - flatten
      - linear: {out_features: 2}
        output: auxiliary
        when: train
  - dropout: {p: 0.5}
    when: train
  - flatten
  - linear: {out_features: 5}
"""


@pytest.fixture(params=["lenet5", "resnet18", "squeezenet1_1", "branches"])
def graph(request, tmp_path):
    if request.param != "branches":
        sizes = {} if request.param == "lenet5" else {None: (3, 64, 64)}
        return read(request.param, Overrides(inputs=sizes))
    path = tmp_path / "branches.yaml"
    path.write_text(BRANCHES, encoding="utf-8")
    return read(str(path), Overrides())


def values(found: object) -> list[torch.Tensor]:
    return list(found.values()) if isinstance(found, dict) else [found]


def choices(names: list[str]) -> list[list[str]]:
    draw = random.Random(0)  # noqa: S311 a choice of cases
    return [[], names, names[::2], *(draw.sample(names, len(names) // 2) for _ in range(3))]


def test_every_assignment_gives_what_one_device_gives_and_copies_what_crosses(graph):
    here, there = (builder.build(graph, seed=3).eval() for _ in range(2))
    inputs = [torch.randn(2, *each.shape) for each in graph.inputs]
    analysis = analyzer.analyze(graph, batch=2)
    with torch.no_grad():
        expected = here(*(each.clone() for each in inputs))
        for names in choices([node.name for node in graph.nodes if node.when == "always"]):
            crossed: list[int] = []

            def copied(tensor: torch.Tensor, _device: object, crossed: list[int] = crossed) -> torch.Tensor:
                crossed.append(tensor.nbytes)
                return tensor.clone()

            found = builder.split(here, there, set(names), copied)(*(each.clone() for each in inputs))

            assert type(expected) is type(found)
            assert all(map(torch.equal, values(expected), values(found)))
            assert sorted(size for _, size in crossings(analysis, names)) == sorted(crossed)


def test_layers_run_on_the_side_that_they_are_given_to():
    graph = read("lenet5", Overrides())
    here, there = (builder.build(graph, seed=seed).eval() for seed in (1, 2))
    names = [node.name for node in graph.nodes]
    image = torch.randn(1, 1, 32, 32)

    with torch.no_grad():
        assert torch.equal(here(image), builder.split(here, there, [])(image))
        assert torch.equal(there(image), builder.split(here, there, names)(image))
        assert not torch.equal(here(image), builder.split(here, there, names[:1])(image))


def test_the_module_has_both_sides_weights_and_is_in_evaluation():
    graph = read("lenet5", Overrides())
    module = builder.split(builder.build(graph), builder.build(graph), ["c1"])

    assert 2 * 61_706 == sum(each.numel() for each in module.parameters())
    assert not module.training
    assert not module.here.training


def test_weights_lie_on_both_sides_and_nothing_of_them_crosses(tmp_path):
    path = tmp_path / "branches.yaml"
    path.write_text(BRANCHES, encoding="utf-8")
    analysis = analyzer.analyze(read(str(path), Overrides()))
    names = [row.name for row in analysis.rows if row.when == "always"]
    (weight,) = [row.name for row in analysis.rows if row.op == "parameter"]

    assert [] == list(crossings(analysis, [weight]))
    assert list(crossings(analysis, names)) == list(crossings(analysis, [name for name in names if name != weight]))
