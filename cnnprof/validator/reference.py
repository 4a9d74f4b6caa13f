"""The reference network: with the same weights it must give the same outputs. This proves the graph, not only sums."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnprof import analyzer, builder
from cnnprof.errors import LayerError, UsageError
from cnnprof.layers import REGISTRY, of
from cnnprof.layers.dropout import Random
from cnnprof.model.graph import Edge, Graph, Node
from cnnprof.model.plain import replace
from cnnprof.model.validation import BROKEN, Figure, Verdict, compared
from cnnprof.units import dimensions
from cnnprof.validator.alignment import Alignment, Owner, align, trace
from cnnprof.validator.case import BATCH, Case, asking
from cnnprof.validator.divergence import (
    BOUND,
    Divergence,
    Recorded,
    first_difference,
    recorded_error,
    recording_owners,
    relative,
    shape,
    size,
)
from cnnprof.validator.transplant import draw, give

if TYPE_CHECKING:
    import torch

SIDES = ((64, 75), (96, 107), (128, 139), (160, 171), (192, 203))
"""Heights and widths to try, the smallest first: not square, and one of them odd all the way down, so that axes that
were taken for each other show, and windows that do not fit."""
_MODES = {False: "evaluation", True: "training"}


class Twins(NamedTuple):
    """Two networks with the same weights, and what both get."""

    graph: Graph
    ours: Any
    theirs: Any
    alignment: Alignment
    inputs: tuple[torch.Tensor, ...]


def check(case: Case) -> Iterator[Figure]:
    """Yield the layers with weights, the outputs in evaluation and in training, and what the statistics become.

    Nothing where there is no reference. Both run on a small image where the network takes one; where they part there,
    they run on the network's own size too. That both agree on that is noted: formulas of a specification may speak of
    its size.

    Raises:
        UsageError: the reference is not ``torchvision:NAME``.
        MissingPackageError: torchvision is not installed.
    """
    if case.against is None:
        return
    small = smaller(case)
    figures = list(_figures(case, case.graph if small is None else small))
    if small is not None and any(each.verdict in BROKEN for each in figures):
        whole = list(_figures(case, case.graph))
        agree = not any(each.verdict in BROKEN for each in whole)
        figures = [_noted(each, small) for each in figures] if agree else whole
    yield from figures


def _noted(figure: Figure, small: Graph) -> Figure:
    if figure.verdict not in BROKEN:
        return figure
    more = f"on {dimensions(small.inputs[0].shape)}; on the network's own size both agree"
    return replace(figure, note="; ".join(filter(None, (figure.note, more))))


def _figures(case: Case, graph: Graph) -> Iterator[Figure]:
    by = str(case.against)
    graph = at_rest(graph)
    theirs, ours = reference(by), builder.build(graph, device="meta")
    dropped = _dropout_of(theirs)
    meta = Case(graph).inputs("meta")
    mine = trace(ours, meta)
    with asking(by, graph):
        others = trace(theirs, meta)
    alignment = align(mine, others)
    twins = Twins(graph, ours, theirs, alignment, Case(graph).inputs())
    draw(theirs, others)
    if alignment.odd is not None:
        draw(ours, mine)  # what has no counterpart
    give(alignment.pairs, ours, theirs)
    yield _layers(twins, by)
    yield _chances(case.graph, dropped(), by)
    if alignment.pairs and alignment.odd is None:
        yield from _constants(twins, by)
        for training in (False, True):
            yield from _outputs(twins, by, training=training)
        yield from _statistics(twins, by)


def reference(name: str) -> torch.nn.Module:
    """Return the network that ``torchvision:NAME`` is, untrained, on the meta device.

    Raises:
        UsageError: no such network.
        MissingPackageError: torchvision is not installed.
    """
    library, _, network = name.partition(":")
    if library != "torchvision":
        raise UsageError(
            f"{name!r} is no reference network", hint="write torchvision:NAME, as in torchvision:resnet50",
            code="unknown-model",
        )  # fmt: skip
    from cnnprof.readers import torchvision

    return torchvision.build(network)


# The input


def smaller(case: Case) -> Graph | None:
    """Return the network for the smallest image on which it has the same parameters and every window some play.

    None where only its own size will do.
    """
    inputs = case.graph.inputs
    if len(inputs) != 1 or len(inputs[0].shape) != 3:  # noqa: PLR2004 channels, height and width
        return None
    channels, *own = inputs[0].shape
    for sides in SIDES:
        if sides[0] * sides[1] < own[0] * own[1]:
            graph = _resized(case.graph, own, sides, channels)
            if _works(graph, case):
                return graph
    return None


def _resized(graph: Graph, own: list[int], sides: tuple[int, int], channels: int) -> Graph:
    """Change the input; what brings maps back to the image's size, as in segmentation, follows it."""

    def follow(node: Node) -> Node:
        follows = node.op == "upsample" and list(node.args.get("size") or ()) == own
        return replace(node, args={**node.args, "size": list(sides)}) if follows else node

    image = replace(graph.inputs[0], shape=(channels, *sides))
    return replace(graph, inputs=(image,), nodes=tuple(map(follow, graph.nodes)))


