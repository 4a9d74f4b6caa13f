"""Parts that enter a comparison although a doubt says that their times are others than those of the device alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from cnnprof.model.offload import Disturbed
from cnnprof.offload.pairs import Measured
from cnnprof.offload.pays import Between

CODES: dict[str, Literal["whole", "layers"]] = {
    "all-dirty": "whole", "some-dirty": "whole", "not-steady": "whole", "clocks-throttled": "whole",
    "clocks-moved": "whole", "ledger-open": "layers", "marks-mismeasured": "layers",
}  # fmt: skip
"""Doubts that a time is too long, or at another speed, by a share that nobody knows. Others say how surely it is known,
which intervals tell, or are of the device itself, as it would be without anybody else too."""


def disturbed(found: Iterable[Between]) -> tuple[Disturbed, ...]:
    """Return the doubts of every part that enters, host before device; of layers where these are compared."""
    return tuple(each for between in found for side in between.pair for each in _of(side, layered=between.layered))


def _of(side: Measured, *, layered: bool) -> Iterator[Disturbed]:
    setting = side.part.setting
    for doubt in side.profile.doubts:
        times = CODES.get(doubt.code)
        if times == "whole" or (times == "layers" and layered):
            yield Disturbed(device=setting.device, batch=setting.batch, code=doubt.code, times=times)
