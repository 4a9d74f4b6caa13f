"""Filling the GPU's last cache with something else, so that a network finds nothing of its own there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnprof.devices.cuda import environment
from cnnprof.devices.cuda.failures import is_out_of_memory
from cnnprof.devices.cuda.toolkit import Toolkit

_CACHE_BYTES = 64 * 2**20
"""Where the GPU does not say how large it is."""


def flusher(toolkit: Toolkit, properties: Any) -> Callable[[], Any] | None:
    """Return what writes twice the size of the last cache; None where there is no memory for it.

    It takes what nobody has: where memory is missing torch gives back what it keeps for the next step, which would then
    be without.

    Args:
        toolkit: with what it is measured.
        properties: torch's, of the GPU.
    """
    size = 2 * (environment.l2_bytes(properties) or _CACHE_BYTES)
    free, _ = toolkit.cuda.mem_get_info()
    if free < size:
        return None
    try:
        rubbish = toolkit.torch.empty(size, dtype=toolkit.torch.uint8, device="cuda")
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return None
    zeroed: Callable[[], Any] = rubbish.zero_
    return zeroed
