"""Sums, products and means of tensors, matrix products, einsum, interpolation."""

from __future__ import annotations

import pytest

from cnnprof.model.analysis import Events
from tests.layers.ask import events, layer, refusal, shapes, tensors


def test_adding_two_tensors_is_one_addition_per_element():
    assert Events(adds=802816) == events("add", (1, 256, 56, 56), (1, 256, 56, 56))


def test_adding_four_tensors_is_three_additions_per_element():
    assert Events(adds=18) == events("add", (2, 3), (2, 3), (2, 3), (2, 3))


def test_a_gate_broadcasts_over_height_and_width():
    assert [(2, 3, 4, 5)] == shapes("mul", (2, 3, 4, 5), (2, 3, 1, 1))
    assert Events(muls=120) == events("mul", (2, 3, 4, 5), (2, 3, 1, 1))


def test_a_position_embedding_broadcasts_over_the_batch():
    assert [(8, 197, 768)] == shapes("add", (8, 197, 768), (1, 197, 768))


def test_a_number_is_the_second_operand_of_a_single_input():
    assert Events(divs=6) == events("div", (2, 3), other=8.0)
    assert Events(adds=6) == events("sub", (2, 3), other=0.5)


def test_inplace_addition_overwrites_its_first_input():
    assert ("inplace", "new") == (layer("add", inplace=True).storage(), layer("add").storage())


def test_inplace_addition_cannot_grow_its_first_input():
    assert ("inplace", "2×3×4 cannot be written over the first input, 1×3×1") == refusal(
        "add", (1, 3, 1), (2, 3, 4), inplace=True
    )


def test_shapes_that_do_not_broadcast_are_refused():
    assert (None, "add cannot broadcast 1×3×4 and 1×3×5") == refusal("add", (1, 3, 4), (1, 3, 5))


def test_one_input_and_no_number_is_refused():
    message = "mul needs two inputs, or one and a number as other; got 1 and other None"

    assert ("other", message) == refusal("mul", (1, 3))


def test_inputs_of_two_dtypes_are_refused():
    from cnnprof.errors import LayerError

    mixed = (*tensors((1, 3)), *tensors((1, 3), dtype="float16"))
    with pytest.raises(LayerError, match=r"^concat needs inputs of one dtype, got float16 and float32$"):
        layer("concat").outputs(mixed)


def test_dividing_integers_is_refused():
    assert (None, "div needs floating-point numbers, got int64") == refusal("div", (1, 3), (1, 3), dtype="int64")


def test_concat_joins_channels():
    assert [(1, 256, 28, 28)] == shapes("concat", (1, 64, 28, 28), (1, 128, 28, 28), (1, 32, 28, 28), (1, 32, 28, 28))
    assert Events() == events("concat", (1, 64, 28, 28), (1, 128, 28, 28))


def test_concat_of_images_of_two_sizes_is_refused():
    message = "concat along dimension 1 needs equal sizes elsewhere, got 1×3×4 and 1×3×5"

    assert (None, message) == refusal("concat", (1, 3, 4), (1, 3, 5))


def test_stack_makes_a_new_dimension():
    assert [(2, 3, 4, 5)] == shapes("stack", (2, 4, 5), (2, 4, 5), (2, 4, 5))
    assert (None, "stack needs tensors of one shape, got 1×3 and 1×4") == refusal("stack", (1, 3), (1, 4))


def test_a_global_mean_is_48_additions_and_a_division_per_channel():
    assert Events(adds=96, divs=2) == events("mean", (1, 2, 7, 7), dim=[2, 3])
    assert [(1, 2)] == shapes("mean", (1, 2, 7, 7), dim=[2, 3])


def test_a_sum_with_keepdim_keeps_a_1():
    assert [(1, 1, 7)] == shapes("sum", (1, 2, 7), dim=1, keepdim=True)
    assert Events(adds=7) == events("sum", (1, 2, 7), dim=1, keepdim=True)


def test_a_mean_over_no_dimension_is_refused():
    argument = "the number of dimensions in dim"

    assert (argument, f"{argument} must be >= 1, got 0") == refusal("mean", (1, 3), dim=[])


def test_a_matrix_product_is_l_k_m_multiply_accumulates():
    assert Events(macs=60, muls=60, adds=45) == events("matmul", (3, 4), (4, 5))


def test_a_matrix_product_broadcasts_its_leading_dimensions():
    assert [(2, 8, 3, 5)] == shapes("matmul", (2, 8, 3, 4), (4, 5))
    assert 960 == events("matmul", (2, 8, 3, 4), (4, 5)).macs


