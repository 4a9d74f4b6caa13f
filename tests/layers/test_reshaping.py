"""Shapes without arithmetic: reshaping, reordering, cutting, padding, free parameters."""

from __future__ import annotations

import pytest

from cnnprof.layers import REGISTRY
from cnnprof.model.analysis import Events
from tests.layers.ask import events, layer, refusal, shapes, tensors

VIEWS = {
    "identity", "flatten", "unflatten", "reshape", "squeeze", "unsqueeze", "expand", "permute", "transpose", "split",
    "chunk", "slice", "getitem",
}  # fmt: skip
COPIES = {"roll", "pixelshuffle", "pixelunshuffle", "channelshuffle", "pad", "zeropad2d", "concat", "stack"}


@pytest.mark.parametrize("op", sorted(VIEWS | COPIES))
def test_moving_numbers_computes_nothing_and_only_some_of_it_takes_memory(op):
    example = REGISTRY[op].examples[0]

    assert Events() == events(op, *example.inputs, **example.args)
    assert ("view" if op in VIEWS else "new") == layer(op, **example.args).storage()


def test_flatten_joins_all_but_the_batch():
    assert [(8, 25088)] == shapes("flatten", (8, 512, 7, 7))


def test_flatten_is_a_function_and_unflatten_a_module():
    assert ("function", "module") == (REGISTRY["flatten"].call, REGISTRY["unflatten"].call)


def test_flatten_refuses_to_end_before_it_starts():
    assert ("end_dim", "end_dim 1 comes before start_dim 3 in 3×4×5") == refusal(
        "flatten", (1, 3, 4, 5), start_dim=3, end_dim=1
    )


def test_flatten_refuses_the_batch():
    assert ("start_dim", "start_dim is 0, the batch; the first dimension of a sample is 1") == refusal(
        "flatten", (1, 3, 4), start_dim=0
    )


@pytest.mark.parametrize("batch", [1, 8])
def test_a_reshape_says_each_samples_shape_so_that_it_serves_every_batch(batch):
    assert [(batch, 2, 58, 28, 28)] == shapes("reshape", (batch, 116, 28, 28), shape=[2, -1, 28, 28])


def test_a_reshape_that_loses_elements_is_refused():
    assert ("shape", "shape [7, 7] cannot hold 50 elements") == refusal("reshape", (1, 50), shape=[7, 7])


def test_a_reshape_with_two_open_sizes_is_refused():
    assert ("shape", "shape can leave one size open (-1), got [-1, -1]") == refusal("reshape", (1, 4), shape=[-1, -1])


def test_a_size_of_0_is_refused():
    assert ("shape", "shape must be >= 1, got 0") == refusal("reshape", (1, 4), shape=[0, 4])


def test_unflatten_into_nothing_is_refused():
    argument = "the number of sizes in unflattened_size"

    assert (argument, f"{argument} must be >= 1, got 0") == refusal("unflatten", (1, 4), dim=1, unflattened_size=[])


def test_squeeze_never_takes_the_batch():
    assert [(1, 3)] == shapes("squeeze", (1, 3, 1, 1))
    assert ("dim", "dim is 0, the batch; the first dimension of a sample is 1") == refusal("squeeze", (1, 3), dim=0)


def test_squeeze_leaves_a_named_dimension_that_is_not_1():
    assert [(2, 3)] == shapes("squeeze", (2, 3, 1), dim=[1, 2])


def test_a_dimension_named_twice_is_refused():
    assert ("dim", "dim names a dimension twice: [2, -1]") == refusal("squeeze", (2, 3, 1), dim=[2, -1])


@pytest.mark.parametrize("batch", [1, 8])
def test_a_class_token_expands_to_the_batch_of_the_patches(batch):
    assert [(batch, 1, 768)] == shapes("expand", (1, 1, 768), (batch, 196, 768))


def test_only_sizes_of_1_expand():
    message = "a tensor of 2×3 and batch 1 cannot expand to [4, 3] and batch 1: only sizes of 1 grow"

    assert ("size", message) == refusal("expand", (1, 2, 3), size=[4, 3])


