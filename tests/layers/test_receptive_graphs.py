"""Receptive fields of whole graphs against the gradient: random chains and branches of small one-dimensional layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnprof import analyzer
from cnnprof.layers import of
from cnnprof.model.analysis import Analysis, AxisField
from cnnprof.model.graph import Edge, Graph, Input, Node, TensorSpec
from tests.layers import contract

LENGTH = 160
"""Enough for the interior of whatever is drawn."""
DRAWS = 25


class Sketch:
    """A graph in the making: every addition is checked for its output's shape at once."""

    def __init__(self, channels: int = 3, length: int = LENGTH) -> None:
        self.nodes: list[Node] = []
        self.specs: dict[str, TensorSpec] = {"input": TensorSpec((1, channels, length))}
        self.input = Input(name="input", shape=(channels, length))

    def add(self, op: str, *sources: str, **args: Any) -> str:
        """Append a node that reads ``sources`` and return its name."""
        name = f"{op}_{len(self.nodes)}"
        node = Node(name=name, op=op, args=args, inputs=tuple(map(Edge, sources)))
        self.specs[name] = of(node).outputs(tuple(self.specs[source] for source in sources))[0]
        self.nodes.append(node)
        return name

    def graph(self) -> Graph:
        return Graph(
            name="sketch", source="sketch", inputs=(self.input,), nodes=tuple(self.nodes),
            outputs={"output": Edge(self.nodes[-1].name)},
        )  # fmt: skip


def forward(sketch: Sketch) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the graph in torch, with random weights."""
    torch.manual_seed(0)
    modules = {}
    for node in sketch.nodes:
        with contract.known_warnings():
            module = of(node).build(tuple(sketch.specs[edge.node] for edge in node.inputs)).double().eval()
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter)
        modules[node.name] = module

    def run(tensor: torch.Tensor) -> torch.Tensor:
        values = {"input": tensor}
        for node in sketch.nodes:
            values[node.name] = modules[node.name](*[values[edge.node] for edge in node.inputs])
        return values[sketch.nodes[-1].name]

    return run


def support(sketch: Sketch, position: int, size: int) -> tuple[int, int]:
    """Return the ends of what a position of the last output depends on, drawing inputs until ``size`` is reached."""
    run, channels = forward(sketch), sketch.input.shape[0]
    seen = torch.zeros(sketch.input.shape[1], dtype=torch.bool)
    for _ in range(DRAWS):
        tensor = torch.randn(1, channels, sketch.input.shape[1], dtype=torch.float64, requires_grad=True)
        output = run(tensor)[0, :, position]
        (grad,) = torch.autograd.grad((output * torch.randn_like(output)).sum(), tensor)
        seen |= (grad[0] != 0).any(0)
        places = seen.nonzero().flatten().tolist()
        if places and places[-1] - places[0] + 1 >= size:
            break
    return places[0], places[-1]


def field(sketch: Sketch) -> tuple[Analysis, AxisField]:
    analysis = analyzer.analyze(sketch.graph())
    (axis,) = analysis.rows[-1].receptive_field.axes
    return analysis, axis


def middle(sketch: Sketch) -> int:
    return sketch.specs[sketch.nodes[-1].name].shape[2] // 2


# What may follow a value, and chains of it that meet again.

WINDOWS = st.one_of(
    st.builds(
        lambda kernel, stride, padding, dilation: (
            "conv1d",
            {"out_channels": 3, "kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation},
        ),
        st.integers(1, 5), st.integers(1, 2), st.integers(0, 2), st.integers(1, 2),
    ),
    st.sampled_from([
        ("maxpool1d", {"kernel_size": 2}),
        ("maxpool1d", {"kernel_size": 3, "stride": 2, "padding": 1}),
        ("avgpool1d", {"kernel_size": 3, "stride": 1, "padding": 1}),
        ("batchnorm1d", {}),
        ("leakyrelu", {}),
    ]),
)  # fmt: skip
KEEPING = st.sampled_from([
    ("conv1d", {"out_channels": 3, "kernel_size": 3, "padding": 1}),
    ("conv1d", {"out_channels": 3, "kernel_size": 3, "padding": 2, "dilation": 2}),
    ("conv1d", {"out_channels": 3, "kernel_size": 1}),
    ("maxpool1d", {"kernel_size": 3, "stride": 1, "padding": 1}),
    ("leakyrelu", {}),
])  # fmt: skip
GROWING = st.sampled_from([
    ("upsample", {"scale_factor": 2}),
    ("upsample", {"scale_factor": 3}),
    ("upsample", {"scale_factor": 2, "mode": "linear"}),
    ("convtranspose1d", {"out_channels": 3, "kernel_size": 2, "stride": 2}),
    ("convtranspose1d", {"out_channels": 3, "kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}),
])  # fmt: skip


def chain(sketch: Sketch, start: str, steps: list[tuple[str, dict[str, Any]]]) -> str:
    for op, args in steps:
        start = sketch.add(op, start, **args)
    return start


@st.composite
def branching(draw: st.DrawFn, last: st.SearchStrategy[Any]) -> Sketch:
    """Draw a chain, two to three branches of equal size, their sum or concatenation, and at most two ``last`` ones."""
    sketch = Sketch()
    start = chain(sketch, "input", draw(st.lists(WINDOWS, min_size=1, max_size=2)))
    branches = draw(st.lists(st.lists(KEEPING, max_size=2), min_size=2, max_size=3))
    ends = [chain(sketch, start, steps) for steps in branches]
    joined = sketch.add(draw(st.sampled_from(["add", "concat"])), *ends)
    chain(sketch, joined, [("conv1d", {"out_channels": 3, "kernel_size": 1}), *draw(last)])
    return sketch


patient = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)


@patient
@given(sketch=branching(st.lists(WINDOWS, max_size=2)))
def test_the_field_of_any_branching_graph_is_where_its_gradient_is_not_zero(sketch):
    _, axis = field(sketch)
    position = middle(sketch)
    low = axis.stride * position - axis.padding
    expected = (low, low + axis.size - 1)

    assert axis.uniform
    assert not axis.is_global
    assert expected == support(sketch, position, axis.size)


@settings(patient, max_examples=15)
@given(sketch=branching(st.tuples(GROWING, KEEPING)))
def test_with_upsampling_the_field_is_the_largest_of_a_period_of_units(sketch):
    _, axis = field(sketch)
    first = middle(sketch)
    ends = [support(sketch, first + unit, axis.size) for unit in range(6)]
    sizes = [high - low + 1 for low, high in ends]

    assert axis.size == max(sizes)
    assert 6 * axis.step == support(sketch, first + 6, sizes[0])[0] - ends[0][0]


def test_a_skip_over_an_encoder_and_decoder_sees_what_the_deeper_path_sees():
    sketch = Sketch(length=64)
    skip = sketch.add("conv1d", "input", out_channels=3, kernel_size=3, padding=1)
    deep = sketch.add("maxpool1d", skip, kernel_size=2)
    deep = sketch.add("conv1d", deep, out_channels=3, kernel_size=3, padding=1)
    deep = sketch.add("convtranspose1d", deep, out_channels=3, kernel_size=2, stride=2)
    sketch.add("concat", skip, deep)
    analysis, axis = field(sketch)

    assert "up to 8/1/3" == str(axis)
    assert [] == [note for note in analysis.notes if note.code == "misaligned"]
    assert [(29, 36), (29, 36)] == [support(sketch, position, 8) for position in (32, 33)]
