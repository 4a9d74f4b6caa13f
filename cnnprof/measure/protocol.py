"""The order of measuring: warm up until steady, then the passes in turn, until each is known well enough.

Works on any ``Subject`` and on its clock, so that it can be tried on a scripted one. Everything that it yields is JSON;
it goes on when it is asked for more, after what it said has been stored.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

from cnnprof.devices.base import Subject
from cnnprof.errors import WorkerError
from cnnprof.measure.dirt import dirty
from cnnprof.measure.statistics import median, steady, summarise_values

WARM_UP_FORWARDS = 5
"""At least so many: measured, the first forward takes 1.3 to 1.6 times as long, and VGG-16 and ResNet-50 settle after
two to five."""
WARM_UP_S = 0.2
WARM_UP_SHARE = 1 / 3
"""Of the budget, at most."""
ROUND_S = 0.1
"""Forwards are stored in rounds of about this time: storing takes milliseconds, and the load of others is counted in
hundredths of a second."""
MOST_IN_ROUND = 20
MOST_FORWARDS = 200
"""Of each pass. After so many, an interval that is still wide is the machine's, and more samples would not help."""
FEWEST_CLEAN = 10
"""Of each pass, however narrow the interval."""
ASIDE = ("G", "F")
"""Passes on which no line of the ledger hangs: ``FEWEST_CLEAN`` are enough, however wide the interval."""
SAMPLES_ALONE = 11
SAMPLES_COPIED = 11
SAMPLES_OVERLAPPED = 11
COPIES_PER_SIZE = 4
"""Two directions, two kinds of memory."""
_NS = 1_000_000_000
Said = Generator[dict[str, Any], None, str | None]
"""Messages, and how it ended."""


class Plan(NamedTuple):
    """How long and how well to measure."""

    budget_s: float
    interval: float
    """Half width of the 95 % interval of a pass's median, as a part of it, that is narrow enough."""
    temperature: bool = False
    seed: int = 0
    sizes: Sequence[int] = ()
    """Bytes that are copied to a device and back."""


class Earlier(NamedTuple):
    """What an interrupted measurement of the same part has already."""

    forwards: Sequence[Mapping[str, Any]] = ()
    alone: Sequence[str] = ()
    memory: bool = False
    attempt: int = 0
    copies: Sequence[Sequence[Any]] = ()
    """Bytes, direction and memory of each."""
    load: bool = False
    overlap: bool = False


def measure(subject: Subject, plan: Plan, earlier: Earlier = Earlier()) -> Iterator[dict[str, Any]]:  # noqa: B008 frozen
    """Yield what is found, as the fields of ``Message``.

    Raises:
        WorkerError: a clock gives times that cannot be.
    """
    environment = subject.environment()
    yield {
        "layers": subject.layers, "marks": subject.marks, "phases": subject.phases,
        "environment": environment, "costs": subject.costs(),
    }  # fmt: skip
    loop = _Loop(subject, plan, earlier, environment)
    yield from loop.warm_up()
    yield from _telemetry(subject, "before")
    status = yield from loop.rounds()
    yield from _telemetry(subject, "after")
    yield {"output_std": subject.output_std()}
    if not earlier.memory and (memory := subject.memory()) is not None:
        yield {"memory": memory}
    yield from _transfers(subject, plan, earlier)
    if plan.temperature:
        status = (yield from _alone(subject, plan, earlier.alone)) or status
    if (kernels := subject.kernels()) is not None:  # last: a profiler stays loaded, and what it breaks is measured
        yield {"kernels": kernels}
    yield {"status": status}


