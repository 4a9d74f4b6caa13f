"""Every layer type, one file per family. A new file in this folder is found by itself.

``of(node)`` gives a graph node its behaviour; ``REGISTRY`` maps operator names to layer classes.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from cnnprof.layers.base import Example, Inputs, Layer
from cnnprof.layers.recorded import recorded
from cnnprof.layers.registry import REGISTRY, register

if TYPE_CHECKING:
    from cnnprof.model.analysis import Row
    from cnnprof.model.graph import Node

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def kind(op: str) -> type[Layer] | None:
    """Return the layer type of an operator, registered or recorded; None where nobody knows it."""
    return REGISTRY.get(op) or recorded(op)


def of(node: Node | Row) -> Layer:
    """Return the behaviour of a node, or of the node that a row is about.

    Raises:
        KeyError: nobody registered its operator.
        LayerError: its arguments are refused.
    """
    found = kind(node.op)
    if found is None:
        raise KeyError(node.op)
    return found(**node.args)


__all__ = ["REGISTRY", "Example", "Inputs", "Layer", "kind", "of", "register"]
