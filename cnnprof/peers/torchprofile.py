"""torchprofile: a table of operators of the traced forward (``handlers.py``, 0.1.0)."""

from __future__ import annotations

from cnnprof.peers import kinds
from cnnprof.peers.rules import FREE, MACS, each, rule
from cnnprof.peers.tool import Figure, Tool

RULES = (
    FREE
    | each((*kinds.CONVOLUTIONS, "linear", "matmul", "scaleddotproductattention"), MACS)
    | each(kinds.TRANSPOSED, rule("every place of the output is taken for a whole sum", by_weight_shape=1))
    | each((*kinds.CHANNEL_NORMS, "groupnorm", "layernorm"), rule(scaled=1))
    | each((*kinds.AVERAGE_POOLS, *kinds.ADAPTIVE_AVERAGES, "mean"), rule("the divisions only", outputs=1))
    | each(
        ("mul", "layerscale", "stochasticdepth train"),
        rule("a multiplication is taken for a multiply-accumulate", outputs=1),
    )
    | {
        "leakyrelu": rule(outputs=1),
        "localresponsenorm": rule("two multiplications and the average pooling inside", inputs=3),
        "upsample bilinear2d": rule(outputs=4),
    }
    | each(kinds.LP_POOLS, rule("two multiplications and the average pooling inside", outputs=3))
)
TOOL = Tool(
    name="torchprofile",
    version="0.1.0",
    figures=(Figure("macs", "MACs", "profile_macs(model, input)", RULES),),
)
