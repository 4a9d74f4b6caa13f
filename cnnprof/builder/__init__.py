"""A graph to a real ``torch.nn.Module``: one named submodule per node, and a forward that a person can read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnprof.builder.lives import Lives, find_lives
from cnnprof.builder.network import compiled, corresponding, marked, network_class, stay_tied
from cnnprof.builder.source import write_forward
from cnnprof.builder.tree import plant
from cnnprof.builder.two_devices import split
from cnnprof.errors import LayerError, MissingPackageError, UsageError
from cnnprof.layers import REGISTRY, Layer, of
from cnnprof.layers.base import text
from cnnprof.layers.recorded import PREFIX
from cnnprof.model.graph import Edge, Graph, Node, TensorSpec

if TYPE_CHECKING:
    import torch

FLOAT_DTYPES = ("float32", "float64", "float16", "bfloat16")
"""What a network can be built in; integer tensors keep their own dtype."""
_one_at_a_time = threading.RLock()
"""torch's generator and default dtype belong to all threads: while one builds, another that builds waits."""


class Part(NamedTuple):
    """A node's layer with what arrives at it, for one sample, and what it gives."""

    node: Node
    layer: Layer
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def build(graph: Graph, *, seed: int = 0, device: Any = None, dtype: Any = None) -> torch.nn.Module:
    """Return the network as a module in training mode.

    Weights are drawn on the CPU, by torch's own rules for each layer, from a generator of this call, so that they are
    the same on every device and no other draw is disturbed. On the device ``meta`` nothing is drawn nor allocated.

    Args:
        graph: the network.
        seed: of the weights.
        device: torch's name of a device, or a ``torch.device``; by default the CPU.
        dtype: of parameters and floating-point buffers: ``"float16"``, or ``torch.float16``.

    Raises:
        LayerError: a layer has no module, or refuses its inputs.
        UsageError: no such device or dtype, or a seed that is none.
        MissingPackageError: torch, or the device, is not there.
    """
    check_buildable(graph)
    library = _torch()
    where, kind = _device(library, device), _dtype(library, dtype)
    parts = list(_parts(graph))
    lives = find_lives(graph, {part.node.name: len(part.outputs) for part in parts})
    _check_stand_ins(graph, lives, parts)
    with _drawing(library, _seed(seed), where):
        modules = {part.node.name: _module(part) for part in parts}
    _share_and_freeze(graph, modules)
    network: Any = _network(graph, lives, parts, modules)
    return network.to(where, kind).train()


def check_buildable(graph: Graph) -> None:
    """Raise unless every operation of the graph is a layer.

    Raises:
        UsageError: some were recorded while a network was imported: what they did is known, not how to do it again.
    """
    found = sorted({node.op for node in graph.nodes if node.op.startswith(PREFIX)})
    if found:
        most = 3
        listed = ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")
        raise UsageError(
            f"{graph.name} cannot be built again from what was seen of it, operations that are no layers: {listed}",
            hint="it is a PyTorch module already; cnnprof counts it without building it",
            code="not-buildable",
        )


def _network(graph: Graph, lives: Lives, parts: list[Part], modules: dict[str, torch.nn.Module]) -> Any:
    kind = network_class(graph)
    network = kind()
    network.register_load_state_dict_post_hook(stay_tied)
    titles = {each.path: each.module or each.block or "Container" for each in graph.containers}
    places = plant(network, modules, titles)
    counts = {part.node.name: len(part.outputs) for part in parts}
    expressions = {name: place.expression for name, place in places.items()}
    kind._write = staticmethod(partial(write_forward, graph, lives, counts, expressions))  # noqa: SLF001 being made
    kind.lives = lives
    kind.code = network._write()  # noqa: SLF001
    kind.forward = compiled(kind.code, graph.name)
    kind.paths = paths = {name: place.path for name, place in places.items()}
    kind._resting = tuple(paths[node.name] for node in graph.nodes if node.frozen == "eval")  # noqa: SLF001
    kind._shared = tuple(  # noqa: SLF001
        (paths[node.name], paths[node.share]) for node in graph.nodes if node.share is not None
    )
    return network


