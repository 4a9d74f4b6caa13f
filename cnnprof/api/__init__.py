"""The public functions."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from cnnprof import analyzer, bindings, readers
from cnnprof.errors import UsageError
from cnnprof.model.analysis import Analysis
from cnnprof.model.graph import Graph
from cnnprof.model.plain import Plain, replace
from cnnprof.readers.overrides import Overrides, parse_dtypes, parse_inputs
from cnnprof.units import parse_bytes

if TYPE_CHECKING:
    import torch

    from cnnprof.layers.backward import Device
    from cnnprof.model.claims import Erratum, Ledger
    from cnnprof.model.conventions import Conventions
    from cnnprof.model.explanation import Explanation
    from cnnprof.model.memory import Optimizer
    from cnnprof.model.transfer_learning import TransferLearning
    from cnnprof.model.validation import Validation

FREE_SIZE = 64
"""What ``validate`` takes for an axis that a specification leaves open."""
Model: TypeAlias = "str | os.PathLike[str] | Graph | torch.nn.Module"
InputSize = str | Sequence[int] | Mapping[str, Any] | None


class ZooEntry(Plain, frozen=True, kw_only=True):
    """One network of the zoo."""

    name: str
    file: str
    title: str | None
    source: str | None


def load(
    model: str | os.PathLike[str] | torch.nn.Module,
    *,
    input: InputSize = None,  # noqa: A002 - the flags' names
    set: Mapping[str, Any] | None = None,  # noqa: A002
    free: int | None = None,
) -> Graph:
    """Return the network that ``model`` names, as plain data.

    Args:
        model: a zoo name, a specification's path (``net.yaml``, ``net.yaml#variant``), ``-`` for standard input, a
            one-line pattern, ``torchvision:NAME``, ``timm:NAME``, ``package.module:attribute`` (which is imported and
            run, in a process of its own), or an ``nn.Module``, which is followed here and stays as it is.
        input: another input size without the batch: ``"3x224x224"``, ``(3, 224, 224)`` or sizes by input name, with a
            dtype if need be: ``"77:int64"``.
        set: other values for the specification's parameters, or for arguments of torchvision's or timm's function.
        free: size of the axes that the specification leaves open, where ``input`` says nothing; by default an error.

    Raises:
        UsageError: nothing answers to the name, or ``input`` or ``set`` do not fit.
        SpecError: the specification is refused, with all its problems.
        MissingPackageError: what the network is written with is not installed.
        WorkerError: imported code crashed or hung.
    """
    overrides = Overrides(params=dict(set or {}), inputs=parse_inputs(input), dtypes=parse_dtypes(input), free=free)
    if isinstance(model, str | os.PathLike):
        return readers.read(os.fspath(model), overrides)
    if readers.is_module(model):
        return readers.read_module(model, overrides)
    raise UsageError(
        f"a model is a name, a path, a pattern, an nn.Module or a Graph, got {type(model).__name__}",
        code="unknown-model",
    )


def _graph(
    model: Model,
    size: InputSize,
    values: Mapping[str, Any] | None,
    free: int | None = None,
) -> Graph:
    """Return the network that ``model`` names, or is. A graph's size and parameters are in it: others come too late."""
    if not isinstance(model, Graph):
        return load(model, input=size, set=values, free=free)
    for name, value in {"input": size, "set": values}.items():
        if value:
            raise UsageError(
                f"{name} does not change a graph, which is read already",
                hint=f"give it to cnnprof.load(…, {name}=…)",
            )
    return model


def analyze(  # noqa: PLR0913 the options of the command, by name
    model: Model,
    *,
    batch: int = 1,
    input: InputSize = None,  # noqa: A002 - the flags' names
    dtype: str = "float32",
    set: Mapping[str, Any] | None = None,  # noqa: A002
    freeze: str | Sequence[str] = (),
    training: Optimizer | None = None,
    device: Device = "cpu",
    input_grad: bool = False,
    fits: int | str | None = None,
    formulas: bool = False,
) -> Analysis:
    """Return what a network costs: one row per layer, totals, notes.

    Args:
        model: as for ``load``, or a graph.
        batch: samples per forward; counts are for the whole batch.
        input: as for ``load``.
        dtype: how floats are stored.
        set: as for ``load``.
        freeze: shell-style patterns over full layer names; what matches does not train.
        training: also the memory of a training step with this optimizer: sgd, momentum or adam.
        device: whose operators train: cpu or cuda; they keep different tensors for the backward.
        input_grad: the network's inputs require gradients too.
        fits: bytes, or ``"16GiB"``; also the largest batch whose peak (of a training step, if asked for) is no more.
        formulas: also give the formula of every cell, ``.formulas``.

    Raises:
        UsageError: an argument that does not fit.
        SpecError: the specification is refused.
        LayerError: a count passes 2^63 − 1.
    """
    graph = _graph(model, input, set)
    patterns = (freeze,) if isinstance(freeze, str) else freeze
    graph = analyzer.freeze(graph, patterns)

    def at(batch: int) -> Analysis:
        return analyzer.analyze(
            graph, batch=batch, dtype=dtype, training=training, device=device, input_grad=input_grad
        )

    found = at(batch)
    if fits is not None:
        found = replace(found, fit=analyzer.largest_batch(lambda size: peak_bytes(at(size)), _bytes(fits)))
    if formulas:
        from cnnprof.formulas import formulas as written

        found = replace(found, formulas=written(found))
    if (batch, dtype) != (1, "float32") or patterns or not found.facts:
        return found  # published figures speak of one sample in float32
    from cnnprof.published import check

    return replace(found, notes=(*found.notes, *check.notes(found)))


