"""Copying the next batch while the device computes on this one, with two buffers in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cnnprof.devices.cuda.toolkit import Toolkit, sampled

BATCHES = 8
"""Of each time. The first copy has nothing beside it: of so many, an eighth stays uncovered."""


LONGEST_NS = 1_000_000_000
"""After which no more than the fewest samples are taken: 24 forwards in each may take minutes."""


class Pipeline:
    """A step, and the copies of its inputs from pinned memory in a stream of their own.

    The step goes on reading its own inputs, not the two buffers: it waits for its copy, and the copy for the step that
    had the buffer, as if it did.
    """

    def __init__(self, toolkit: Toolkit, step: Callable[[], Any], inputs: Sequence[Any]) -> None:
        torch = toolkit.torch
        self._toolkit = toolkit
        self._step = step
        self._stream = toolkit.cuda.Stream()
        self._hosts = [torch.empty_like(each, device="cpu", pin_memory=True).copy_(each) for each in inputs]
        self._buffers = [[torch.empty_like(each) for each in inputs] for _ in range(2)]

    def measure(self, samples: int) -> dict[str, Any]:
        """Return the fields of ``Overlap``: the host's clock until all is done, in turn."""
        works = {"copy_ns": self._copy_all, "compute_ns": self._compute_all, "both_ns": self._both}

        def taken() -> list[int]:
            return [self._toolkit.wall_of(work) for work in works.values()]

        taken()  # warms up
        found = sampled(self._toolkit, taken, samples, LONGEST_NS)
        return {"batches": BATCHES} | {name: [each[at] for each in found] for at, name in enumerate(works)}

    def _copy(self, batch: int) -> None:
        for buffer, host in zip(self._buffers[batch % 2], self._hosts, strict=True):
            buffer.copy_(host, non_blocking=True)

    def _copy_all(self) -> None:
        with self._toolkit.cuda.stream(self._stream):
            for batch in range(BATCHES):
                self._copy(batch)

    def _compute_all(self) -> None:
        for _ in range(BATCHES):
            self._step()

    def _both(self) -> None:
        main = self._toolkit.cuda.current_stream()
        copied = [self._toolkit.event() for _ in range(BATCHES)]
        computed = [self._toolkit.event() for _ in range(BATCHES)]

        def fetch(batch: int) -> None:
            with self._toolkit.cuda.stream(self._stream):
                if batch > 1:  # the buffer is free again
                    self._stream.wait_event(computed[batch - 2])
                self._copy(batch)
                copied[batch].record(self._stream)

        fetch(0)
        for batch in range(BATCHES):
            if batch + 1 < BATCHES:
                fetch(batch + 1)
            main.wait_event(copied[batch])
            self._step()
            computed[batch].record(main)