def _works(graph: Graph, case: Case) -> bool:
    try:
        found = analyzer.analyze(graph, batch=BATCH)
    except LayerError:
        return False
    nodes = {node.name: node for node in graph.nodes}
    windows = (
        window
        for row in found.rows
        if row.known and row.inputs
        for window in of(nodes[row.name]).windows(row.inputs) or ()
    )
    fits = all(window.size > 1 or window.kernel == window.stride == 1 for window in windows)
    return fits and found.totals.params == case.analysis.totals.params


# Randomness


def at_rest(graph: Graph) -> Graph:
    """Return the network with nothing drawn in training: dropout and stochastic depth at p = 0."""

    def rest(node: Node) -> Node:
        changes = {name: 0.0 for name in ("dropout", "dropout_p") if name in node.args}
        return replace(node, args={**node.args, **changes, **({"p": 0.0} if _random(node) else {})})

    return replace(graph, nodes=tuple(map(rest, graph.nodes)))


def _random(node: Node) -> bool:
    return node.op in REGISTRY and issubclass(REGISTRY[node.op], Random)


def _dropout_of(module: torch.nn.Module) -> Any:
    """Set every probability to 0; return a function that says what those were whose module has run by then."""
    from torch import nn

    ran: dict[int, float] = {}
    for part in module.modules():
        if isinstance(part, nn.modules.dropout._DropoutNd) or type(part).__name__ == "StochasticDepth":  # noqa: SLF001
            part.register_forward_hook(_noting(ran, id(part), part.p))
            part.p = 0.0
        elif isinstance(part, nn.MultiheadAttention):
            part.dropout = 0.0
    return lambda: [p for p in ran.values() if p]


def _noting(ran: dict[int, float], key: int, chance: float) -> Any:
    def note(*_: Any) -> None:
        ran[key] = chance

    return note


def _chances(graph: Graph, theirs: list[float], by: str) -> Figure:
    """Compare the probabilities, which are 0 while the outputs are compared; in any order, or else in order of use."""
    chances = [(float(getattr(of(node), "p", 0)), node.name) for node in graph.nodes if _random(node)]
    ours = [(chance, name) for chance, name in chances if chance]
    alike = len(ours) == len(theirs) and all(map(_is_close, sorted(chance for chance, _ in ours), sorted(theirs)))
    odd = [] if alike else [each for each in zip(ours, theirs, strict=False) if not _is_close(each[0][0], each[1])]
    note = f"p = {odd[0][0][0]:g} here, {odd[0][1]:g} there" if odd else None
    return compared(
        "reference", "layers that drop values at random", len(ours),
        min(len(ours), len(theirs)) - len(odd) if odd else len(theirs), by=by,
        layer=odd[0][0][1] if odd else None, note=note,
    )  # fmt: skip


