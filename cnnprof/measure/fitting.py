"""What fits into the memory: which parts of a run are one series of batches, and what to try where one did not fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnprof.model.plain import replace
from cnnprof.model.run import Part

_HALF = ("bfloat16", "float16")
_BFLOAT16_SINCE = 8
"""Compute capability (major) from which a GPU multiplies bfloat16 by itself: CUDA C++ Programming Guide, Compute
Capabilities, table of arithmetic throughput."""


def too_large(part: Part, parts: Sequence[Part]) -> int | None:
    """Return the least batch, smaller than the part's, for which the memory did not suffice; None without one."""
    batches = [each.setting.batch for each in _series(part, parts) if each.status == "out-of-memory"]
    return min((batch for batch in batches if batch < part.setting.batch), default=None)


def advice(part: Part, parts: Sequence[Part]) -> str:
    """Return what may fit where a part did not: the largest smaller batch of its series that worked, if any did."""
    series, batch = _series(part, parts), part.setting.batch
    worked = [each.setting.batch for each in series if each.status in ("done", "budget") and each.setting.batch < batch]
    if worked:
        return f"a smaller batch: {max(worked)} worked"
    least = min((each.setting.batch for each in series if each.status == "out-of-memory"), default=batch)
    fewer = min(least, batch) // 2
    tries = [f"a smaller batch, such as --batch {fewer}" if fewer else "a smaller --input"]
    types = _smaller_types(part) if len(series) == 1 else ()
    return ", or ".join([*tries, *([f"--dtype {' or '.join(types)}"] if types else [])])


def untried(part: Part, least: int, parts: Sequence[Part]) -> Part:
    """Return a part that is not measured, since a smaller batch did not fit."""
    return replace(
        part,
        status="out-of-memory",
        problem=f"not tried: batch {least} of it needs more memory than there is already",
        hint=f"try {advice(part, parts)}",
        code="batch-too-large",
    )


def _series(part: Part, parts: Sequence[Part]) -> list[Part]:
    """Return the parts that differ from this one in their batch only, with itself."""
    return [each for each in parts if _besides_batch(each) == _besides_batch(part)]


def _besides_batch(part: Part) -> tuple[Any, ...]:
    inputs = None if part.graph is None else part.graph.inputs
    return part.model, inputs, replace(part.setting, batch=1), part.script, part.split


def _smaller_types(part: Part) -> tuple[str, ...]:
    """Return the types of half the bytes that the device computes with."""
    if part.setting.dtype in _HALF:
        return ()
    major = str(part.environment.get("capability", "")).partition(".")[0]
    old = part.setting.device.startswith("cuda") and major.isdecimal() and int(major) < _BFLOAT16_SINCE
    return ("float16",) if old else _HALF
