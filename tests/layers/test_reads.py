"""What a layer says it reads is what torch's gradient says: every registered type, on its examples.

The gradient of a unit with random weights is non-zero exactly where the unit depends on its input. A local claim has to
meet both ends of that support; a claim of everything has to be true for a single unit, or be excused here by a reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
import torch

from cnnprof.layers import REGISTRY, Inputs, Layer
from cnnprof.model.graph import Shape
from cnnprof.receptive import resolved
from cnnprof.shapes import Taps
from tests.layers import contract

CASES = [
    *((op, each.args, each.inputs) for op in sorted(REGISTRY) for each in REGISTRY[op].examples),
    *(("convtranspose1d", {"out_channels": 2, "kernel_size": k, "stride": s, "padding": p}, ((1, 3, 12),))
      for k, s, p in [(1, 1, 0), (2, 2, 0), (3, 2, 1), (5, 3, 2), (1, 2, 0), (4, 2, 1), (7, 2, 3), (2, 3, 1)]),
    ("convtranspose1d", {"out_channels": 2, "kernel_size": 3, "dilation": 2, "padding": 1}, ((1, 3, 12),)),
    *(("upsample", {"scale_factor": scale, "mode": mode}, ((1, 2, 15),))
      for mode in ("nearest", "nearest-exact", "linear") for scale in (2, 3, 1.5, 0.5, 0.7, 1)),
    *(("upsample", {"size": size, "mode": "linear", "align_corners": True}, ((1, 2, 9),)) for size in (5, 17, 21, 4)),
    *(("upsample", {"scale_factor": scale, "mode": "bicubic"}, ((1, 2, 12, 12),)) for scale in (2, 0.5, 3)),
    *(("adaptiveavgpool1d", {"output_size": size}, ((1, 2, 13),)) for size in (2, 5, 13, 20)),
    *(("adaptiveavgpool1d", {"output_size": size}, ((1, 2, 12),)) for size in (8, 4, 18)),
    *(("pad", {"padding": [2, 1], "mode": mode}, ((1, 2, 9),)) for mode in ("reflect", "replicate", "circular")),
    ("pad", {"padding": [-2, 1, 3, -1]}, ((1, 2, 9, 8),)),
    ("slice", {"dim": -1, "start": 2, "step": 3}, ((1, 2, 14),)),
    ("split", {"split_size_or_sections": 3, "dim": 2}, ((1, 2, 9),)),
    ("roll", {"shifts": 2, "dims": -1}, ((1, 2, 9),)),
    ("permute", {"dims": [0, 2, 3, 1]}, ((1, 2, 5, 6),)),
    ("reshape", {"shape": [2, 3, 5, 4]}, ((1, 6, 5, 4),)),
    ("stack", {"dim": 3}, ((1, 2, 5, 6), (1, 2, 5, 6))),
    ("mean", {"dim": 2}, ((1, 2, 5, 6),)),
    ("einsum", {"equation": "nchw,nkhw->nckh"}, ((1, 2, 5, 6), (1, 3, 5, 6))),
    ("layernorm", {}, ((1, 4, 5, 6),)),
    ("linear", {"out_features": 6}, ((1, 4, 5, 6),)),
    ("conv2d", {"out_channels": 3, "kernel_size": [3, 2], "padding": "same", "dilation": 2}, ((1, 2, 9, 9),)),
]  # fmt: skip
"""Every example of every registered layer, and what the examples leave out of those that move positions."""
every_case = pytest.mark.parametrize(
    ("op", "args", "shapes"), CASES, ids=[f"{op}-{number}" for number, (op, *_) in enumerate(CASES)]
)
MERGED = "a position is no longer one of a dimension of its own, so its place along the axis is not followed"
OVERSTATED = {
    "flatten": MERGED,
    "reshape": MERGED,
    "squeeze": MERGED,
    "concat": "along the joined dimension the pieces' positions differ by a piece, not by a step",
    "glu": "the second half of the halved dimension stands at another place than the first",
    "getitem": "the dimension selected from is gone",
    "scaleddotproductattention": "a query looks at every key, so that nothing is left of its own place",
    "expand": "one element repeated is read by all positions",
}
"""Layers one of whose units may read less than everything of a dimension that counts as read as a whole."""
DRAWS = 80
"""Inputs to try until the support is complete: of a maximum, one input shows one element."""
Span = tuple[int, int]


def support(layer: Layer, inputs: Inputs, unit: tuple[int | slice, ...], target: int) -> Iterator[list[torch.Tensor]]:
    """Yield, for more and more random inputs, which input elements the outputs at ``unit`` depend on."""
    torch.manual_seed(0)
    with contract.known_warnings():
        module = layer.build(inputs).double().eval()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    found = [torch.zeros(each.shape, dtype=torch.bool) for each in inputs]
    for _ in range(DRAWS):
        tensors = [(3 * torch.randn(each.shape, dtype=torch.float64)).requires_grad_() for each in inputs]
        with contract.known_warnings():
            # A copy: some layers write over their input.
            result = module(*[tensor.clone() for tensor in tensors])
        output = (result if isinstance(result, tuple) else (result,))[target][unit]
        weights = torch.randn(output.shape, dtype=torch.float64)
        if output.requires_grad:
            grads = torch.autograd.grad((output * weights).sum(), tensors, allow_unused=True)
            found = [
                seen if grad is None else seen | (grad.abs() > 1e-12) for seen, grad in zip(found, grads, strict=True)
            ]
        yield found


def ends(seen: torch.Tensor, dim: int) -> Span | None:
    """Return the first and the last position along ``dim`` that is seen."""
    places = seen.movedim(dim, 0).flatten(1).any(1).nonzero().flatten().tolist()
    return (places[0], places[-1]) if places else None


def claimed(taps: Taps, position: int) -> Span | None:
    """Return the ends of what a position reads by its taps."""
    turn, phase = divmod(position, len(taps.lows))
    low, high = taps.step * turn + taps.lows[phase], taps.step * turn + taps.highs[phase]
    return (low, high) if low <= high else None


def interior(taps: Taps, size: int, output: int) -> list[int]:
    """Return the middlemost positions whose field lies inside the input: a whole period, where there are that many."""
    inside = [j for j in range(output) if (span := claimed(taps, j)) is None or (span[0] >= 0 and span[1] < size)]
    most = max(3, len(taps.lows))
    start = max(0, (len(inside) - most) // 2)
    return inside[start : start + most]


class Pair(NamedTuple):
    """An input and an output of a layer, and what the output reads of the input."""

    layer: Layer
    inputs: Inputs
    source: int
    target: int
    reads: Mapping[int, Taps] | None

    @property
    def shape(self) -> Shape:
        return self.layer.outputs(self.inputs)[self.target].shape

    def converged(self, unit: tuple[int | slice, ...], dim: int, expected: Span | None) -> Span | None:
        """Return the ends of the support, drawing until they are the expected ones or draws run out."""
        found = None
        for seen in support(self.layer, self.inputs, unit, self.target):
            found = ends(seen[self.source], dim)
            if found == expected is not None:
                break
        return found


def pairs(op: str, args: dict[str, Any], shapes: tuple[Shape, ...]) -> Iterator[Pair]:
    layer, inputs = REGISTRY[op](**args), contract.specs(shapes)
    outputs, windows = layer.outputs(inputs), layer.windows(inputs)
    for source, before in enumerate(inputs):
        for target, output in enumerate(outputs):
            if output.dtype == "float32":  # there is no gradient of indices
                reads = layer.reads(inputs, outputs, source, target)
                yield Pair(layer, inputs, source, target, resolved(reads, windows, before.shape, output.shape))


@every_case
def test_a_unit_depends_on_exactly_the_positions_that_its_layer_says_it_reads(op, args, shapes):
    claims = checked = 0
    for pair in pairs(op, args, shapes):
        for dim, taps in (pair.reads or {}).items():
            size = pair.inputs[pair.source].shape[dim]
            positions = interior(taps, size, pair.shape[taps.dim]) if dim and taps.dim else []
            claims += bool(dim and taps.dim)
            for position in positions:
                unit = tuple(position if axis == taps.dim else slice(None) for axis in range(len(pair.shape)))
                expected = (0, size - 1) if taps.whole else claimed(taps, position)
                checked += 1

                assert expected == pair.converged(unit, dim, expected), f"dimension {dim}, position {position}"

    assert checked or not claims, f"{op} has no interior unit to check"


@every_case
def test_a_dimension_behind_the_channels_that_is_not_followed_is_read_as_a_whole_by_each_unit(op, args, shapes):
    for pair in pairs(op, args, shapes):
        behind = set(range(2, len(pair.inputs[pair.source].shape)))
        for dim in set() if pair.reads is None or op in OVERSTATED else behind - set(pair.reads):
            expected = (0, pair.inputs[pair.source].shape[dim] - 1)
            unit = tuple(size // 2 for size in pair.shape)

            assert expected == pair.converged(unit, dim, expected), f"dimension {dim} of input {pair.source}"


@every_case
def test_an_input_that_a_layer_says_it_does_not_read_has_no_gradient(op, args, shapes):
    for pair in pairs(op, args, shapes):
        if pair.reads is None:
            *_, seen = support(pair.layer, pair.inputs, (slice(None),), pair.target)

            assert not seen[pair.source].any(), f"input {pair.source}"


@pytest.mark.parametrize("op", sorted(OVERSTATED))
def test_every_excuse_has_a_layer_and_a_reason(op):
    assert op in REGISTRY
    assert len(OVERSTATED[op].split()) > 5


def test_between_the_taps_of_a_dilated_and_strided_transposed_convolution_the_claim_is_an_outer_bound():
    """Dilation 3 and stride 2: position 4 gets taps 0 and 2 of inputs 2 and −1; position 5 tap 1 of input 1 alone."""
    args = {"out_channels": 1, "kernel_size": 3, "stride": 2, "dilation": 3}
    (pair,) = pairs("convtranspose1d", args, ((1, 1, 12),))
    claims = [claimed(pair.reads[2], position) for position in (10, 11)]
    found = [
        pair.converged((slice(None), slice(None), position), 2, claim)
        for position, claim in zip((10, 11), claims, strict=True)
    ]

    assert [(2, 5), (3, 5)] == claims
    assert [(2, 5), (4, 4)] == found
