"""Any ``torch.nn.Module`` to a graph: its forward is run on tensors without contents, and written down."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cnnprof.errors import UsageError
from cnnprof.model.graph import Edge, Graph, Input
from cnnprof.model.plain import replace
from cnnprof.readers.imported.growth import BATCH, OTHER, compared_note, difference, needs_another, noting, refusal
from cnnprof.readers.imported.said import message

if TYPE_CHECKING:
    import torch

    from cnnprof.readers.imported.recorder import Recorder

_DATA = ("meta tensor", "data-dependent", "Tensor.item()", "Cannot copy out of meta", "nonzero", "on meta tensors")
"""What torch's messages say where a forward wants to know a value."""


def trace(module: torch.nn.Module, inputs: tuple[Input, ...], *, name: str, source: str) -> Graph:
    """Return the graph of a module, which is left exactly as it was.

    The forward runs in evaluation mode; where parameters are left that it does not use, once more in training mode, and
    what works then only has ``when: train``. Parameters that neither uses are counted all the same.

    Args:
        module: any module; one that ``torch.compile`` or ``DataParallel`` has wrapped is unwrapped.
        inputs: one sample of each, named like the forward's arguments or in their order.
        name: of the network.
        source: what the user typed, or the module's class.

    Raises:
        UsageError: the forward raises, wants other inputs, depends on the values of a tensor, or on the number of
            samples other than in proportion.
    """
    module = _unwrapped(module)
    try:
        return _proportional(module, inputs, name, source)
    except RecursionError as error:  # a forward's own is explained where it is called
        raise UsageError(
            f"{source}: the modules of {name} are nested too deep for Python to walk through them",
            hint="pass a part of the network, or put the innermost modules into one list",
            code="forward-raises",
        ) from error
    except UsageError as first:
        if first.code not in ("forward-raises", "depends-on-data", "too-large"):
            raise
        if first.code == "forward-raises" and _runs(module, inputs, OTHER, name, source):
            raise refusal(source, f"it runs for {OTHER} samples and not for {BATCH:,}: {first}") from first
        graph = _traced(module, inputs, 1, name, source)
        note = "traced for one sample, because the forward does not run for several: other batches are in proportion"
        return replace(graph, notes=(*graph.notes, note))


def _proportional(module: torch.nn.Module, inputs: tuple[Input, ...], name: str, source: str) -> Graph:
    """Return the graph of many samples, which is that of any number."""
    with noting() as growth:
        graph = _traced(module, inputs, BATCH, name, source)
    if needs_another(growth, graph):
        _check(module, inputs, graph)
    notes = (compared_note(sorted(growth.compared)),) if growth.compared else ()
    return replace(graph, notes=(*graph.notes, *notes))


def _check(module: torch.nn.Module, inputs: tuple[Input, ...], graph: Graph) -> None:
    """Raise UsageError where a graph is not that of another number of samples too."""
    try:
        other = _traced(module, inputs, OTHER, graph.name, graph.source)
    except UsageError as error:
        raise refusal(graph.source, f"it runs for {BATCH:,} samples and not for {OTHER}: {error}") from error
    if difference(graph, other):  # perhaps for what the first forward has made and kept
        again = _traced(module, inputs, BATCH, graph.name, graph.source)
        if why := difference(again, other):
            raise refusal(graph.source, why)


def _runs(module: torch.nn.Module, inputs: tuple[Input, ...], batch: int, name: str, source: str) -> bool:
    try:
        _traced(module, inputs, batch, name, source)
    except UsageError:
        return False
    return True


def _unwrapped(module: Any) -> Any:
    import torch

    if isinstance(module, torch.jit.ScriptModule):
        raise UsageError(
            "a ScriptModule runs where no function can be seen",
            hint="give the module that it was made of",
            code="script-module",
        )
    inner = getattr(module, "_orig_mod", None)
    return _unwrapped(inner) if inner is not None else getattr(module, "module", module) if _wraps(module) else module


def _wraps(module: Any) -> bool:
    import torch

    return isinstance(module, (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel))


def _traced(module: torch.nn.Module, inputs: tuple[Input, ...], batch: int, name: str, source: str) -> Graph:
    seen, outputs = _forward(module, inputs, batch, source, training=False)
    if not seen.unreached():
        return _graph(seen, outputs, inputs, name, source)
    try:
        trained, more = _forward(module, inputs, batch, source, training=True)
    except UsageError:
        trained, more = seen, outputs
    usual = {node.name for node in seen.nodes}
    if not usual <= {node.name for node in trained.nodes}:
        trained, more = seen, outputs
    trained.nodes = [node if node.name in usual else replace(node, when="train") for node in trained.nodes]
    return _graph(trained, more, inputs, name, source)


