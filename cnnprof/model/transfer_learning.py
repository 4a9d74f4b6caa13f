"""What it costs to train parts of a network only. Plain data."""

from __future__ import annotations

from typing import Literal

from cnnprof.model.analysis import Analysis
from cnnprof.model.plain import Plain


class Strategy(Plain, frozen=True, kw_only=True):
    """One way to fine-tune: everything before a layer is frozen."""

    name: Literal["head only", "last layers", "all"]
    first: str
    """The first layer that trains."""
    layers: int
    """Layers with weights that train."""
    analysis: Analysis
    """The network with what does not train frozen, and the memory of its training step."""


class TransferLearning(Plain, frozen=True, kw_only=True):
    """The strategies side by side, the cheapest first."""

    model: str
    head: str
    """The last layer with weights, which a new task replaces."""
    classes: int
    """Outputs of the head."""
    strategies: tuple[Strategy, ...]

    def __getitem__(self, name: str) -> Strategy:
        """Return the strategy of this name.

        Raises:
            KeyError: there is none.
        """
        for strategy in self.strategies:
            if strategy.name == name:
                return strategy
        raise KeyError(name)
