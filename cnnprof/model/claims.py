"""Published figures beside computed ones, as plain data."""

from __future__ import annotations

from cnnprof.model.graph import Fact
from cnnprof.model.plain import Plain

SCHEMA = "cnnprof/ledger/1"
MEASURED = ("top1_accuracy", "top5_accuracy")
"""What a fact may speak of that no count gives: percent of ImageNet's validation images, measured by others."""


class Match(Plain, frozen=True, kw_only=True):
    """A count of the same kind that makes the published figure. The figure need not come from it."""

    model: str
    """The network, or another form of it from the same file."""
    convention: str
    """What was counted, in words: ``MACs of convolutions only``."""
    computed: int | float | str
    """Text where the figure is a shape or a receptive field."""
    cut_off: bool = False
    """True: it begins with the published digits, but rounds to others."""

    def __str__(self) -> str:
        """Return ``vgg16: MACs of convolutions only, 15,346,630,656``."""
        form = {int: ",", float: ",.4f", str: ""}[type(self.computed)]
        return f"{self.model}: {self.convention}, {self.computed:{form}}{', cut off' if self.cut_off else ''}"


class Claim(Plain, frozen=True, kw_only=True):
    """One published figure beside the computed one."""

    fact: Fact
    computed: int | float | str | None
    """Exact, but for bytes over a power of 1000, which are rounded. A shape is text, ``64x55x55``. None where the
    figure was measured."""
    shown: str | None
    """The computed value in the notation and precision of the published one."""
    reproduced: bool | None
    """Whether the computed value rounds to the published one. A lower bound reproduces nothing; None: was measured."""
    matches: tuple[Match, ...] = ()
    """Other counts that make the figure, looked for where it is not reproduced."""

    @property
    def agrees(self) -> bool:
        """True where the fact's own word on whether it holds is right."""
        return self.reproduced is None or self.reproduced == self.fact.holds


class Ledger(Plain, frozen=True, kw_only=True):
    """Every published figure of a network."""

    schema: str = SCHEMA
    cnnprof_version: str
    model: str
    source: str
    claims: tuple[Claim, ...]

    @property
    def agrees(self) -> bool:
        """True where every fact's own word is right."""
        return all(claim.agrees for claim in self.claims)


class Erratum(Plain, frozen=True, kw_only=True):
    """A slip in one of the course decks: what it says, what is right, and why."""

    deck: str
    what: str
    published: str
    right: str
    """Figures in it were computed, never typed in."""
    why: str
    model: str | None = None
    """The network of the zoo that shows it; None for words and formulas."""
    agrees: bool = True
    """False: cnnprof counts what was published, so that the erratum is one itself."""
