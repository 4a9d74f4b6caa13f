"""Every layer type, one file per family. A new file in this folder is found by itself.

``of(node)`` gives a graph node its behaviour; ``REGISTRY`` maps operator names to layer classes.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from cnnprof.layers.base import Example, Inputs, Layer
from cnnprof.layers.registry import REGISTRY, register

if TYPE_CHECKING:
    from cnnprof.model.graph import Node

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def of(node: Node) -> Layer:
    """Return the behaviour of a node.

    Raises:
        KeyError: nobody registered its operator.
        LayerError: its arguments are refused.
    """
    return REGISTRY[node.op](**node.args)


__all__ = ["REGISTRY", "Example", "Inputs", "Layer", "of", "register"]
