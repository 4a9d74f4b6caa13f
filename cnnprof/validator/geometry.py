"""Receptive fields against where the gradient of the input is not 0, useful multiply-accumulates against ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnprof.analyzer.rows import make_rows
from cnnprof.errors import LayerError
from cnnprof.layers import REGISTRY
from cnnprof.layers.adaptive import AdaptivePool
from cnnprof.layers.attention import MultiheadAttention, ScaledDotProductAttention
from cnnprof.layers.joining import Reduction
from cnnprof.layers.linear import Linear
from cnnprof.model.analysis import Row
from cnnprof.model.graph import Edge, Graph
from cnnprof.model.plain import replace
from cnnprof.model.validation import Figure, compared
from cnnprof.receptive import ReceptiveFields
from cnnprof.shapes import Taps
from cnnprof.validator.case import Case
from cnnprof.validator.thin import MULTIPLYING, reduced, thin

if TYPE_CHECKING:
    import torch

_BY = "torch's gradient"
SHORT = (8, 16, 32, 64, 96, 128, 160, 192, 224, 256, 320)
"""Sizes to try for the axes that are not looked at."""
LONGEST = 8192
"""The longest axis that is tried; a wider field is compared where the input cuts it off."""
MOST = 5
"""Layers looked at: the last one of each of as many strides, the coarsest."""

MIXING = (Linear, AdaptivePool, Reduction, MultiheadAttention, ScaledDotProductAttention)
"""Layers of which every unit may see everything; by others, as flatten, a value loses its place and sees no more."""

Ends = tuple[int, int] | None
"""The first and the last element seen; None where nothing is."""


class Strip(NamedTuple):
    """A network on an input that is long along one axis and short along the others, with one sample."""

    graph: Graph
    rows: tuple[Row, ...]
    fields: ReceptiveFields
    axis: int

    def taps(self, name: str) -> Taps | None:
        """Return what the units of a layer see along the axis; None where there is no local field."""
        found = self.fields.seen(Edge(name))
        taps = found.axes[self.axis] if found.known and found.axes else None
        return taps if taps is not None and taps.lows else None

    def sees_all(self, name: str) -> bool:
        """Return whether the units of a layer see everything, and none anything near it alone."""
        found = self.fields.seen(Edge(name))
        return bool(found.known and found.axes and found.axes[self.axis]) and self.taps(name) is None

    @property
    def length(self) -> int:
        return self.graph.inputs[0].shape[self.axis + 1]

    def unit(self, name: str) -> int:
        """Return the unit in the middle of the axis."""
        row, taps = next(row for row in self.rows if row.name == name), self.taps(name)
        return row.outputs[0].shape[taps.dim] // 2 if taps else 0

    def ends(self, name: str) -> Ends:
        """Return what that unit sees of the input itself."""
        taps = self.taps(name)
        if taps is None:
            return None
        turn, phase = divmod(self.unit(name), len(taps.lows))
        low, high = taps.lows[phase] + taps.step * turn, taps.highs[phase] + taps.step * turn
        low, high = max(low, 0), min(high, self.length - 1)
        return (low, high) if low <= high else None


def receptive(case: Case) -> Iterator[Figure]:
    """Yield, of the last layers before each change of stride, which input elements the unit in the middle sees.

    Nothing where the network has no axis to see along, or several inputs.
    """
    if len(case.graph.inputs) != 1:
        return
    found: dict[str, list[tuple[Ends, Ends]]] = {}
    for axis in range(_axes(case)):
        strip = _strip(case, axis)
        names = _last_ones(strip)
        theirs = _supports(strip, names)
        for name in names:
            found.setdefault(name, []).append((strip.ends(name), theirs[name]))
    for name, pairs in found.items():
        yield _figure(f"input elements seen from the middle of {name}", name, pairs)
    everything = _everything(case)
    if everything is not None:
        yield _figure(f"input elements seen by {everything[0]}, everything", *everything)


def _axes(case: Case) -> int:
    return len(case.graph.inputs[0].shape) - 1


def _figure(what: str, name: str, pairs: Sequence[tuple[Ends, Ends]]) -> Figure:
    ours, theirs = (" × ".join(_text(pair[side]) for pair in pairs) for side in (0, 1))
    return compared("receptive", what, ours, theirs, by=_BY, layer=None if ours == theirs else name)


def _text(ends: Ends) -> str:
    return "none" if ends is None else f"{ends[0]}…{ends[1]}"


def _strip(case: Case, axis: int) -> Strip:
    """Return the network on the smallest input that it takes and that holds the widest field; else on its own."""
    own = _own(case, axis)
    wanted = min(LONGEST, _widest(own))
    channels, *sizes = case.graph.inputs[0].shape
    for short in SHORT:
        length = -(-max(wanted, short) // 32) * 32
        shape = (channels, *(length if at == axis else min(short, size) for at, size in enumerate(sizes)))
        found = _analysed(case.graph, shape, axis)
        if found is not None:
            return found
    return own


def _own(case: Case, axis: int) -> Strip:
    found = _analysed(case.graph, case.graph.inputs[0].shape, axis)
    assert found is not None  # noqa: S101 it was analysed before
    return found


def _analysed(graph: Graph, shape: Sequence[int], axis: int) -> Strip | None:
    resized = replace(graph, inputs=(replace(graph.inputs[0], shape=tuple(shape)),))
    fields = ReceptiveFields(resized.inputs)
    try:
        rows, _, _ = make_rows(resized, 1, "float32", fields, input_grad=False)
    except LayerError:
        return None
    return Strip(resized, rows, fields, axis)


def _widest(strip: Strip) -> int:
    """Return the elements that hold the widest field of a unit in the middle, wherever its layer's first one begins."""
    found = [taps for row in strip.rows if (taps := strip.taps(row.name)) is not None]
    return max((taps.highs[-1] - taps.lows[0] + 1 + 4 * taps.step for taps in found), default=1)


