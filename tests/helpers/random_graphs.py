"""Random networks over the whole registry, drawn with Hypothesis: the same strategy for the tests and the long search.

The arguments come from the layers' own menus (``choices``, ``input_choices``), wrong values included: a layer that
refuses is drawn again. A network begins with a layer of any type on inputs of a size from its menu; what follows reads
any tensor that is there, so that chains, branches, joins, several inputs and several outputs come about by themselves.
No torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import msgspec
from hypothesis import strategies as st

from cnnprof.errors import LayerError
from cnnprof.layers import REGISTRY, Inputs, Layer
from cnnprof.layers.norm import RunningNorm
from cnnprof.model.graph import Edge, Graph, Input, Node, Shape, TensorSpec
from cnnprof.model.plain import replace

BATCHES = (2, 3)
MOST_NODES = 9
MOST_INPUTS = 4
MOST_ELEMENTS = 20_000
"""Of one tensor: a search needs many networks, not large ones."""
MOST_PIECES = 6
"""Outputs of one layer."""
TRIES = 4
"""Draws of a layer's arguments before another layer is tried."""
LATEST = 6
"""Tensors that a second or third operand is looked for among."""
ABSENT = "(left out)"


class Drawn(NamedTuple):
    """A network, and the number of samples that it is run on."""

    graph: Graph
    batch: int


class Menu(NamedTuple):
    """What a layer type is drawn from."""

    arguments: dict[str, tuple[Any, ...]]
    """Values of every argument; ``ABSENT`` where it has a default."""
    inputs: tuple[tuple[Shape, ...], ...]
    """Shapes of all inputs, one sample of each."""
    ranks: frozenset[int]
    """Dimensions of the first input, batch included."""


def _menu(kind: type[Layer]) -> Menu:
    fields = msgspec.structs.fields(kind)
    arguments = {field.name: (*kind.choices[field.name], *([] if field.required else [ABSENT])) for field in fields}
    shapes = [*kind.input_choices, *(each.inputs for each in kind.examples if _elements(each.inputs) <= MOST_ELEMENTS)]
    inputs = dict.fromkeys(tuple(shape[1:] for shape in several) for several in shapes)
    firsts = {len(several[0]) + 1 for several in inputs if several}
    anything = set(range(2, 6)) if len(firsts) >= 3 else firsts
    return Menu(arguments, tuple(inputs), frozenset(anything))


def _elements(shapes: Sequence[Shape]) -> int:
    return sum(TensorSpec(shape).numel for shape in shapes)


MENUS: Mapping[str, Menu] = {op: _menu(REGISTRY[op]) for op in sorted(REGISTRY)}


class Sketch:
    """A network in the making. Every layer is asked for its shapes at once: for one sample, and for the batch."""

    def __init__(self, batch: int, shape: Shape | None = None) -> None:
        self.batch = batch
        self.shape = shape
        """Of every input, where it is given."""
        self.inputs: list[Input] = []
        self.nodes: list[Node] = []
        self.tensors: dict[Edge, tuple[TensorSpec, TensorSpec]] = {}

    def add_input(self, shape: Shape, dtype: str = "float32") -> Edge:
        """Append a network input; ``shape`` is one sample's."""
        each = Input(name=f"in{len(self.inputs)}", shape=shape, dtype=dtype)
        self.inputs.append(each)
        edge = Edge(each.name)
        self.tensors[edge] = (TensorSpec((1, *shape), dtype), TensorSpec((self.batch, *shape), dtype))
        return edge

    def forget_inputs(self, edges: Sequence[Edge]) -> None:
        """Take inputs away that were added last."""
        for edge in reversed(edges):
            assert self.inputs.pop().name == edge.node
            del self.tensors[edge]

    def accepts(self, layer: Layer, edges: Sequence[Edge]) -> tuple[Inputs, Inputs] | None:
        """Return the outputs for one sample and for the batch; None where the layer refuses.

        None too where its parameters depend on the batch, or its outputs are many or large.
        """
        try:
            found = [self._ask(layer, tuple(self.tensors[edge][at] for edge in edges)) for at in (0, 1)]
        except LayerError:
            return None
        (one, parameters), (outputs, others) = found
        small = len(outputs) <= MOST_PIECES and all(tensor.numel <= MOST_ELEMENTS for tensor in outputs)
        return (one, outputs) if small and parameters == others and len(one) == len(outputs) else None

    def _ask(self, layer: Layer, inputs: Inputs) -> tuple[Inputs, Any]:
        channels = inputs[0].shape[1:2] if isinstance(layer, RunningNorm) else None
        return layer.outputs(inputs), (layer.parameters(inputs), layer.buffers(inputs), channels)

    def add(self, op: str, args: Mapping[str, Any], edges: Sequence[Edge], **more: Any) -> Node:
        """Append a layer that is accepted."""
        accepted = self.accepts(REGISTRY[op](**args), edges)
        assert accepted is not None
        node = Node(name=f"n{len(self.nodes)}", op=op, args=dict(args), inputs=tuple(edges), **more)
        self.nodes.append(node)
        for at, pair in enumerate(zip(*accepted, strict=True)):
            self.tensors[Edge(node.name, at)] = pair
        return node

    def readable(self) -> list[Edge]:
        """Return the tensors of real numbers, the latest first; few layers of torch read the places of a maximum."""
        tensors = self.tensors.items()
        return [edge for edge, (_, tensor) in tensors if "float" in tensor.dtype and tensor.numel <= MOST_ELEMENTS][
            ::-1
        ]

    def parameters(self, node: Node) -> dict[str, Shape]:
        """Return the shapes of a node's own parameters."""
        return REGISTRY[node.op](**node.args).parameters(tuple(self.tensors[edge][0] for edge in node.inputs))

    def graph(self, outputs: Mapping[str, Edge]) -> Graph:
        """Return the network; ``outputs`` besides those of the last layer."""
        used = {edge.node for node in self.nodes for edge in node.inputs}
        last = self.nodes[-1].name
        ends = [edge for edge in self.tensors if edge.node == last]
        names = ["output"] if len(ends) == 1 else [f"output_{at}" for at in range(len(ends))]
        return Graph(
            name="random", source="random", nodes=tuple(self.nodes),
            inputs=tuple(each for each in self.inputs if each.name in used) or tuple(self.inputs[:1]),
            outputs={**outputs, **dict(zip(names, ends, strict=True))},
        )  # fmt: skip