def _is_close(ours: float, theirs: float) -> bool:
    import math

    return math.isclose(ours, theirs, abs_tol=1e-9)


# The figures


def _layers(twins: Twins, by: str) -> Figure:
    alignment = twins.alignment
    if alignment.odd is None:
        count = len(alignment.pairs)
        note = "some branches run in another order" if alignment.reordered else None
        return compared("reference", "layers with weights", count, count, by=by, note=note)
    mine, other = alignment.odd
    layer, note = _before(twins, None if mine is None else _node(twins.ours, mine))
    return Figure(
        check="reference", what="layers with weights", ours=str(mine or "no more"), theirs=str(other or "no more"),
        verdict="differs", by=by, layer=layer, note=note,
    )  # fmt: skip


def _before(twins: Twins, odd: str | None) -> tuple[str, str | None]:
    """Return where the networks part before the first layer without a counterpart, or that layer.

    A layer whose weights do not fit often suffers from what arrives: all layers before it have the same weights.
    """
    nodes = {node.name: node for node in twins.graph.nodes}
    ends = tuple(twins.graph.outputs.values()) if odd is None else nodes[odd].inputs
    for module in (twins.ours, twins.theirs):
        module.train(odd is not None and nodes[odd].when == "train")
    graph = replace(twins.graph, outputs={str(at): edge for at, edge in enumerate(ends)})
    for measure in (size, shape):
        found = first_difference(graph, twins.ours, twins.theirs, twins.inputs, of=measure)
        if found is not None:
            return found.layer, _told(found, measure.__name__)
    return odd or ends[-1].node, None


def _node(ours: Any, owner: Owner) -> str:
    """Return the name of the node whose module this is, or is part of."""
    names = {path: name for name, path in ours.paths.items()}
    parts = owner.path.split(".")
    paths = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((names[path] for path in paths if path in names), owner.path)


def _outputs(twins: Twins, by: str, *, training: bool) -> Iterator[Figure]:
    """Run both; compare what every layer with weights gives, and the outputs by their names."""
    import torch

    main, mode = list(twins.graph.outputs)[-1], _MODES[training]
    with torch.no_grad():
        with recording_owners(twins.ours) as mine:
            ours = _named(twins.ours.train(training)(*twins.inputs), main)
        with recording_owners(twins.theirs) as others:
            theirs = _named(twins.theirs.train(training)(*twins.inputs), main)
    yield _layer_by_layer(twins, f"layers with the same result in {mode}", (mine, others), by)
    if ours.keys() != theirs.keys():
        names = (", ".join(sorted(each)) for each in (ours, theirs))
        yield compared("reference", f"outputs in {mode}", *names, by=by)
        return
    for name, value in theirs.items():
        what = f"output in {mode}" if name == main else f"output {name} in {mode}"
        yield _agreement(twins, what, name, (ours[name], value), by)


def _layer_by_layer(twins: Twins, what: str, found: tuple[Recorded, Recorded], by: str) -> Figure:
    """Compare what the first use of a layer's weights gives: of what runs in this mode."""
    ours, theirs = found
    errors = {
        mine.path: recorded_error(ours.get(mine.path), theirs.get(other.path))
        for mine, other in twins.alignment.pairs
        if mine.path in ours or other.path in theirs
    }
    wrong = [mine for mine, _ in twins.alignment.pairs if not errors.get(mine.path, 0) <= BOUND]
    worst = max(errors.values(), default=0.0)
    layer, note = None, f"max|Δ| ÷ max|theirs| = {worst:.2g}" if worst else None
    if wrong:
        layer, note = _located(twins, Edge(_node(twins.ours, wrong[0])))
    return Figure(
        check="reference", what=what, ours=len(errors), theirs=len(errors) - len(wrong), verdict=_verdict(worst), by=by,
        layer=layer, note=note,
    )  # fmt: skip


