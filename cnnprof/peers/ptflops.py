"""ptflops with its older backend: hooks on modules, and patches of torch's functions (``pytorch_ops.py``, 0.7.5).

A module whose forward calls a patched function is counted twice: by its hook and by the patch. ``F.linear`` was taken
out of the patches for that reason; activations, pooling and interpolation were not.
"""

from __future__ import annotations

from cnnprof.peers import kinds
from cnnprof.peers.rules import FREE, NOTHING, each, rule
from cnnprof.peers.tool import Figure, Tool

_TWICE = "once by its hook on the module and once more by its patch of the function that the module calls"
_ONCE = rule(inputs=1)
_SCALED = rule(inputs=1, scaled=1)
_PRODUCTS = (*kinds.CONVOLUTIONS, *kinds.TRANSPOSED, "linear")
_BY_HOOKS = (*_PRODUCTS, *kinds.CHANNEL_NORMS, "groupnorm", "layernorm", "leakyrelu")
_BY_BOTH = ("relu", "prelu", "elu", "gelu", *kinds.POOLS)
RULES = (
    FREE
    | each(_PRODUCTS, rule("the bias is an addition", macs=1, biased=1))
    | each((*kinds.CHANNEL_NORMS, "groupnorm"), _SCALED)
    | {"layernorm": rule("a module without the attribute that is asked for", inputs=1)}
    | {"leakyrelu": rule(inputs=1), "relu6": rule(inputs=1)}
    | each(_BY_BOTH, rule(_TWICE, inputs=2))
    | each((*_BY_BOTH, "relu6"), _ONCE, when="function")
    | each(_BY_HOOKS, rule("its hooks are on modules"), when="function")
    | each(("silu", "softmax", "softmax2d"), _ONCE)
    | {"matmul module": NOTHING, "scaleddotproductattention": rule("a function that it does not patch")}
    | {"localresponsenorm": rule("products, and the average pooling inside", inputs=3, padded_channels=1)}
    | each(kinds.LP_POOLS, rule("the average pooling inside, a ReLU and a product", inputs=1, outputs=2))
    | each(kinds.UPSAMPLES, rule(_TWICE, outputs=1, patched_upsampling=1))
    | each(kinds.UPSAMPLES, rule(patched_upsampling=1), when="function")
)
TOOL = Tool(
    name="ptflops",
    version="0.7.5",
    figures=(
        Figure(
            "macs", "MACs", 'get_model_complexity_info(model, size, backend="pytorch")', RULES,
            note="its older backend, which counts calls of modules and functions; of one sample",
        ),
        Figure("params", "parameters", "get_model_complexity_info", every=rule(trainable_params=1), at_rest=True),
    ),
    evaluates=True,
)  # fmt: skip
