"""What goes to a device and back, in bytes."""

from __future__ import annotations

from typing import Any

from cnnprof.model.analysis import Analysis
from cnnprof.model.run import Part

LADDER = tuple(4**power * 2**10 for power in range(1, 10))
"""4 KiB, 16 KiB, … 256 MiB."""


def moved(part: Part) -> dict[str, Any]:
    """Return the bytes that go to a device: of all inputs, of all weights and buffers; and the sizes to copy.

    Those are what each of the network's own tensors has, its inputs as uint8, and a ladder that a line can be drawn
    through.
    """
    analysis = part.analysis
    if analysis is None:
        return {"input_bytes": 0, "weights_bytes": 0, "sizes": sorted(LADDER)}
    inputs, weights = analysis.totals.input_bytes, analysis.memory.param_bytes + analysis.memory.buffer_bytes
    tensors = {each.nbytes for row in analysis.rows for each in (*row.inputs, *row.outputs)}
    sizes = sorted({inputs, weights, *tensors, *_as_uint8(analysis), *LADDER} - {0})
    return {"input_bytes": inputs, "weights_bytes": weights, "sizes": sizes}


def _as_uint8(analysis: Analysis) -> set[int]:
    """Return the bytes of each network input with one byte per value, as images are before they are normalised."""
    names = {each.name for each in analysis.inputs}
    read = (pair for row in analysis.rows for pair in zip(row.edges, row.inputs, strict=False))
    return {spec.numel for edge, spec in read if edge.node in names}
