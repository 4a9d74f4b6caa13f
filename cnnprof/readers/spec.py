"""Specifications from a file, standard input, the zoo or a one-line pattern, to a graph."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from cnnprof import zoo_files
from cnnprof.errors import UsageError
from cnnprof.model.graph import Edge, Graph, Input, TensorSpec
from cnnprof.readers import source as sources
from cnnprof.readers.arithmetic import begin_work
from cnnprof.readers.collector import Collector, nearest
from cnnprof.readers.counting import Counter, TooManyLayersError
from cnnprof.readers.expand import Expander
from cnnprof.readers.here import Here
from cnnprof.readers.items import SHAPE_NAMES
from cnnprof.readers.language import parse
from cnnprof.readers.network import Network
from cnnprof.readers.overrides import MOST_DIMENSIONS, Overrides
from cnnprof.readers.scopes import Names, Scope
from cnnprof.readers.statements import Expectation, Expression, InputSpec, Spec
from cnnprof.readers.tree import Document, ExpressionError, Tree, compose


def read_file(model: str, overrides: Overrides) -> Graph:
    """Read ``FILE`` or ``FILE#VARIANT``."""
    path, _, variant = model.partition("#")
    return graph(*_parsed(sources.read_text(path), path), variant or None, overrides)


def read_stdin(_model: str, overrides: Overrides) -> Graph:
    """Read standard input."""
    return graph(*_parsed(sources.read_text("-"), "<stdin>"), None, overrides)


def read_pattern(model: str, overrides: Overrides) -> Graph:
    """Read a one-line pattern."""
    from cnnprof.readers.pattern import compose_pattern

    document = compose_pattern(model)
    return graph(document, parse(document), None, overrides)


def read_zoo(model: str, overrides: Overrides) -> Graph:
    """Read a network of the zoo by its name."""
    for path in zoo_files.find(model):
        document, spec = _parsed(sources.read_text(str(path)), str(path))
        if model in names(spec):
            return graph(document, spec, model if spec.variants else None, overrides)
    known = [name for _, spec in zoo_specs() for name in names(spec)]
    raise UsageError(
        f"no network of the zoo is called {model!r}",
        hint=nearest(model, known) or "'cnnprof zoo' lists the names; a file needs its suffix or a path (./net.yaml)",
        code="unknown-model",
    )


def zoo_specs() -> list[tuple[Path, Spec]]:
    """Return every specification of the zoo with its file."""
    return [(path, _parsed(sources.read_text(str(path)), str(path))[1]) for path in zoo_files.files()]


def members(source: str) -> list[str]:
    """Return what to type for each network of the file a graph came from; of anything but a file, nothing."""
    if not source.lower().endswith((".yaml", ".yml", ".json")):
        return []
    spec = _parsed(sources.read_text(source), source)[1]
    return [f"{source}#{name}" for name in spec.variants] or [source]


def names(spec: Spec) -> list[str]:
    """Return the names a specification offers: its variants, or its own."""
    return list(spec.variants) or [spec.name]


@lru_cache(maxsize=64)
def _parsed(text: str, source: str) -> tuple[Document, Spec]:
    document = compose(text, source, json=source.lower().endswith(".json"))
    return document, parse(document)


def graph(document: Document, spec: Spec, variant: str | None, overrides: Overrides) -> Graph:
    """Expand one member of a specification.

    Raises:
        SpecError: everything that is wrong with it.
        UsageError: no such variant or parameter, or an input size is missing.
    """
    collector = Collector(document)
    begin_work()
    _check_variant(spec, variant, document.source)
    inputs = spec.inputs
    if variant is not None and spec.variants[variant].inputs is not None:
        inputs = spec.variants[variant].inputs or []
    scope = file_scope(spec, variant, overrides, collector)
    shapes = _shapes(inputs, scope, overrides, collector)
    collector.check()
    _check_size(spec, scope, collector)
    network = Network()
    outputs = _expand(Expander(spec, scope, collector, network), shapes)
    name = variant or spec.name
    expectation = spec.expect.get(name, Expectation())
    return Graph(
        name=name,
        source=document.source,
        inputs=shapes,
        nodes=tuple(network.nodes),
        outputs=outputs,
        containers=tuple(network.containers),
        reference=expectation.reference,
        facts=expectation.facts,
        overridden=(*overrides.names, *_closed(inputs, shapes, scope, overrides)),
    )


def _check_variant(spec: Spec, variant: str | None, source: str) -> None:
    if variant is None and spec.variants:
        raise UsageError(
            f"{source} describes {len(spec.variants)} variants: {', '.join(spec.variants)}",
            hint=f"name one: {source}#{next(iter(spec.variants))}",
            code="which-variant",
        )
    if variant is not None and variant not in spec.variants:
        hint = nearest(variant, spec.variants) or f"it has {', '.join(spec.variants) or 'no variants'}"
        raise UsageError(f"{source} has no variant {variant!r}", hint=hint, code="unknown-variant")


