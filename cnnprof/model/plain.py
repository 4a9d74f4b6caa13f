"""The base of all plain data: frozen, typed, to and from JSON. The one home of msgspec's structs."""

from __future__ import annotations

from typing import Any, TypeVar

try:
    import msgspec
except ModuleNotFoundError:  # a worker's interpreter that has torch, and nothing that was installed for cnnprof
    from cnnprof.model import structs as msgspec  # type: ignore[no-redef]

T = TypeVar("T")


class Plain(msgspec.Struct, frozen=True, gc=False):
    """A frozen record: equality by value, hashable where its fields are.

    ``gc=False``: what is made in one go of what was there before cannot be part of a cycle, and a collector that visits
    the records of 100,000 layers again and again takes longer than counting them.
    """


def replace(record: T, **changes: Any) -> T:
    """Return a copy of ``record`` with some fields changed."""
    return msgspec.structs.replace(record, **changes)  # type: ignore[type-var]


def set_normalised(record: msgspec.Struct, field: str, value: object) -> None:
    """Store the canonical form of an argument while a frozen record is still being made (``__post_init__`` only)."""
    msgspec.structs.force_setattr(record, field, value)


def to_json(record: msgspec.Struct, *, indent: int | None = None) -> bytes:
    """Return the record as JSON; integers of any size stay exact."""
    data = msgspec.json.encode(record)
    return data if indent is None else msgspec.json.format(data, indent=indent)


def from_json(data: bytes | str, kind: type[T]) -> T:
    """Return the record that ``to_json`` wrote.

    Raises:
        msgspec.ValidationError: the text is JSON but not of this kind.
    """
    return msgspec.json.decode(data, type=kind)


def to_builtins(record: object) -> Any:
    """Return dicts, lists, text and numbers: what a CSV writer or a data frame takes."""
    return msgspec.to_builtins(record)