def _last_ones(strip: Strip) -> list[str]:
    """Return the last layer of every stride."""
    last: dict[float, str] = {}
    for row in strip.rows:
        taps = strip.taps(row.name)
        if taps is not None and row.when == "always" and len(row.outputs) == 1:
            last[taps.step / len(taps.lows)] = row.name
    names = {name for _, name in sorted(last.items())[-MOST:]}
    return [row.name for row in strip.rows if row.name in names]


def _supports(strip: Strip, names: Sequence[str]) -> dict[str, Ends]:
    """Return from where to where the gradient of the input is not 0, for the unit in the middle of each layer.

    What sees everything (a squeeze-excitation gate) hands on ones without a gradient, so that local paths are left.
    """
    around = [row.name for row in strip.rows if strip.taps(row.name) is None]
    image, seen = _ran(strip, names, around)
    found = {}
    for name in names:
        taps = strip.taps(name)
        assert taps is not None  # noqa: S101 only such layers are looked at
        found[name] = _support(seen[name].select(taps.dim, strip.unit(name)).sum(), image, strip.axis)
    return found


def _ran(strip: Strip, names: Sequence[str], around: Sequence[str]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Return the input and what the layers ``names`` give, with ones from the layers ``around``."""
    import torch

    module = reduced(strip.graph, strip.rows)
    seen: dict[str, torch.Tensor] = {}
    for name in set(names) & set(module.paths):  # else it is the input
        module.get_submodule(module.paths[name]).register_forward_hook(_kept(seen, name))
    for name in around:
        module.get_submodule(module.paths[name]).register_forward_hook(_ones)
    image = torch.ones(1, *strip.graph.inputs[0].shape, requires_grad=True)
    module(image)
    return image, seen


def _kept(seen: dict[str, torch.Tensor], name: str) -> Any:
    def hook(_module: Any, _inputs: Any, output: torch.Tensor) -> None:
        seen[name] = output

    return hook


def _ones(_module: Any, _inputs: Any, output: Any) -> Any:
    import torch

    if isinstance(output, tuple):
        return tuple(torch.ones_like(each) for each in output)
    return torch.ones_like(output)


def _support(value: torch.Tensor, image: torch.Tensor, axis: int) -> Ends:
    import torch

    if not value.requires_grad:
        return None
    (gradient,) = torch.autograd.grad(value, image, retain_graph=True)
    others = [dim for dim in range(gradient.dim()) if dim != axis + 2]
    places = (gradient != 0).sum(others).nonzero().flatten()
    return (int(places[0]), int(places[-1])) if len(places) else None


def _everything(case: Case) -> tuple[str, list[tuple[Ends, Ends]]] | None:
    """Return the first layer that sees everything, with what its whole input sees, and what one of its units sees."""
    strips = [_own(case, axis) for axis in range(_axes(case))]
    for row in case.analysis.rows if strips else ():
        if row.when == "train" or not issubclass(REGISTRY[row.op], MIXING):
            continue
        before = _behind_views(case, row.edges[0])
        if not before.output and all(strip.sees_all(row.name) and strip.taps(before.node) for strip in strips):
            return row.name, _both(strips, before.node, row.name)
    return None


def _both(strips: Sequence[Strip], before: str, name: str) -> list[tuple[Ends, Ends]]:
    image, seen = _ran(strips[0], [before, name], [])
    whole, unit = seen.get(before, image).sum(), seen[name].flatten()[0]
    return [(_support(whole, image, strip.axis), _support(unit, image, strip.axis)) for strip in strips]


def _behind_views(case: Case, edge: Edge) -> Edge:
    """Return the tensor that one or several views show."""
    rows = {row.name: row for row in case.analysis.rows}
    while edge.node in rows and rows[edge.node].storage == "view" and rows[edge.node].edges:
        edge = rows[edge.node].edges[0]
    return edge


# Useful multiply-accumulates


def useful(case: Case) -> Iterator[Figure]:
    """Yield the multiply-accumulates that read a stored element: sums of convolutions of ones over ones.

    Channels multiply them evenly and are one here, unless some of them are padding. Layers without a window take part
    with what the analysis says.
    """
    rows = {row.name: row for row in case.analysis.rows}
    known: dict[str, int] = {}
    first, total = None, 0
    for row in case.analysis.rows:
        if row.when == "train" or not row.known:
            continue
        theirs = row.useful_macs
        if issubclass(REGISTRY[row.op], MULTIPLYING):
            image = _image(rows, row)
            key = repr((row.op, row.args, row.inputs, None if image is None else image.op))
            if key not in known:
                known[key] = _counted(row, image)
            theirs = known[key]
        if theirs != row.useful_macs and first is None:
            first = row.name
        total += theirs
    yield compared(
        "useful", "MACs that read a stored element", case.analysis.totals.useful_macs, total,
        by="torch's convolution of ones", layer=first,
    )  # fmt: skip


def _image(rows: Mapping[str, Row], row: Row) -> Row | None:
    """Return the layer before that puts zeros around its input, if there is one."""
    before = rows.get(row.edges[0].node)
    if before is None or REGISTRY[before.op](**before.args).zeros(before.inputs) is None:
        return None
    return before


def _counted(row: Row, padding: Row | None) -> int:
    import torch

    layer: Any = REGISTRY[row.op](**row.args)
    with torch.no_grad():
        ones = _padded_ones(row, padding).transpose(0, 1)  # channels one by one, as samples
        taps = int(thin(layer, row.inputs[0]).double()(ones).sum().item())
    batch, channels = row.inputs[0].shape[:2]
    filters: int = layer.out_channels
    return taps * (channels // len(ones)) * batch * filters // getattr(layer, "groups", 1)


def _padded_ones(row: Row, padding: Row | None) -> torch.Tensor:
    """Return what the layer reads, of ones, with zeros around them where ``padding`` puts some: one sample.

    It has one channel, but all of them where some are zeros.
    """
    import torch

    if padding is None:
        return torch.ones(1, 1, *row.inputs[0].shape[2:], dtype=torch.float64)
    layer, (channels, *sizes) = REGISTRY[padding.op](**padding.args), padding.inputs[0].shape[1:]
    put_in = layer.zeros(padding.inputs)
    alike = row.inputs[0].shape[1] == channels and not (put_in and any(put_in[1]))
    padded: torch.Tensor = layer.build(padding.inputs)(
        torch.ones(1, 1 if alike else channels, *sizes, dtype=torch.float64)
    )
    return padded
