"""Pure-Python layers on counting numbers, one module per family; every module in this folder is found by itself.

A reference is the layer written out, number by number, with the arithmetic that the table of operations counts. It
proves two things: its results equal torch's, so it is that layer; its tally equals ``Layer.events``, so the counts are.
"""

from __future__ import annotations

import importlib
import pkgutil

from tests.layers.references.counting import REFERENCES

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["REFERENCES"]
