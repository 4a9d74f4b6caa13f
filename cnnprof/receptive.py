"""Receptive fields: what every unit of a network sees of its inputs, by forward propagation of intervals.

Per spatial axis of every network input, a tensor remembers which of its dimensions moves along that axis and from where
to where each position sees: the union over every path that leads there. Padding counts as seen, so that the field is
that of an interior unit and does not depend on the input's size. Channels are not told apart: of several paths joined
by channels, all are seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from cnnprof.model.analysis import AxisField, Note, ReceptiveField
from cnnprof.model.graph import Edge, Input, Shape
from cnnprof.model.plain import Plain
from cnnprof.shapes import MOST_PHASES, Reads, Taps, Window, sliding

if TYPE_CHECKING:
    from cnnprof.model.graph import TensorSpec

_FURTHEST = 2**62
"""Input elements beyond which a field counts as global: no exact figure of that size says anything."""
_WHOLE = Taps(-1, (), (), 0, whole=True)
"""An axis seen as a whole by every unit, along no dimension."""


class Reader(Protocol):
    """What is asked of a layer."""

    def reads(
        self, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...], source: int = 0, target: int = 0
    ) -> Reads:
        """Return which positions of an input a unit of an output depends on."""
        ...


class Seen(Plain, frozen=True):
    """What a tensor's units see: per input axis the taps on it, None where they do not depend on that axis."""

    axes: tuple[Taps | None, ...]
    field: ReceptiveField | None
    known: bool = True
    """False behind an operator of which nobody knows what it reads."""


_UNKNOWN = Seen((), None, known=False)


class ReceptiveFields:
    """The fields of all tensors of a network, filled node by node in topological order."""

    def __init__(self, inputs: Sequence[Input]) -> None:
        self._axes = [(each.name, axis) for each in inputs for axis in range(1, len(each.shape))]
        self._nothing = Seen((None,) * len(self._axes), None)
        self._seen = {Edge(each.name): self._made(self._first(each.name)) for each in inputs}
        self.notes: list[Note] = []

    def _first(self, name: str) -> tuple[Taps | None, ...]:
        """Return what an input sees of itself: every position its own, behind batch and channels."""
        return tuple(Taps(axis + 1) if owner == name else None for owner, axis in self._axes)

    def follow(
        self,
        name: str,
        layer: Reader,
        edges: Sequence[Edge],
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        windows: Sequence[Window] | None,
    ) -> ReceptiveField | None:
        """Take in one layer and return the field of its first output."""
        if not self._axes:
            return None
        first = self._output(name, layer, edges, inputs, outputs, windows, 0)
        self._seen[Edge(name)] = first
        for target in range(1, len(outputs)):
            self._seen[Edge(name, target)] = self._output(name, layer, edges, inputs, outputs, windows, target)
        return first.field

    def seen(self, edge: Edge) -> Seen:
        """Return what the units of a tensor see that was taken in."""
        return self._seen[edge]

    def lose(self, name: str, outputs: int) -> None:
        """Take in an operator of which nobody knows what it reads."""
        self._seen.update((Edge(name, target), _UNKNOWN) for target in range(outputs))

    def _output(
        self,
        name: str,
        layer: Reader,
        edges: Sequence[Edge],
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        windows: Sequence[Window] | None,
        target: int,
    ) -> Seen:
        paths = self.paths(layer, edges, inputs, outputs, windows, target)
        return paths[0] if len(paths) == 1 else self._joined(name, paths)

    def paths(
        self,
        layer: Reader,
        edges: Sequence[Edge],
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        windows: Sequence[Window] | None,
        target: int = 0,
    ) -> list[Seen]:
        """Return what an output sees through each of a layer's inputs, equal paths once."""
        found: list[Seen] = []
        for source, edge in enumerate(edges):
            reads = layer.reads(inputs, outputs, source, target)
            path = self._path(self._seen[edge], reads, windows, inputs[source].shape, outputs[target].shape)
            if path not in found:
                found.append(path)
        return found

    def _path(self, seen: Seen, reads: Reads, windows: Sequence[Window] | None, before: Shape, after: Shape) -> Seen:
        """Return what is seen through one input."""
        if reads == "windows":
            reads = sliding(windows) if windows else "pointwise"
        if seen.field is None or (reads == "pointwise" and _in_place(seen, before, after)):
            return seen  # the shorter way for most layers
        taps = resolved(reads, windows, before, after)
        if taps is None:
            return self._nothing
        return self._made(tuple(each and _through(each, taps.get(each.dim)) for each in seen.axes))

    def _joined(self, name: str, paths: list[Seen]) -> Seen:
        """Return the union of several paths, or of none; a note says where they do not fit together."""
        if not all(path.known for path in paths):
            return _UNKNOWN
        axes = self._nothing.axes
        faults: set[str] = set()
        for path in paths:
            pairs = list(zip(axes, path.axes, strict=True))
            faults.update(fault for pair in pairs if (fault := _fault(*pair)))
            axes = tuple([_union(*pair) for pair in pairs])
        if faults:
            message = f"the receptive fields that meet here are not aligned: {' and '.join(sorted(faults))}"
            self.notes.append(Note(code="misaligned", layer=name, message=message))
        return self._made(axes)

    def _made(self, axes: tuple[Taps | None, ...]) -> Seen:
        named = zip(self._axes, axes, strict=True)
        found = tuple(_described(name, axis, taps) for (name, axis), taps in named if taps is not None)
        return Seen(axes, ReceptiveField(found) if found else None)


