"""Attention, with the figures of ViT-B/16 where a real network has them."""

from __future__ import annotations

import pytest

from cnnprof.model.analysis import Events
from tests.layers.ask import events, layer, refusal, shapes, tensors

TOKENS = (1, 197, 768)


def test_attention_is_two_matrix_products_a_scale_and_a_softmax():
    # Per query: 3·4 products for the scores, 3 by the scale, a softmax over 3 keys, 3·2 products with the values.
    assert Events(
        macs=2 * 12 + 2 * 6,
        muls=2 * (12 + 3 + 6),
        adds=2 * ((12 - 3) + (3 + 2) + (6 - 2)),
        cmps=2 * 2,
        exps=2 * 3,
        divs=2 * 3,
    ) == events("scaleddotproductattention", (1, 2, 4), (1, 3, 4), (1, 3, 2))


def test_a_causal_mask_saves_no_arithmetic():
    trio = ((2, 5, 8), (2, 5, 8), (2, 5, 8))

    assert events("scaleddotproductattention", *trio) == events("scaleddotproductattention", *trio, is_causal=True)


def test_dropout_of_scores_works_in_training_only():
    trio = ((1, 2, 4), (1, 3, 4), (1, 3, 4))
    rest = events("scaleddotproductattention", *trio, dropout_p=0.1)
    trained = events("scaleddotproductattention", *trio, dropout_p=0.1, training=True)

    assert (rest.cmps + 6, rest.muls + 6, rest.adds) == (trained.cmps, trained.muls, trained.adds)
    assert rest == events("scaleddotproductattention", *trio)


@pytest.mark.parametrize(
    "trio",
    [
        ((1, 2, 4), (1, 3, 5), (1, 3, 4)),
        ((1, 2, 4), (1, 3, 4), (1, 2, 4)),
        ((2, 2, 4), (1, 3, 4), (1, 3, 4)),
        ((2, 4), (3, 4), (3, 4)),
    ],
)
def test_queries_keys_and_values_must_fit(trio):
    argument, message = refusal("scaleddotproductattention", *trio)

    assert (None, True) == (argument, message.startswith("scaleddotproductattention needs queries …×L×E, keys …×S×E"))


def test_a_dropout_of_2_is_refused():
    assert ("dropout_p", "dropout_p is a probability, 0 to 1, got 2") == refusal(
        "scaleddotproductattention", dropout_p=2
    )


def test_vits_attention_has_2362368_parameters_in_four_tensors():
    heads = layer("multiheadattention", num_heads=12, batch_first=True)

    assert {
        "in_proj_weight": (2304, 768),
        "in_proj_bias": (2304,),
        "out_proj.weight": (768, 768),
        "out_proj.bias": (768,),
    } == heads.parameters(tensors(TOKENS))


def test_vits_attention_multiplies_four_projections_and_two_products_of_scores():
    expected = 4 * 197 * 768 * 768 + 2 * 197 * 197 * 768

    assert (524_391_936, [TOKENS]) == (expected, shapes("multiheadattention", TOKENS, num_heads=12, batch_first=True))
    assert expected == events("multiheadattention", TOKENS, num_heads=12, batch_first=True).macs


def test_the_number_of_heads_changes_no_multiply_accumulate():
    counts = {events("multiheadattention", TOKENS, num_heads=n, batch_first=True).macs for n in (1, 3, 12)}

    assert {524_391_936} == counts


def test_the_sequence_comes_first_unless_told_otherwise():
    first = events("multiheadattention", (5, 2, 8), num_heads=2)

    assert first == events("multiheadattention", (2, 5, 8), num_heads=2, batch_first=True)


def test_keys_of_another_width_have_a_projection_of_their_own():
    heads = layer("multiheadattention", num_heads=2, bias=False, add_bias_kv=True)

    assert {
        "q_proj_weight": (8, 8),
        "k_proj_weight": (8, 3),
        "v_proj_weight": (8, 4),
        "bias_k": (1, 1, 8),
        "bias_v": (1, 1, 8),
        "out_proj.weight": (8, 8),
    } == heads.parameters(tensors((5, 2, 8), (6, 2, 3), (6, 2, 4)))


@pytest.mark.parametrize(
    ("inputs", "args", "argument", "message"),
    [
        ([(2, 3, 8), (2, 3, 8)], {}, None, "needs 1 input, or 3: queries, keys and values; got 2"),
        ([(2, 8)], {}, None, "needs L×N×E, keys and values of equal length; got 2×8"),
        ([(2, 8)], {"batch_first": True}, None, "needs N×L×E, keys and values of equal length; got 2×8"),
        ([(2, 3, 9)], {}, "num_heads", "num_heads must divide the width 9 of the queries, got 2"),
        ([(2, 3, 8)], {"num_heads": 0}, "num_heads", "num_heads must be >= 1, got 0"),
        ([(2, 3, 8)], {"dropout": -1.0}, "dropout", "dropout is a probability, 0 to 1, got -1.0"),
    ],
)
def test_heads_that_cannot_attend_are_refused(inputs, args, argument, message):
    found, sentence = refusal("multiheadattention", *inputs, **({"num_heads": 2} | args))

    assert (argument, True) == (found, sentence.endswith(message))
