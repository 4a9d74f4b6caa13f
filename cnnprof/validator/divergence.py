"""Where two networks with the same weights part: the first layer whose output is no value of the other network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnprof.model.graph import Graph, Node
from cnnprof.validator.alignment import belonging

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    Measure = Callable[[torch.Tensor], Any]

Outputs = list[tuple[Any, Any]]
"""Size (or shape) and sample of everything that a layer gives."""
Recorded = dict[str, Outputs]
"""By the layer's name."""
BOUND = 1e-5
"""Two values are the same if max|Δ| ÷ max|theirs| is no more."""
_SAMPLE = 4096


class Divergence(NamedTuple):
    """A layer whose inputs the reference has too, and whose output it has not."""

    layer: str
    error: float | None
    """max|Δ| ÷ max|theirs| against the nearest value of that size; None where the reference has none of that size."""
    repeats: str | None = None
    """An earlier layer that gave this layer's value already, once more than the reference has it."""


def size(tensor: torch.Tensor) -> int:
    """Return the number of elements: what is turned or flattened is the same value."""
    return int(tensor.numel())


def shape(tensor: torch.Tensor) -> tuple[int, ...]:
    """Return the shape: what is turned or flattened is another value."""
    return tuple(tensor.shape)


def relative(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Return max|Δ| ÷ max|theirs|; infinite where the shapes differ or a difference has nothing to be divided by."""
    if ours.shape != theirs.shape:
        return float("inf")
    if not theirs.numel():
        return 0.0
    difference, largest = float((ours - theirs).abs().max()), float(theirs.abs().max())
    if difference == 0:
        return 0.0
    return difference / largest if largest > 0 else float("inf")


def first_difference(
    graph: Graph, ours: Any, theirs: torch.nn.Module, inputs: tuple[torch.Tensor, ...], *, of: Measure = size
) -> Divergence | None:
    """Run both again and return where they part; None where every output of ``graph`` is a value of the reference.

    Backwards from the outputs, through layers that give what the reference does not have anywhere, to the first of
    them. Of each value a sample is kept, so that memory does not hold two networks' activations. Values are compared
    with those alike in ``of``: ``size``, or ``shape``.
    """
    import torch

    known = _values(theirs, inputs, of)
    strange: dict[str, float | None] = {}
    with torch.no_grad(), recording(ours, ours.paths, of) as found:
        ours(*inputs)
    for name, samples in found.items():
        errors = [_nearest(each, known) for each in samples]
        if any(error is None or not error <= BOUND for error in errors):
            strange[name] = None if None in errors else max(error for error in errors if error is not None)
    layer = _first([edge.node for edge in graph.outputs.values()], graph, strange)
    if layer is None:
        return None
    again = _repeated(graph, ours, theirs, inputs, layer)
    return Divergence(layer, strange[layer]) if again is None else Divergence(again[0], None, again[1])


def _first(ends: Iterable[str], graph: Graph, strange: dict[str, float | None]) -> str | None:
    nodes: dict[str, Node] = {node.name: node for node in graph.nodes}
    reached: set[str] = set()
    waiting = list(ends)
    while waiting:
        name = waiting.pop()
        if name in strange and name not in reached:
            reached.add(name)
            waiting += [edge.node for edge in nodes[name].inputs]
    return next((name for name in nodes if name in reached), None)


def _repeated(
    graph: Graph, ours: Any, theirs: torch.nn.Module, inputs: tuple[torch.Tensor, ...], layer: str
) -> tuple[str, str] | None:
    """Return a layer shortly before ``layer`` that repeats a value, and the one that gave it; None if there is none.

    A relu that reads the wrong tensor, or stands before its convolution, may give what another layer gave, which is a
    value of the reference: only what is made of it is not. But the reference has that value once less.
    """
    import torch

    known = _values(theirs, inputs, shape)
    nodes = {node.name: node for node in graph.nodes}
    with torch.no_grad(), recording(ours, {name: ours.paths[name] for name in _making(graph)}, shape) as found:
        ours(*inputs)
    for name in _shortly_before(layer, nodes):
        if name not in found or len(found[name]) > 1:
            continue
        key, values = found[name][0]
        same = [other for other in found if relative(found[other][0][1], values) <= BOUND and found[other][0][0] == key]
        if same[0] != name and len(same) > sum(relative(values, other) <= BOUND for other in known[key]):
            return name, same[0]
    return None


def _making(graph: Graph) -> Iterator[str]:
    """Yield the layers that torch sees as functions: what hands its input on at rest is none."""
    yield from (node.name for node in graph.nodes if node.op not in ("identity", "stochasticdepth"))


def _shortly_before(layer: str, nodes: Mapping[str, Node]) -> Iterator[str]:
    """Yield what a layer reads, and what that reads."""
    read = [edge.node for edge in nodes[layer].inputs]
    yield from read
    yield from (edge.node for name in read if name in nodes for edge in nodes[name].inputs)


def _sample(tensor: torch.Tensor) -> torch.Tensor:
    """Return all of a small tensor, of a large one what lies at fixed random places, as a vector."""
    import torch

    flat = tensor.detach().flatten()
    count = flat.numel()
    if count > _SAMPLE:
        flat = flat[torch.randint(count, (_SAMPLE,), generator=torch.Generator().manual_seed(count))]
    return flat.clone()


def _nearest(sample: tuple[Any, torch.Tensor], known: dict[Any, list[torch.Tensor]]) -> float | None:
    key, values = sample
    return min((relative(values, other) for other in known[key]), default=None)


@contextmanager
def recording(module: torch.nn.Module, paths: Mapping[str, str], of: Measure = size) -> Iterator[Recorded]:
    """Give, by name, size and sample of what each submodule gives at its first call, in order of execution."""
    found: Recorded = {}

    def hook(name: str) -> Any:
        def note(_module: Any, _inputs: Any, output: Any) -> None:
            outputs = output if isinstance(output, tuple) else (output,)
            found.setdefault(name, [(of(each), _sample(each)) for each in outputs])

        return note

    handles = [module.get_submodule(path).register_forward_hook(hook(name)) for name, path in paths.items()]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def recording_owners(module: torch.nn.Module) -> Iterator[Recorded]:
    """Give, by the owner's path, what the first function of torch gives that uses its weights.

    It is the function and not the module that two networks have in common: torchvision's norm for ConvNeXt turns the
    axes there and back around it.
    """
    import torch
    from torch.overrides import TorchFunctionMode
    from torch.utils._pytree import tree_leaves

    found: Recorded = {}
    belongs = belonging(module)

    class Watch(TorchFunctionMode):  # type: ignore[misc] # torch is not followed
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = function(*args, **(kwargs or {}))
            given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
            owners = {belongs[id(leaf)] for leaf in given if id(leaf) in belongs} - found.keys()
            if owners and any(id(leaf) not in belongs for leaf in given):
                made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
                found.update({path: [(size(leaf), _sample(leaf)) for leaf in made] for path in owners})
            return result

    with Watch():
        yield found


def recorded_error(ours: Outputs | None, theirs: Outputs | None) -> float:
    """Return max|Δ| ÷ max|theirs| of all a layer gives; infinite where it ran in one network only."""
    if ours is None or theirs is None or [count for count, _ in ours] != [count for count, _ in theirs]:
        return float("inf")
    return max(relative(mine[1], other[1]) for mine, other in zip(ours, theirs, strict=True))


def _values(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], of: Measure) -> dict[Any, list[torch.Tensor]]:
    """Return samples of the inputs and of whatever a function of torch gives in a forward, by size or shape."""
    import torch
    from torch.overrides import TorchFunctionMode
    from torch.utils._pytree import tree_leaves

    found: dict[Any, list[torch.Tensor]] = defaultdict(list)

    def note(value: Any) -> None:
        for leaf in tree_leaves(value):
            if isinstance(leaf, torch.Tensor) and leaf.is_floating_point():
                found[of(leaf)].append(_sample(leaf))

    class Watch(TorchFunctionMode):  # type: ignore[misc] # torch is not followed
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = function(*args, **(kwargs or {}))
            note(result)
            return result

    with torch.no_grad():
        note(inputs)
        with Watch():
            module(*inputs)
    return found
