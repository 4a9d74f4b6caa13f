"""What goes to a device and back, in bytes."""

from __future__ import annotations

from typing import Any

from cnnprof.model.run import Part

LADDER = tuple(4**power * 2**10 for power in range(1, 10))
"""4 KiB, 16 KiB, … 256 MiB."""


def moved(part: Part) -> dict[str, Any]:
    """Return the bytes that go to a device: of all inputs, of all weights and buffers; and the sizes to copy.

    Those are what the network's own tensors have, and a ladder that a line can be drawn through.
    """
    analysis = part.analysis
    if analysis is None:
        return {"input_bytes": 0, "weights_bytes": 0, "sizes": sorted(LADDER)}
    inputs, weights = analysis.totals.input_bytes, analysis.memory.param_bytes + analysis.memory.buffer_bytes
    outputs = [sum(each.nbytes for each in row.outputs) for row in analysis.rows]
    sizes = sorted({inputs, weights, *outputs, *LADDER} - {0})
    return {"input_bytes": inputs, "weights_bytes": weights, "sizes": sizes}