def resolved(reads: Reads, windows: Sequence[Window] | None, before: Shape, after: Shape) -> Mapping[int, Taps] | None:
    """Return what a layer reads of an input of shape ``before``, by dimension; None where it reads nothing of it."""
    if reads == "windows":
        reads = sliding(windows) if windows else "pointwise"
    if reads == "nothing":
        return None
    return _broadcast(before, after) if isinstance(reads, str) else reads


def _in_place(seen: Seen, before: Shape, after: Shape) -> bool:
    """Return whether every dimension that anything moves along stays as it is."""
    if before == after:
        return True
    if len(before) != len(after):
        return False
    for taps in seen.axes:  # noqa: SIM110 asked for every layer, and a generator takes three times as long
        if taps and taps.lows and before[taps.dim] != after[taps.dim]:
            return False
    return True


def _broadcast(before: Shape, after: Shape) -> Mapping[int, Taps]:
    """Return what an output reads at its own place of a shape that is not its own; what is stretched has no place."""
    shift = len(after) - len(before)
    return {
        dim: Taps(dim + shift) for dim, size in enumerate(before) if dim + shift >= 0 and size == after[dim + shift]
    }


def _through(seen: Taps, taps: Taps | None) -> Taps:
    """Return what is seen of an input axis by a unit that reads ``taps`` of a tensor that sees ``seen`` of it."""
    if taps is None or not seen.lows:
        return _WHOLE
    period, step = len(seen.lows), seen.step
    if period == len(taps.lows) == 1:
        low, high = seen.lows[0] + step * taps.lows[0], seen.highs[0] + step * taps.highs[0]
        return _bounded(Taps(taps.dim, (low,), (high,), step * taps.step, seen.whole or taps.whole))
    times = period // math.gcd(taps.step, period)
    if times * len(taps.lows) > MOST_PHASES:
        return _WHOLE
    # A field moves by ``step`` per ``period``, and never backwards: a run's ends are those of its first and last one.
    lows = (seen.lows[at % period] + step * (at // period) for at in _repeated(taps.lows, taps.step, times))
    highs = (seen.highs[at % period] + step * (at // period) for at in _repeated(taps.highs, taps.step, times))
    moved = step * (taps.step * times // period)
    return _bounded(Taps(taps.dim, tuple(lows), tuple(highs), moved, seen.whole or taps.whole))


def _repeated(offsets: Sequence[int], step: int, times: int) -> Iterable[int]:
    """Yield the offsets of ``times`` periods in a row."""
    return (offset + step * turn for turn in range(times) for offset in offsets)


def _bounded(taps: Taps) -> Taps:
    # Ends never move backwards within a period, so that the outermost are the first low and the last high.
    return taps if taps.step < _FURTHEST and taps.highs[-1] - taps.lows[0] < _FURTHEST else _WHOLE


def _union(one: Taps | None, other: Taps | None) -> Taps | None:
    if one is None or other is None or one == other:
        return one or other
    if not one.lows or not other.lows:
        return (one if one.lows else other)._replace(whole=True)
    pair = _alike(one, other)
    if pair is None:
        return _WHOLE
    lows = tuple(map(min, pair[0].lows, pair[1].lows))
    highs = tuple(map(max, pair[0].highs, pair[1].highs))
    return Taps(one.dim, lows, highs, pair[0].step, one.whole or other.whole)


def _alike(one: Taps, other: Taps) -> tuple[Taps, Taps] | None:
    """Return both with one period; None where they move along different dimensions or at different speeds."""
    if one.dim != other.dim:
        return None
    if len(one.lows) == len(other.lows):
        return (one, other) if one.step == other.step else None
    period = math.lcm(len(one.lows), len(other.lows))
    if one.step * len(other.lows) != other.step * len(one.lows) or period > MOST_PHASES:
        return None
    return _spread(one, period), _spread(other, period)


def _spread(taps: Taps, period: int) -> Taps:
    times = period // len(taps.lows)
    lows, highs = (tuple(_repeated(ends, taps.step, times)) for ends in (taps.lows, taps.highs))
    return taps._replace(lows=lows, highs=highs, step=taps.step * times)


def _fault(one: Taps | None, other: Taps | None) -> str | None:
    """Return how two local fields that meet fail to lie over each other; None where they do."""
    if one is None or other is None or not one.lows or not other.lows or one.dim != other.dim:
        return None
    pair = _alike(one, other)
    if pair is None:
        speeds = sorted(taps.step / len(taps.lows) for taps in (one, other))
        return f"they move by {speeds[0]:g} and {speeds[1]:g} input elements per unit"
    one, other = pair
    distance = abs(sum(one.lows) + sum(one.highs) - sum(other.lows) - sum(other.highs)) / (2 * len(one.lows))
    return f"their centres are {distance:g} input elements apart" if distance else None


def _described(name: str, axis: int, taps: Taps) -> AxisField:
    if not taps.lows:
        return AxisField(input=name, axis=axis, is_global=True)
    period = len(taps.lows)
    size = taps.highs[0] - taps.lows[0] + 1
    if period == 1:
        return AxisField(
            input=name, axis=axis, size=size, stride=taps.step, padding=-taps.lows[0], is_global=taps.whole
        )
    sizes = [high - low + 1 for low, high in zip(taps.lows, taps.highs, strict=True)]
    shared = math.gcd(taps.step, period)
    return AxisField(
        input=name, axis=axis, size=max(sizes), stride=taps.step // shared, stride_divisor=period // shared,
        padding=-taps.lows[0], uniform=False, is_global=taps.whole,
    )  # fmt: skip
