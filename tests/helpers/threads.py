"""torch on one thread, as long as a test runs."""

from __future__ import annotations

from collections.abc import Iterator


def one_thread() -> Iterator[None]:
    """Two threads of torch on a busy machine wait for each other for milliseconds."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
