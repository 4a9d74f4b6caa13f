"""DeepSpeed's flops profiler: patches of torch's functions (``profiling/flops_profiler/profiler.py``, 0.19.8)."""

from __future__ import annotations

from cnnprof.peers import calflops, kinds
from cnnprof.peers.rules import NOTHING, each, rule
from cnnprof.peers.tool import Figure, Tool

RULES = (
    calflops.RULES
    | each(kinds.TRANSPOSED, rule("the bias is an addition", macs=2, biased=1))
    | each(kinds.UPSAMPLES, rule("of a size that is given, samples and channels are left out", upsampling_by_scale=1))
    | {"scaleddotproductattention module": NOTHING}
    | {"scaleddotproductattention function": rule(macs=2), "matmul function": rule(macs=2)}
)
TOOL = Tool(
    name="DeepSpeed",
    version="0.19.8",
    figures=(
        Figure("flops", "flops", "get_model_profile(model, input_shape=shape)", RULES),
        Figure("params", "params", "get_model_profile", every=rule(own_params=1), at_rest=True),
    ),
    evaluates=True,
)
