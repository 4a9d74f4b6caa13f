"""calflops: patches of torch's functions, whoever calls them (``pytorch_ops.py``, 0.3.2; a copy of DeepSpeed's)."""

from __future__ import annotations

from cnnprof.peers import kinds
from cnnprof.peers.rules import FREE, NOTHING, each, rule
from cnnprof.peers.tool import Figure, Tool

_NORM = rule("an estimate, as its source says", inputs=4, scaled=1)
_PATCHED = ("relu", "prelu", "elu", "leakyrelu", "gelu", "silu", "softmax", "softmax2d", *kinds.POOLS)
RULES = (
    FREE
    | each(kinds.CONVOLUTIONS, rule("the bias is an addition", macs=2, biased=1))
    | {"linear": rule("the bias is left out", macs=2), "matmul module": NOTHING}
    | each(("scaleddotproductattention", "multiheadattention fused"), rule("a function that it does not patch"))
    | each(kinds.BATCH_NORMS, rule(inputs=1, scaled=1))
    | each(kinds.BATCH_NORMS, _NORM, when="train")
    | each((*kinds.INSTANCE_NORMS, "groupnorm", "layernorm"), _NORM)
    | each(kinds.UPSAMPLES, rule("the scale, samples and channels are left out", upsampling_without_scale=1))
    | each(_PATCHED, rule(inputs=1))
    | {"relu6 function": rule(inputs=1)}
    | {"localresponsenorm": rule("products, and the average pooling inside", inputs=3, padded_channels=1)}
    | each(kinds.LP_POOLS, rule("the average pooling inside, a ReLU and a product", inputs=1, outputs=2))
)
TOOL = Tool(
    name="calflops",
    version="0.3.2",
    figures=(
        Figure("flops", "FLOPs", "calculate_flops(model, input_shape=shape)", RULES),
        Figure("params", "parameters", "calculate_flops", every=rule(own_params=1), at_rest=True),
    ),
    evaluates=True,
)