def test_matrices_that_do_not_meet_are_refused():
    assert (None, "matmul needs …×L×K and …×K×M, got 1×3×4 and 1×3×4") == refusal("matmul", (1, 3, 4), (1, 3, 4))
    assert (None, "matmul needs …×L×K and …×K×M, got 4 and 4×3") == refusal("matmul", (4,), (4, 3))


def test_einsum_counts_a_contraction_as_a_matrix_product():
    assert Events(macs=120, muls=120, adds=90) == events("einsum", (2, 3, 4), (2, 4, 5), equation="bij,bjk->bik")


def test_einsum_without_a_contraction_multiplies_element_by_element():
    assert Events(muls=24) == events("einsum", (2, 3, 4), (2, 3), equation="bij,bi->bij")


def test_einsum_adds_up_a_letter_of_one_operand_before_it_multiplies():
    assert Events(adds=18, muls=6) == events("einsum", (2, 3, 4), (2, 3), equation="bij,bi->bi")


def test_einsum_of_one_operand_is_a_view_unless_it_adds_up():
    assert "view" == layer("einsum", equation="bij->jbi").storage()
    assert "new" == layer("einsum", equation="bij->bi").storage()


def test_einsum_without_an_arrow_sorts_the_letters_that_come_once():
    assert [(2, 5)] == shapes("einsum", (3, 2), (3, 5), equation="ba,bc")


@pytest.mark.parametrize(
    ("equation", "message"),
    [
        ("...ij->...ji", "'...ij->...ji': write every dimension as a letter in place of '...'"),
        ("ab,bc,cd->ad", "'ab,bc,cd->ad': at most two operands; nest einsums for more"),
        ("a1->a", "'a1->a': 'a1' is not a row of letters"),
        ("bii->b", "'bii->b': 'bii' repeats a letter, a diagonal"),
        ("ab->abx", "'ab->abx': 'x' stands in the result only"),
        ("bij,bjk", "'bij,bjk' does not fit 2×3: a letter per dimension, the batch among them"),
    ],
)
def test_an_equation_that_cannot_be_counted_is_refused(equation, message):
    assert ("equation", message) == refusal("einsum", (2, 3), equation=equation)


def test_a_letter_of_two_sizes_is_refused():
    assert ("equation", "'bi,bi->b': 'i' is both 3 and 4") == refusal("einsum", (2, 3), (2, 4), equation="bi,bi->b")


@pytest.mark.parametrize(
    ("mode", "shape", "muls", "adds"),
    [
        ("nearest", (1, 1, 4, 4), 0, 0),
        ("nearest-exact", (1, 1, 4, 4), 0, 0),
        ("linear", (1, 1, 8), 32, 16),
        ("bilinear", (1, 1, 4, 4), 256, 192),
        ("bicubic", (1, 1, 4, 4), 1024, 960),
        ("trilinear", (1, 1, 2, 2, 2), 512, 448),
    ],
)
def test_doubling_by_interpolation_weighs_2_4_8_or_16_neighbours(mode, shape, muls, adds):
    assert Events(muls=muls, adds=adds) == events("upsample", shape, scale_factor=2.0, mode=mode)


def test_a_size_by_a_fraction_is_rounded_down():
    assert [(1, 3, 7, 3)] == shapes("upsample", (1, 3, 5, 5), scale_factor=[1.5, 0.7])


@pytest.mark.parametrize(
    ("args", "argument", "message"),
    [
        ({}, "size", "give either size or scale_factor"),
        ({"size": 8, "scale_factor": 2.0}, "size", "give either size or scale_factor"),
        ({"size": 8, "align_corners": True}, "align_corners", "mode 'nearest' takes no align_corners"),
        ({"size": 8, "mode": "linear"}, "mode", "mode 'linear' resizes 1 spatial axes, got 3×4×4"),
        ({"scale_factor": 0.0}, "scale_factor", "scale_factor must be > 0 and finite, got 0.0"),
        ({"scale_factor": [2.0, float("inf")]}, "scale_factor", "scale_factor must be > 0 and finite, got inf"),
        ({"scale_factor": [2.0, 2.0, 2.0]}, "scale_factor", "scale_factor needs 1 or 2 numbers, got [2.0, 2.0, 2.0]"),
    ],
)
def test_an_upsampling_that_makes_no_sense_is_refused(args, argument, message):
    assert (argument, message) == refusal("upsample", (1, 3, 4, 4), **args)


def test_upsampling_to_nothing_is_refused():
    assert (
        "the size that scale_factor gives must be >= 1, got 0" == refusal("upsample", (1, 3, 4, 4), scale_factor=0.1)[1]
    )
