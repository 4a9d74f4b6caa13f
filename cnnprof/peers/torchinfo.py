"""torchinfo: parameters times places of the output, by the name of the module's class (``layer_info.py``, 1.8.0)."""

from __future__ import annotations

from cnnprof.peers import kinds
from cnnprof.peers.rules import each, rule
from cnnprof.peers.tool import Figure, Tool

_PARAMETERS = rule("every parameter counts once a sample, whatever it does", sampled_params=1)
RULES = (
    each(kinds.CONVOLUTIONS, rule("the bias is an addition", macs=1, biased=1))
    | each(kinds.TRANSPOSED, rule("every place of the output is taken for a whole sum", placed_params=1))
    | {
        "linear": rule("weights and biases once a sample: other dimensions than the last are lost", sampled_params=1),
        "linear function": rule("the module whose weights it takes is not called"),
        "parameter function": rule("a parameter of a module that has others inside"),
        "layerscale function": rule("a parameter of a module that has others inside"),
    }
    | each(("matmul", "scaleddotproductattention"), rule("it has no parameters"))
    | each(
        ("multiheadattention", "multiheadattention fused"), rule("a module with another inside is not counted itself")
    )
)
TOOL = Tool(
    name="torchinfo",
    version="1.8.0",
    figures=(
        Figure("macs", "mult-adds", "summary(model, input_size=size).total_mult_adds", RULES, every=_PARAMETERS),
        Figure("params", "Total params", "summary", every=rule(own_params=1), at_rest=True),
    ),
    evaluates=True,
)
