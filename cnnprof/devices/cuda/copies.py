"""Pass T: bytes from the host to the device and back, out of pageable and out of pinned memory of the host.

Pinned memory is read by the GPU itself: several copies between two events, in a stream of their own, all queued before
the first begins. Pageable memory is staged by the CPU while the caller waits, which events see only a part of: the
host's clock, and the CPU time of the thread beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from cnnprof.devices.cuda.failures import is_out_of_memory
from cnnprof.devices.cuda.queued import Blocker, time_queued
from cnnprof.devices.cuda.toolkit import Toolkit, sampled

_AT_LEAST_BYTES = 32 * 2**20
"""Between two events, in so many copies as it takes, from 2 to 20."""
FEWEST, MOST = 2, 20
LONGEST_NS = 200_000_000
"""For the samples of one copy: of a gigabyte out of pageable memory, each takes that long."""
_FIRST_BYTES = 2**26
"""Of the first buffers: pinning memory takes a second per gigabyte or so, which small copies do not wait for."""
_DRAWN_BYTES = 2**22


class Buffers(NamedTuple):
    """Memory of the largest of some sizes; smaller ones are its beginning."""

    source: Any
    """Random bytes, pageable; what is sent."""
    pageable: Any
    pinned: Any
    device: Any


def copies(toolkit: Toolkit, sizes: Sequence[int], samples: int) -> Iterator[dict[str, Any]]:
    """Yield the fields of ``Copy`` for each size, smaller ones first, both ways and both kinds of memory.

    Sizes that do not fit are left out. So is a copy out of pinned memory that cannot be queued ahead: its time would be
    the host's.

    Args:
        toolkit: with what it is measured.
        sizes: in bytes.
        samples: times of each copy, at most; of one that takes long there are fewer, down to 3.
    """
    blocker, stream = Blocker(toolkit), toolkit.cuda.Stream()
    left, buffers = sorted(sizes), None
    for at, size in enumerate(left):
        if buffers is None or size > buffers.source.numel():
            buffers = None  # before others are made
            buffers = _largest(toolkit, [each for each in left[at:] if each <= max(_FIRST_BYTES, 2 * size)])
        if buffers is None:
            return
        yield from _both_ways(toolkit, blocker, stream, Buffers(*(each[:size] for each in buffers)), samples)


def _both_ways(
    toolkit: Toolkit, blocker: Blocker, stream: Any, some: Buffers, samples: int
) -> Iterator[dict[str, Any]]:
    for direction in ("h2d", "d2h"):
        with toolkit.cuda.stream(stream):
            pinned = _pinned(toolkit, blocker, some, direction, samples)
        if pinned is not None:
            yield pinned
        yield _pageable(toolkit, some, direction, samples)


def _largest(toolkit: Toolkit, sizes: Sequence[int]) -> Buffers | None:
    """Return buffers of the largest size that there is memory for; None where there is for none."""
    for size in reversed(sizes):
        try:
            return _buffers(toolkit.torch, size)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
    return None


def _buffers(torch: Any, size: int) -> Buffers:
    def empty(**kind: Any) -> Any:
        return torch.empty(size, dtype=torch.uint8, **kind)

    # Repeated: drawing a gigabyte takes seconds.
    drawn = torch.empty(min(size, _DRAWN_BYTES), dtype=torch.uint8).random_()
    source = drawn.repeat(-(-size // drawn.numel()))[:size]
    return Buffers(source, empty(), empty(pin_memory=True), empty(device="cuda"))


def _pinned(toolkit: Toolkit, blocker: Blocker, some: Buffers, direction: str, samples: int) -> dict[str, Any] | None:
    target, sent = _prepared(some, direction, some.pinned)
    size = some.source.numel()
    times = max(FEWEST, min(MOST, _AT_LEAST_BYTES // size))

    def work() -> None:
        for _ in range(times):
            target.copy_(sent, non_blocking=True)

    found = sampled(toolkit, lambda: time_queued(toolkit, blocker, work), samples, LONGEST_NS)
    if not found:
        return None
    taken = [round(each / times) for each in found]
    return _said(toolkit, some, direction, "pinned", target) | {"times_ns": taken}


def _pageable(toolkit: Toolkit, some: Buffers, direction: str, samples: int) -> dict[str, Any]:
    target, sent = _prepared(some, direction, some.pageable)
    copy = partial(target.copy_, sent)
    copy()  # the pages of both are there from now on
    found = sampled(toolkit, lambda: _wall_and_cpu(toolkit, copy), samples, LONGEST_NS)
    wall, cpu = ([each[at] for each in found] for at in (0, 1))
    return _said(toolkit, some, direction, "pageable", target) | {"times_ns": wall, "cpu_ns": cpu}


def _wall_and_cpu(toolkit: Toolkit, work: Callable[[], Any]) -> tuple[int, int]:
    toolkit.finish()
    cpu, wall = toolkit.cpu_ns(), toolkit.wall_ns()
    work()
    toolkit.finish()
    return toolkit.wall_ns() - wall, toolkit.cpu_ns() - cpu


def _prepared(some: Buffers, direction: str, host: Any) -> tuple[Any, Any]:
    """Return where to copy to, which holds zeros, and where from, which holds what is sent."""
    target, sent = (some.device, host) if direction == "h2d" else (host, some.device)
    target.zero_()
    sent.copy_(some.source)
    return target, sent


def _said(toolkit: Toolkit, some: Buffers, direction: str, memory: str, target: Any) -> dict[str, Any]:
    arrived = bool(toolkit.torch.equal(target.cpu(), some.source))
    return {"direction": direction, "memory": memory, "bytes": some.source.numel(), "verified": arrived}
