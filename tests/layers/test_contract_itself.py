"""The contract test can fail: layers that lie are caught."""

from __future__ import annotations

from typing import Any

import pytest

from cnnprof.errors import LayerError
from cnnprof.layers import REGISTRY, Layer
from cnnprof.model.analysis import Events
from cnnprof.model.graph import TensorSpec
from tests.layers import contract, test_contract

CONV = {"out_channels": 2, "kernel_size": 3}
SHAPES = ((1, 1, 5),)


def lying(op: str, **answers: Any) -> type[Layer]:
    """Return the layer type with some methods replaced by fixed answers; an exception is raised."""

    def method(answer: Any) -> Any:
        def says(*_: object, **__: object) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

        return says

    kind = REGISTRY[op]
    return type(kind)(kind.__name__, (kind,), {name: method(answer) for name, answer in answers.items()}, frozen=True)


@pytest.mark.parametrize(
    "lie",
    [
        {"outputs": (TensorSpec((1, 2, 4)),)},
        {"outputs": (TensorSpec((1, 2, 3), "int64"),)},
        {"parameters": {"weight": (2, 1, 3)}},
        {"buffers": {"mask": TensorSpec((3,))}},
        {"events": Events(macs=19)},
        {"storage": "view"},
    ],
    ids=str,
)
def test_a_wrong_figure_is_caught(lie):
    with pytest.raises(AssertionError, match=r"conv1d .* on .*, training=False"):
        contract.check(lying("conv1d", **lie), CONV, SHAPES)


def test_a_figure_that_is_wrong_in_training_alone_is_caught():
    with pytest.raises(AssertionError, match=r"dropout .*, training=True"):
        contract.check(lying("dropout", storage="view"), {}, SHAPES)


def test_refusing_what_torch_accepts_is_caught():
    with pytest.raises(AssertionError, match=r"only we refuse conv1d .* I take no orders"):
        contract.check(lying("conv1d", outputs=LayerError("I take no orders")), CONV, SHAPES)


def test_accepting_what_torch_refuses_is_caught():
    credulous = lying("conv1d", __post_init__=None, outputs=(TensorSpec((1, 2, 3)),))

    with pytest.raises(AssertionError, match=r"only torch refuses conv1d .* groups must be a positive integer"):
        contract.check(credulous, CONV | {"groups": 0}, SHAPES)


def test_what_both_refuse_is_agreement():
    assert contract.check(REGISTRY["conv1d"], CONV | {"groups": 0}, SHAPES) is False


@pytest.mark.parametrize(
    ("check", "complaint"),
    [
        (test_contract.test_a_layer_has_examples_and_shapes_to_draw_from, "bare has no examples"),
        (test_contract.test_every_argument_of_a_layer_is_searched, "padding_mode"),
        (test_contract.test_a_layer_says_in_one_line_what_it_does_to_which_shape, "bare has no sentence of its own"),
    ],
)
def test_a_layer_that_brings_too_little_is_caught(monkeypatch, check, complaint):
    bare = lying("conv1d")
    bare.examples, bare.choices = (), {"out_channels": (1,)}
    monkeypatch.setitem(REGISTRY, "bare", bare)

    with pytest.raises(AssertionError) as caught:
        check("bare")
    assert complaint in str(caught.value)


def test_a_layer_that_computes_without_a_reference_is_caught(monkeypatch):
    monkeypatch.setitem(REGISTRY, "bare", REGISTRY["conv1d"])

    with pytest.raises(AssertionError, match=r"bare computes .* and has no reference"):
        test_contract.test_a_layer_that_computes_has_a_reference("bare")
