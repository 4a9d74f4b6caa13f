"""The formula of a receptive field: from those of what a layer reads, by one step of the recurrence.

Size, stride and padding of a window of span k, stride s and padding p behind a tensor of size r, stride j and
padding q: r + (k − 1)·j, j·s and q + p·j. Where paths meet, the lower low and the higher high count. An axis is written
``size …; stride …; padding …``; where units differ ``up to`` stands before it, and ``global`` where all is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cnnprof.formulas.traced import largest, number, ratio, written
from cnnprof.layers import Layer
from cnnprof.model.analysis import Analysis, AxisField, Row
from cnnprof.model.graph import Edge
from cnnprof.receptive import ReceptiveFields, Seen, resolved
from cnnprof.shapes import Taps

GLOBAL = "global"
_BESIDE = "global (local {})"
_AT_MOST = "up to {}"


class Parts(NamedTuple):
    """The formulas of one axis."""

    size: str
    stride: str
    padding: str

    def __str__(self) -> str:
        return f"size {self.size}; stride {self.stride}; padding {self.padding}"


class FieldFormulas:
    """Follows the fields through the network once more, and writes down each step."""

    def __init__(self, analysis: Analysis) -> None:
        self._fields = ReceptiveFields(analysis.inputs)

    def lose(self, row: Row) -> None:
        """Take in a row of an operator that nobody registered."""
        self._fields.lose(row.name, len(row.outputs))

    def follow(self, row: Row, layer: Layer) -> str | None:
        """Take in a row and return the formula of its field; None where it has none."""
        windows = layer.windows(row.inputs)
        paths = self._fields.paths(layer, row.edges, row.inputs, row.outputs, windows) if row.receptive_field else []
        self._fields.follow(row.name, layer, row.edges, row.inputs, row.outputs, windows)
        if row.receptive_field is None:
            return None
        seen = self._fields.seen(Edge(row.name))
        at = [index for index, taps in enumerate(seen.axes) if taps is not None]
        before = self._before(row, layer) if len(paths) == 1 else {}
        axes = zip(at, row.receptive_field.axes, strict=True)
        texts = [
            _axis(axis, seen.axes[index], [path.axes[index] for path in paths], before.get(index))
            for index, axis in axes
        ]
        return texts[0] if len(set(texts)) == 1 else " × ".join(texts)

    def _before(self, row: Row, layer: Layer) -> dict[int, Step]:
        """Return, per axis of the network, what the layer's first input sees and what the layer reads of it."""
        seen: Seen = self._fields.seen(row.edges[0])
        reads = layer.reads(row.inputs, row.outputs)
        taps = resolved(reads, layer.windows(row.inputs), row.inputs[0].shape, row.outputs[0].shape) or {}
        return {
            index: Step(each, taps[each.dim])
            for index, each in enumerate(seen.axes)
            if each is not None and each.dim in taps
        }


class Step(NamedTuple):
    """What arrives sees ``seen``; the layer reads ``taps`` of it."""

    seen: Taps
    taps: Taps


def _axis(field: AxisField, seen: Taps | None, paths: Sequence[Taps | None], step: Step | None) -> str:
    if field.size is None or seen is None:
        return GLOBAL
    local = [path for path in paths if path is not None and path.lows]
    text = str(_parts(seen, local, step))
    text = text if field.uniform else _AT_MOST.format(text)
    return _BESIDE.format(text) if field.is_global else text


def _parts(seen: Taps, local: Sequence[Taps], step: Step | None) -> Parts:
    if len(seen.lows) > 1 or any(len(path.lows) > 1 for path in local):
        return _spelt(seen)
    if len(local) > 1:
        return _union(seen, local)
    if step is not None and len(step.seen.lows) == len(step.taps.lows) == 1:
        return _window(*step)
    return _spelt(seen)


def _window(seen: Taps, taps: Taps) -> Parts:
    """Return the step of a window."""
    size, stride, padding = number(_size(seen)), number(seen.step), number(-seen.lows[0])
    (low,), (high,) = taps.lows, taps.highs
    if low == high == 0 and taps.step == 1:  # each position by itself: nothing changes
        return Parts(written(size), written(stride), written(padding))
    grown = size + (number(high - low + 1) - 1) * stride
    further = padding - number(low) * stride if low > 0 else padding + number(-low) * stride
    return Parts(written(grown), written(stride * number(taps.step)), written(further))


def _union(seen: Taps, local: Sequence[Taps]) -> Parts:
    """Return the union of several paths: how far one reaches beyond the first unit's place, and how far before it."""
    local = sorted(local, key=lambda path: (path.lows, path.highs))
    beyond = largest(*(number(_size(path)) - number(-path.lows[0]) for path in local))
    before = largest(*(number(-path.lows[0]) for path in local))
    return Parts(written(beyond + before), written(number(seen.step)), written(before))


def _spelt(seen: Taps) -> Parts:
    """Return the largest of a period of windows, each from where to where it reaches; equal ones once."""
    ends = {high - low: (low, high) for low, high in zip(seen.lows, seen.highs, strict=True)}
    size = largest(*(number(high) - number(low) + 1 for low, high in ends.values()))
    stride = ratio(seen.step, len(seen.lows)) if len(seen.lows) > 1 else written(seen.step)
    return Parts(written(size), stride, written(-number(seen.lows[0]) if seen.lows[0] < 0 else number(-seen.lows[0])))


def _size(taps: Taps) -> int:
    return taps.highs[0] - taps.lows[0] + 1
