"""Multiply-accumulates, layer by layer, against fvcore's FlopCountAnalysis, whose "flop" is a multiply-accumulate.

fvcore traces a forward and applies a formula to each operator that it knows. What it counts besides products, and what
it does not count, follows rules of its own (``peers/fvcore.py``; what becomes of its products stands here), so that
every difference is explained to the last digit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnprof import analyzer, builder
from cnnprof.errors import CnnprofError, MissingPackageError
from cnnprof.layers import Layer, of
from cnnprof.layers.products import parse
from cnnprof.model.analysis import Analysis, Row
from cnnprof.model.graph import Graph
from cnnprof.model.plain import replace
from cnnprof.model.validation import Figure, Verdict
from cnnprof.peers.count import counted
from cnnprof.peers.fvcore import TOOL
from cnnprof.units import dimensions
from cnnprof.validator.case import BATCH, Case

if TYPE_CHECKING:
    import torch

BY = "fvcore"
AFFORDABLE = 20 * 10**9
"""Multiply-accumulates of a forward that is run; of larger networks a smaller input is asked."""
PRODUCTS = ("conv", "linear", "matmul", "mm", "addmm", "bmm", "einsum")
"""fvcore's names of what multiplies and accumulates; its other counts are of something else."""


class Part(NamedTuple):
    """A layer as we count it, as fvcore's rules make of it, and as fvcore says."""

    row: Row
    products: int
    """What its rules make of the multiply-accumulates."""
    why: str | None
    """Why that is other than their number."""
    besides: Counter[str]
    """What its rules count that is no product, by operator."""
    said: Counter[str]

    @property
    def said_products(self) -> int:
        """What fvcore says of its products."""
        return sum(int(self.said[name]) for name in PRODUCTS)

    @property
    def said_besides(self) -> Counter[str]:
        """What fvcore says of everything else."""
        return Counter({name: int(count) for name, count in self.said.items() if name not in PRODUCTS and count})


def check(case: Case) -> Iterator[Figure]:
    """Yield the multiply-accumulates of each type of layer, what fvcore counts besides, and its total."""
    graph, analysis = affordable(case.graph)
    said, unknown = ask(graph, analysis.batch)
    nodes = {node.name: node for node in graph.nodes}
    parts = [_part(row, of(nodes[row.name]), said, unknown) for row in analysis.rows]
    at = _size(case.graph, analysis)
    yield from _worked(parts, at)
    yield from _besides(parts, at)
    yield _total(analysis, parts, said, at)


