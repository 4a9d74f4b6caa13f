"""Tables of any list of records, the zoo's among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cnnprof.report.base import Column, Line, Table, Value
from cnnprof.report.describe import definitions, many


def record_table(title: str, records: Iterable[Mapping[str, Value]], columns: Sequence[Column] | None = None) -> Table:
    """Return a table of records. Without ``columns``, the keys in the order they turn up; integers count."""
    found = list(records)
    keys = {key: value for record in reversed(found) for key, value in record.items() if value is not None}
    order = dict.fromkeys(key for record in found for key in record)
    made = [Column(key, key, "count" if isinstance(keys.get(key), int) else "text", rank=0) for key in order]
    shown = tuple(made if columns is None else columns)
    lines = tuple(Line(tuple(record.get(column.id) for column in shown)) for record in found)
    return Table(id="records", title=title, columns=shown, lines=lines, definitions=definitions(shown))


ZOO_COLUMNS = (
    Column("name", "name", "text", "what to type", rank=0),
    Column("title", "title", "text", "the network in words", rank=1),
    Column("file", "file", "text", "its specification in the zoo", rank=2),
    Column("source", "source", "text", "the paper it is from", rank=3),
)


def zoo_table(entries: Iterable[Mapping[str, Value]]) -> Table:
    """Return the networks of the zoo; ``entries`` bear the ids of ``ZOO_COLUMNS``."""
    found = list(entries)
    return record_table(many(len(found), "network"), found, ZOO_COLUMNS)._replace(id="zoo", optional=("file", "source"))
