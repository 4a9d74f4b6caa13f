"""Rows of the database to records and back. A text that is not what was written is damage, never a smaller result."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from cnnprof.model.plain import Plain, replace
from cnnprof.model.records import decode, encode
from cnnprof.model.run import (
    UNMEASURED,
    Copy,
    Forward,
    Load,
    MeasuredMemory,
    Overlap,
    Part,
    Run,
    Telemetry,
    Temperature,
)
from cnnprof.store.files import of_environment
from cnnprof.store.owner import Owner, is_alive

T = TypeVar("T")
R = TypeVar("R", bound=tuple[object, ...])

RUNS = "number, id, head, crc, writer, touched"
PARTS = "key, run, number, head, crc, network, network_crc"
RECORDS = "key, part, kind, data, crc"
KINDS: dict[str, type[Plain]] = {
    "forward": Forward, "warm-up": Forward, "temperature": Temperature, "memory": MeasuredMemory, "copy": Copy,
    "load": Load, "overlap": Overlap, "telemetry": Telemetry,
}  # fmt: skip
"""Kinds of rows in ``records``; warm-up has its own so that samples can be counted without being read."""
Report = Callable[[str], None]
"""Called with a sentence for each row that is damaged."""


class RunRow(NamedTuple):
    """A row of ``runs``."""

    number: int
    id: str
    head: str
    crc: int
    writer: str | None
    touched: int

    @property
    def owner(self) -> Owner | None:
        """The process that measures it; None of what was imported or is finished, or where the text is damaged."""
        try:
            return None if self.writer is None else Owner(*decode(self.writer, list))
        except (ValueError, TypeError):
            return None

    @property
    def alive(self) -> bool:
        """True while a process measures it."""
        return self.owner is not None and is_alive(self.owner, self.touched)

    @property
    def order(self) -> tuple[datetime, int]:
        """Sorts runs by the time they were made; what is damaged comes first."""
        try:
            return (moment(run_head(self).created), self.number)
        except (Damage, ValueError):
            return (datetime.min.replace(tzinfo=UTC), self.number)


class PartRow(NamedTuple):
    """A row of ``parts``."""

    key: int
    run: int
    number: int
    head: str
    crc: int
    network: str
    network_crc: int


class RecordRow(NamedTuple):
    """A row of ``records``."""

    key: int
    part: int
    kind: str
    data: str
    crc: int


_PLACES: dict[type, dict[str, type]] = {
    RunRow: {"number": int, "id": str, "touched": int},
    PartRow: {"key": int, "run": int, "number": int},
    RecordRow: {"key": int, "part": int, "kind": str},
}
"""What says where a row belongs. Its texts have checksums; the bytes of a damaged one may say NULL of any column."""


class Damage(Exception):  # noqa: N818 not an error of the program: what was found
    """A row is not what was written."""


def row_of(kind: Callable[..., R], values: Iterable[object]) -> R:
    """Return a row of a table.

    Raises:
        Damage: a column by which it is found is of another type than was written.
    """
    found = kind(*values)
    for name, due in _PLACES[type(found)].items():
        if not isinstance(getattr(found, name), due):
            table = type(found).__name__.removesuffix("Row").lower()
            raise Damage(f"the {name} of {table} {found[0]} is damaged")
    return found


def sealed(record: Plain) -> tuple[str, int]:
    """Return the text of a record and its checksum."""
    text = encode(record)
    return text, checksum(text)


def checksum(text: str) -> int:
    """Return the CRC-32 of a text."""
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def unsealed(text: str, crc: int, kind: type[T]) -> T:
    """Return the record of a text.

    Raises:
        Damage: the checksum is not the text's, or the text is no such record.
    """
    if not isinstance(text, str) or checksum(text) != crc:  # a NULL is no text
        raise Damage("its checksum is wrong")
    try:
        return decode(text, kind)
    except ValueError as error:
        raise Damage(str(error)) from error


def moment(created: str) -> datetime:
    """Return the time that a run was made at.

    Raises:
        ValueError: it is none.
    """
    found = datetime.fromisoformat(created)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def run_head(row: RunRow) -> Run:
    """Return a run without its parts.

    Raises:
        Damage: the row is not what was written.
    """
    return unsealed(row.head, row.crc, Run)


def part_texts(part: Part) -> tuple[str, int, str, int]:
    """Return the head of a part and its network, each with its checksum; samples have rows of their own."""
    head = replace(part, graph=None, analysis=None, **UNMEASURED)
    network = Part(model=part.model, setting=part.setting, graph=part.graph, analysis=part.analysis)
    return *sealed(head), *sealed(network)


def record(part: int, measured: Plain) -> tuple[int, str, str, int]:
    """Return the row for something measured, without its key."""
    return part, _kind(measured), *sealed(measured)


def _kind(measured: Plain) -> str:
    if isinstance(measured, Forward):
        return "warm-up" if measured.warm_up else "forward"
    return next(kind for kind, of in KINDS.items() if type(measured) is of)


def records_of(part: Part) -> Iterator[Plain]:
    """Yield everything measured of a part that has a row of its own."""
    for name in UNMEASURED:
        found = getattr(part, name)
        yield from found if isinstance(found, tuple) else () if found is None else (found,)


def assembled(run: RunRow, parts: Iterable[PartRow], records: Iterable[RecordRow], report: Report) -> Run:
    """Return a run put together from its rows. Rows that are damaged are left out and reported.

    Raises:
        Damage: the head of the run is.
    """
    head = run_head(run)
    if run.id != head.id:
        report(f"its id was {head.id}")
    if run.writer is not None and run.owner is None:
        report("which process measures it cannot be read")
    found: dict[int, list[Plain]] = {}
    for row in records:
        try:
            found.setdefault(row.part, []).append(_measured(row))
        except Damage as damage:
            report(f"{row.kind} {row.key}: {damage}")
    made = [_part(row, found.get(row.key, ()), report) for row in sorted(parts, key=lambda row: row.number)]
    whole = replace(head, parts=tuple(part for part in made if part is not None))
    return whole if run.alive else ended(whole)


def _measured(row: RecordRow) -> Plain:
    if row.kind not in KINDS:
        raise Damage("there is no such kind of record")
    return unsealed(row.data, row.crc, KINDS[row.kind])


def _part(row: PartRow, measured: Iterable[Plain], report: Report) -> Part | None:
    try:
        part = unsealed(row.head, row.crc, Part)
    except Damage as damage:
        report(f"part {row.number}: {damage}; its samples are lost with it")
        return None
    wrong = dict(of_environment(part.environment))  # an import once let it through
    for name, reason in wrong.items():
        report(f"part {row.number}: environment.{name} {reason}")
    sound = {name: value for name, value in part.environment.items() if name not in wrong}
    try:
        network = unsealed(row.network, row.network_crc, Part)
    except Damage as damage:
        report(f"network of part {row.number}: {damage}; its graph and analysis are lost")
        network = part
    everything = list(measured)

    def of(kind: type[T]) -> tuple[T, ...]:
        return tuple(each for each in everything if isinstance(each, kind))

    def last(kind: type[T]) -> T | None:
        return next(iter(reversed(of(kind))), None)

    return replace(
        part,
        environment=sound,
        graph=network.graph,
        analysis=network.analysis,
        forwards=of(Forward),
        temperatures=of(Temperature),
        memory=last(MeasuredMemory) or part.memory,  # version 1 kept that of a finished run here
        copies=of(Copy),
        load=last(Load),
        overlap=last(Overlap),
        telemetry=of(Telemetry),
    )


def ended(run: Run) -> Run:
    """Return a run that nobody measures any more: what was running was interrupted."""
    parts = tuple(replace(part, status="interrupted") if part.status == "running" else part for part in run.parts)
    return replace(run, status="interrupted" if run.status == "running" else run.status, parts=parts)