def build(
    model: Model,
    *,
    input: InputSize = None,  # noqa: A002 - the flags' names
    set: Mapping[str, Any] | None = None,  # noqa: A002
    seed: int = 0,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    freeze: str | Sequence[str] = (),
) -> torch.nn.Module:
    """Return a real, untrained module of a network, in training mode; ``.code`` is its forward to read.

    Every layer is a submodule under its own name. Outputs beside the main one make the result a dict by name; those of
    layers that work in training only are missing in evaluation mode, and a single output is a tensor.

    Args:
        model: as for ``load``, or a graph.
        input: as for ``load``.
        set: as for ``load``.
        seed: of the weights, which are the same on every device.
        device: as torch names it; by default the CPU. On ``meta`` nothing is allocated.
        dtype: of parameters and other floating-point tensors: float32, float64, float16 or bfloat16.
        freeze: as for ``analyze``.

    Raises:
        UsageError: an argument that does not fit.
        SpecError: the specification is refused.
        LayerError: a layer cannot be built.
        MissingPackageError: torch, or the device, is not there.
    """
    from cnnprof import builder

    graph = _graph(model, input, set)
    graph = analyzer.freeze(graph, (freeze,) if isinstance(freeze, str) else freeze)
    return builder.build(graph, seed=seed, device=device, dtype=dtype)


def _bytes(size: int | str) -> int:
    try:
        found = parse_bytes(size) if isinstance(size, str) else size
    except ValueError as error:
        raise UsageError(str(error), code="bad-memory") from error
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise UsageError(f"a memory is a whole number of bytes from 1, got {size!r}", code="bad-memory")
    return found


def peak_bytes(analysis: Analysis) -> int:
    """Return the peak memory of the training step that was asked for, else of an inference.

    On a GPU it is the one of torch's default there, which updates all parameters together.
    """
    training = analysis.training
    if training is None:
        return analysis.memory.peak_bytes
    return training.foreach_peak_bytes if training.device == "cuda" else training.peak_bytes


def transfer_learning(  # noqa: PLR0913 the options of the command, by name
    model: Model,
    *,
    classes: int | None = None,
    last: int | None = None,
    batch: int = 1,
    input: InputSize = None,  # noqa: A002 - the flags' names
    dtype: str = "float32",
    set: Mapping[str, Any] | None = None,  # noqa: A002
    training: Optimizer = "adam",
    device: Device = "cpu",
    fits: int | str | None = None,
) -> TransferLearning:
    """Return what it costs to train a new head only, the last layers, or all of a network.

    Args:
        model: as for ``load``, or a graph.
        classes: outputs of the new head; by default as many as there are.
        last: layers with multiply-accumulates that the second strategy trains, the head among them; 3 by default.
        batch: samples per step.
        input: as for ``load``.
        dtype: how floats are stored.
        set: as for ``load``.
        training: the optimizer: sgd, momentum or adam.
        device: whose operators train: cpu or cuda.
        fits: bytes, or ``"16GiB"``; also the largest batch whose training step needs no more.

    Raises:
        UsageError: an argument that does not fit.
        SpecError: the specification is refused.
        LayerError: a count passes 2^63 − 1, or the new head does not fit.
    """
    from cnnprof import fine_tuning

    graph = _graph(model, input, set)

    def cost(network: Graph) -> Analysis:
        return analyze(network, batch=batch, dtype=dtype, training=training, device=device, fits=fits)

    return fine_tuning.transfer_learning(graph, cost, classes=classes, last=last)


