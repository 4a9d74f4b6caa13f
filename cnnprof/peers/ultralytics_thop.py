"""ultralytics-thop: thop rewritten; subclasses are seen, and products in functions (``thop/profile.py``, 2.2.3)."""

from __future__ import annotations

from cnnprof.peers import kinds, thop
from cnnprof.peers.rules import MACS, NOTHING, each, rule
from cnnprof.peers.tool import Figure, Tool

_SUBCLASS = rule("a function with weights is taken for a subclass of the module, which it sees", inputs=2, scaled=2)
_WINDOWS = "additions of the real windows, and divisions"
RULES = (
    {kind: found for kind, found in thop.RULES.items() if not kind.startswith("multiheadattention")}
    | each(kinds.TRANSPOSED, MACS)
    | each(("groupnorm", "rmsnorm"), thop.NORM)
    | each(("groupnorm", "rmsnorm", "layernorm"), _SUBCLASS, when="function")
    | each(("linear", "matmul", "scaleddotproductattention"), MACS, when="function")
    | each(("matmul", "scaleddotproductattention"), MACS)
    | each(kinds.AVERAGE_POOLS, rule(_WINDOWS, pooled_elements=1, outputs=1))
    | each(kinds.ADAPTIVE_AVERAGES, rule(_WINDOWS, additions=1, outputs=2))
    | each(("softmax", "softmax2d"), thop.SOFTMAX)
    | {"logsoftmax": rule(inputs=3), "softmin": rule(inputs=4, softmax_rows=-1)}
    | each(kinds.UPSAMPLES, NOTHING)
    | thop.UPSAMPLED
    | {"upsample trilinear3d": rule(outputs=31)}
)
TOOL = Tool(
    name="ultralytics-thop",
    version="2.2.3",
    figures=(
        Figure("macs", "MACs", "profile(model, inputs=(input,))", RULES),
        Figure("params", "parameters", "profile", every=rule(own_params=1), at_rest=True),
    ),
    evaluates=True,
    functions=thop.UNSEEN,
)
