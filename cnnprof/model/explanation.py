"""How the figures of one layer come about, step by step. Plain data."""

from __future__ import annotations

from typing import Any

from cnnprof.model.graph import Origin
from cnnprof.model.plain import Plain


class Step(Plain, frozen=True, kw_only=True):
    """One line: ``name = formula = value``."""

    name: str
    value: int | float | str
    formula: str | None = None
    """In the grammar of docs/definitions.md; None where the value is told, not computed."""
    unit: str = ""
    """``bytes``, ``fraction``, or what is counted."""
    about: str = ""
    """The same in words."""


class Section(Plain, frozen=True, kw_only=True):
    """Steps that belong together."""

    title: str
    steps: tuple[Step, ...]


class Explanation(Plain, frozen=True, kw_only=True):
    """The derivation of everything that a table says of one layer."""

    model: str
    source: str
    layer: str
    op: str
    args: dict[str, Any]
    origin: Origin | None
    batch: int
    dtype: str
    sections: tuple[Section, ...]

    def step(self, name: str) -> Step:
        """Return the first step of this name.

        Raises:
            KeyError: there is none.
        """
        for section in self.sections:
            for step in section.steps:
                if step.name == name:
                    return step
        raise KeyError(f"{self.layer} has no step {name!r}")