def file_scope(spec: Spec, variant: str | None, overrides: Overrides, collector: Collector) -> Scope:
    """Return the file's parameters: defaults, then the variant's, then ``--set``."""
    for name in overrides.params:
        if name not in spec.params:
            hint = nearest(name, spec.params) or f"its parameters are {', '.join(spec.params) or 'none'}"
            raise UsageError(f"--set {name}: {spec.name} has no such parameter", hint=hint, code="unknown-param")
    scope = Scope({}, SHAPE_NAMES)
    chosen = {**spec.params, **(spec.variants[variant].params if variant else {})}
    for name, expression in chosen.items():
        _bind(scope, name, expression, overrides, collector)
    return scope


def _bind(scope: Scope, name: str, expression: Expression, overrides: Overrides, collector: Collector) -> None:
    if name in overrides.params:
        scope[name] = overrides.params[name]
        return
    try:
        scope[name] = expression.evaluate(scope)
    except ExpressionError as error:
        collector.add_error(error, expression.tree, f"parameter {name}: ")
        return
    if scope[name] is None:
        collector.add("missing-param", f"parameter {name!r} has no value", expression.tree, f"give one: --set {name}=…")


def _shapes(inputs: list[InputSpec], scope: Scope, overrides: Overrides, collector: Collector) -> tuple[Input, ...]:
    given = dict(overrides.inputs)
    if None in given and len(inputs) == 1:
        given[inputs[0].name] = given.pop(None)
    for name in given:
        if name not in [spec.name for spec in inputs]:
            known = ", ".join(spec.name for spec in inputs)
            raise UsageError(
                f"--input{' ' + name if name else ''}: the inputs are {known}",
                hint="name one: --input NAME=3x224x224",
                code="bad-input",
            )
    found = []
    for spec in inputs:
        shape = given.get(spec.name) or _declared(spec, scope, overrides.free, collector)
        if shape is not None:
            dtype = overrides.dtypes.get(spec.name, overrides.dtypes.get(None, spec.dtype))
            found.append(Input(name=spec.name, shape=shape, dtype=dtype))
    return tuple(found)


def _closed(inputs: list[InputSpec], shapes: tuple[Input, ...], scope: Scope, overrides: Overrides) -> list[str]:
    """Return the sizes that the specification left open and ``overrides.free`` gave, as ``overridden`` names them."""
    if overrides.free is None or overrides.inputs:
        return []
    opened = [_is_open(spec.shape.evaluate(scope)) for spec in inputs]
    return [f"--input {'x'.join(map(str, each.shape))}" for each, was in zip(shapes, opened, strict=True) if was]


def _is_open(value: Any) -> bool:
    return isinstance(value, list) and "*" in value


def _declared(spec: InputSpec, scope: Scope, free: int | None, collector: Collector) -> tuple[int, ...] | None:
    try:
        value = spec.shape.evaluate(scope)
    except ExpressionError as error:
        collector.add_error(error, spec.tree)
        return None
    if _is_open(value) and free is not None:
        value = _filled(value, free)
    if _is_open(value):
        sizes = "x".join(str(size) for size in value)
        raise UsageError(
            f"{collector.document.source} leaves its input size open ({sizes})",
            hint=f"give one: --input {'x'.join(map(str, _filled(value)))}",
            code="missing-input",
        )
    if not _is_shape(value):
        message = f"an input is a list of sizes from 1 to 2^31 − 1 such as [3, 224, 224], got {value!r}"
        collector.add("bad-input", message, spec.tree)
        return None
    return tuple(value)


def _filled(sizes: list[Any], side: int = 224) -> list[Any]:
    """Return a size that would do: 3 channels where they are open, ``side`` for every other open axis."""
    return [size if size != "*" else side if axis else 3 for axis, size in enumerate(sizes)]


def _is_shape(value: Any) -> bool:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_DIMENSIONS:
        return False
    return all(isinstance(size, int) and not isinstance(size, bool) and 1 <= size < 2**31 for size in value)


def _check_size(spec: Spec, scope: Scope, collector: Collector) -> None:
    try:
        Counter(spec, scope).chain(spec.body, scope)
    except TooManyLayersError as error:
        collector.add("too-many-layers", str(error), error.tree)
    except ExpressionError as error:
        collector.add_error(error, error.tree)
    collector.check()


def _expand(expander: Expander, inputs: tuple[Input, ...]) -> dict[str, Edge]:
    names = Names()
    value = tuple(Edge(spec.name) for spec in inputs)
    for spec, edge in zip(inputs, value, strict=True):
        expander.network.tensors[edge] = TensorSpec((1, *spec.shape), spec.dtype)
        names.taken[spec.name] = 1
        names.values[spec.name] = (edge,)
    scope = expander.file_scope.extended({})
    try:
        expander.let(expander.spec.let, scope, value)
    except ExpressionError as error:
        expander.collector.add_error(error, error.tree)
        expander.collector.stop()
    result = expander.chain(expander.spec.body, value, Here(scope, names))
    where: Tree = expander.collector.document.root
    if result is not None and not expander.network.nodes:
        expander.collector.add("empty-network", "the network has no layers", where)
    expander.collector.check()
    main = result or ()
    last = {"output": main[0]} if len(main) == 1 else {f"output_{index}": edge for index, edge in enumerate(main)}
    return {**expander.network.outputs, **last}
