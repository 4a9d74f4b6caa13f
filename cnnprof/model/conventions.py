"""What other tools say about a network, and what their totals are made of. Plain data."""

from __future__ import annotations

from typing import Literal

from cnnprof.model.graph import Input
from cnnprof.model.plain import Plain

SCHEMA = "cnnprof/conventions/1"
Quantity = Literal["macs", "flops", "params"]
Call = Literal["module", "function"]


class Part(Plain, frozen=True, kw_only=True):
    """What a tool makes of all layers of one kind."""

    kind: str
    """The layers' operator, ``batchnorm2d``."""
    call: Call
    """How the network calls them: tools that hook modules see nothing of a function."""
    layers: int
    ours: int | None
    """What cnnprof counts of the tool's quantity. None: unknown to cnnprof too."""
    counted: int | None
    """What the tool counts. None: nobody has found out."""
    rule: str
    """The tool's rule in words: ``2 per element in``; empty where it is unknown."""
    why: str | None = None
    """Why that is so, where there is more to say."""

    @property
    def beyond(self) -> int | None:
        """What the tool counts beyond cnnprof; negative where it leaves something out."""
        return None if self.counted is None or self.ours is None else self.counted - self.ours


class Total(Plain, frozen=True, kw_only=True):
    """One figure that a tool prints."""

    tool: str
    version: str
    """The version whose rules these are."""
    asked: str
    """The call that gives the figure."""
    quantity: Quantity
    """Which of cnnprof's own numbers it is to be compared with."""
    unit: str
    """What the tool calls it."""
    ours: int
    """cnnprof's own number."""
    counted: int
    """What the tool prints: the sum over ``parts``, without what is unknown."""
    unknown: tuple[str, ...] = ()
    """Kinds of layers whose rule is unknown; with any, ``counted`` is a lower bound."""
    parts: tuple[Part, ...]
    note: str | None = None
    """What else to know about the figure."""

    @property
    def lower_bound(self) -> bool:
        """True where something unknown is missing from ``counted``."""
        return bool(self.unknown)

    @property
    def beyond(self) -> int:
        """What the tool counts beyond cnnprof; the parts' differences add up to it."""
        return self.counted - self.ours


class Conventions(Plain, frozen=True, kw_only=True):
    """What every tool says about one network, at one sample."""

    schema: str = SCHEMA
    cnnprof_version: str
    model: str
    source: str
    inputs: tuple[Input, ...]
    training: bool
    """Whether the network is in training mode; tools that set evaluation mode themselves do so all the same."""
    bounded: bool = False
    """True where cnnprof's own numbers are lower bounds, because of operators that nobody registered."""
    totals: tuple[Total, ...]

    def __getitem__(self, tool: str) -> Total:
        """Return a tool's first figure, its work where it counts any.

        Raises:
            KeyError: there is no such tool.
        """
        for total in self.totals:
            if total.tool == tool:
                return total
        raise KeyError(f"no tool {tool!r}; there are {', '.join(dict.fromkeys(each.tool for each in self.totals))}")
