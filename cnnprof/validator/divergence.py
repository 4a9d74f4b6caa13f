"""Where two networks with the same weights part: the first layer whose output is no value of the other network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnprof.model.graph import Graph, Node

if TYPE_CHECKING:
    import torch

BOUND = 1e-5
"""Two values are the same if max|Δ| ÷ max|theirs| is no more."""
_SAMPLE = 4096


class Divergence(NamedTuple):
    """A layer whose inputs the reference has too, and whose output it has not."""

    layer: str
    error: float | None
    """max|Δ| ÷ max|theirs| against the nearest value of that size; None where the reference has none of that size."""


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
    graph: Graph, ours: Any, theirs: torch.nn.Module, inputs: tuple[torch.Tensor, ...]
) -> Divergence | None:
    """Run both again and return where they part; None where every output of ``graph`` is a value of the reference.

    Backwards from the outputs, through layers that give what the reference does not have anywhere, to the first of
    them. Of each value a sample is kept, so that memory does not hold two networks' activations.
    """
    known = _values(theirs, inputs)
    strange: dict[str, float | None] = {}
    for name, samples in _outputs(ours, inputs).items():
        errors = [_nearest(each, known) for each in samples]
        if any(error is None or not error <= BOUND for error in errors):
            strange[name] = None if None in errors else max(error for error in errors if error is not None)
    layer = _first([edge.node for edge in graph.outputs.values()], graph, strange)
    return None if layer is None else Divergence(layer, strange[layer])


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


def _sample(tensor: torch.Tensor) -> torch.Tensor:
    """Return all of a small tensor, of a large one what lies at fixed random places, as a vector."""
    import torch

    flat = tensor.detach().flatten()
    size = flat.numel()
    if size > _SAMPLE:
        flat = flat[torch.randint(size, (_SAMPLE,), generator=torch.Generator().manual_seed(size))]
    return flat.clone()


def _nearest(sample: tuple[int, torch.Tensor], known: dict[int, list[torch.Tensor]]) -> float | None:
    size, values = sample
    return min((relative(values, other) for other in known[size]), default=None)


def _outputs(module: Any, inputs: tuple[torch.Tensor, ...]) -> dict[str, list[tuple[int, torch.Tensor]]]:
    """Return size and sample of what every node gives, in order of execution."""
    import torch

    found: dict[str, list[tuple[int, torch.Tensor]]] = {}

    def hook(name: str) -> Any:
        def note(_module: Any, _inputs: Any, output: Any) -> None:
            outputs = output if isinstance(output, tuple) else (output,)
            found[name] = [(each.numel(), _sample(each)) for each in outputs]

        return note

    handles = [module.get_submodule(path).register_forward_hook(hook(name)) for name, path in module.paths.items()]
    try:
        with torch.no_grad():
            module(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _values(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> dict[int, list[torch.Tensor]]:
    """Return samples of the inputs and of whatever a function of torch gives in a forward, by size."""
    import torch
    from torch.overrides import TorchFunctionMode
    from torch.utils._pytree import tree_leaves

    found: dict[int, list[torch.Tensor]] = defaultdict(list)

    def note(value: Any) -> None:
        for leaf in tree_leaves(value):
            if isinstance(leaf, torch.Tensor) and leaf.is_floating_point():
                found[leaf.numel()].append(_sample(leaf))

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