def _parts(graph: Graph) -> Iterator[Part]:
    tensors = {Edge(each.name): TensorSpec((1, *each.shape), each.dtype) for each in graph.inputs}
    for node in graph.nodes:
        if node.op not in REGISTRY:
            raise LayerError(
                f"{node.name}: nobody registered the operator {node.op!r}, so there is no module to build",
                hint="register a layer under that name",
                code="not-buildable",
            )
        inputs = tuple(tensors[edge] for edge in node.inputs)
        with _named(node):
            layer = of(node)
            outputs = layer.outputs(inputs)
        tensors.update((Edge(node.name, at), tensor) for at, tensor in enumerate(outputs))
        yield Part(node, layer, inputs, outputs)


def _module(part: Part) -> torch.nn.Module:
    with _named(part.node):
        try:
            return part.layer.build(part.inputs)
        except (ValueError, TypeError, RuntimeError) as error:
            raise LayerError(f"torch refuses it: {error}", code="not-buildable") from error


@contextmanager
def _named(node: Node) -> Iterator[None]:
    """Put the node's name before what a layer says that does not know it."""
    try:
        yield
    except LayerError as error:
        raise LayerError(
            f"{node.name} ({node.op}): {error.message}", argument=error.argument, hint=error.hint, code=error.code
        ) from error


def _check_stand_ins(graph: Graph, lives: Lives, parts: list[Part]) -> None:
    """Raise LayerError where what a training-only node gives has nothing to take its place in evaluation."""
    shapes = {Edge(each.name): TensorSpec((1, *each.shape), each.dtype) for each in graph.inputs}
    shapes.update((Edge(part.node.name, at), each) for part in parts for at, each in enumerate(part.outputs))
    ops = {part.node.name: part.node.op for part in parts}
    for edge, other in lives.stands_in.items():
        if edge == other or not REGISTRY[ops[edge.node]].arity[0]:
            reason = "reads nothing that could"
        elif shapes[edge] != shapes[other]:
            reason = f"gives {text(shapes[edge].shape)} for {text(shapes[other].shape)}"
        else:
            continue
        raise LayerError(
            f"{edge.node} ({ops[edge.node]}): works in training only; in evaluation its input takes its place, and it "
            f"{reason}",
            hint="leave out in evaluation what keeps the shape, or a whole side chain",
            code="not-buildable",
        )


def _share_and_freeze(graph: Graph, modules: dict[str, torch.nn.Module]) -> None:
    for node in graph.nodes:
        if node.share is not None:
            for mine, theirs, name in corresponding(modules[node.name], modules[node.share]):
                mine[name] = theirs[name]
        elif node.frozen:
            modules[node.name].requires_grad_(requires_grad=False)


# What torch is asked


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingPackageError(
            f"building a network needs PyTorch, and importing it fails: {error}", hint="pip install 'cnnprof[torch]'"
        ) from error
    return torch


def _seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise UsageError(f"seed must be a whole number from 0 to 2^63 − 1, got {seed!r}", code="bad-seed")
    return seed


def _device(torch: Any, device: Any) -> Any:
    try:
        where = torch.device("cpu" if device is None else device)
    except (RuntimeError, TypeError, ValueError) as error:
        raise UsageError(f"unknown device {device!r}", hint="cpu, cuda, cuda:1, meta …", code="bad-device") from error
    try:
        torch.empty(0, device=where)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise MissingPackageError(
            f"the device {where} cannot be used: {reason}", hint="cnnprof doctor --import-torch says what is missing"
        ) from error
    return where


def _dtype(torch: Any, dtype: Any) -> Any:
    known = {name: getattr(torch, name) for name in FLOAT_DTYPES}
    if dtype is None or dtype in known.values():
        return dtype or torch.float32
    if not isinstance(dtype, str) or dtype not in known:
        raise UsageError(
            f"a network cannot be built in {dtype!r}", hint=f"one of {', '.join(FLOAT_DTYPES)}", code="bad-dtype"
        )
    return known[dtype]


@contextmanager
def _drawing(torch: Any, seed: int, device: Any) -> Iterator[None]:
    """Draw from ``seed`` on the CPU (or nothing, on meta) in single precision, whatever the caller has set."""
    with (
        _one_at_a_time,
        torch.random.fork_rng(devices=[]),
        torch.inference_mode(mode=False),
        torch.device("meta" if device.type == "meta" else "cpu"),
    ):
        before = torch.get_default_dtype()
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would disturb other devices' generators too
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(before)


__all__ = ["FLOAT_DTYPES", "build", "marked", "split"]
