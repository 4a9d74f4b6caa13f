"""thop: hooks on modules of torch.nn by their exact class (``profile.py``, ``vision/basic_hooks.py``, 0.1.1)."""

from __future__ import annotations

from cnnprof.peers import kinds
from cnnprof.peers.rules import FREE, MACS, NOTHING, each, rule
from cnnprof.peers.tool import Figure, Tool

_HOOKED = (*kinds.CONVOLUTIONS, *kinds.TRANSPOSED, *kinds.CHANNEL_NORMS, "layernorm", "linear", "prelu")
UNSEEN = rule("its hooks are on modules")
UPSAMPLED = {
    "upsample linear1d": rule(outputs=5), "upsample bilinear2d": rule(outputs=11),
    "upsample bicubic2d": rule(outputs=259),
}  # fmt: skip
NORM = rule("2 for the normalisation, doubled where there are weights", inputs=2, scaled=2)
ROWS = "an exponential, an addition and a division each, one addition less a row"
SOFTMAX = rule(ROWS, inputs=3, softmax_rows=-1)
RULES = (
    FREE
    | each(("matmul", "scaleddotproductattention"), NOTHING)
    | each(("multiheadattention", "multiheadattention fused"), rule("it has no rule for it"))
    | each((*kinds.CONVOLUTIONS, "linear"), MACS)
    | each(kinds.TRANSPOSED, rule("every place of the output is taken for a whole sum", placed_weights=1))
    | each((*kinds.CHANNEL_NORMS, "layernorm"), NORM)
    | {"prelu": rule(inputs=1), "softmax": SOFTMAX}
    | each(kinds.AVERAGE_POOLS, rule("the divisions only", outputs=1))
    | each(
        kinds.ADAPTIVE_AVERAGES, rule("additions and divisions, of windows of the average size", inputs=1, outputs=1)
    )
    | each(("upsample nearest1d", "upsample nearest2d", "upsample nearest3d"), rule(outputs=1))
    | UPSAMPLED
)
_PARAMETERS = rule("those of modules that it has a rule for and that ran", weights=1, biases=1)
TOOL = Tool(
    name="thop",
    version="0.1.1.post2209072238",
    figures=(
        Figure("macs", "MACs", "profile(model, inputs=(input,))", RULES),
        Figure(
            "params", "parameters", "profile", each(_HOOKED, _PARAMETERS) | each(_HOOKED, UNSEEN, when="function"),
            every=rule("it has no rule for the module"),
        ),
    ),
    evaluates=True,
    functions=UNSEEN,
)  # fmt: skip
