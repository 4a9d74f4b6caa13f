"""Activations: what each costs per element, what they overwrite, what they refuse."""

from __future__ import annotations

import pytest

from cnnprof.errors import LayerError
from cnnprof.layers import REGISTRY
from cnnprof.model.analysis import Events
from tests.layers.ask import events, layer, refusal, shapes, tensors

TABLE = {
    "relu": Events(cmps=1),
    "relu6": Events(cmps=2),
    "hardtanh": Events(cmps=2),
    "leakyrelu": Events(cmps=1, muls=1),
    "prelu": Events(cmps=1, muls=1),
    "rrelu": Events(cmps=1, muls=1),
    "elu": Events(cmps=1, exps=1, adds=1, muls=1),
    "celu": Events(cmps=1, exps=1, adds=1, muls=1, divs=1),
    "selu": Events(cmps=1, exps=1, adds=1, muls=2),
    "gelu": Events(exps=1, muls=3, adds=1),
    "sigmoid": Events(exps=1, adds=1, divs=1),
    "silu": Events(exps=1, adds=1, divs=1, muls=1),
    "logsigmoid": Events(exps=2, adds=1, divs=1),
    "hardsigmoid": Events(muls=1, adds=1, cmps=2),
    "hardswish": Events(muls=2, adds=1, cmps=2),
    "tanh": Events(exps=1),
    "tanhshrink": Events(exps=1, adds=1),
    "softplus": Events(muls=1, cmps=1, exps=2, adds=1, divs=1),
    "mish": Events(exps=3, adds=1, muls=1),
    "softshrink": Events(cmps=2, adds=1),
    "hardshrink": Events(cmps=2),
    "softsign": Events(cmps=1, adds=1, divs=1),
}


@pytest.mark.parametrize("op", TABLE)
def test_an_activation_of_one_number_does_the_operations_of_the_table(op):
    assert TABLE[op] == events(op, (1, 1))


def test_an_activation_works_once_per_element_of_the_batch():
    assert Events(exps=240, adds=240, divs=240) == events("sigmoid", (2, 3, 5, 8))


def test_gelu_approximated_by_tanh_has_its_own_count():
    assert Events(exps=1, muls=6, adds=2) == events("gelu", (1, 1), approximate="tanh")


def test_an_inplace_relu_overwrites_its_input_and_a_plain_one_does_not():
    assert ("inplace", "new") == (layer("relu", inplace=True).storage(), layer("relu").storage())


def test_prelu_learns_one_slope_or_one_per_channel():
    image = tensors((1, 64, 8, 8))

    assert {"weight": (1,)} == layer("prelu").parameters(image)
    assert {"weight": (64,)} == layer("prelu", num_parameters=64).parameters(image)


def test_prelu_refuses_slopes_that_are_not_the_channels():
    assert ("num_parameters", "num_parameters must be 1 or the 3 channels of 3×4×4, got 2") == refusal(
        "prelu", (1, 3, 4, 4), num_parameters=2
    )


@pytest.mark.parametrize(
    ("op", "args", "argument", "message"),
    [
        ("prelu", {"num_parameters": 0}, "num_parameters", "num_parameters must be >= 1, got 0"),
        ("hardtanh", {"min_val": 1.0, "max_val": 1.0}, "max_val", "max_val must be > min_val 1.0, got 1.0"),
        ("rrelu", {"lower": 0.5, "upper": 0.25}, "upper", "upper must be >= lower 0.5, got 0.25"),
        ("celu", {"alpha": 0.0}, "alpha", "alpha divides and must not be 0"),
        ("softplus", {"beta": 0.0}, "beta", "beta divides and must not be 0"),
        ("softshrink", {"lambd": -0.5}, "lambd", "lambd must be >= 0, got -0.5"),
    ],
)
def test_an_argument_outside_the_definition_is_refused(op, args, argument, message):
    assert (argument, message) == refusal(op, (1, 3), **args)


def test_every_activation_of_torch_is_a_layer():
    import torch

    assert set() == {name.lower() for name in torch.nn.modules.activation.__all__} - set(REGISTRY)


def test_softmax_over_four_classes_does_3_comparisons_7_additions_4_exponentials_4_divisions():
    assert Events(cmps=3, adds=7, exps=4, divs=4) == events("softmax", (1, 4), dim=1)


def test_logsoftmax_over_ten_classes_takes_one_logarithm_and_no_division():
    assert Events(cmps=9, adds=29, exps=11) == events("logsoftmax", (1, 10), dim=1)


def test_softmax_over_an_images_width_works_row_by_row():
    assert Events(cmps=24, adds=54, exps=30, divs=30) == events("softmax", (1, 2, 3, 5), dim=-1)


def test_softmax2d_works_on_the_channels_of_every_position():
    assert Events(cmps=8, adds=20, exps=12, divs=12) == events("softmax2d", (1, 3, 2, 2))


def test_the_softmax_of_the_third_source_document_comes_out_as_printed():
    import torch

    module = layer("softmax", dim=1).build(tensors((1, 4)))
    result = module(torch.tensor([[10.1, 0.0, -4.3, 1.33]]))

    assert ["0.9998", "0.000041", "0.00000056", "0.00016"] == [
        f"{value:.{digits}f}" for value, digits in zip(result[0].tolist(), (4, 6, 8, 5), strict=True)
    ]


def test_softmax_without_a_dimension_is_refused_with_the_way_out():
    with pytest.raises(LayerError) as caught:
        layer("softmax", dim=None)

    assert "softmax needs dim, the dimension along which the results sum to 1" == caught.value.message
    assert ("dim", "dim: 1 for scores of classes") == (caught.value.argument, caught.value.hint)


def test_softmax_over_a_dimension_that_is_not_there_is_refused():
    assert (
        "dim",
        "dim must lie in -2..1 for a tensor of 2 dimensions (the batch is 0), got 2",
    ) == refusal("softmax", (1, 10), dim=2)


def test_glu_halves_the_channels():
    assert [(1, 3, 4, 4)] == shapes("glu", (1, 6, 4, 4), dim=1)
    assert Events(exps=48, adds=48, divs=48, muls=48) == events("glu", (1, 6, 4, 4), dim=1)


def test_glu_of_an_odd_number_is_refused():
    assert ("dim", "dimension 1 is halved and must be even, got 5 in 5") == refusal("glu", (1, 5))
