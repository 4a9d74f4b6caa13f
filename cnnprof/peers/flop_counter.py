"""torch's own FlopCounterMode: 2 per multiply-accumulate of products and convolutions (``utils/flop_counter.py``)."""

from __future__ import annotations

from cnnprof.peers import kinds
from cnnprof.peers.rules import FLOPS, FREE, each
from cnnprof.peers.tool import Figure, Tool

RULES = FREE | each((*kinds.CONVOLUTIONS, *kinds.TRANSPOSED, "linear", "matmul"), FLOPS)
TOOL = Tool(
    name="FlopCounterMode",
    version="2.13.0",
    figures=(Figure("flops", "FLOPs", "FlopCounterMode().get_total_flops()", RULES),),
)