class _Loop:
    def __init__(self, subject: Subject, plan: Plan, earlier: Earlier, environment: Mapping[str, Any]) -> None:
        self._subject = subject
        self._plan = plan
        self._environment = environment
        self._attempt = earlier.attempt
        self._began_ns = subject.now_ns()
        self._taken = [each for each in earlier.forwards if not each.get("warm_up")]
        self._random = random.Random(plan.seed + earlier.attempt)  # noqa: S311 an order, no secret
        self._step_ns = 0
        """How long a step takes, as far as is known."""

    # -- both

    def _elapsed_s(self) -> float:
        return (self._subject.now_ns() - self._began_ns) / _NS

    def _run(self, kinds: Sequence[str], *, warm_up: bool) -> list[dict[str, Any]]:
        found = [checked(self._subject.run(kind)) for kind in kinds]
        others = self._subject.others()
        return [each | {"others": others, "warm_up": warm_up, "attempt": self._attempt} for each in found]

    def _said(self, doing: str, forwards: Sequence[dict[str, Any]]) -> dict[str, Any]:
        progress = {"doing": doing, "elapsed_s": self._elapsed_s(), "of_s": self._plan.budget_s}
        return {"forwards": forwards, "progress": progress}

    def _in_a_round(self) -> int:
        """Return the forwards of a round, one where it is not known how long they take."""
        return max(1, round(ROUND_S * _NS / self._step_ns)) if self._step_ns else 1

    # -- warm-up

    def warm_up(self) -> Iterator[dict[str, Any]]:
        """Run pass E until its times no longer change; keep the first forward of each round, to show how they did."""
        levels: list[float] = []
        count, settled = 0, False
        while not settled and not (count > 1 and self._elapsed_s() > WARM_UP_SHARE * self._plan.budget_s):
            forwards = self._run(["E"] * self._in_a_round(), warm_up=True)
            count += len(forwards)
            levels.append(median(each["wall_ns"] for each in forwards))
            self._step_ns = int(levels[-1])
            yield self._said("warming up", forwards[:1])
            enough = count >= WARM_UP_FORWARDS and self._elapsed_s() >= WARM_UP_S
            settled = enough and steady(levels)
        yield {"steady": settled}

    # -- passes

    def rounds(self) -> Said:
        """Run the passes in random order, round by round; return how it ended. One round is run in any case."""
        while not self._enough():
            if self._taken and (self._elapsed_s() >= self._plan.budget_s or self._most() >= MOST_FORWARDS):
                return "budget"
            wanted = [kind for kind in self._subject.passes if kind not in ASIDE or not self._known(kind)]
            each = -(-min(self._in_a_round(), MOST_IN_ROUND) // len(wanted))
            kinds = [kind for kind in wanted for _ in range(each)]
            self._random.shuffle(kinds)
            forwards = self._run(kinds, warm_up=False)
            self._taken += forwards
            yield self._said("measuring", forwards)
        return "done"

    def _most(self) -> int:
        return max([each["kind"] for each in self._taken].count(kind) for kind in self._subject.passes)

    def _enough(self) -> bool:
        """Return whether every pass has clean forwards enough, and a median with an interval as narrow as asked for."""
        return all(self._known(kind) for kind in self._subject.passes)

    def _known(self, kind: str) -> bool:
        clean = [
            time
            for each in self._taken
            if each["kind"] == kind
            and (time := judged_ns(each)) is not None
            and not dirty(SimpleNamespace(**{"device_ns": None, **each}), self._environment)
        ]
        if len(clean) < FEWEST_CLEAN:
            return False
        return kind in ASIDE or summarise_values(clean).relative_half_width <= self._plan.interval


def judged_ns(forward: Mapping[str, Any]) -> int | None:
    """Return the time by which a pass is known well enough: in pass Q the layers', without what they wait for before.

    None for a forward of pass Q that was not wholly queued.
    """
    if forward["kind"] != "Q":
        return int(forward["wall_ns"])
    return sum(forward["marks_ns"][1::2]) if forward["marks_ns"] else None


def checked(forward: dict[str, Any]) -> dict[str, Any]:
    """Return a forward as it is.

    Raises:
        WorkerError: a time in it is no time: not a number, zero or below.
    """
    device = [] if forward.get("device_ns") is None else [forward["device_ns"]]
    times = [forward["wall_ns"], *device, *forward.get("phases_ns", ())]
    between = [*forward.get("marks_ns", ()), *forward.get("marks_cpu_ns", ()), forward["cpu_ns"]]
    wrong = [time for time in times if not (isinstance(time, int) and time > 0)]
    wrong += [time for time in between if not (isinstance(time, int) and time >= 0)]
    if wrong:
        raise WorkerError(
            f"the clock of this device gave {wrong[0]!r} ns for a part of a forward, which is no time",
            hint="what was measured before is kept; cnnprof profile --resume goes on",
            code="bad-clock",
        )
    return forward


def _telemetry(subject: Subject, when: str) -> Iterator[dict[str, Any]]:
    if (said := subject.telemetry(when)) is not None:
        yield {"telemetry": said}


def _transfers(subject: Subject, plan: Plan, earlier: Earlier) -> Iterator[dict[str, Any]]:
    """Say what loading took, copy every size, and copy while computing."""
    if not earlier.load and (load := subject.load()) is not None:
        yield {"load": load}
    yield from _copies(subject, plan, earlier.copies)
    if not earlier.overlap and (overlap := subject.overlap(SAMPLES_OVERLAPPED)) is not None:
        yield {"overlap": overlap}


def _copies(subject: Subject, plan: Plan, earlier: Sequence[Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Copy sizes for as long as the budget; what is missing then is a doubt."""
    done = {tuple(each) for each in earlier}
    complete = Counter(size for size, *_ in done)
    began = subject.now_ns()
    for copy in subject.copies([size for size in plan.sizes if complete[size] < COPIES_PER_SIZE], SAMPLES_COPIED):
        elapsed = (subject.now_ns() - began) / _NS
        if (copy["bytes"], copy["direction"], copy["memory"]) not in done:
            yield {"copy": copy, "progress": {"doing": "copying", "elapsed_s": elapsed, "of_s": plan.budget_s}}
        if elapsed >= plan.budget_s:
            return


def _alone(subject: Subject, plan: Plan, done: Sequence[str]) -> Said:
    """Run every layer by itself; return ``budget`` where the time was up before the last one."""
    began = subject.now_ns()
    for index, name in enumerate(subject.layers):
        elapsed = (subject.now_ns() - began) / _NS
        if elapsed >= plan.budget_s:
            return "budget"
        found = None if name in done else subject.alone(index, SAMPLES_ALONE)
        if found is not None:
            progress = {"doing": "layers alone", "elapsed_s": elapsed, "of_s": plan.budget_s}
            yield {"temperature": found, "progress": progress}
    return None
