"""A run as one file of JSON: everything that was measured and its circumstances; reading it needs nothing else."""

from __future__ import annotations

import math
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cnnprof.errors import UsageError
from cnnprof.model import analysis
from cnnprof.model.records import decode_exactly, encode, parse
from cnnprof.model.run import SCHEMA, Forward, Part, Run

LARGEST_BYTES = 256 * 2**20
"""Of a file that is read: several hours of measuring."""
LARGEST = 2**63
"""Above every count and every time."""
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,199}")
_KIND, _VERSION = SCHEMA.rsplit("/", 1)


def to_json(run: Run) -> str:
    """Return a run as a line of JSON, in ASCII, from which ``from_json`` makes the same run."""
    return encode(run) + "\n"


def from_json(text: str, source: str) -> Run:
    """Return the run in a text. ``source`` is the file's name, for the error.

    Raises:
        UsageError: no JSON, no run, a run of a newer version, a key that is not known, or a number that cannot be.
    """
    try:
        given = parse(text)
        _check_schema(given)
        run = decode_exactly(given, Run)
    except ValueError as error:
        raise _refused(source, str(error)) from error
    for problem in problems(run):
        raise _refused(source, problem)
    return run


def read(path: Path) -> Run:
    """Return the run in a file.

    Raises:
        UsageError: the file cannot be read, or as for ``from_json``.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would wait for a writer, a device might never end
            raise _refused(str(path), "it is no regular file")
        if status.st_size > LARGEST_BYTES:
            raise _refused(str(path), f"it has more than {LARGEST_BYTES // 2**20} MiB")
        return from_json(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise _refused(str(path), "it is no text in UTF-8") from error
    except OSError as error:
        raise _refused(str(path), error.strerror or str(error)) from error


def _refused(source: str, reason: str) -> UsageError:
    return UsageError(f"{source} is no run: {reason}", hint="'cnnprof runs export' writes run files", code="bad-run")


def _check_schema(given: Any) -> None:
    name = given.get("schema") if isinstance(given, dict) else None
    kind, _, version = name.rpartition("/") if isinstance(name, str) else ("", "", "")
    if kind != _KIND or not re.fullmatch(r"[1-9][0-9]{0,5}", version):
        raise ValueError(f"its schema is not {SCHEMA}")
    if int(version) > int(_VERSION):
        raise ValueError(
            f"it is of version {version}, and this cnnprof reads up to version {_VERSION}; upgrade cnnprof"
        )


def problems(run: Run) -> Iterator[str]:
    """Yield what cannot be so in a run, each as a sentence that says where."""
    if not _ID.fullmatch(run.id):
        yield "id is not made of letters, digits and .-_"
    try:
        datetime.fromisoformat(run.created)
    except ValueError:
        yield "created is no date and time"
    yield from _positive("budget_s and interval", [run.budget_s, run.interval])
    for index, part in enumerate(run.parts):
        for problem in _of_part(part):
            yield f"parts[{index}]: {problem}"


def _of_part(part: Part) -> Iterator[str]:
    yield from _positive("batch", [part.setting.batch])
    yield from _positive("threads", [] if part.setting.threads is None else [part.setting.threads])
    yield from _positive("peak_bytes", [] if part.memory is None else [part.memory.peak_bytes])
    if part.analysis is not None and part.analysis.schema != analysis.SCHEMA:
        yield f"the schema of its analysis is not {analysis.SCHEMA}"
    if len(part.marks) != len(part.layers):
        yield f"{len(part.layers)} layers have {len(part.marks)} marks"
    if not all(map(math.isfinite, (part.output_std or 0, *_costs(part)))):
        yield "a number is not finite"
    for index, forward in enumerate(part.forwards):
        for problem in _of_forward(forward, part):
            yield f"forwards[{index}]: {problem}"
    for each in part.temperatures:
        yield from _positive("hot_ns and cold_ns", [*each.hot_ns, *each.cold_ns])
    yield from _of_transfers(part)
    for name, reason in of_environment(part.environment):
        yield f"environment.{name} {reason}"


def of_environment(environment: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the names in a part's environment whose values cannot be, and why; others than those used may be there."""
    for name in ("threads", "cores", "memory_bytes"):
        value = environment.get(name)
        if value is not None and (type(value) is not int or not 0 < value < LARGEST):
            yield name, "must be a whole number above 0"
    for name in ("governor", "libc"):
        if not isinstance(environment.get(name), str | None):
            yield name, "must be text"
    allocator = environment.get("allocator")
    texts = isinstance(allocator, dict) and all(isinstance(each, str) for each in allocator.values())
    if allocator is not None and not texts:
        yield "allocator", "must be texts by name"


def _of_transfers(part: Part) -> Iterator[str]:
    overlap = part.overlap
    several = [copy.times_ns for copy in part.copies]
    several += [] if overlap is None else [overlap.copy_ns, overlap.compute_ns, overlap.both_ns]
    if not all(several):
        yield "copies or overlap without a time"
    for copy in part.copies:
        yield from _positive("bytes and times_ns of copies", [copy.bytes, *copy.times_ns])
        yield from _not_below("cpu_ns of copies", copy.cpu_ns)
    if (load := part.load) is not None:
        yield from _not_below("load", (load.weights_bytes, load.weights_ns, load.context_ns, load.first_ns))
    if overlap is not None:
        times = (overlap.batches, *overlap.copy_ns, *overlap.compute_ns, *overlap.both_ns)
        yield from _positive("batches and times of overlap", times)
    for said in part.telemetry:
        yield from _not_below("telemetry", (said.sm_clock_mhz, said.memory_clock_mhz, said.power_w, said.energy_j))
        yield from _not_below("telemetry", (said.energy_s, said.energy_forwards))


def _costs(part: Part) -> list[float]:
    costs = part.costs.values()
    return [number for cost in costs for number in (cost.inside_ns, cost.outside_ns, cost.inside_cpu_ns)]


def _of_forward(forward: Forward, part: Part) -> Iterator[str]:
    yield from _positive("wall_ns", [forward.wall_ns])
    yield from _positive("device_ns", [] if forward.device_ns is None else [forward.device_ns])
    numbers = (forward.cpu_ns, forward.switches, forward.faults, forward.system_ns, forward.others, forward.attempt)
    lists = (*forward.phases_ns, *forward.marks_ns, *forward.marks_cpu_ns)
    yield from _not_below("a number", (*numbers, *lists))
    if len(forward.phases_ns) not in (0, len(part.phases)):
        yield f"{len(forward.phases_ns)} times for {len(part.phases)} phases"
    due = 2 * len(part.layers) + 1 if forward.kind in ("L", "Q") else 0
    for marks in (forward.marks_ns, forward.marks_cpu_ns):
        if len(marks) not in (0, due):
            yield f"{len(marks)} times between marks, and {len(part.layers)} layers"
    if forward.marks_ns and set(part.marks) - set(part.costs):
        yield "nothing says what its marks cost"


def _not_below(name: str, numbers: Iterable[float | None]) -> Iterator[str]:
    known = [number for number in numbers if number is not None]
    if not all(number >= 0 for number in known):
        yield f"{name} is below 0"
    yield from _not_beyond(name, known)


def _positive(name: str, numbers: Sequence[float]) -> Iterator[str]:
    if not all(number > 0 for number in numbers):
        yield f"{name} must be above 0"
    yield from _not_beyond(name, numbers)


def _not_beyond(name: str, numbers: Sequence[float]) -> Iterator[str]:
    if any(number >= LARGEST for number in numbers):
        yield f"{name} must be below 2^63"