def test_expand_to_another_rank_is_refused():
    message = "a tensor of 3 and batch 1 cannot expand to [4, 3] and batch 1: only sizes of 1 grow"

    assert ("size", message) == refusal("expand", (1, 3), size=[4, 3])


def test_permute_needs_every_dimension_once():
    assert ("dims", "dims must order the 3 dimensions of 3×4 and the batch, got [0, 1]") == refusal(
        "permute", (1, 3, 4), dims=[0, 1]
    )
    assert ("dims", "dims names a dimension twice: [0, 1, 1]") == refusal("permute", (1, 3, 4), dims=[0, 1, 1])


def test_roll_needs_a_shift_per_dimension():
    assert ("shifts", "shifts needs one number per dimension of dims, got [1] for [1, 2]") == refusal(
        "roll", (1, 4, 4), shifts=1, dims=[1, 2]
    )


def test_pixel_shuffle_trades_channels_for_space_and_back():
    assert [(1, 1, 672, 672)] == shapes("pixelshuffle", (1, 9, 224, 224), upscale_factor=3)
    assert [(1, 9, 224, 224)] == shapes("pixelunshuffle", (1, 1, 672, 672), downscale_factor=3)


@pytest.mark.parametrize(
    ("op", "args", "argument", "message"),
    [
        ("pixelshuffle", {"upscale_factor": 2}, "upscale_factor", "squared, 4, must divide the channels of 6×5×4"),
        ("pixelunshuffle", {"downscale_factor": 2}, "downscale_factor", "2 must divide height and width of 6×5×4"),
        ("channelshuffle", {"groups": 4}, "groups", "groups must divide the channels, got 4 groups for 6×5×4"),
    ],
)
def test_a_shuffle_that_does_not_divide_is_refused(op, args, argument, message):
    found, sentence = refusal(op, (1, 6, 5, 4), **args)

    assert (argument, True) == (found, sentence.endswith(message))


def test_channel_shuffle_needs_a_spatial_axis():
    assert (None, "channelshuffle needs channels and a spatial axis, got 6") == refusal(
        "channelshuffle", (1, 6), groups=2
    )


def test_split_gives_a_smaller_last_piece():
    assert [(1, 4, 3), (1, 4, 3), (1, 2, 3)] == shapes("split", (1, 10, 3), split_size_or_sections=4)


def test_sections_must_add_up():
    assert ("split_size_or_sections", "sections [4, 4] add up to 8, but dimension 1 has 10") == refusal(
        "split", (1, 10), split_size_or_sections=[4, 4]
    )


def test_chunk_makes_fewer_pieces_where_they_would_be_empty():
    assert [(1, 2), (1, 2), (1, 1)] == shapes("chunk", (1, 5), chunks=4)


def test_a_billion_pieces_are_refused_before_they_are_listed():
    assert ("chunks", "1000000000 in pieces of 1 makes more than 10000 outputs") == refusal(
        "chunk", (1, 10**9), chunks=10**9
    )


def test_a_slice_takes_what_python_takes():
    assert [(1, 3, 4)] == shapes("slice", (1, 10, 4), start=-8, end=-1, step=3)


def test_a_slice_of_a_size_beyond_64_bits_is_still_exact():
    assert [(1, 10**30 - 1)] == shapes("slice", (1, 10**30), start=1)


def test_an_empty_slice_is_refused():
    assert ("start", "nothing lies between start 5 and end 5 in dimension 1 of 10") == refusal(
        "slice", (1, 10), start=5, end=5
    )
    assert ("end", "nothing lies between start None and end 0 in dimension 1 of 10") == refusal("slice", (1, 10), end=0)


def test_getitem_picks_one_of_several_values():
    assert [(1, 2)] == shapes("getitem", (1, 5), (1, 2), index=-1)
    assert ("index", "index is 2, but only 2 values arrive") == refusal("getitem", (1, 5), (1, 2), index=2)


def test_getitem_with_a_dimension_takes_one_position_of_one_tensor():
    assert [(8, 768)] == shapes("getitem", (8, 197, 768), index=0, dim=1)
    assert ("index", "index is 197, but only 197 positions has dimension 1 of 197×768") == refusal(
        "getitem", (8, 197, 768), index=197, dim=1
    )
    assert ("dim", "dim selects within one tensor, but 2 arrive") == refusal("getitem", (1, 5), (1, 2), index=0, dim=1)


