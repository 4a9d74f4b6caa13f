"""Pass G: a forward captured as a CUDA graph, which is replayed without the host launching any of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from cnnprof.devices.cuda.toolkit import Toolkit

_WARM = 3
"""Runs on the stream of the capture before it, as torch's notes on CUDA graphs have it."""


_failed: list[Any] = []
"""Graphs whose capture failed: torch's allocator goes on asking them, so they must not end before it does."""


class Captured(NamedTuple):
    """A graph, or why there is none."""

    replay: Callable[[], Any] | None
    reason: str | None = None


def capture(toolkit: Toolkit, step: Callable[[], Any]) -> Captured:
    """Return a step captured as a graph.

    A step in which the host waits for the device, or whose memory does not fit twice, is not captured.
    Where a capture fails, torch's random numbers (2.11: a flag that only the end of a capture takes back) and its
    allocator are left as in one; a capture of next to nothing, which ends, puts the first right.

    Raises:
        RuntimeError: the device does not answer any more.
    """
    cuda = toolkit.cuda
    main, side, graph = cuda.current_stream(), cuda.Stream(), cuda.CUDAGraph()
    try:
        side.wait_stream(main)
        with cuda.stream(side):  # torch does not leave the stream of a capture that failed
            for _ in range(_WARM):
                step()
            with cuda.graph(graph, stream=side):
                step()
        main.wait_stream(side)
        graph.replay()
        toolkit.finish()
    except Exception as error:  # noqa: BLE001 whatever a network's code does that cannot be captured
        _failed.append(graph)
        with suppress(RuntimeError):  # a graph that was never finished
            graph.reset()
        toolkit.finish()
        with suppress(RuntimeError):
            _capture_nothing(toolkit, side)
        return Captured(None, first_line(error))
    return Captured(graph.replay)


def _capture_nothing(toolkit: Toolkit, side: Any) -> None:
    value = toolkit.torch.empty(1, dtype=toolkit.torch.uint8, device="cuda")
    with toolkit.cuda.stream(side), toolkit.cuda.graph(toolkit.cuda.CUDAGraph(), stream=side):
        value.zero_()


def first_line(error: BaseException) -> str:
    """Return what an error says, without the advice that torch adds in further lines."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
