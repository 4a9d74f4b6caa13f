"""Runs that the fake device measures: with known times, and no waiting."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cnnprof.api import profiling
from cnnprof.devices.fake import FakeSubject
from cnnprof.devices.fake_script import Script
from cnnprof.errors import StoreError
from cnnprof.measure import worker
from cnnprof.measure.protocol import Plan
from cnnprof.measure.session import Session
from cnnprof.model.plain import replace
from cnnprof.model.run import Part, Run

PLAIN: dict[str, Any] = {
    "layer_ns": 4_000_000, "gap_ns": 1_000_000, "inside_ns": 0, "outside_ns": 0, "slow_first": [],
}  # fmt: skip
"""A script that is easy to reckon with: layers of 4 ms, gaps of 1 ms, marks for nothing, no slow start."""
PLAN = Plan(budget_s=30.0, interval=0.02)


def subject(*, trains: bool = False, **script: Any) -> FakeSubject:
    """Return a network of the layers ``conv`` and ``relu``, whose forward takes 11 ms if nothing else is said."""
    return FakeSubject(
        Script(**(PLAIN | script)), [("conv", 0, 0), ("relu", 0, 0)], peak_bytes=4096, trains=trains
    )  # fmt: skip


def run_of(*models: str, batches: Sequence[int] = (1,), training: Any = None, **changes: Any) -> Run:
    """Return a run of which nothing is measured yet; what is no field of a run goes into the script."""
    fields = {name: changes.pop(name) for name in ("budget_s", "interval", "temperature") if name in changes}
    settings = profiling.settings_of(
        "fake", "float32", batches, channels_last=False, threads=None, compiled=False, training=training
    )
    parts = [part for model in models for part in profiling.parts_of(model, settings)]
    run = profiling.new_run(scripted(parts, **changes), 30.0, 0.02)
    return replace(run, **fields)


def scripted(parts: Sequence[Part], **script: Any) -> list[Part]:
    return [replace(part, script=PLAIN | script) for part in parts]


def here(**changes: Any) -> Session:
    """Return a session that measures in this process."""
    return Session(messages=worker.run_here, **changes)


class Log:
    """A writer of runs that only remembers; ``full_after`` so many writes, it fails."""

    def __init__(self, full_after: int | None = None) -> None:
        self.said: list[tuple[str, Any]] = []
        self._full_after = full_after

    def __getattr__(self, name: str) -> Callable[..., None]:
        def write(*given: Any) -> None:
            if len(self.said) == self._full_after:
                raise StoreError("the disk is full")
            self.said.append((name, given[-1]))

        return write

    def of(self, name: str) -> list[Any]:
        return [value for kind, value in self.said if kind == name]


class StopAt:
    """A watcher that interrupts once a part has so many samples."""

    def __init__(self, samples: int, error: type[BaseException] = KeyboardInterrupt) -> None:
        self._samples = samples
        self._error = error

    def show(self, _number: int, part: Part, _progress: object) -> None:
        if len(measured(part)) >= self._samples:
            raise self._error


def measured(part: Part) -> list[Any]:
    """Return the forwards that are not of a warm-up."""
    return [each for each in part.forwards if not each.warm_up]


@contextlib.contextmanager
def listening(messages: list[Any]) -> Iterator[Callable[[dict[str, Any]], Iterator[dict[str, Any]]]]:
    """Yield what measures in this process and writes down when it was asked to go on."""

    def source(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for message in worker.run_here(asked):
            messages.append("said")
            yield message
            messages.append("asked for more")

    yield source