def test_pad_counts_pairs_from_the_last_dimension():
    assert [(1, 3, 11, 8)] == shapes("pad", (1, 3, 4, 5), padding=[1, 2, 3, 4])


def test_pad_can_add_channels_as_the_cifar_resnet_shortcut_does():
    assert [(1, 32, 16, 16)] == shapes("pad", (1, 16, 16, 16), padding=[0, 0, 0, 0, 8, 8])


@pytest.mark.parametrize(
    ("args", "argument", "message"),
    [
        ({"padding": [1, 2, 3]}, "padding", "padding needs a pair of numbers per dimension, got [1, 2, 3]"),
        ({"padding": []}, "padding", "padding needs a pair of numbers per dimension, got []"),
        ({"padding": [1, 1], "mode": "reflect", "value": 1.0}, "value", "mode 'reflect' takes no value"),
        ({"padding": [4, 0, 0, 0], "mode": "reflect"}, "padding",
         "mode 'reflect' pads 4 elements by at most 3 on a side, got 4 in 3×4×4"),
        ({"padding": [0, 5, 0, 0], "mode": "circular"}, "padding",
         "mode 'circular' pads 4 elements by at most 4 on a side, got 5 in 3×4×4"),
        ({"padding": [-2, -2]}, "padding", "padding -2 and -2 leaves nothing of 4 elements of 3×4×4"),
        ({"padding": [6, -5]}, "padding", "padding 6 and -5 leaves nothing of 4 elements of 3×4×4"),
        ({"padding": [1, 1], "mode": "replicate"}, "padding", "mode 'replicate' cannot pad 1 dimensions of 3×4×4"),
        ({"padding": [0, 0, 0, 0, 0, 0, 1, 1]}, "padding", "mode 'constant' cannot pad 4 dimensions of 3×4×4"),
    ],
)  # fmt: skip
def test_a_padding_that_cannot_be_done_is_refused(args, argument, message):
    assert (argument, message) == refusal("pad", (1, 3, 4, 4), **args)


def test_a_padding_module_takes_one_number_or_two_per_axis():
    assert [(1, 3, 8, 8)] == shapes("reflectionpad2d", (1, 3, 4, 4), padding=2)
    assert ("padding", "padding needs a number or a list of 4, got [1, 2]") == refusal(
        "zeropad2d", (1, 3, 4, 4), padding=[1, 2]
    )


def test_a_parameter_takes_no_value_and_is_its_own_storage():
    token = layer("parameter", shape=[1, 1, 768])

    assert [(1, 1, 768)] == shapes("parameter", shape=[1, 1, 768])
    assert ({"weight": (1, 1, 768)}, "view") == (token.parameters(()), token.storage())


def test_a_parameter_borrows_a_floating_dtype_from_the_chain_and_no_other():
    token = layer("parameter", shape=[1, 8])

    assert "float16" == token.outputs(tensors((2, 3), dtype="float16"))[0].dtype
    assert "float32" == token.outputs(tensors((2, 3), dtype="int64"))[0].dtype


def test_a_parameter_without_sizes_is_refused():
    argument = "the number of sizes in shape"

    assert (argument, f"{argument} must be >= 1, got 0") == refusal("parameter", shape=[])


def test_layer_scale_has_a_weight_per_channel_shaped_to_broadcast():
    image = tensors((1, 96, 56, 56))

    assert {"weight": (96, 1, 1)} == layer("layerscale").parameters(image)
    assert {"weight": (56,)} == layer("layerscale", dim=-1).parameters(image)
    assert Events(muls=301056) == events("layerscale", (1, 96, 56, 56))


def test_layer_scale_along_the_batch_is_refused():
    assert ("dim", "dim is 0, the batch; the first dimension of a sample is 1") == refusal("layerscale", (1, 3), dim=0)


def test_a_built_function_prints_as_its_layer():
    assert "Reshape(shape=(2, 2))" == str(layer("reshape", shape=[2, 2]).build(tensors((1, 4))))
