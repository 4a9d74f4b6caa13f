"""ptflops with its newer backend: products and convolutions as torch dispatches them (``aten_ops.py``, 0.7.5)."""

from __future__ import annotations

from cnnprof.peers import flop_counter, kinds
from cnnprof.peers.rules import MACS, each, rule
from cnnprof.peers.tool import Figure, Tool

RULES = flop_counter.RULES | each(
    (*kinds.CONVOLUTIONS, *kinds.TRANSPOSED, "linear"), rule("the bias is an addition", macs=1, biased=1)
) | {"matmul": MACS}  # fmt: skip
TOOL = Tool(
    name="ptflops (aten)",
    version="0.7.5",
    figures=(
        Figure(
            "macs", "MACs", 'get_model_complexity_info(model, size, backend="aten")', RULES,
            note="its newer backend, which counts what torch dispatches",
        ),
    ),
    evaluates=True,
)  # fmt: skip
