"""The contract of every layer type: what it says of itself is what torch does; a new type is tested at once."""

from __future__ import annotations

import inspect
import math
import subprocess
import sys

import msgspec
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnprof.layers import REGISTRY, Layer
from cnnprof.model.analysis import Events
from tests.layers import contract
from tests.layers.references import REFERENCES
from tests.layers.references.counting import Array, Case, Tally, number_array

every_layer = pytest.mark.parametrize("op", sorted(REGISTRY))
every_reference = pytest.mark.parametrize("op", sorted(REFERENCES))
EVERY_EXAMPLE = [(op, n) for op in sorted(REGISTRY) for n in range(len(REGISTRY[op].examples))]
ABSENT = object()


def fields_of(kind: type[Layer]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.name: field for field in msgspec.structs.fields(kind)}


@every_layer
def test_a_layer_has_examples_and_shapes_to_draw_from(op):
    kind = REGISTRY[op]

    assert kind.examples, f"{op} has no examples"
    assert kind.input_choices, f"{op} has no input_choices"


@every_layer
def test_every_argument_of_a_layer_is_searched(op):
    unsearched = set(fields_of(REGISTRY[op])) - set(REGISTRY[op].choices)
    unknown = set(REGISTRY[op].choices) - set(fields_of(REGISTRY[op]))

    assert (unsearched, unknown) == (set(), set()), f"{op}: no choices for {unsearched}, no arguments {unknown}"


@every_layer
def test_a_layer_says_in_one_line_what_it_does_to_which_shape(op):
    first_line = (REGISTRY[op].__dict__.get("__doc__") or "").split("\n")[0]

    assert first_line.endswith("."), f"{op} has no sentence of its own"
    assert "×" in first_line or "shape" in first_line, f"{op}: {first_line!r} names no shape"


@pytest.mark.parametrize(("op", "number"), EVERY_EXAMPLE)
def test_an_example_has_the_shapes_parameters_macs_and_storage_that_torch_gives_it(op, number):
    example = REGISTRY[op].examples[number]

    assert contract.check(REGISTRY[op], example.args, example.inputs), f"{op} refuses its own example {example}"


@pytest.mark.parametrize(("op", "number"), EVERY_EXAMPLE)
def test_an_example_comes_out_as_the_textbook_says(op, number):
    example = REGISTRY[op].examples[number]
    outputs = REGISTRY[op](**example.args).outputs(contract.specs(example.inputs))

    assert (example.outputs or tuple(tensor.shape for tensor in outputs)) == tuple(tensor.shape for tensor in outputs)


@pytest.mark.parametrize(("op", "number"), EVERY_EXAMPLE)
def test_the_windows_of_an_example_have_as_many_positions_as_its_output(op, number):
    example = REGISTRY[op].examples[number]
    layer, inputs = REGISTRY[op](**example.args), contract.specs(example.inputs)
    windows = layer.windows(inputs)
    sizes = None if windows is None else layer.outputs(inputs)[0].shape[2:]

    assert sizes == (None if windows is None else tuple(window.output for window in windows))


@every_layer
@settings(
    max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(data=st.data())
def test_whatever_arguments_are_drawn_torch_and_the_layer_agree(op, data):
    kind = REGISTRY[op]
    drawn = {
        name: data.draw(st.sampled_from([*kind.choices[name], *([] if field.required else [ABSENT])]), label=name)
        for name, field in fields_of(kind).items()
    }
    args = {name: value for name, value in drawn.items() if value is not ABSENT}
    shapes = data.draw(st.sampled_from(list(kind.input_choices)), label="inputs")

    accepted = contract.check(kind, args, shapes)

    assert accepted in (True, False)


@every_layer
def test_arguments_and_defaults_are_those_of_torch(op):
    theirs = contract.torch_class(REGISTRY[op])
    if theirs is None:
        assert not hasattr(torch.nn, op)
        return
    expected = {
        name: parameter.default
        for name, parameter in inspect.signature(theirs).parameters.items()
        if name not in contract.INFERRED and (op, name) not in contract.DEFAULTS
    }
    actual = {
        name: inspect.Parameter.empty if field.required else field.default
        for name, field in fields_of(REGISTRY[op]).items()
        if (op, name) not in contract.DEFAULTS
    }

    assert expected == actual


@every_layer
def test_a_layer_that_computes_has_a_reference(op):
    kind = REGISTRY[op]
    for example in kind.examples:
        layer, inputs = kind(**example.args), contract.specs(example.inputs)
        work = [layer.events(inputs, layer.outputs(inputs), training=training) for training in (False, True)]
        computes = any(events != Events() for events in work)

        assert op in REFERENCES or not computes, f"{op} computes {work[0]} and has no reference"


@every_reference
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_the_reference_does_exactly_the_operations_that_the_layer_counts(op, training):
    for case in REFERENCES[op].cases:
        layer, inputs = REGISTRY[op](**case.args), contract.specs(case.inputs)
        tally = Tally()
        module, tensors = real(op, case, training=training)
        run_reference(op, layer, module, tensors, tally, training=training)

        assert tally.events() == layer.events(inputs, layer.outputs(inputs), training=training), case


@every_reference
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_the_reference_computes_what_torch_computes(op, training):
    if training and REFERENCES[op].random:
        assert REFERENCES[op].random.strip()
        return
    for case in REFERENCES[op].cases:
        module, tensors = real(op, case, training=training)
        ours = run_reference(op, REGISTRY[op](**case.args), module, tensors, Tally(), training=training)
        with contract.known_warnings():
            result = module(*tensors)
        theirs = result if isinstance(result, tuple) else (result,)

        assert [tuple(tensor.shape) for tensor in theirs] == [array.shape for array in ours], case
        for tensor, array in zip(theirs, ours, strict=True):
            assert all(map(close, tensor.flatten().tolist(), [number.value for number in array.values])), case


def close(left: float, right: float) -> bool:
    return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)


def real(op: str, case: Case, *, training: bool) -> tuple[torch.nn.Module, list[torch.Tensor]]:
    """Return torch's module in double precision, with weights and statistics drawn so that none is 0 or 1."""
    torch.manual_seed(0)
    module = REGISTRY[op](**case.args).build(contract.specs(case.inputs)).double().train(training)
    for tensor in [*module.parameters(), *module.buffers()]:
        if tensor.is_floating_point():
            torch.nn.init.uniform_(tensor, 0.5, 1.5)
    return module, [torch.randn(shape, dtype=torch.float64) for shape in case.inputs]


def run_reference(
    op: str, layer: Layer, module: torch.nn.Module, tensors: list[torch.Tensor], tally: Tally, *, training: bool
) -> tuple[Array, ...]:
    weights = {name: as_array(value, tally) for name, value in module.state_dict().items()}
    result = REFERENCES[op].run(layer, [as_array(value, tally) for value in tensors], weights, training=training)
    return result if isinstance(result, tuple) else (result,)


def as_array(tensor: torch.Tensor, tally: Tally) -> Array:
    return number_array(tuple(tensor.shape), tensor.flatten().tolist(), tally)


def imported_by(statement: str) -> str:
    code = f"import sys; {statement}; print(*sorted({{'torch', 'pandas', 'jinja2', 'rich'}} & set(sys.modules)))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_the_layers_imports_nothing_heavy():
    assert imported_by("import cnnprof.layers") == ""


def test_the_check_for_heavy_imports_can_fail():
    assert imported_by("import cnnprof.layers, jinja2") == "jinja2"
