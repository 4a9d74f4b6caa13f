"""What doubts are about, and the words that several of them use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from cnnprof.measure.protocol import FEWEST_CLEAN, MOST_FORWARDS, WARM_UP_SHARE
from cnnprof.measure.samples import Samples
from cnnprof.model.profile import Profile
from cnnprof.model.run import Part, Pass

OFTEN = 0.1
"""Of the forwards: fewer dirty ones are left out without a word besides their number."""
OPEN = 0.05
"""Of the whole: what layers and glue may leave unexplained."""


class Digest(NamedTuple):
    """What there is to doubt."""

    part: Part
    profile: Profile
    """Without doubts."""
    passes: Mapping[Pass, Samples]
    budget_s: float | None
    interval: float

    @property
    def measured(self) -> tuple[tuple[str, Samples], ...]:
        """The passes that there are samples of."""
        return tuple((name, found) for name, found in self.passes.items() if found.taken)

    @property
    def accelerated(self) -> bool:
        """Whether it ran on a device that computes while its host goes on."""
        return self.profile.device_whole is not None


def percent(part: float) -> str:
    """Return a part as hundredths."""
    return f"{100 * part:.1f} %"


def many(number: int, thing: str) -> str:
    """Return a number of things."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def longer(digest: Digest) -> str:
    """Return how to measure for longer than was asked for."""
    if any(found.taken >= MOST_FORWARDS for _, found in digest.measured):
        return "a quieter machine: no more forwards than these are taken, whatever the budget"
    if digest.budget_s is None:
        return "a larger --budget"
    return f"--budget {max(2 * digest.budget_s, _needed_s(digest)):g}s"


def _needed_s(digest: Digest) -> float:
    """Return the time for the fewest forwards of every pass, warm-up included, in tens of seconds."""
    whole = digest.profile.whole
    forwards = FEWEST_CLEAN * len(digest.measured) / (1 - WARM_UP_SHARE)
    return 0.0 if whole is None else 10 * math.ceil(forwards * whole.median_s / 10)


def larger_batch(digest: Digest) -> str:
    """Return how to give every layer more to do than was asked for."""
    return f"a larger batch takes longer per layer: --batch {8 * digest.part.setting.batch}"
