"""A tool as plain data: its name, what it prints, and the rules it counts by."""

from __future__ import annotations

from typing import NamedTuple

from cnnprof.model.conventions import Quantity
from cnnprof.peers.rules import Rule, Rules


class Figure(NamedTuple):
    """One figure that a tool prints."""

    quantity: Quantity
    unit: str
    """What the tool calls it."""
    asked: str
    """The call that gives it."""
    rules: Rules = {}
    every: Rule | None = None
    """The rule of every kind that ``rules`` has none for, where there is one for all."""
    at_rest: bool = False
    """What does not run counts too, as an auxiliary head in evaluation: all parameters are looked at, not calls."""
    note: str | None = None


class Tool(NamedTuple):
    """A tool at one version."""

    name: str
    version: str
    figures: tuple[Figure, ...]
    evaluates: bool = False
    """It sets evaluation mode itself."""
    functions: Rule | None = None
    """The rule of every function that ``rules`` has none of its own for: a tool that hooks modules sees none of it."""
