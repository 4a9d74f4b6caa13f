"""Which forwards of a part its statistics are made of."""

from __future__ import annotations

from typing import NamedTuple

from cnnprof.measure.dirt import dirty
from cnnprof.measure.protocol import ASIDE
from cnnprof.model.run import PASSES, Forward, Part, Pass

ENOUGH = 6
"""Of fewer there is no 95 % interval, and one or two are those that a busy machine let through."""


class Samples(NamedTuple):
    """The forwards of one pass, warm-up left out."""

    clean: tuple[Forward, ...] = ()
    dirty: tuple[Forward, ...] = ()
    impossible: int = 0
    """Forwards with a time that is none, or without all their marks: never used."""
    judged: bool = False
    """Whether anything told which are dirty."""
    unqueued: int = 0
    """Forwards of pass Q that began before all of them was queued: never used."""
    mixed: bool = False
    """Whether disturbed forwards are used too."""

    @property
    def used(self) -> tuple[Forward, ...]:
        """What statistics are made of: the clean forwards; all of them where a pass has too few."""
        return self.clean + self.dirty if self.mixed else self.clean

    @property
    def poor(self) -> bool:
        """Whether the disturbed forwards leave too few others."""
        return bool(self.dirty) and len(self.clean) < ENOUGH

    @property
    def taken(self) -> int:
        """Forwards with times that can be."""
        return len(self.clean) + len(self.dirty)


def all_samples(part: Part) -> dict[Pass, Samples]:
    """Return the forwards of every pass.

    Passes whose times are taken from each other are made of the same kind of forwards: where disturbed ones leave too
    few of one of them, those of all are used. What the ledger does not need decides for itself alone.
    """
    found = {kind: _sorted(part, kind) for kind in PASSES}
    mixed = any(each.poor for kind, each in found.items() if kind not in ASIDE)
    return {kind: each._replace(mixed=mixed or each.poor) for kind, each in found.items()}


def samples(part: Part, kind: Pass) -> Samples:
    """Return the forwards of one pass."""
    return all_samples(part)[kind]


def _sorted(part: Part, kind: Pass) -> Samples:
    """Return the forwards of a pass, sorted by whether something disturbed them."""
    found = [each for each in part.forwards if each.kind == kind and not each.warm_up]
    queued = [each for each in found if kind != "Q" or each.marks_ns]
    possible = [each for each in queued if _possible(each, part)]
    verdicts = [dirty(each, part.environment) for each in possible]
    return Samples(
        clean=tuple(each for each, verdict in zip(possible, verdicts, strict=True) if not verdict),
        dirty=tuple(each for each, verdict in zip(possible, verdicts, strict=True) if verdict),
        impossible=len(queued) - len(possible),
        judged=any(verdict is not None for verdict in verdicts),
        unqueued=len(found) - len(queued),
    )


def _possible(forward: Forward, part: Part) -> bool:
    device = () if forward.device_ns is None else (forward.device_ns,)
    times = (forward.wall_ns, *device, *forward.phases_ns)
    between = (forward.cpu_ns, *forward.marks_ns, *forward.marks_cpu_ns)
    if min(times) <= 0 or min(between) < 0:
        return False
    if forward.kind == "G":  # the whole at once: it has neither phases nor layers
        return True
    if len(part.phases) > 1 and len(forward.phases_ns) != len(part.phases):
        return False
    if forward.kind in ("E", "F"):
        return True
    intervals = 2 * len(part.layers) + 1
    return len(forward.marks_ns) == intervals and len(forward.marks_cpu_ns) in {0, intervals}


def forward_ns(forward: Forward) -> int:
    """Return the wall time of the forward itself: of a training step, its first phase."""
    return forward.phases_ns[0] if forward.phases_ns else forward.wall_ns
