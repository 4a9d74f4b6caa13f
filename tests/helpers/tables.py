"""Layer tables as documents print them, so that a test can hold one word for word."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from cnnprof.model.analysis import Analysis

KERAS = {
    "averagepooling2d": "avgpool2d",
    "maxpooling2d": "maxpool2d",
    "dense": "linear",
    "activation": "tanh",
}
_LINE = re.compile(
    r"\s*(?P<name>\w+)(?:-\d+)?(?: \((?P<kind>\w+)\))?"  # Conv2d-1, or conv2d_1 (Conv2D)
    r"\s+[\[(] ?(?:-1|None), (?P<shape>[\d, ]+)[\])]"  # [ -1, 64, 55, 55], or (None, 55, 55, 64)
    r"\s+(?P<params>[\d,]+)"
)


class TableRow(NamedTuple):
    op: str
    output: tuple[int, ...]
    params: int


def printed(text: str) -> list[TableRow]:
    """Return the rows of a torchsummary or Keras table; Keras' channels, which stand last, are put first."""
    found = []
    for line in text.strip().splitlines():
        match = _LINE.fullmatch(line.rstrip())
        assert match is not None, line
        shape = tuple(int(size) for size in match["shape"].split(","))
        if match["kind"]:
            shape = (shape[-1], *shape[:-1])
        op = (match["kind"] or match["name"]).lower()
        found.append(TableRow(KERAS.get(op, op), shape, int(match["params"].replace(",", ""))))
    return found


def computed(analysis: Analysis, *, without_ops: Collection[str] = (), without: Collection[str] = ()) -> list[TableRow]:
    """Return the rows of an analysis, some left out by operator or by name."""
    return [
        TableRow(row.op, row.outputs[0].shape[1:], row.params)
        for row in analysis.rows
        if row.op not in without_ops and row.name not in without
    ]


def mib(count: int) -> str:
    """Return bytes as both tools print them: divided by 1024², two decimals."""
    return f"{count / 1024**2:.2f}"
