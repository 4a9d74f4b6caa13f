"""The result of validating: every figure that was compared, ours beside theirs. Plain data."""

from __future__ import annotations

from typing import Literal

from cnnprof.model.plain import Plain

SCHEMA = "cnnprof/validation/1"
Verdict = Literal["equal", "close", "explained", "differs", "failed"]
"""``close``: within the stated bound. ``explained``: it differs by a known defect of theirs, to the last digit."""
BROKEN: tuple[Verdict, ...] = ("differs", "failed")


class Figure(Plain, frozen=True, kw_only=True):
    """One comparison."""

    check: str
    """Name of the check, ``shapes``."""
    what: str
    """What is compared, in words: ``MACs``, ``output in evaluation``."""
    ours: int | float | str | None
    theirs: int | float | str | None
    verdict: Verdict
    by: str
    """Who says ``theirs``: ``torch``, ``FlopCounterMode``, ``fvcore``, ``torchvision:resnet50``."""
    layer: str | None = None
    """The first layer where both part."""
    note: str | None = None
    """What it costs, which defect explains it, or what went wrong."""

    @property
    def error(self) -> float | None:
        """The signed error of a count, (ours − theirs) ÷ theirs; None of anything else, or of something beside 0."""
        if not isinstance(self.ours, int) or not isinstance(self.theirs, int):
            return None
        if self.ours == self.theirs:
            return 0.0 if self.verdict == "equal" else None  # as many, but others
        return (self.ours - self.theirs) / self.theirs if self.theirs else None


class Validation(Plain, frozen=True, kw_only=True):
    """What was compared of one network."""

    schema: str = SCHEMA
    cnnprof_version: str
    model: str
    against: str | None
    """The reference network."""
    versions: dict[str, str]
    """Packages that were asked, with their versions."""
    overridden: tuple[str, ...] = ()
    """What ``--set`` or ``--input`` changed: published figures do not speak of this network."""
    figures: tuple[Figure, ...]

    @property
    def ok(self) -> bool:
        """True where nothing differs and no check failed."""
        return not self.broken

    @property
    def broken(self) -> tuple[Figure, ...]:
        """The figures that differ, and the checks that failed."""
        return tuple(figure for figure in self.figures if figure.verdict in BROKEN)


def compared(
    check: str, what: str, ours: int | str, theirs: int | str, *, by: str = "torch", **more: str | None
) -> Figure:
    """Return the comparison of two exact figures."""
    verdict: Verdict = "equal" if ours == theirs else "differs"
    return Figure(check=check, what=what, ours=ours, theirs=theirs, verdict=verdict, by=by, **more)
