"""Pass K: which operators and kernels a layer runs, by torch.profiler. Their names and how often, never their times.

torch.profiler sees every operator and, on a GPU, every kernel and copy; what it costs is the reason that no time of it
is shown. Its times only say in which order the names stand.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cnnprof.devices.base import Marking

_RANGE = "cnnprof layer "
_MOST = 8
"""Names of one layer, the longest first: what comes behind them takes next to nothing."""
_COPIES = ("Memcpy", "Memset")


def attributed(
    marking: Marking, layers: Sequence[str], finish: Callable[[], object] | None = None
) -> list[dict[str, Any]] | None:
    """Return the fields of an ``Attribution`` per layer that runs; None where nothing tells.

    That is where a profiler of the user's is at work in this process, or torch's does not see the layers.

    Args:
        marking: of the forward.
        layers: names in the order of running.
        finish: waits for the GPU, where it is one whose kernels are asked for. The first such profile loads CUPTI, so
            the second one counts.
    """
    import torch

    if torch.autograd._profiler_enabled():  # noqa: SLF001 torch's only name for it; a second profiler ends the first
        return None
    with _quiet():
        events = [_profiled(marking, finish) for _ in range(2 if finish else 1)][-1]
    found = {event.name: event for event in events if _is_range(event)}
    if len(found) != len(layers):
        return None
    return [
        {"layer": name, "kernels": _kernels(found[f"{_RANGE}{index}"], gpu=finish is not None)}
        for index, name in enumerate(layers)
    ]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Kineto from writing to standard error, which it decides when it is used for the first time."""
    name = "KINETO_LOG_LEVEL"
    told = os.environ.setdefault(name, "99")
    try:
        yield
    finally:
        if told == "99":
            os.environ.pop(name, None)


def _profiled(marking: Marking, finish: Callable[[], object] | None) -> Any:
    from torch.profiler import ProfilerActivity, profile, supported_activities

    wanted = {ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if finish else [])}
    # One cycle only; without acc_events, torch 2.11 warns that the next would have none of its events.
    with profile(activities=wanted & supported_activities(), acc_events=True) as profiler:
        _forward(marking)
        if finish is not None:
            finish()
    return profiler.events()


def _is_range(event: Any) -> bool:
    """Return whether it is a layer's range: on a GPU there is a second event of that name, which has no operators."""
    from torch.autograd import DeviceType

    return bool(event.name.startswith(_RANGE) and event.device_type == DeviceType.CPU)


def _forward(marking: Marking) -> None:
    """Run one forward with a range of the profiler around each layer."""
    from torch.profiler import record_function

    ranges: list[Any] = []

    def enter() -> None:
        ranges.append(record_function(f"{_RANGE}{len(ranges)}"))
        ranges[-1].__enter__()

    def leave() -> None:
        ranges[-1].__exit__(None, None, None)

    dressed = marking(enter, leave)
    with dressed.around():
        dressed.run()


def _kernels(layer: Any, *, gpu: bool) -> list[dict[str, Any]]:
    """Return what a layer launches on a GPU; on a CPU, or where the GPU's side is not seen, its operators."""
    operators = list(_within(layer))
    launched = [kernel for each in operators for kernel in each.kernels] if gpu else []
    if launched:
        return _counted([(each.name, each.duration) for each in launched], "kernel")
    return _counted([(each.name, each.self_cpu_time_total) for each in operators], "operator")


def _within(event: Any) -> Iterator[Any]:
    for child in event.cpu_children:
        yield child
        yield from _within(child)


def _counted(timed: Sequence[tuple[str, float]], kind: str) -> list[dict[str, Any]]:
    counts, times = Counter(name for name, _ in timed), Counter[str]()
    for name, time in timed:
        times[name] += time  # type: ignore[assignment] # a float is as good a count
    return [
        {"name": name, "kind": "copy" if name.startswith(_COPIES) else kind, "launches": counts[name]}
        for name, _ in times.most_common(_MOST)
    ]
