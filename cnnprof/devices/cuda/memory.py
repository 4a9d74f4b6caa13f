"""Pass M: the most bytes that torch's allocator hands out at once in a step, and what it takes of the GPU for that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cnnprof.devices.cuda.toolkit import Toolkit

COUNTER = "torch.cuda.max_memory_allocated, without what torch holds between two steps"


def measured(toolkit: Toolkit, steps: Sequence[Callable[[], Any]], held: Iterable[Any]) -> dict[str, Any]:
    """Return the fields of ``MeasuredMemory`` of a step: its peak, workspaces of its kernels included.

    What torch holds besides while nothing runs, such as the workspace of cuBLAS, is left out of the peak: it belongs to
    no network. It is in what torch has reserved, which is begun anew: the caches of earlier steps are given back.

    Args:
        toolkit: with what it is measured.
        steps: what runs.
        held: the tensors that the network keeps between two steps: weights, buffers, inputs, an optimizer's state.
    """
    cuda = toolkit.cuda
    toolkit.finish()
    cuda.empty_cache()
    cuda.reset_peak_memory_stats()
    besides: int = max(0, cuda.memory_allocated() - stored_bytes(held))
    for step in steps:
        step()
    toolkit.finish()
    free, total = cuda.mem_get_info()
    return {
        "peak_bytes": cuda.max_memory_allocated() - besides, "by": COUNTER,
        "reserved_bytes": cuda.max_memory_reserved(), "used_bytes": total - free,
    }  # fmt: skip


def stored_bytes(tensors: Iterable[Any]) -> int:
    """Return the bytes on the GPU of some tensors, each storage once."""
    storages = [each.untyped_storage() for each in tensors if each.is_cuda]
    sizes: dict[int, int] = {each.data_ptr(): each.nbytes() for each in storages}
    return sum(sizes.values())
