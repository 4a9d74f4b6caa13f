"""One network under validation, and what several checks need of it, made once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cnnprof import analyzer, builder
from cnnprof.errors import UsageError
from cnnprof.model.analysis import Analysis
from cnnprof.model.graph import Graph, Shape
from cnnprof.units import dimensions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from cnnprof.model.claims import Claim

    Claims = Callable[[Analysis], Sequence[Claim]]

BATCH = 2
"""Samples of every forward: a mistake about the batch shows at 2 and not at 1."""


class Case:
    """A graph, its analysis, and the module it builds."""

    def __init__(
        self,
        graph: Graph,
        against: str | None = None,
        other: Graph | None = None,
        claims: Claims | None = None,
        *,
        batch: int = BATCH,
    ) -> None:
        self.graph = graph
        self.against = against
        self.other = other
        """Another network of ours, to be compared layer by layer."""
        self.claims = claims
        self.batch = batch

    @cached_property
    def analysis(self) -> Analysis:
        """The tables, at ``batch``."""
        return analyzer.analyze(self.graph, batch=self.batch)

    @cached_property
    def on_meta(self) -> Any:
        """The module in evaluation mode, without memory."""
        return without_memory(self.graph).eval()

    def inputs(self, device: str = "cpu", *, batch: int | None = None, seed: int = 0) -> tuple[torch.Tensor, ...]:
        """Return random inputs of the network, N×shape: normal floats, small whole numbers, never zeros."""
        import torch

        generator = None if device == "meta" else torch.Generator(device).manual_seed(seed)
        found = []
        for each in self.graph.inputs:
            shape, dtype = (batch or self.batch, *each.shape), getattr(torch, each.dtype)
            if dtype.is_floating_point:
                found.append(torch.randn(shape, dtype=dtype, device=device, generator=generator))
            else:
                found.append(torch.randint(1, 3, shape, device=device, generator=generator).to(dtype))
        return tuple(found)

    def shapes_in_torch(self) -> dict[str, list[Shape]]:
        """Return the output shapes of every node that ran in a forward on the meta device, in training mode.

        In training all of them run; the statistics of a norm on that device are no more than shapes.
        """
        import torch

        seen: dict[str, list[Shape]] = {}

        def hook(name: str) -> Any:
            def note(_module: Any, _inputs: Any, output: Any) -> None:
                outputs = output if isinstance(output, tuple) else (output,)
                seen[name] = [tuple(each.shape) for each in outputs]

            return note

        module = self.on_meta
        handles = [module.get_submodule(path).register_forward_hook(hook(name)) for name, path in module.paths.items()]
        try:
            with torch.no_grad():
                module.train()(*self.inputs("meta"))
        finally:
            module.eval()
            for handle in handles:
                handle.remove()
        return seen

    def part(self, name: str) -> torch.nn.Module:
        """Return the submodule of a node."""
        return self.on_meta.get_submodule(self.on_meta.paths[name])


@contextmanager
def asking(name: str, graph: Graph) -> Iterator[None]:
    """Say of a reference that breaks which one it was, and on what input; a network of another kind takes others."""
    try:
        yield
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        size = " + ".join(dimensions(each.shape) for each in graph.inputs)
        raise UsageError(f"{name} does not run on {size}: {error}") from error


def without_memory(graph: Graph) -> Any:
    """Return the module on the meta device, in training mode.

    A batch norm's average over all batches so far is made a moving one: torch reads how many there were, and no value
    can be read on that device. No shape and no count depends on it.
    """
    module = builder.build(graph, device="meta")
    for part in module.modules():
        if getattr(part, "momentum", 0) is None:
            part.momentum = 0.1
    return module
