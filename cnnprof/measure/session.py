"""Measuring from the outside: a worker per part, every message stored before the next is asked for. No torch."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from cnnprof import worker
from cnnprof.errors import CnnprofError, StoreError, UsageError
from cnnprof.measure.fitting import advice, too_large, untried
from cnnprof.measure.sizes import moved
from cnnprof.model.plain import Plain, from_json, replace, to_builtins, to_json
from cnnprof.model.run import UNMEASURED, Forward, Message, Part, Progress, Run, Status

if TYPE_CHECKING:
    from cnnprof.store.runs import RunWriter

TARGET = "cnnprof.measure.worker:run"
DEADLINE_S = 900.0
"""That one message may take: building a network, compiling it, or one forward. A worker that is silent longer hangs."""
FINISHED = ("done", "budget", "out-of-memory")
"""What resuming does not measure again."""
_HEAD = ("layers", "marks", "phases", "environment", "costs", "steady", "status", "output_std", "kernels")
_SAME = ("cpu", "cores", "torch", "threads", "gpu", "cuda", "tf32")
"""What has to be the same where samples of two processes stand in one part."""


class Watcher(Protocol):
    """Who wants to see how it goes."""

    def show(self, number: int, part: Part, progress: Progress | None) -> None:
        """Show a part; called before a worker goes on, so that it costs no measured time."""


class Session(NamedTuple):
    """With what a run is measured."""

    deadline_s: float = DEADLINE_S
    writer: RunWriter | None = None
    watcher: Watcher | None = None
    messages: Callable[[dict[str, Any]], Iterator[dict[str, Any]]] | None = None
    """Measures in this process; None: in a worker."""


class Measured(NamedTuple):
    """A run, and why it is not stored where it should be."""

    run: Run
    unstored: StoreError | None = None


def measure(run: Run, session: Session, *, begin: int = 0) -> Measured:
    """Return the run with all its parts measured that are not yet; one that fails costs no other.

    Args:
        run: what to measure.
        session: with what.
        begin: parts before this one are left as they are.

    Raises:
        KeyboardInterrupt: or whatever else ends a process, with what was measured until then, a Run, as ``.partial``.
    """
    recorder = _Recorder(run, session)
    try:
        for number, part in enumerate(run.parts):
            if number >= begin and part.status not in FINISHED:
                recorder.measure(number, part)
    except BaseException as error:
        recorder.finish("interrupted")
        error.partial = recorder.run  # type: ignore[attr-defined]
        raise
    recorder.finish(_status(recorder.run))
    return Measured(recorder.run, recorder.unstored)


def _status(run: Run) -> Status:
    return "done" if all(part.status in ("done", "budget") for part in run.parts) else "failed"


class _Recorder:
    """Puts messages into the run, and into the store while that works."""

    def __init__(self, run: Run, session: Session) -> None:
        self.run = run
        self.unstored: StoreError | None = None
        self._session = session

    def measure(self, number: int, part: Part) -> None:
        part = replace(part, status="running", problem=None, hint=None, code=None)
        if (least := too_large(part, self.run.parts)) is not None:
            part = untried(part, least, self.run.parts)
            self._put(number, part)
            self._show(number, part, None)
            return
        self._put(number, part)
        try:
            for message in self._messages(part):
                part = self._take(number, part, message)
        except Exception as error:  # noqa: BLE001 whatever code of the user's does costs its own part only
            part = _failed(self.run.parts[number], error, self.run.parts)
        except BaseException:
            self._put(number, replace(self.run.parts[number], status="interrupted"))
            raise
        self._put(number, part)
        self._show(number, part, None)

    def _messages(self, part: Part) -> Iterator[Message]:
        for said in self._source(request(self.run, part)):
            yield from_json(json.dumps(said), Message)

    def _source(self, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if self._session.messages is not None:
            return self._session.messages(asked)
        return worker.stream(
            TARGET, asked, python=self.run.python or sys.executable, deadline_s=self._session.deadline_s
        )

    def _take(self, number: int, part: Part, message: Message) -> Part:
        head = {name: value for name in _HEAD if (value := getattr(message, name)) is not None}
        if head:
            _check_same(part, head)
            part = replace(part, **head)
            self._put(number, part)
        part = self._add(number, part, message)
        self._show(number, part, message.progress)
        return part

    def _add(self, number: int, part: Part, message: Message) -> Part:
        if message.forwards:
            self._store(lambda writer: writer.forwards(number, message.forwards))
            part = replace(part, forwards=(*part.forwards, *message.forwards))
        for name, record in _records(message):
            self._store(partial(_write, number, record))
            many = getattr(part, name)
            part = replace(part, **{name: (*many, record) if isinstance(many, tuple) else record})
        self._keep(number, part)
        return part

    def _put(self, number: int, part: Part) -> None:
        self._keep(number, part)
        self._store(lambda writer: writer.part(number, replace(part, **UNMEASURED)))

    def _keep(self, number: int, part: Part) -> None:
        parts = (*self.run.parts[:number], part, *self.run.parts[number + 1 :])
        self.run = replace(self.run, parts=parts)

    def finish(self, status: Status) -> None:
        """End the run; parts that did not get their turn were interrupted too."""
        parts = (replace(each, status="interrupted") if each.status == "running" else each for each in self.run.parts)
        self.run = replace(self.run, status=status, parts=tuple(parts))
        self._store(lambda writer: writer.finish(status))

    def _store(self, write: Callable[[RunWriter], None]) -> None:
        """Store, until that fails once: what is measured then is still there to be printed."""
        if self._session.writer is None or self.unstored is not None:
            return
        try:
            write(self._session.writer)
        except StoreError as error:
            self.unstored = error

    def _show(self, number: int, part: Part, progress: Progress | None) -> None:
        if self._session.watcher is not None:
            self._session.watcher.show(number, part, progress)


def _write(number: int, record: Plain, writer: RunWriter) -> None:
    writer.record(number, record)


def _records(message: Message) -> Iterator[tuple[str, Plain]]:
    """Yield what is neither a forward nor about the part as a whole, and the field of a part that takes it."""
    said = (
        ("temperatures", message.temperature), ("memory", message.memory), ("copies", message.copy),
        ("load", message.load), ("overlap", message.overlap), ("telemetry", message.telemetry),
    )  # fmt: skip
    yield from ((name, record) for name, record in said if record is not None)


def request(run: Run, part: Part) -> dict[str, Any]:
    """Return what a worker is asked, as JSON can hold it."""
    setting = part.setting
    asked = {
        "device": setting.device,
        "plan": [run.budget_s, run.interval, run.temperature, setting.seed],
        "earlier": _earlier(part),
        "split": None if part.split is None else to_builtins(part.split),
        **moved(part),
    }
    if part.script is not None:
        return asked | {"script": part.script} | _predicted(part)
    assert part.graph is not None  # noqa: S101 whatever makes parts gives them one
    return asked | {
        "setting": to_json(setting).decode(),
        "graph": to_json(part.graph).decode(),
        "source": part.source,
    }


def _predicted(part: Part) -> dict[str, Any]:
    """Return what the fake device makes times of: name, MACs and bytes of each layer that runs, and the peak."""
    trains = part.setting.mode == "training"
    rows = [] if part.analysis is None else [row for row in part.analysis.rows if trains or row.when == "always"]
    peak = 0 if part.analysis is None else part.analysis.memory.peak_bytes
    return {
        "rows": [[row.name, row.macs, row.read_bytes + row.write_bytes] for row in rows],
        "peak_bytes": peak,
        "trains": trains,
    }


def _earlier(part: Part) -> dict[str, Any]:
    attempts = [each.attempt for each in part.forwards]
    return {
        "forwards": [_plain(each) for each in part.forwards],
        "alone": [each.layer for each in part.temperatures],
        "memory": part.memory is not None,
        "attempt": max(attempts, default=-1) + 1,
        "copies": [[each.bytes, each.direction, each.memory] for each in part.copies],
        "load": part.load is not None,
        "overlap": part.overlap is not None,
    }


def _plain(forward: Forward) -> dict[str, Any]:
    names = (
        "kind",
        "wall_ns",
        "device_ns",
        "cpu_ns",
        "others",
        "warm_up",
        *(["marks_ns"] if forward.kind == "Q" else []),
    )
    return {name: getattr(forward, name) for name in names}


def _failed(part: Part, error: Exception, parts: Sequence[Part]) -> Part:
    """Return a part as it ended: an error of cnnprof's says more than one of the network's own code."""
    if not isinstance(error, CnnprofError):
        if not worker.is_out_of_memory(error):
            return replace(part, status="failed", problem=str(error) or type(error).__name__)
        error = worker.out_of_memory(error)
    status: Status = "out-of-memory" if error.code == "worker-memory" else "failed"
    hint = error.hint
    if status == "out-of-memory":
        hint = f"try {advice(part, parts)}"
    elif hint == worker.MORE_MEMORY:
        hint = f"try it with more memory, or with {advice(part, parts)}"
    return replace(part, status=status, problem=error.message, hint=hint, code=error.code)


def _check_same(part: Part, head: dict[str, Any]) -> None:
    """Raise UsageError where samples of another machine, or of another network, would join those of this one."""
    if "environment" not in head or not part.forwards:
        return
    for name in _SAME:
        was, now = part.environment.get(name), head["environment"].get(name)
        if was != now:
            raise UsageError(
                f"it was measured with {name} {was} and cannot go on with {now}: two machines make no one figure",
                hint="profile it anew",
                code="other-machine",
            )
    if part.layers and part.layers != head.get("layers"):
        raise UsageError(
            "it runs other layers than when it was measured, and two networks make no one figure",
            hint="profile it anew",
            code="other-network",
        )