def _graph(seen: Recorder, outputs: dict[str, Edge], inputs: tuple[Input, ...], name: str, source: str) -> Graph:
    left = sorted({path.rpartition(".")[0] or path for path, _ in seen.unreached()})
    seen.add_unreached()
    notes = (f"never used by the forward, counted all the same: {', '.join(left)}",) if left else ()
    names = {node.name for node in seen.nodes}
    return Graph(
        name=name,
        source=source,
        inputs=inputs,
        nodes=tuple(seen.nodes),
        outputs=outputs,
        containers=tuple(each for each in seen.containers.values() if each.last in names),
        notes=notes,
    )


def _forward(
    module: torch.nn.Module, inputs: tuple[Input, ...], batch: int, source: str, *, training: bool
) -> tuple[Recorder, dict[str, Edge]]:
    from cnnprof.readers.imported.meta import on_meta
    from cnnprof.readers.imported.recorder import Recorder
    from cnnprof.readers.imported.watching import watching

    with on_meta(module, training=training):
        seen = Recorder(module, batch, source)
        tensors = {each.name: _arriving(each, batch) for each in inputs}
        for name, tensor in tensors.items():
            seen.arrive(name, tensor)
        try:
            with watching(seen):
                result = _called(module, tensors)
        except UsageError:
            raise
        except Exception as error:
            raise _explained(error, module, inputs, batch) from error
        return seen, _outputs(seen, result)


def _arriving(given: Input, batch: int) -> torch.Tensor:
    import torch

    try:
        return torch.empty((batch, *given.shape), dtype=getattr(torch, given.dtype), device="meta")
    except (RuntimeError, TypeError) as error:  # TypeError: of a size that has no 64 bits either
        raise UsageError(
            f"{given.name} of {'x'.join(map(str, given.shape))} has more bytes than torch can count in 64 bits",
            hint="--input takes one sample's sizes, as 3x224x224",
            code="too-large",
        ) from error


def _called(module: torch.nn.Module, tensors: Mapping[str, torch.Tensor]) -> Any:
    """Call the module with its inputs by name, where its forward has all their names, else in order."""
    return module(**tensors) if takes(module, tensors) else module(*tensors.values())


def takes(module: torch.nn.Module, names: Iterable[str]) -> bool:
    """Return whether a forward has arguments of all these names."""
    known = inspect.signature(module.forward).parameters
    return all(name in known for name in names)


def _outputs(seen: Recorder, result: Any) -> dict[str, Edge]:
    """Return the outputs by name, the main one, which comes first in torch, last."""
    named = [(name or "output", tensor) for name, tensor in _named(result)]
    if not named:
        raise UsageError("the forward returns no tensor", code="no-output")
    main, *others = named
    found: dict[str, Edge] = {}
    for name, tensor in (*others, main):
        found[name] = seen.value(tensor)
    return found


def _named(value: Any, prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    import torch

    if isinstance(value, torch.Tensor):
        yield prefix, value
        return
    if isinstance(value, Mapping):
        items: Any = value.items()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        items = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    elif isinstance(value, (list, tuple)):
        items = zip(getattr(value, "_fields", range(len(value))), value, strict=False)
    else:
        return
    for name, each in items:
        yield from _named(each, f"{prefix}.{name}" if prefix else str(name))


def _explained(error: Exception, module: torch.nn.Module, inputs: tuple[Input, ...], batch: int) -> UsageError:
    """Return what went wrong in a forward, where, and what to pass instead."""
    where = getattr(error, "cnnprof_module", type(module).__name__)
    given = ", ".join(f"{each.name} {'x'.join(map(str, (batch, *each.shape)))} {each.dtype}" for each in inputs)
    said = message(error)
    if isinstance(error, TypeError) and "forward()" in said:
        return UsageError(
            f"the forward wants other inputs: {said}",
            hint=f"name each argument of forward{inspect.signature(module.forward)}: --input a=3x224x224,b=77:int64",
            code="other-inputs",
        )
    if "overflow" in said:
        return UsageError(
            f"the forward makes a tensor, in {where}, that has more bytes than torch can count in 64 bits: {said}",
            hint=f"it was called with {given}; a smaller --input may fit",
            code="too-large",
        )
    if any(words in said for words in _DATA):
        return UsageError(
            f"the forward depends on the values of a tensor, in {where}: {said.partition('. ')[0]}",
            hint="cnnprof follows shapes, not values: pass a part of the network that has no such branch",
            code="depends-on-data",
        )
    return UsageError(
        f"the forward raised {type(error).__name__} in {where}{said and ': '}{said}",
        hint=f"it was called with {given}; another --input may fit",
        code="forward-raises",
    )
