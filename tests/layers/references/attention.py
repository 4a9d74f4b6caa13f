"""Attention: scores, scale, softmax, weighted sum; and the projections around it."""

from __future__ import annotations

import math

from tests.layers.contract import signature_differs, we_refuse
from tests.layers.references.counting import Array, Case, Index, Number, Weights, build, dot, indices, reference
from tests.layers.references.softmax import softmax_of

RANDOM = "the scores that are dropped are drawn"

for name in ("embed_dim", "kdim", "vdim"):
    signature_differs("multiheadattention", name, "it follows from the inputs")
we_refuse("multiheadattention", "got [0-9]+×[0-9]+$", "torch takes a sample without its batch")


Rows = list[list[Number]]


def attend(
    query: list[Number], keys: Rows, values: Rows, scale: float, dropout: float, seen: int | None = None
) -> list[Number]:
    """Return what one query gathers from its first ``seen`` keys; the others' scores are computed and masked by −∞."""
    scores = [dot(zip(query, key, strict=True)) * scale for key in keys]
    if seen is not None:
        scores = [score if n < seen else Number(-math.inf, score.tally) for n, score in enumerate(scores)]
    weights = softmax_of(scores)
    if dropout:
        weights = [weight * (1 / (1 - dropout) if Number(1, weight.tally) > dropout else 0) for weight in weights]
    columns = range(len(values[0]))
    return [dot((weight, value[c]) for weight, value in zip(weights, values, strict=True)) for c in columns]


def rows_of(array: Array, lead: Index) -> Rows:
    """Return the matrix at the leading indices ``lead``."""
    rows, columns = array.shape[-2:]
    return [[array[(*lead, r, c)] for c in range(columns)] for r in range(rows)]


@reference(
    "scaleddotproductattention",
    Case({}, ((2, 3, 4), (2, 5, 4), (2, 5, 2))),
    Case({"scale": 0.3, "dropout_p": 0.2}, ((1, 2, 2, 3), (1, 2, 3, 3), (1, 2, 3, 3))),
    Case({"is_causal": True}, ((2, 3, 2), (2, 3, 2), (2, 3, 2))),
    random=RANDOM,
)
def scaled_dot_product_attention(layer, inputs: list[Array], _: Weights, *, training: bool) -> Array:
    query, key, value = inputs
    scale = layer.scale or 1 / math.sqrt(query.shape[-1])
    dropout = layer.dropout_p if training else 0.0

    def gathered(lead: Index, row: int) -> list[Number]:
        keys, values = rows_of(key, lead), rows_of(value, lead)
        return attend(rows_of(query, lead)[row], keys, values, scale, dropout, row + 1 if layer.is_causal else None)

    rows = {place: gathered(place[:-1], place[-1]) for place in indices(*query.shape[:-1])}
    return build((*query.shape[:-1], value.shape[-1]), lambda index: rows[index[:-1]][index[-1]])


def project(rows: Rows, weight: Rows, bias: list[Number] | None) -> Rows:
    """Return x·Wᵀ + b of every row."""
    products = [[dot(zip(row, column, strict=True)) for column in weight] for row in rows]
    return products if bias is None else [[x + b for x, b in zip(row, bias, strict=True)] for row in products]


def in_projections(weights: Weights, width: int) -> list[tuple[Rows, list[Number] | None]]:
    """Return weight and bias for queries, keys and values, from torch's packed or separate tensors."""
    packed = rows_of(weights["in_proj_weight"], ()) if "in_proj_weight" in weights else None
    bias = weights["in_proj_bias"].values if "in_proj_bias" in weights else None
    found = []
    for n, name in enumerate("qkv"):
        part = slice(n * width, (n + 1) * width)
        weight = packed[part] if packed else rows_of(weights[f"{name}_proj_weight"], ())
        found.append((weight, bias[part] if bias else None))
    return found


def extended(rows: Rows, layer, extra: Array | None) -> Rows:
    """Return keys or values with what ``add_bias_kv`` and ``add_zero_attn`` put behind them."""
    more = list(rows)
    if layer.add_bias_kv:
        more.append(extra.values)
    if layer.add_zero_attn:
        more.append([Number(0, rows[0][0].tally)] * len(rows[0]))
    return more


@reference(
    "multiheadattention",
    Case({"num_heads": 2}, ((3, 2, 4),)),
    Case({"num_heads": 1, "bias": False, "batch_first": True}, ((2, 3, 4), (2, 2, 3), (2, 2, 4))),
    Case({"num_heads": 2, "add_bias_kv": True, "add_zero_attn": True, "dropout": 0.1}, ((2, 1, 4),)),
    random=RANDOM,
)
def multi_head_attention(layer, inputs: list[Array], weights: Weights, *, training: bool) -> Array:
    batch_axis = 0 if layer.batch_first else 1
    width = inputs[0].shape[2]
    samples = [
        one_sample(layer, [sample_rows(array, batch_axis, n) for array in inputs], weights, width, training=training)
        for n in range(inputs[0].shape[batch_axis])
    ]

    def element(index: Index) -> Number:
        return samples[index[batch_axis]][index[1 - batch_axis]][index[2]]

    return build(inputs[0].shape, element)


def sample_rows(array: Array, batch_axis: int, sample: int) -> Rows:
    places = range(array.shape[1 - batch_axis])
    columns = range(array.shape[2])
    return [[array[(sample, p, c) if batch_axis == 0 else (p, sample, c)] for c in columns] for p in places]


def one_sample(layer, rows: list[Rows], weights: Weights, width: int, *, training: bool) -> Rows:
    trio = rows * 3 if len(rows) == 1 else rows
    query, key, value = (
        project(source, *projection) for source, projection in zip(trio, in_projections(weights, width), strict=True)
    )
    key, value = extended(key, layer, weights.get("bias_k")), extended(value, layer, weights.get("bias_v"))
    depth = width // layer.num_heads
    dropout = layer.dropout if training else 0.0

    def head(row: list[Number], n: int) -> list[Number]:
        part = slice(n * depth, (n + 1) * depth)
        keys, values = [k[part] for k in key], [v[part] for v in value]
        return attend(row[part], keys, values, 1 / math.sqrt(depth), dropout)

    gathered = [[x for n in range(layer.num_heads) for x in head(row, n)] for row in query]
    bias = weights["out_proj.bias"].values if "out_proj.bias" in weights else None
    return project(gathered, rows_of(weights["out_proj.weight"], ()), bias)
