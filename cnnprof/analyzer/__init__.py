"""Counting: a graph to one row per layer, totals, traffic and notes. No torch, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from cnnprof._version import __version__
from cnnprof.analyzer.fits import largest_batch
from cnnprof.analyzer.inference import inference_memory
from cnnprof.analyzer.notes import notes
from cnnprof.analyzer.optimizers import OPTIMIZERS
from cnnprof.analyzer.rows import make_rows
from cnnprof.analyzer.totals import make_totals, transfers
from cnnprof.analyzer.training import Task, training_memory
from cnnprof.errors import LayerError, UsageError
from cnnprof.layers.backward import DEVICES, Device
from cnnprof.model.analysis import Analysis
from cnnprof.model.graph import Graph
from cnnprof.model.memory import Optimizer
from cnnprof.model.plain import replace
from cnnprof.receptive import ReceptiveFields

FLOAT_DTYPES = ("float32", "float64", "float16", "bfloat16", "int8")
"""What ``dtype`` may replace the specification's float32 by."""


def analyze(
    graph: Graph,
    *,
    batch: int = 1,
    dtype: str = "float32",
    input_grad: bool = False,
    training: Optimizer | None = None,
    device: Device = "cpu",
    adds_anew: bool = False,
) -> Analysis:
    """Return what ``graph`` costs for ``batch`` samples whose floats are stored as ``dtype``.

    Work and memory are those of evaluation mode; a training step's multiply-accumulates stand beside them.
    ``input_grad``: the network's inputs require gradients too. ``training``: the optimizer of a training step, whose
    memory is worked out with what ``device`` keeps for the backward. ``adds_anew``: where gradients of one tensor are
    added up, the sum is a new tensor, as torch makes it under a dispatch mode (a tracer of its memory is one).

    Raises:
        UsageError: a batch below 1, an unknown dtype, optimizer or device, or training in a dtype that is none to
            train in.
        LayerError: a layer refuses its inputs, or a count passes 2^63 − 1.
    """
    _check(batch, dtype)
    _check_training(training, device, dtype)
    fields = ReceptiveFields(graph.inputs)
    rows, tensors, gradients = make_rows(graph, batch, dtype, fields, input_grad=input_grad)
    totals = make_totals(graph, rows, tensors)
    memory = inference_memory(graph, rows, totals, tensors)
    step = None
    if training is not None:
        step = training_memory(Task(graph, rows, tensors, gradients, dtype, device, adds_anew), totals, training)
    _check_peaks(graph, memory.peak_bytes, step.foreach_peak_bytes + step.peak_bytes if step else 0)
    return Analysis(
        cnnprof_version=__version__,
        model=graph.name,
        source=graph.source,
        inputs=graph.inputs,
        outputs=graph.outputs,
        batch=batch,
        dtype=dtype,
        rows=rows,
        totals=totals,
        memory=memory,
        training=step,
        containers=graph.containers,
        transfers=tuple(transfers(graph, tensors)),
        notes=(*notes(graph, rows), *fields.notes),
        reference=graph.reference,
        facts=graph.facts,
        overridden=graph.overridden,
    )


def freeze(graph: Graph, patterns: Sequence[str]) -> Graph:
    """Return the graph with every layer frozen whose full name matches one of the shell-style ``patterns``.

    Raises:
        UsageError: a pattern matches no layer.
    """
    for pattern in patterns:
        if not any(fnmatchcase(node.name, pattern) for node in graph.nodes):
            raise UsageError(
                f"--freeze {pattern!r} matches no layer of {graph.name}",
                hint=_called(graph),
                code="no-match",
            )
    nodes = (
        replace(node, frozen=node.frozen or True) if any(fnmatchcase(node.name, p) for p in patterns) else node
        for node in graph.nodes
    )
    return replace(graph, nodes=tuple(nodes)) if patterns else graph


def _check_peaks(graph: Graph, *sizes: int) -> None:
    if max(sizes) >= 2**63:
        raise LayerError(f"the memory of {graph.name} passes 2^63 − 1", code="too-large")


def _called(graph: Graph) -> str:
    if not graph.nodes:
        return "it has no layers"
    return f"its layers are called {graph.nodes[0].name} … {graph.nodes[-1].name}; * matches anything"


def _check(batch: int, dtype: str) -> None:
    if isinstance(batch, bool) or not isinstance(batch, int) or not 1 <= batch < 2**31:
        raise UsageError(f"batch must be a whole number from 1 to 2^31 − 1, got {batch!r}", code="bad-batch")
    if dtype not in FLOAT_DTYPES:
        raise UsageError(f"unknown dtype {dtype!r}", hint=f"one of {', '.join(FLOAT_DTYPES)}", code="bad-dtype")


def _check_training(training: str | None, device: str, dtype: str) -> None:
    if training is not None and training not in OPTIMIZERS:
        raise UsageError(
            f"unknown optimizer {training!r}", hint=f"one of {', '.join(OPTIMIZERS)}", code="bad-optimizer"
        )
    if device not in DEVICES:
        raise UsageError(f"unknown device {device!r}", hint=f"one of {', '.join(DEVICES)}", code="bad-device")
    if training is not None and "float" not in dtype:
        raise UsageError(
            f"a network stored as {dtype} does not train", hint="leave --dtype or --training out", code="bad-dtype"
        )


__all__ = ["FLOAT_DTYPES", "OPTIMIZERS", "analyze", "freeze", "largest_batch"]
