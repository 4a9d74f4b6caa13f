"""What other tools say about a network, itemised.

Every tool counts by rules of its own. A convention is a table: of each kind of
layer (called as a module or as a function, in training or in evaluation), a linear form in a few measures of the layer.
Added up over the network it is what the tool prints, to the last digit; ``tests/integration/test_conventions.py`` asks
the tools themselves. A kind without a rule makes the total a lower bound: unknown is never zero.

A new tool is one file and one line in ``TOOLS``.
"""

from __future__ import annotations

from importlib import import_module

from cnnprof._version import __version__
from cnnprof.model.analysis import Analysis
from cnnprof.model.conventions import Conventions
from cnnprof.peers.count import total
from cnnprof.peers.tool import Tool

TOOLS = (
    "flop_counter",
    "fvcore",
    "ptflops",
    "ptflops_aten",
    "thop",
    "ultralytics_thop",
    "torchinfo",
    "torchprofile",
    "calflops",
    "deepspeed",
    "torchsummary",
    "keras",
)
"""Files of this folder, in the order in which the tools are shown; each has a ``TOOL``."""


def tools() -> tuple[Tool, ...]:
    """Return every tool with its rules."""
    return tuple(import_module(f"cnnprof.peers.{name}").TOOL for name in TOOLS)


def conventions(analysis: Analysis, *, training: bool = False) -> Conventions:
    """Return what every tool says about a network that was counted at one sample.

    ``training``: of the network in training mode, where the tool leaves it there.
    """
    return Conventions(
        cnnprof_version=__version__,
        model=analysis.model,
        source=analysis.source,
        inputs=analysis.inputs,
        training=training,
        bounded=analysis.totals.lower_bound,
        totals=tuple(total(analysis, tool, figure, training=training) for tool in tools() for figure in tool.figures),
    )


__all__ = ["TOOLS", "conventions", "tools"]
