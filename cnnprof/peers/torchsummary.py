"""torchsummary: ``weight`` and ``bias`` of every module that runs, once a call (``torchsummary.py``, 1.5.1)."""

from __future__ import annotations

from cnnprof.peers.rules import rule
from cnnprof.peers.tool import Figure, Tool

RULES = {
    "linear function": rule("the module whose weights it takes is not called"),
    "parameter function": rule("it looks at modules only, for a weight and a bias"),
    "layerscale function": rule("it looks at modules only, for a weight and a bias"),
    "multiheadattention": rule("its weights have other names than those that are looked for"),
    "multiheadattention fused": rule("its weights have other names than those that are looked for"),
}
TOOL = Tool(
    name="torchsummary",
    version="1.5.1",
    figures=(
        Figure(
            "params", "Total params", "summary(model, size)", RULES,
            every=rule("once a call, so that what does not run is not there", weights=1, biases=1),
            note="it counts no work",
        ),
    ),
)  # fmt: skip