LOCAL = (
    "adaptiveavgpool1d", "add", "avgpool1d", "batchnorm1d", "chunk", "concat", "conv1d", "conv1d", "convtranspose1d",
    "elu", "hardtanh", "identity", "layerscale", "leakyrelu", "lppool1d", "maxpool1d", "mul", "pad", "prelu", "relu",
    "slice", "softplus", "split", "sub", "tanh", "upsample", "zeropad1d",
)  # fmt: skip
"""Layers whose units see a part of a sequence."""
LONG = (3, 97)
"""A sequence of which a unit in the middle does not see the ends."""
LOCAL_2D = tuple(op.replace("1d", "2d") for op in LOCAL)
WIDE = (2, 31, 29)
"""An image, likewise."""


@st.composite
def networks(
    draw: st.DrawFn,
    first: str | None = None,
    ops: Sequence[str] | None = None,
    most_nodes: int = MOST_NODES,
    shape: Shape | None = None,
) -> Drawn:
    """Draw a network of one to about ``most_nodes`` layers.

    ``first``: the type of its first layer, by default any; ``ops``: the types to choose from, by default all;
    ``shape``: one sample of every input, by default one of the layer's menu.
    """
    sketch = Sketch(draw(st.sampled_from(BATCHES)), shape)
    names = list(MENUS if ops is None else ops)
    _start(draw, sketch, draw(st.sampled_from(names)) if first is None else first)
    for _ in range(draw(st.integers(0, most_nodes - 1))):
        _continue(draw, sketch, names)
    _finish(draw, sketch)
    return Drawn(sketch.graph(_outputs(draw, sketch)), sketch.batch)


def _start(draw: st.DrawFn, sketch: Sketch, op: str) -> bool:
    """Add a layer on inputs of its own; its first example where everything that was drawn is refused."""
    for _ in range(TRIES):
        inputs = draw(st.sampled_from(MENUS[op].inputs))
        if sketch.shape is not None:
            inputs = (sketch.shape,) * len(inputs)
        layer, args = _layer(draw, op)
        if layer is not None and _on_new_inputs(draw, sketch, layer, args, inputs):
            return True
    for example in REGISTRY[op].examples if sketch.shape is None else ():
        shapes = tuple(shape[1:] for shape in example.inputs)
        if _on_new_inputs(draw, sketch, REGISTRY[op](**example.args), example.args, shapes):
            return True
    if not sketch.nodes:
        sketch.add("identity", {}, [sketch.add_input(sketch.shape or (3, 5))])
    return False


def _on_new_inputs(
    draw: st.DrawFn, sketch: Sketch, layer: Layer, args: Mapping[str, Any], shapes: Sequence[Shape]
) -> bool:
    if len(sketch.inputs) + len(shapes) > MOST_INPUTS:
        return False
    edges = [sketch.add_input(shape) for shape in shapes]
    if sketch.accepts(layer, edges) is None:
        sketch.forget_inputs(edges)
        return False
    if not sketch.inputs:  # a parameter as a value: the network has an input all the same
        sketch.add_input((3,))
    sketch.add(layer.op, args, edges, frozen=_frozen(draw, layer))
    return True


def _layer(draw: st.DrawFn, op: str) -> tuple[Layer | None, dict[str, Any]]:
    """Draw arguments; None where they are refused."""
    drawn = {name: draw(st.sampled_from(values)) for name, values in MENUS[op].arguments.items()}
    args = {name: value for name, value in drawn.items() if not (isinstance(value, str) and value == ABSENT)}
    try:
        return REGISTRY[op](**args), args
    except LayerError:
        return None, args


