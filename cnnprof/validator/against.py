"""One network against another: the first layer that differs, and what all differences cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cnnprof import analyzer
from cnnprof.model.analysis import Analysis, AxisField
from cnnprof.model.graph import Graph
from cnnprof.model.validation import Figure, compared
from cnnprof.units import dimensions
from cnnprof.validator.case import Case
from cnnprof.validator.matching import Difference, Look, differences


def check(case: Case) -> Iterator[Figure]:
    """Yield layers, input, parameters, MACs, receptive field and output of both networks, for one sample."""
    if case.other is None:
        return
    mine, other = (_counted(each) for each in (case.graph, case.other))
    found = differences(mine, other)
    first = next((name for each in found if (name := _name(each))), None)
    note = "; ".join(_said(found, mine[1], other[1])) or None
    layers = compared("network", "layers", len(mine[1].rows), len(other[1].rows), by=case.other.name)
    if found:
        layers = Figure(
            check="network", what="layers", ours=layers.ours, theirs=layers.theirs, verdict="differs",
            by=layers.by, layer=first, note=note,
        )  # fmt: skip
    yield layers
    for what, (ours, theirs) in _figures(mine[1], other[1]).items():
        layer = first if ours != theirs and what != "input" else None
        yield compared("network", what, ours, theirs, by=case.other.name, layer=layer)


def _counted(graph: Graph) -> tuple[Graph, Analysis]:
    return graph, analyzer.analyze(graph)


def _figures(mine: Analysis, other: Analysis) -> dict[str, tuple[Any, Any]]:
    return {
        "input": (_input(mine), _input(other)),
        "parameters": (mine.totals.params, other.totals.params),
        "MACs": (mine.totals.macs, other.totals.macs),
        "receptive field": (_field(mine), _field(other)),
        "output": (_output(mine), _output(other)),
    }


def _input(analysis: Analysis) -> str:
    return ", ".join(f"{dimensions(each.shape)} {each.dtype}" for each in analysis.inputs)


def _output(analysis: Analysis) -> str:
    edges = analysis.outputs.values()
    shapes = {row.name: row.outputs for row in analysis.rows}
    return ", ".join(dimensions(shapes[edge.node][edge.output].shape[1:]) for edge in edges if edge.node in shapes)


def _field(analysis: Analysis) -> str:
    """Return the largest receptive field of a unit that does not see everything: ``427``, or ``9×5``."""
    fields = [row.receptive_field.axes for row in analysis.rows if row.receptive_field is not None]
    local = [axes for axes in fields if not any(axis.is_global for axis in axes)]
    largest = max(local, key=_extent, default=())
    sizes = [axis.size or 0 for axis in largest]
    return dimensions(sizes[:1] if len(set(sizes)) == 1 else sizes) if sizes else "global"


def _extent(axes: Sequence[AxisField]) -> int:
    return max((axis.size or 0 for axis in axes), default=0)


# In words


def _name(difference: Difference) -> str | None:
    look = difference.mine or difference.other
    return None if look is None else look.node.name


def _said(found: Sequence[Difference], mine: Analysis, other: Analysis) -> Iterator[str]:
    """Yield what the first difference is and what all of them cost, and how many there are."""
    if not found:
        return
    yield f"{_first(found, other.model)}: {_cost(mine, other)}"
    if len(found) > 1:
        yield f"{len(found)} layers differ"


def _first(found: Sequence[Difference], model: str) -> str:
    first = found[0]
    if first.mine is None or first.other is None:
        look = first.mine or first.other
        return f"{_described(look)} is {'not' if first.mine else 'only'} in {model}" if look else ""
    if first.reads is not None:
        return f"it reads {first.reads[0]}, in {model} {first.reads[1]}"
    if first.mine.node.op != first.other.node.op:
        return f"it is {first.mine.node.op}, in {model} {first.other.node.op} ({first.other.node.name})"
    changes = first.changed
    moved = _moved(found, changes, model)
    return moved or ", ".join(
        f"{key} {_text(mine)}, in {model} {_text(other)}" for key, (mine, other) in changes.items()
    )


def _moved(found: Sequence[Difference], changes: dict[str, tuple[Any, Any]], model: str) -> str | None:
    """Return that an argument sits in another layer, where the next change of it is the other way round."""
    if len(changes) != 1:
        return None
    ((key, (mine, other)),) = changes.items()
    for each in found[1:]:
        if each.changed.get(key) == (other, mine):
            looks = [found[0].mine, each.mine]
            here, there = looks if _weight(mine) > _weight(other) else reversed(looks)
            return f"{key} sits in {_described(here)}, in {model} in {_described(there)}"
        if key in each.changed:
            return None
    return None


def _weight(value: Any) -> float:
    numbers = value if isinstance(value, tuple) else [value]
    return sum(number for number in numbers if isinstance(number, int | float))


def _described(look: Look | None) -> str:
    """Return ``the 3×3 (layer2.0.conv2)``, or ``relu (features.1)``."""
    if look is None:
        return "nothing"
    kernel = look.args.get("kernel_size")
    return f"{f'the {_text(kernel)}' if kernel else look.node.op} ({look.node.name})"


def _text(value: Any) -> str:
    """Return a value as a specification writes it, and ``3×3`` for one number per axis."""
    if isinstance(value, tuple) and value and all(isinstance(each, int) for each in value):
        return dimensions(value)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _cost(mine: Analysis, other: Analysis) -> str:
    """Return ``+231,211,008 MACs, receptive field 483 → 427``: from the other network to this one."""
    counts = {"MACs": mine.totals.macs - other.totals.macs, "parameters": mine.totals.params - other.totals.params}
    found = [f"{count:+,} {what}".replace("-", "−") for what, count in counts.items() if count]
    fields = _field(other), _field(mine)
    if fields[0] != fields[1]:
        found.append(f"receptive field {fields[0]} → {fields[1]}")
    return ", ".join(found) or "no MACs, no parameters"
