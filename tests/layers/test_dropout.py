"""Dropout and stochastic depth: nothing in evaluation, draws and products in training."""

from __future__ import annotations

import pytest
import torch

from cnnprof.model.analysis import Events
from tests.layers.ask import events, layer, refusal, tensors

FAMILY = {
    "dropout": (2, 3, 4, 5),
    "dropout1d": (2, 3, 20),
    "dropout2d": (2, 3, 4, 5),
    "dropout3d": (2, 3, 4, 5, 1),
    "alphadropout": (2, 3, 4, 5),
    "featurealphadropout": (2, 3, 4, 5),
}


@pytest.mark.parametrize("op", FAMILY)
def test_dropout_in_evaluation_computes_nothing_and_is_its_input(op):
    assert (Events(), "view") == (events(op, FAMILY[op]), layer(op).storage())


@pytest.mark.parametrize("op", FAMILY)
def test_dropout_with_probability_0_computes_nothing_in_training_either(op):
    assert (Events(), "view") == (events(op, FAMILY[op], p=0.0, training=True), layer(op, p=0.0).storage(training=True))


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        ("dropout", Events(cmps=120, muls=120)),
        ("dropout1d", Events(cmps=6, muls=120)),
        ("dropout2d", Events(cmps=6, muls=120)),
        ("dropout3d", Events(cmps=6, muls=120)),
        ("alphadropout", Events(cmps=120, muls=120, adds=120)),
        ("featurealphadropout", Events(cmps=6, muls=120, adds=120)),
    ],
)
def test_dropout_in_training_draws_per_element_or_channel_and_multiplies_every_element(op, expected):
    assert expected == events(op, FAMILY[op], training=True)


def test_inplace_dropout_overwrites_its_input_in_training_only():
    dropout = layer("dropout", inplace=True)

    assert ("view", "inplace") == (dropout.storage(), dropout.storage(training=True))


def test_inplace_alpha_dropout_makes_a_new_tensor_as_torch_does():
    assert "new" == layer("alphadropout", inplace=True).storage(training=True)


def test_a_probability_beyond_1_is_refused():
    assert ("p", "p is a probability, 0 to 1, got 1.5") == refusal("dropout", (1, 3), p=1.5)


def test_dropout2d_on_a_vector_is_refused():
    assert (None, "dropout2d needs an input of 3 dimensions (channels and 2 spatial), got 10") == refusal(
        "dropout2d", (1, 10)
    )


def test_feature_alpha_dropout_without_channels_is_refused():
    assert (None, "featurealphadropout needs channels, got a single number per sample") == refusal(
        "featurealphadropout", (4,)
    )


def test_stochastic_depth_draws_once_per_sample_or_once_for_the_batch():
    rows = events("stochasticdepth", (8, 3, 2), p=0.1, mode="row", training=True)
    batch = events("stochasticdepth", (8, 3, 2), p=0.1, mode="batch", training=True)

    assert (Events(cmps=8, muls=48), Events(cmps=1, muls=48)) == (rows, batch)


def trained(mode: str, p: float) -> torch.Tensor:
    torch.manual_seed(0)
    module = layer("stochasticdepth", p=p, mode=mode).build(tensors((200, 3, 2))).train()
    result: torch.Tensor = module(torch.ones(200, 3, 2))
    return result


def test_stochastic_depth_keeps_or_drops_whole_samples_and_rescales_what_it_keeps():
    samples = trained("row", 0.75).flatten(1)

    assert {0.0, 4.0} == set(samples.unique().tolist())
    assert bool((samples.amin(1) == samples.amax(1)).all())


def test_stochastic_depth_of_a_batch_keeps_or_drops_all_of_it():
    assert 1 == len(trained("batch", 0.5).unique())


def test_stochastic_depth_with_probability_1_gives_zeros_and_no_infinity():
    assert [0.0] == trained("row", 1.0).unique().tolist()
