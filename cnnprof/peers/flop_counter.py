"""torch's own FlopCounterMode: 2 per multiply-accumulate of products and convolutions (``utils/flop_counter.py``)."""

from __future__ import annotations

from cnnprof.peers import kinds
from cnnprof.peers.rules import FLOPS, FREE, each, rule
from cnnprof.peers.tool import Figure, Tool

RULES = (
    FREE
    | each((*kinds.CONVOLUTIONS, *kinds.TRANSPOSED, "linear", "matmul"), FLOPS)
    | {"multiheadattention fused": rule("an operator that it does not know, on a CPU without gradients")}
)
TOOL = Tool(
    name="FlopCounterMode",
    version="2.13.0",
    figures=(Figure("flops", "FLOPs", "FlopCounterMode().get_total_flops()", RULES),),
)
