"""What the tables of a host and a device share: what they are called, which batch they are of, what they rest on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from cnnprof.report.base import Value

if TYPE_CHECKING:
    from cnnprof.model.offload import AtBatch, Offload


def title(found: Offload) -> str:
    """Return what all of these tables begin with."""
    step = ", a training step" if found.mode == "training" else ""
    return f"{found.model}, {found.dtype}{step}: {found.device} beside {found.host}"


def largest(batches: Sequence[AtBatch]) -> AtBatch:
    """Return the largest batch that somebody asked for and that was measured on both; without one, the largest."""
    asked = [each for each in batches if not each.confirms] or batches
    return ([each for each in asked if None not in (each.host_s, each.device_s)] or asked)[-1]


def yes(value: bool | None) -> Value:  # noqa: FBT001 a value, no option
    """Return a word for what may not be known."""
    return None if value is None else "yes" if value else "no"


def resting(found: Offload, times: Literal["whole", "layers"], batches: Collection[int]) -> Iterator[str]:
    """Yield which of these batches have times in doubt, in one note: what is said of them rests on that."""
    doubts = [each for each in found.disturbed if each.times == times and each.batch in batches]
    named = ", ".join(f"{each.device} batch {each.batch:,} (doubt[{each.code}])" for each in doubts)
    if named:
        yield f"this rests on {'times' if times == 'whole' else 'times of layers'} that are in doubt: {named}"
