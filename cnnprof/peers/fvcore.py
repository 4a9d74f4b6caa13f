"""fvcore's FlopCountAnalysis: a table of operators of the traced forward (``nn/jit_handles.py``, 0.1.5)."""

from __future__ import annotations

from cnnprof.peers import kinds
from cnnprof.peers.rules import FREE, MACS, each, rule
from cnnprof.peers.tool import Figure, Tool

_NORM = rule("a rough estimate, as its source says", inputs=4, scaled=1)
RULES = (
    FREE
    | each((*kinds.CONVOLUTIONS, *kinds.TRANSPOSED, "linear"), MACS)
    | each(("scaleddotproductattention", "multiheadattention fused"), rule("an operator that it does not know"))
    | {"matmul": rule("the first operand is not broadcast", left_products=1)}
    | each(kinds.BATCH_NORMS, rule(inputs=1, scaled=1))
    | each(kinds.BATCH_NORMS, _NORM, when="train")
    | each((*kinds.INSTANCE_NORMS, "groupnorm", "layernorm"), _NORM)
    | {
        "adaptiveavgpool2d": rule("other poolings are not counted", inputs=1),
        "upsample nearest2d": rule(outputs=1),
        "upsample bilinear2d": rule(outputs=4),
    }
)
TOOL = Tool(
    name="fvcore",
    version="0.1.5.post20221221",
    figures=(
        Figure(
            "macs", "flop", "FlopCountAnalysis(model, input).total()", RULES,
            note='its "flop" is a multiply-accumulate',
        ),
    ),
)  # fmt: skip