def _continue(draw: st.DrawFn, sketch: Sketch, names: Sequence[str]) -> None:
    """Add a layer behind what is there, or beside it; nothing where none is accepted."""
    source = _source(draw, sketch)
    rank = len(sketch.tensors[source][0].shape)
    several = [op for op in names if _takes_several(op)]
    fitting = [op for op in names if rank in MENUS[op].ranks]
    kind = draw(st.sampled_from("abbbcd"))
    if kind == "c" and several:
        fitting = several
    if kind == "d" or not fitting:
        _start(draw, sketch, draw(st.sampled_from(names)))
        return
    if draw(st.integers(0, 9)) == 9 and _share(draw, sketch):
        return
    op = draw(st.sampled_from(fitting))
    for _ in range(TRIES):
        layer, args = _layer(draw, op)
        edges = None if layer is None else _operands(draw, sketch, layer, source)
        if layer is not None and edges is not None:
            when = "train" if _may_rest(sketch, layer, edges) and draw(st.integers(0, 7)) == 7 else "always"
            sketch.add(op, args, edges, frozen=_frozen(draw, layer), when=when)
            return


def _takes_several(op: str) -> bool:
    most = REGISTRY[op].arity[1]
    return most is None or most > 1


def _source(draw: st.DrawFn, sketch: Sketch) -> Edge:
    """Draw a tensor, the latest one as often as all others."""
    edges = sketch.readable() or list(sketch.tensors)
    return edges[0] if draw(st.booleans()) else draw(st.sampled_from(edges))


def _operands(draw: st.DrawFn, sketch: Sketch, layer: Layer, source: Edge) -> list[Edge] | None:
    """Return what the layer reads, ``source`` first; None where it refuses whatever there is."""
    least, most = layer.arity
    if most == 0:
        return []
    counts = range(max(least, 1), (least + 2 if most is None else most) + 1)
    count = draw(st.sampled_from(sorted(counts, key=lambda each: abs(each - 2))))
    latest = sketch.readable()[:LATEST]
    choices = [
        [source, *others]
        for others in product(latest, repeat=count - 1)
        if sketch.accepts(layer, [source, *others]) is not None
    ]
    return draw(st.sampled_from(choices)) if choices else None


def _frozen(draw: st.DrawFn, layer: Layer) -> bool | str:
    """Draw whether weights are frozen: mostly not. "eval" stops a norm's statistics besides."""
    if draw(st.integers(0, 5)) < 5:
        return False
    return draw(st.sampled_from([True, "eval"])) if "norm" in layer.op else True


def _may_rest(sketch: Sketch, layer: Layer, edges: Sequence[Edge]) -> bool:
    """Return whether the input can take the output's place in evaluation."""
    accepted = sketch.accepts(layer, edges)
    return bool(edges) and accepted == tuple((tensor,) for tensor in sketch.tensors[edges[0]])


def _share(draw: st.DrawFn, sketch: Sketch) -> bool:
    """Use a layer's weights once more, on any tensor that it takes; return whether there is one."""
    owners = [node for node in sketch.nodes if node.share is None and node.inputs and sketch.parameters(node)]
    pairs = [
        (node, edge) for node in owners for edge in sketch.readable()[:LATEST]
        if len(node.inputs) == 1 and _fits(sketch, node, edge)
    ]  # fmt: skip
    if not pairs:
        return False
    node, edge = draw(st.sampled_from(pairs))
    sketch.add(node.op, node.args, [edge], share=node.name)
    return True


def _fits(sketch: Sketch, node: Node, edge: Edge) -> bool:
    layer = REGISTRY[node.op](**node.args)
    if sketch.accepts(layer, [edge]) is None:
        return False
    return layer.parameters((sketch.tensors[edge][0],)) == sketch.parameters(node)


def _finish(draw: st.DrawFn, sketch: Sketch) -> None:
    """Hang a head on some tensor that runs in training only, now and then; the last layer runs always."""
    if draw(st.integers(0, 4)) == 4:
        source = _source(draw, sketch)
        layer, args = _layer(draw, draw(st.sampled_from(["linear", "flatten", "relu", "sigmoid", "mean"])))
        if layer is not None and sketch.accepts(layer, [source]) is not None:
            sketch.add(layer.op, args, [source], when="train")
    last = sketch.nodes[-1]
    if last.when == "train":
        training = {node.name for node in sketch.nodes if node.when == "train"}
        ends = [edge for edge in sketch.readable() if edge.node not in training]
        if ends:
            sketch.add("relu", {}, [draw(st.sampled_from(ends))])
        else:
            sketch.nodes[-1] = replace(last, when="always")


def _outputs(draw: st.DrawFn, sketch: Sketch) -> dict[str, Edge]:
    """Draw outputs besides the last layer's; a head of training is always one."""
    read = {edge.node for node in sketch.nodes for edge in node.inputs}
    heads = [node.name for node in sketch.nodes[:-1] if node.when == "train" and node.name not in read]
    others = [node.name for node in sketch.nodes[:-1] if node.name not in heads]
    drawn = draw(st.lists(st.sampled_from(others), max_size=2, unique=True)) if others else []
    return {f"out{at}": Edge(name) for at, name in enumerate([*heads, *drawn])}
