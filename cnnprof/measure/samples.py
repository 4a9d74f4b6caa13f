"""Which forwards of a part its statistics are made of."""

from __future__ import annotations

from typing import NamedTuple

from cnnprof.measure.dirt import dirty
from cnnprof.model.run import Forward, Part, Pass


class Samples(NamedTuple):
    """The forwards of one pass, warm-up left out."""

    clean: tuple[Forward, ...] = ()
    dirty: tuple[Forward, ...] = ()
    impossible: int = 0
    """Forwards with a time that is none, or without all their marks: never used."""
    judged: bool = False
    """Whether anything told which are dirty."""

    @property
    def used(self) -> tuple[Forward, ...]:
        """What statistics are made of: the clean ones, or all where none is clean."""
        return self.clean or self.dirty

    @property
    def taken(self) -> int:
        """Forwards with times that can be."""
        return len(self.clean) + len(self.dirty)


def samples(part: Part, kind: Pass) -> Samples:
    """Return the forwards of a pass, sorted by whether something disturbed them."""
    found = [each for each in part.forwards if each.kind == kind and not each.warm_up]
    possible = [each for each in found if _possible(each, part)]
    verdicts = [dirty(each, part.environment) for each in possible]
    return Samples(
        clean=tuple(each for each, verdict in zip(possible, verdicts, strict=True) if not verdict),
        dirty=tuple(each for each, verdict in zip(possible, verdicts, strict=True) if verdict),
        impossible=len(found) - len(possible),
        judged=any(verdict is not None for verdict in verdicts),
    )


def _possible(forward: Forward, part: Part) -> bool:
    times = (forward.wall_ns, *forward.phases_ns)
    between = (forward.cpu_ns, *forward.marks_ns, *forward.marks_cpu_ns)
    if min(times) <= 0 or min(between) < 0:
        return False
    if len(part.phases) > 1 and len(forward.phases_ns) != len(part.phases):
        return False
    intervals = 2 * len(part.layers) + 1
    return forward.kind == "E" or (len(forward.marks_ns) == intervals and len(forward.marks_cpu_ns) in {0, intervals})


def forward_ns(forward: Forward) -> int:
    """Return the wall time of the forward itself: of a training step, its first phase."""
    return forward.phases_ns[0] if forward.phases_ns else forward.wall_ns