def affordable(graph: Graph) -> tuple[Graph, Analysis]:
    """Return the graph, with axes of its inputs halved while a forward takes more than ``AFFORDABLE``, and its count.

    One sample, but two where a layer refuses a single one.
    """
    found = _counted(graph)
    while found.totals.macs > AFFORDABLE:
        inputs = tuple(
            replace(each, shape=(each.shape[0], *(max(1, size // 2) for size in each.shape[1:])))
            for each in graph.inputs
        )
        smaller = replace(graph, inputs=inputs)
        try:
            counted = _counted(smaller)
        except CnnprofError:  # a layer needs its size
            break
        if counted.totals.macs >= found.totals.macs:
            break
        graph, found = smaller, counted
    return graph, found


def _counted(graph: Graph) -> Analysis:
    try:
        return analyzer.analyze(graph)
    except CnnprofError:
        return analyzer.analyze(graph, batch=BATCH)


def _size(graph: Graph, analysis: Analysis) -> str | None:
    if analysis.inputs == graph.inputs and analysis.batch == 1:
        return None
    return f"batch {analysis.batch}, input {' + '.join(dimensions(each.shape) for each in analysis.inputs)}"


# What fvcore says

Counts = dict[str, "Counter[str]"]


def ask(graph: Graph, batch: int) -> tuple[Counts, Counts]:
    """Return fvcore's counts and the operators that it does not know, by layer and operator; "" is everything.

    The forward is a real one: a tracer cannot follow one on the meta device. Its weights are whatever memory holds.

    Raises:
        MissingPackageError: fvcore cannot be imported.
    """
    import torch

    try:
        from fvcore.nn import FlopCountAnalysis
    except ImportError as error:
        raise MissingPackageError(
            f"this check needs fvcore, and importing it fails: {error}", hint="pip install 'cnnprof[torch]'"
        ) from error
    module = builder.build(graph, device="meta").eval().to_empty(device="cpu")
    asked = FlopCountAnalysis(_traceable(module), Case(graph).inputs(batch=batch))
    asked.unsupported_ops_warnings(enabled=False).uncalled_modules_warnings(enabled=False).tracer_warnings("none")
    with torch.no_grad():
        counts = asked.by_module_and_operator()
    paths = {f"network.{path}": name for name, path in module.paths.items()} | {"": ""}
    found = {name: counts[path] for path, name in paths.items()}
    return found, {name: asked.unsupported_ops(path) for path, name in paths.items()}


def _traceable(network: Any) -> torch.nn.Module:
    """Return a module that gives its outputs as a tuple: a dict of outputs cannot be traced."""
    import torch

    class Traceable(torch.nn.Module):  # type: ignore[misc] # torch is not followed
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
            given = self.network(*inputs)
            return tuple(given.values()) if isinstance(given, dict) else (given,)

    return Traceable().eval()


# What its rules make of a layer


def _part(row: Row, layer: Layer, said: Counts, unknown: Counts) -> Part:
    if row.when == "train":  # it does not run in evaluation
        return Part(row, 0, None, Counter(), said[row.name])
    products, why = _products(row, layer, unknown[row.name])
    operator, count = _counted_besides(row) or ("", 0)
    return Part(row, products, why, Counter({operator: count} if count else {}), said[row.name])


def _weights_only(row: Row, layer: Layer) -> int:
    """Return the multiply-accumulates of inputs with weights: projections, but not attention itself."""
    found = layer.products(row.inputs, row.outputs)
    return sum(each.macs for each in found if len(each.right) == 1 and isinstance(each.right[0], str))


LOST: dict[str, Callable[[Row, Layer], int]] = {
    "aten::_convolution_mode": lambda _row, _layer: 0,  # a convolution whose padding is a word
    "aten::_native_multi_head_attention": lambda _row, _layer: 0,
    "aten::scaled_dot_product_attention": _weights_only,
}
"""Operators that fvcore does not know, and what is left of a layer's products without them."""


def _products(row: Row, layer: Layer, unknown: Counter[str]) -> tuple[int, str | None]:
    for name, left in LOST.items():
        if unknown[name]:
            return left(row, layer), f"fvcore does not know {name}"
    if row.op == "matmul":
        left_operand, right_operand = row.inputs
        return left_operand.numel * right_operand.shape[-1], "fvcore does not broadcast the first operand of a product"
    if row.op == "einsum":
        return _einsum(row, layer), "fvcore counts an einsum with numpy, every combination of letters, to 4 digits"
    return row.macs, None


SPECIAL = ("abc,abd->acd", "abc,adc->adb")
"""Equations that fvcore counts itself, as they stand with letters in order of their appearance."""


def _einsum(row: Row, layer: Any) -> int:
    equation = layer.equation.replace(" ", "")
    letters = dict.fromkeys(letter for letter in equation if letter.isalpha())
    if equation.translate({ord(letter): 97 + at for at, letter in enumerate(letters)}) in SPECIAL:
        return row.macs
    terms = parse(layer.equation)
    sizes = {
        letter: size
        for term, tensor in zip(terms.operands, row.inputs, strict=True)
        for letter, size in zip(term, tensor.shape, strict=True)
    }
    factor = max(1, len(terms.operands) - 1) + bool(set(sizes) - set(terms.result))
    return math.floor(float(f"{math.prod(sizes.values()) * factor:.3e}") / 2)


BESIDES = {
    "batch_norm": "2 per element, 1 without weights; where the batch is averaged, 5 and 4",
    "group_norm": "5 per element, 4 without weights",
    "layer_norm": "5 per element, 4 without weights",
    "instance_norm": "5 per element, 4 without weights",
    "adaptive_avg_pool2d": "1 per element that goes in",
    "upsample_nearest2d": "1 per element that comes out",
    "upsample_bilinear2d": "4 per element that comes out",
}
"""Operators that fvcore counts though they are no products, and its rule."""


OPERATORS = {
    "batchnorm": "batch_norm",
    "instancenorm": "instance_norm",
    "groupnorm": "group_norm",
    "layernorm": "layer_norm",
    "adaptiveavgpool2d": "adaptive_avg_pool2d",
}
"""What fvcore calls a layer that makes no products, by how its type begins."""


def _counted_besides(row: Row) -> tuple[str, int] | None:
    """Return the operator of ``BESIDES`` that a layer runs, and its count by the rules of ``cnnprof conventions``."""
    names = [operator for begin, operator in OPERATORS.items() if row.op.startswith(begin)]
    if row.op == "upsample":
        names = [f"upsample_{row.args.get('mode', 'nearest')}{len(row.inputs[0].shape) - 2}d"]
    count = counted(TOOL, row) if names and names[0] in BESIDES else None
    return None if count is None else (names[0], count)


# Figures


def _worked(parts: Sequence[Part], at: str | None) -> Iterator[Figure]:
    kinds = dict.fromkeys(part.row.op for part in parts if part.row.macs or part.said_products)
    for kind in kinds:
        mine = [part for part in parts if part.row.op == kind]
        odd = [part for part in mine if part.said_products != part.products]
        other = [part for part in mine if part.products != part.row.macs and part.row.when == "always"]
        first = next(iter(odd or other), None)
        why = f"{odd[0].row.macs:,} MACs here, {odd[0].said_products:,} in fvcore" if odd else None
        reasons = dict.fromkeys(part.why for part in other)
        yield Figure(
            check="fvcore", what=f"MACs of {kind}", by=BY, verdict=_verdict(odd, other),
            ours=sum(part.row.macs for part in mine), theirs=sum(part.said_products for part in mine),
            layer=first and first.row.name, note=_note(why, *([] if odd else reasons), at),
        )  # fmt: skip


def _besides(parts: Sequence[Part], at: str | None) -> Iterator[Figure]:
    kinds = dict.fromkeys(name for part in parts for name in (*part.besides, *part.said_besides))
    for kind in kinds:
        odd = [part for part in parts if part.said_besides[kind] != part.besides[kind]]
        expected = f"{odd[0].besides[kind]:,} by its rule, {odd[0].said_besides[kind]:,} in fvcore" if odd else None
        rule = f"no MACs, but fvcore counts it: {BESIDES[kind]}" if kind in BESIDES else None
        yield Figure(
            check="fvcore", what=f"MACs of {kind}", by=BY, verdict=_verdict(odd, parts),
            ours=sum(part.besides[kind] for part in parts) if odd else 0,
            theirs=sum(part.said_besides[kind] for part in parts), layer=odd[0].row.name if odd else None,
            note=_note(expected, rule, at),
        )  # fmt: skip


def _total(analysis: Analysis, parts: Sequence[Part], said: Counts, at: str | None) -> Figure:
    """Return the total; all of it has to be in the layers, and their differences were explained above."""
    ours, theirs = analysis.totals.macs, int(sum(said[""].values()))
    inside = sum(int(count) for part in parts for count in part.said.values())
    rules = sum(part.products + part.besides.total() for part in parts)
    outside = f"{theirs - inside:,} are in no layer" if theirs != inside else None
    verdict: Verdict = "equal" if ours == theirs else "explained" if theirs == inside == rules else "differs"
    return Figure(
        check="fvcore", what="MACs in all", ours=ours, theirs=theirs, verdict=verdict, by=BY, note=_note(outside, at)
    )


def _verdict(odd: Sequence[Part], other: Iterable[Part]) -> Verdict:
    return "differs" if odd else "explained" if any(other) else "equal"


def _note(*said: str | None) -> str | None:
    return "; ".join(each for each in said if each) or None