def _named(found: Any, main: str) -> dict[str, Any]:
    """Return outputs by our names: torchvision calls the main one logits or out, the others aux or aux_logits1."""
    if hasattr(found, "_asdict"):
        found = found._asdict()
    if not isinstance(found, dict):
        return {main: found}
    names = {"logits": main, "out": main}
    return {names.get(name, name.replace("_logits", "")): value for name, value in found.items() if value is not None}


def _agreement(twins: Twins, what: str, name: str, values: tuple[Any, Any], by: str) -> Figure:
    error = relative(*values)
    ours, theirs = (float(each.abs().max()) for each in values)
    verdict, layer = _verdict(error), None
    note = f"max|Δ| ÷ max|theirs| = {error:.2g}" if error else None
    if not 0 < theirs < float("inf"):
        verdict, note = "failed", "the reference's output is nothing to compare with"
    elif verdict == "differs":
        layer, more = _located(twins, twins.graph.outputs[name])
        note = f"{note}; {more}"
    return Figure(
        check="reference", what=what, ours=ours, theirs=theirs, verdict=verdict, by=by, layer=layer, note=note
    )


def _verdict(error: float) -> Verdict:
    if error == 0:
        return "equal"
    return "close" if error <= BOUND else "differs"


def _located(twins: Twins, output: Edge) -> tuple[str, str]:
    graph = replace(twins.graph, outputs={"output": output})
    found = first_difference(graph, twins.ours, twins.theirs, twins.inputs)
    if found is None:
        return output.node, "its value is one of the reference, but not this output"
    return found.layer, _told(found)


def _told(found: Divergence, of: str = "size") -> str:
    if found.repeats is not None:
        return f"it gives what {found.repeats} gave, once more than the reference"
    if found.error is None:
        return f"the reference has no value of this {of}"
    return f"the nearest value of the reference is {found.error:.2g} of its maximum away"


def _constants(twins: Twins, by: str) -> Iterator[Figure]:
    """Compare eps: 1e-6 for 1e-5 hides in outputs that are compared with 1e-5, where what is normalised is large."""
    pairs = [
        (_node(twins.ours, mine), twins.ours.get_submodule(mine.path), twins.theirs.get_submodule(other.path))
        for mine, other in twins.alignment.pairs
    ]
    norms = [(name, ours.eps, theirs.eps) for name, ours, theirs in pairs if hasattr(ours, "eps")]
    wrong = [norm for norm in norms if norm[1] != norm[2]]
    if norms:
        yield compared(
            "reference", "norms with this eps", len(norms), len(norms) - len(wrong), by=by,
            layer=wrong[0][0] if wrong else None,
            note=f"eps = {wrong[0][1]:g} here, {wrong[0][2]:g} there" if wrong else None,
        )  # fmt: skip


def _statistics(twins: Twins, by: str) -> Iterator[Figure]:
    """Compare the buffers, as the training forward left them."""
    errors: list[tuple[float, str]] = []
    for mine, other in twins.alignment.pairs:
        ours, theirs = twins.ours.get_submodule(mine.path), twins.theirs.get_submodule(other.path)
        pairs = zip(ours.buffers(recurse=False), theirs.buffers(recurse=False), strict=True)
        errors += [(relative(*pair), _node(twins.ours, mine)) for pair in pairs]
    if errors:
        worst = max(error for error, _ in errors)
        wrong = [name for error, name in errors if not error <= BOUND]
        yield Figure(
            check="reference", what="running statistics after training", ours=len(errors),
            theirs=len(errors) - len(wrong), verdict=_verdict(worst), by=by, layer=wrong[0] if wrong else None,
            note=f"max|Δ| ÷ max|theirs| = {worst:.2g}" if worst else None,
        )  # fmt: skip
