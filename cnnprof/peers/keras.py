"""Keras: parameters, the moving statistics of batch norm among them (``Model.count_params``, 3.15.1)."""

from __future__ import annotations

from cnnprof.peers import kinds
from cnnprof.peers.rules import each, rule
from cnnprof.peers.tool import Figure, Tool

_MOVING = rule("moving means and variances are weights that do not train", own_params=1, statistics=1)
RULES = each(kinds.BATCH_NORMS, _MOVING)
TOOL = Tool(
    name="Keras",
    version="3.15.1",
    figures=(
        Figure(
            "params", "Total params", "model.count_params()", RULES, every=rule(own_params=1), at_rest=True,
            note="the same network written in Keras; it counts no work",
        ),
    ),
)  # fmt: skip
