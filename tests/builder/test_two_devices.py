"""A network split over two devices gives what it gives on one, and copies what has to cross, once each way."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnprof import analyzer, builder
from cnnprof.devices.mirrors import to_side
from cnnprof.model.graph import Graph
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

            def copied(
                tensor: torch.Tensor, device: Any, into: torch.Tensor | None, crossed: list[int] = crossed
            ) -> torch.Tensor:
                crossed.append(tensor.nbytes)
                return to_side(tensor, device, into)

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


# What layers write in place


@st.composite
def in_place(draw: st.DrawFn) -> str:
    """A small specification: convolutions, views and layers that write in place, reading whatever is there."""
    lines = ["cnnprof: 1", "name: drawn", "input: [2, 2, 2]", "layers:"]
    names = ["input"]
    for at in range(draw(st.integers(2, 5))):
        op = draw(st.sampled_from(OPS))
        read = draw(st.sampled_from(names))
        both = [read, read] if "add" in op else read
        lines += [f"  - {op}", f"    name: n{at}", f"    from: {str(both).replace(chr(39), '')}"]
        names.append(f"n{at}")
    last = names[1:]
    return "\n".join([*lines, "  - concat: {dim: 1}", "    name: all", f"    from: [{', '.join(last)}]", ""])


OPS = (
    "conv2d: {out_channels: 2, kernel_size: 1}", "relu: {inplace: true}", "leakyrelu: {inplace: true}", "identity: {}",
    "add: {inplace: true}", "add: {}",
)  # fmt: skip


def different(graph: Graph) -> list[tuple[str, ...]]:
    """The assignments of which another thing is computed than on one device."""
    here, there = (builder.build(graph, seed=3).eval() for _ in range(2))
    image = torch.randn(2, *graph.inputs[0].shape)
    names = [node.name for node in graph.nodes]
    with torch.no_grad():
        expected = values(here(image.clone()))
        return [
            each
            for count in range(len(names) + 1)
            for each in itertools.combinations(names, count)
            if not all(map(torch.equal, expected, values(builder.split(here, there, each)(image.clone()))))
        ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(in_place())
def test_what_layers_write_in_place_is_the_same_in_every_assignment(tmp_path, text):
    path = tmp_path / "drawn.yaml"
    path.write_text(text, encoding="utf-8")

    assert [] == different(read(str(path), Overrides()))


ALIASES = {
    "a copy beside it": "- relu: {inplace: true}\n    name: r\n  - add: {}\n    from: [c, r]",
    "a view of it": "- flatten\n  - relu: {inplace: true}\n    name: r\n    from: c\n  - linear: {out_features: 5}\n"
    "    from: flatten",
    "a part of it": "- getitem: {index: 0, dim: 1}\n  - relu: {inplace: true}\n"
    "  - add: {}\n    from: [c, c]",
}  # fmt: skip


@pytest.mark.parametrize("aliases", ALIASES)
def test_what_is_written_in_place_reaches(aliases, tmp_path):
    path = tmp_path / "net.yaml"
    conv = "- conv2d: {out_channels: 4, kernel_size: 1}\n    name: c"
    path.write_text(f"cnnprof: 1\nname: net\ninput: [3, 4, 4]\nlayers:\n  {conv}\n  {ALIASES[aliases]}\n", "utf-8")

    assert [] == different(read(str(path), Overrides()))


def test_of_several_inputs_only_the_one_that_is_taken_crosses(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(
        "cnnprof: 1\nname: net\ninput: [3]\nlayers:\n  - linear: {out_features: 3}\n    name: a\n"
        "  - linear: {out_features: 3}\n    name: b\n  - getitem: {index: 1}\n    name: g\n    from: [a, b]\n",
        "utf-8",
    )
    graph = read(str(path), Overrides())
    here, there = (builder.build(graph, seed=3).eval() for _ in range(2))
    crossed: list[int] = []

    def copied(tensor: torch.Tensor, device: Any, into: torch.Tensor | None) -> torch.Tensor:
        crossed.append(tensor.nbytes)
        return to_side(tensor, device, into)

    with torch.no_grad():
        builder.split(here, there, ["g"], copied)(torch.randn(1, 3))

    assert [12, 12] == crossed == [size for _, size in crossings(analyzer.analyze(graph), ["g"])]
