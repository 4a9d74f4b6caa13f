"""Parameters and buffers against those of the built module."""

from __future__ import annotations

from collections.abc import Iterator

from cnnprof.model.validation import Figure, compared
from cnnprof.validator.case import Case


def check(case: Case) -> Iterator[Figure]:
    """Yield trainable parameters, frozen ones and buffers, with the first layer that has others."""
    totals, module = case.analysis.totals, case.on_meta
    counts = {True: 0, False: 0}
    for parameter in module.parameters():
        counts[parameter.requires_grad] += parameter.numel()
    first = _first(case)
    yield compared("parameters", "trainable parameters", totals.trainable_params, counts[True], layer=first)
    yield compared("parameters", "frozen parameters", totals.frozen_params, counts[False], layer=first)
    yield compared(
        "parameters", "buffer elements", totals.buffers, sum(buffer.numel() for buffer in module.buffers()), layer=first
    )


def _first(case: Case) -> str | None:
    """Return the first layer whose own parameters and buffers are other than its row says."""
    for row in case.analysis.rows:
        layer = case.part(row.name)
        held = sum(tensor.numel() for tensor in (*layer.parameters(), *layer.buffers()))
        if row.share is None and held != row.params + row.buffers:
            return row.name
    return None