def validate(
    model: Model,
    *,
    against: str | Graph | None = None,
    checks: Sequence[str] | None = None,
    input: InputSize = None,  # noqa: A002 - the flags' names
    set: Mapping[str, Any] | None = None,  # noqa: A002
) -> Validation:
    """Return every figure of a network beside what PyTorch, other tools and a reference say; ``.ok``, ``.broken``.

    Args:
        model: as for ``load``, or a graph; a size that its specification leaves open is 64.
        against: the reference, ``torchvision:resnet50``, by default the one that its specification names; or another
            network, as for ``load``: then the layers of both are compared, and by default nothing else.
        checks: some of ``cnnprof.validator.CHECKS``; by default all.
        input: as for ``load``, of both networks.
        set: as for ``load``.

    Raises:
        UsageError: an argument that does not fit.
        SpecError: the specification is refused.
        MissingPackageError: torch is not installed.
        KeyboardInterrupt: with the figures found until then, a Validation, as ``.partial``.
    """
    from cnnprof import builder, validator
    from cnnprof.published import check

    graph = _graph(model, input, set, FREE_SIZE)
    other = reference(against, input=input) if isinstance(against, str) else against
    if not isinstance(other, Graph):
        builder.check_buildable(graph)
    return validator.validate(graph, against=other, checks=checks, claims=check.check)


def reference(against: str, *, input: InputSize = None) -> str | Graph:  # noqa: A002 - the flag's name
    """Return the network that ``against`` names; of another library's, its name.

    Raises:
        UsageError: nothing answers to the name.
        SpecError: the specification is refused.
    """
    from cnnprof.validator import LIBRARIES

    if against.partition(":")[0] in LIBRARIES:
        return against
    return load(against, input=input, free=FREE_SIZE)


def claims(model: Model) -> Ledger:
    """Return every figure published about a network beside what is counted, and what else makes those that differ.

    Args:
        model: as for ``load``, or a graph; nothing is checked of one that ``load`` changed (``input``, ``set``).

    Raises:
        UsageError: nothing answers to the name, or a fact of its specification names what is not there.
        SpecError: the specification is refused.
    """
    from cnnprof.published.ledger import ledger

    return ledger(analyzer.analyze(model if isinstance(model, Graph) else load(model)))


def conventions(
    model: Model,
    *,
    input: InputSize = None,  # noqa: A002 - the flags' names
    set: Mapping[str, Any] | None = None,  # noqa: A002
    training: bool = False,
) -> Conventions:
    """Return what other tools say about a network at one sample, itemised; ``["fvcore"]`` is one tool's figure.

    Args:
        model: as for ``analyze``; a network of the zoo means what ``build`` makes of it: all layers are modules.
        input: as for ``load``.
        set: as for ``load``.
        training: of the network in training mode, where a tool leaves it there.

    Raises:
        UsageError: an argument that does not fit.
        SpecError: the specification is refused.
        LayerError: a count passes 2^63 − 1.
    """
    from cnnprof.peers import conventions as itemised

    return itemised(analyze(model, input=input, set=set), training=training)


def errata() -> tuple[Erratum, ...]:
    """Return what is wrong in the course decks that the zoo was drawn from: as published, as computed, and why."""
    from cnnprof.published import decks

    return decks.errata(lambda name: analyzer.analyze(load(name)))


def explain(
    model: Model,
    layer: str,
    *,
    batch: int = 1,
    input: InputSize = None,  # noqa: A002 - the flags' names
    dtype: str = "float32",
    set: Mapping[str, Any] | None = None,  # noqa: A002
    freeze: str | Sequence[str] = (),
) -> Explanation:
    """Return how every figure of one layer comes about, step by step; ``print`` shows it.

    Args:
        model: as for ``load``, or a graph.
        layer: the layer's full name, or the end of one where no other layer ends like it.
        batch: as for ``analyze``, like everything below.
        input: as for ``load``.
        dtype: how floats are stored.
        set: as for ``load``.
        freeze: patterns of layers that do not train.

    Raises:
        UsageError: no layer, or more than one, answers to the name, or an argument does not fit.
        SpecError: the specification is refused.
        LayerError: a count passes 2^63 − 1.
    """
    from cnnprof.formulas.explain import explain as derive

    bindings.bind_explanation()
    return derive(analyze(model, batch=batch, input=input, dtype=dtype, set=set, freeze=freeze), layer)


def zoo() -> list[str]:
    """Return the names of all networks of the zoo."""
    return [entry.name for entry in zoo_entries()]


def zoo_entries() -> list[ZooEntry]:
    """Return every network of the zoo with its file, title and source."""
    from cnnprof.readers.spec import zoo_specs

    return [
        ZooEntry(name=name, file=path.name, title=spec.title, source=spec.citation)
        for path, spec in zoo_specs()
        for name in spec.variants or [spec.name]
    ]


bindings.bind()
