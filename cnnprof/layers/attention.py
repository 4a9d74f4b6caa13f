"""Attention: torch.nn.functional.scaled_dot_product_attention and torch.nn.MultiheadAttention."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from cnnprof.errors import LayerError
from cnnprof.layers.attentive import KEY, OUTPUT, QUERY, VALUE, attention_keeps
from cnnprof.layers.backward import Device, Needs, Product, Saved, kept, kept_input, kept_output
from cnnprof.layers.base import Example, Inputs, Layer, check_at_least, mac_events, product
from cnnprof.layers.calls import FunctionLayer
from cnnprof.layers.counting import softmax_events, together
from cnnprof.layers.dims import full, one_dtype
from cnnprof.layers.registry import register
from cnnprof.model.analysis import Events
from cnnprof.model.graph import Shape, TensorSpec
from cnnprof.shapes import Reads, Taps

if TYPE_CHECKING:
    import torch


def attention_events(queries: int, keys: int, key_width: int, value_width: int, *, dropout: bool = False) -> Events:
    """Return the events of softmax(scale·Q·Kᵀ)·V for ``queries`` rows in all, each looking at ``keys`` positions.

    Per row: keys·key_width multiply-accumulates, a multiplication of every score by the scale, a softmax over the
    keys, keys·value_width multiply-accumulates; with dropout a comparison and a multiplication per score. A causal
    mask changes nothing: the whole products are computed, and choosing what to look at is not arithmetic.
    """
    scores = queries * keys
    dropped = Events(cmps=scores, muls=scores) if dropout else Events()
    return together(
        mac_events(scores * key_width, scores),
        Events(muls=scores),
        softmax_events(queries, keys),
        dropped,
        mac_events(scores * value_width, queries * value_width),
    )


def check_rate(rate: float, argument: str) -> None:
    """Raise LayerError unless ``rate`` is a probability."""
    if not 0 <= rate <= 1:
        raise LayerError(f"{argument} is a probability, 0 to 1, got {rate}", argument=argument)


@register("scaleddotproductattention")
class ScaledDotProductAttention(FunctionLayer, frozen=True):
    """softmax(scale·Q·Kᵀ)·V of queries …×L×E, keys …×S×E and values …×S×Eᵥ: …×L×Eᵥ.

    ``scale`` is 1/√E by default. ``dropout_p`` acts on the scores in training only.
    """

    arity = (3, 3)
    examples = (
        Example({}, ((2, 4, 5, 8), (2, 4, 6, 8), (2, 4, 6, 3)), ((2, 4, 5, 3),)),
        Example({"is_causal": True, "dropout_p": 0.1}, ((2, 5, 8), (2, 5, 8), (2, 5, 8)), ((2, 5, 8),)),
    )
    choices = {"dropout_p": (0.0, 0.5), "is_causal": (False, True), "scale": (None, 0.5)}
    input_choices = (
        ((2, 3, 4), (2, 5, 4), (2, 5, 6)), ((1, 2, 3, 4), (1, 2, 3, 4), (1, 2, 3, 4)),
        ((2, 3, 4), (2, 5, 3), (2, 5, 6)),
    )  # fmt: skip

    dropout_p: float = 0.0
    is_causal: bool = False
    scale: float | None = None

    def __post_init__(self) -> None:
        check_rate(self.dropout_p, "dropout_p")

    def outputs(self, inputs: Inputs) -> Inputs:
        query, key, value = (tensor.shape for tensor in inputs)
        fits = (
            min(map(len, (query, key, value))) > 2  # noqa: PLR2004 batch, positions, width
            and query[:-2] == key[:-2] == value[:-2]
            and query[-1] == key[-1]
            and key[-2] == value[-2]
        )
        if not fits:
            raise LayerError(
                f"{self.op} needs queries …×L×E, keys …×S×E and values …×S×V, got "
                f"{full(query)}, {full(key)} and {full(value)}",
                code="bad-shape",
            )
        return (TensorSpec((*query[:-1], value[-1]), one_dtype(inputs, self.op)),)

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        query, key, value = (tensor.shape for tensor in inputs)
        rows = inputs[0].numel // query[-1]
        return attention_events(rows, key[-2], key[-1], value[-1], dropout=training and self.dropout_p > 0)

    def products(self, inputs: Inputs, outputs: Inputs) -> tuple[Product, ...]:
        query, key, value = (tensor.shape for tensor in inputs)
        scores = inputs[0].numel // query[-1] * key[-2]
        return Product(scores * key[-1], (0,), (1,)), Product(scores * value[-1], (0, 1), (2,))

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        # Only what stands before positions and features is looked at one by one: the batch and the heads.
        return {dim: Taps(dim) for dim in range(len(inputs[source].shape) - 2)}

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        roles, own = attention_keeps(inputs, needs.inputs, self.dropout_p, device)
        return (*(kept_output() if role == OUTPUT else kept_input(role) for role in sorted(roles)), *own)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        import torch
        from torch.nn.functional import scaled_dot_product_attention

        layer = self

        class ScaledDotProductAttention(torch.nn.Module):  # type: ignore[misc] # torch is not followed
            def forward(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
                rate = layer.dropout_p if self.training else 0.0
                return scaled_dot_product_attention(
                    query, key, value, dropout_p=rate, is_causal=layer.is_causal, scale=layer.scale
                )

        return ScaledDotProductAttention()


@register("multiheadattention")
class MultiheadAttention(Layer, frozen=True):
    """Attention of ``num_heads`` heads between projections of L×N×E, or N×L×E with ``batch_first``; the shape stays.

    torch.nn.MultiheadAttention. One input attends to itself; three are queries, keys and values. The widths
    (``embed_dim``, ``kdim``, ``vdim``) are the inputs'. Only the attended values come out, not the weights.

    Multiply-accumulates: the three projections in, Q·Kᵀ, the product with V, the projection out. ``add_bias_kv`` and
    ``add_zero_attn`` each add a key to look at.
    """

    arity: ClassVar[tuple[int, int | None]] = (1, 3)
    examples = (
        Example({"num_heads": 2, "batch_first": True}, ((2, 5, 8),), ((2, 5, 8),)),
        Example(
            {"num_heads": 4, "dropout": 0.1, "add_bias_kv": True, "add_zero_attn": True},
            ((5, 2, 8), (6, 2, 3), (6, 2, 4)),
            ((5, 2, 8),),
        ),
    )
    choices = {
        "num_heads": (1, 2, 3),
        "dropout": (0.0, 0.5),
        "bias": (True, False),
        "add_bias_kv": (False, True),
        "add_zero_attn": (False, True),
        "batch_first": (False, True),
    }
    input_choices = (
        ((2, 3, 8),), ((3, 2, 4), (5, 2, 4), (5, 2, 4)), ((2, 3, 4), (2, 5, 6), (2, 5, 2)), ((2, 4),),
        ((2, 3, 4), (2, 3, 4)), ((2, 3, 8), (2, 5, 8), (2, 4, 8)),
    )  # fmt: skip

    num_heads: int
    dropout: float = 0.0
    bias: bool = True
    add_bias_kv: bool = False
    add_zero_attn: bool = False
    batch_first: bool = False

    def __post_init__(self) -> None:
        check_at_least(self.num_heads, 1, "num_heads")
        check_rate(self.dropout, "dropout")

    def _trio(self, inputs: Inputs) -> tuple[Shape, Shape, Shape]:
        """Return the shapes of queries, keys and values."""
        query, key, value = inputs * 3 if len(inputs) == 1 else inputs
        return query.shape, key.shape, value.shape

    def _positions(self, shape: Shape) -> int:
        return shape[1 if self.batch_first else 0]

    def _batch(self, shape: Shape) -> int:
        return shape[0 if self.batch_first else 1]

    def outputs(self, inputs: Inputs) -> Inputs:
        if len(inputs) == 2:  # noqa: PLR2004 nobody could say whether the second is keys or values
            raise LayerError(f"{self.op} needs 1 input, or 3: queries, keys and values; got 2", code="bad-arity")
        query, key, value = self._trio(inputs)
        ranks = {len(query), len(key), len(value)}
        if ranks != {3} or key[:2] != value[:2] or self._batch(query) != self._batch(key):
            order = "N×L×E" if self.batch_first else "L×N×E"
            raise LayerError(
                f"{self.op} needs {order}, keys and values of equal length; got "
                f"{' and '.join(full(tensor.shape) for tensor in inputs)}",
                code="bad-shape",
            )
        if query[2] % self.num_heads:
            raise LayerError(
                f"num_heads must divide the width {query[2]} of the queries, got {self.num_heads}",
                argument="num_heads",
            )
        return (TensorSpec(query, one_dtype(inputs, self.op)),)

    def parameters(self, inputs: Inputs) -> dict[str, Shape]:
        query, key, value = self._trio(inputs)
        width = query[2]
        found: dict[str, Shape] = {}
        if key[2] == value[2] == width:
            found["in_proj_weight"] = (3 * width, width)
        else:
            names = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
            found |= {name: (width, shape[2]) for name, shape in zip(names, (query, key, value), strict=True)}
        if self.bias:
            found["in_proj_bias"] = (3 * width,)
        if self.add_bias_kv:
            found |= {"bias_k": (1, 1, width), "bias_v": (1, 1, width)}
        found["out_proj.weight"] = (width, width)
        return found | ({"out_proj.bias": (width,)} if self.bias else {})

    def events(self, inputs: Inputs, outputs: Inputs, *, training: bool = False) -> Events:
        query, key, value = self._trio(inputs)
        width, batch, heads = query[2], self._batch(query), self.num_heads
        asked, seen = batch * self._positions(query), batch * self._positions(key)
        keys = self._positions(key) + self.add_bias_kv + self.add_zero_attn
        dropout = training and self.dropout > 0
        projections = [
            self._projection(rows, fan_in, width)
            for rows, fan_in in ((asked, width), (seen, key[2]), (seen, value[2]), (asked, width))
        ]
        attended = attention_events(asked * heads, keys, width // heads, width // heads, dropout=dropout)
        return together(*projections, attended)

    def products(self, inputs: Inputs, outputs: Inputs) -> tuple[Product, ...]:
        query, key, value = self._trio(inputs)
        sources = (0, 0, 0) if len(inputs) == 1 else (0, 1, 2)
        width = query[2]
        asked, seen = product(query[:2]) * width, product(key[:2]) * width
        scores = product(query[:2]) * (self._positions(key) + self.add_bias_kv + self.add_zero_attn)
        # What is projected depends on its input and on the weights; attention's weights on queries and keys.
        asking, looked, answer = ((source, "in_proj_weight") for source in sources)
        return (
            Product(asked * width, (sources[0],), ("in_proj_weight",)),
            Product(seen * key[2], (sources[1],), ("in_proj_weight",)),
            Product(seen * value[2], (sources[2],), ("in_proj_weight",)),
            Product(scores * width, asking, looked),
            Product(scores * width, (*asking, *looked), answer),
            Product(asked * width, (*asking, *looked, *answer), ("out_proj.weight",)),
        )

    def _projection(self, rows: int, fan_in: int, fan_out: int) -> Events:
        results = rows * fan_out
        return mac_events(results * fan_in, results, results if self.bias else 0)

    def reads(self, inputs: Inputs, outputs: Inputs, source: int = 0, target: int = 0) -> Reads:
        return {}

    def saved(self, inputs: Inputs, outputs: Inputs, needs: Needs, device: Device = "cpu") -> tuple[Saved, ...]:
        query, key, _ = self._trio(inputs)
        batch, extra = self._batch(query), self.add_bias_kv + self.add_zero_attn
        asked, seen = (
            (batch, self.num_heads, count, query[2] // self.num_heads)
            for count in (self._positions(query), self._positions(key) + extra)
        )
        dtype = inputs[0].dtype
        trio = (TensorSpec(asked, dtype), TensorSpec(seen, dtype), TensorSpec(seen, dtype))
        wanted = tuple(needed or needs.parameters for needed in needs.inputs * (4 - len(needs.inputs)))[:3]
        roles, own = attention_keeps(trio, wanted, self.dropout, device)
        return (
            *self._entries(inputs, needs),
            *self._projected(inputs, roles, trio),
            *own,
            *self._attended(trio[QUERY], needs, fused=OUTPUT in roles, device=device),
        )

    def _entries(self, inputs: Inputs, needs: Needs) -> tuple[Saved, ...]:
        """Return what the projections keep: their inputs, copied where batch and positions have to change places."""
        if not needs.parameters:
            return ()
        shapes = [tensor.shape for tensor in inputs]
        copied = [self.batch_first and min(self._batch(shape), self._positions(shape)) > 1 for shape in shapes]
        return tuple(kept(inputs[at]) if copy else kept_input(at) for at, copy in enumerate(copied))

    def _projected(self, inputs: Inputs, roles: set[int], trio: Inputs) -> tuple[Saved, ...]:
        """Return the projected queries, keys and values that are kept; of one input they are one tensor."""
        if len(inputs) > 1:
            return tuple(kept(trio[role]) for role in sorted(roles - {OUTPUT}))
        joined = {KEY, VALUE} if self.add_bias_kv or self.add_zero_attn else set()  # made anew by torch.cat
        whole = trio[QUERY]
        packed = (kept(TensorSpec((3, *whole.shape), whole.dtype)),) if roles - joined - {OUTPUT} else ()
        return (*packed, *(kept(trio[role]) for role in sorted(roles & joined)))

    def _attended(self, result: TensorSpec, needs: Needs, *, fused: bool, device: Device) -> tuple[Saved, ...]:
        """Return the kept results of attention: its operator's, and what the last projection reads.

        A CPU's operator leaves them in the order in which they are read; after a GPU's they are copied.
        """
        again = needs.parameters and not (fused and device == "cpu")
        return (kept(result),) * (fused + again)

    def build(self, inputs: Inputs) -> torch.nn.Module:
        from torch import nn

        class MultiheadAttention(nn.MultiheadAttention):  # type: ignore[misc] # torch is not followed
            def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
                query, key, value = tensors * 3 if len(tensors) == 1 else tensors
                attended: torch.Tensor = super().forward(query, key, value, need_weights=False)[0]
                return attended

        query, key, value = self._trio(inputs)
        return MultiheadAttention(
            query[-1], self.num_heads, dropout=self.dropout, bias=self.bias, add_bias_kv=self.add_bias_kv,
            add_zero_attn=self.add_zero_attn, kdim=key[-1], vdim=value[-1], batch_first=self.batch_first,
        )  # fmt: skip
