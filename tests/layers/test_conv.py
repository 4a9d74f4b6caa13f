"""Convolutions: the worked figures of textbooks, and what is refused."""

from __future__ import annotations

from cnnprof.layers import REGISTRY
from cnnprof.model.analysis import Equivalent, Events
from cnnprof.model.graph import TensorSpec
from tests.layers.facts import facts, refusal


class TestTextbookFigures:
    def test_two_filters_of_3x3x3_on_a_6x6_colour_image_have_56_parameters_and_take_1728_operations(self):
        conv = facts("conv2d", (3, 6, 6), out_channels=2, kernel_size=3)

        assert ((2, 4, 4), 56, 1728) == (conv.output, conv.params, conv.events.ops)

    def test_its_operations_are_27_products_26_sums_and_one_bias_for_each_of_32_outputs(self):
        conv = facts("conv2d", (3, 6, 6), out_channels=2, kernel_size=3)

        assert Events(macs=27 * 32, muls=27 * 32, adds=26 * 32 + 32) == conv.events

    def test_without_a_bias_one_addition_per_output_is_gone(self):
        assert facts("conv2d", (3, 6, 6), out_channels=2, kernel_size=3, bias=False).events.ops == 1728 - 32

    def test_a_thousand_filters_on_a_224_image_have_28000_parameters(self):
        conv = facts("conv2d", (3, 224, 224), out_channels=1000, kernel_size=3)

        assert ((1000, 222, 222), 28_000) == (conv.output, conv.params)

    def test_ten_filters_of_five_with_padding_two_keep_32x32_and_have_760_parameters(self):
        conv = facts("conv2d", (3, 32, 32), out_channels=10, kernel_size=5, padding=2)

        assert ((10, 32, 32), 760) == (conv.output, conv.params)

    def test_six_filters_of_five_on_32x32x3_have_456_parameters_where_a_dense_layer_has_14_million(self):
        conv = facts("conv2d", (3, 32, 32), out_channels=6, kernel_size=5)

        assert ((6, 28, 28), 456) == (conv.output, conv.params)
        assert conv.equivalent.dense_params == 14_455_392

    def test_156_parameters_are_those_of_a_single_channel(self):
        assert facts("conv2d", (1, 32, 32), out_channels=6, kernel_size=5).params == 156

    def test_the_first_layers_of_vgg_without_biases(self):
        first, second = (
            facts("conv2d", (channels, 224, 224), out_channels=64, kernel_size=3, padding=1, bias=False)
            for channels in (3, 64)
        )

        assert [1_728, 36_864] == [first.params, second.params]

    def test_three_filters_of_three_see_as_much_as_one_of_seven_with_27_to_49_of_the_weights(self):
        three = [facts("conv2d", (8, size, size), out_channels=8, kernel_size=3, bias=False) for size in (7, 5, 3)]
        one = facts("conv2d", (8, 7, 7), out_channels=8, kernel_size=7, bias=False)

        assert ((8, 1, 1), (8, 1, 1)) == (three[-1].output, one.output)
        assert (27 * 64, 49 * 64) == (sum(conv.params for conv in three), one.params)

    def test_a_1x1_convolution_reduces_depth_alone(self):
        conv = facts("conv2d", (256, 56, 56), out_channels=64, kernel_size=1)

        assert ((64, 56, 56), 256 * 64 + 64) == (conv.output, conv.params)

    def test_a_convolution_as_large_as_its_input_is_a_dense_layer(self):
        conv = facts("conv2d", (512, 7, 7), out_channels=4096, kernel_size=7)
        dense = facts("linear", (512 * 7 * 7,), out_features=4096)

        assert ((4096, 1, 1), dense.params, dense.events) == (conv.output, conv.params, conv.events)
        assert conv.equivalent.dense_params == dense.params


class TestToeplitzMatrix:
    def test_3x3_on_4x4_is_a_4_by_16_matrix_with_36_entries(self):
        conv = facts("conv2d", (1, 4, 4), out_channels=1, kernel_size=3, bias=False)

        assert conv.equivalent == Equivalent(
            dense_params=64, toeplitz_rows=4, toeplitz_columns=16, toeplitz_nonzeros=36
        )

    def test_padding_adds_rows_whose_weights_partly_fall_on_nothing(self):
        conv = facts("conv2d", (1, 4, 4), out_channels=1, kernel_size=3, padding=1)

        assert conv.equivalent == Equivalent(
            dense_params=272, toeplitz_rows=16, toeplitz_columns=16, toeplitz_nonzeros=100
        )

    def test_groups_leave_blocks_of_zeros(self):
        conv = facts("conv1d", (4, 5), out_channels=4, kernel_size=1, groups=2)

        assert (20, 20, 40) == (
            conv.equivalent.toeplitz_rows,
            conv.equivalent.toeplitz_columns,
            conv.equivalent.toeplitz_nonzeros,
        )

    def test_the_matrix_is_of_one_sample_whatever_the_batch(self):
        one, eight = (facts("conv2d", (1, 4, 4), batch=n, out_channels=1, kernel_size=3) for n in (1, 8))

        assert one.equivalent == eight.equivalent


class TestWindows:
    def test_7x7_with_a_filter_of_three_at_stride_three_loses_a_row_and_a_column(self):
        conv = facts("conv2d", (1, 7, 7), out_channels=1, kernel_size=3, stride=3)

        assert ((1, 2, 2), (1, 1)) == (conv.output, conv.cut)

    def test_a_rectangular_image_may_lose_columns_alone(self):
        assert facts("conv2d", (1, 9, 7), out_channels=1, kernel_size=3, stride=3).cut == (0, 1)

    def test_rectangular_kernels_strides_and_paddings_work_axis_by_axis(self):
        conv = facts("conv2d", (3, 20, 30), out_channels=4, kernel_size=(1, 5), stride=(2, 3), padding=(0, 2))

        assert ((4, 10, 10), 4 * 3 * 5 + 4) == (conv.output, conv.params)

    def test_same_padding_keeps_every_size_and_valid_pads_nothing(self):
        same, valid = (
            facts("conv2d", (1, 8, 9), out_channels=1, kernel_size=(4, 3), dilation=2, padding=word)
            for word in ("same", "valid")
        )

        assert ((1, 8, 9), (1, 2, 5)) == (same.output, valid.output)

    def test_one_three_and_two_dimensions_count_alike(self):
        line = facts("conv1d", (2, 10), out_channels=3, kernel_size=3)
        volume = facts("conv3d", (2, 1, 1, 10), out_channels=3, kernel_size=(1, 1, 3))

        assert (line.params, line.events) == (volume.params, volume.events)

    def test_groups_divide_weights_and_work(self):
        whole, halves = (facts("conv2d", (4, 8, 8), out_channels=6, kernel_size=3, groups=n) for n in (1, 2))

        assert (4 * 6 * 9 + 6, 2 * 6 * 9 + 6) == (whole.params, halves.params)
        assert whole.events.macs == 2 * halves.events.macs

    def test_the_batch_multiplies_work_and_not_parameters(self):
        one, eight = (facts("conv2d", (3, 6, 6), batch=n, out_channels=2, kernel_size=3) for n in (1, 8))

        assert (8 * 1728, 56) == (eight.events.ops, eight.params)
        assert one.output == eight.output

    def test_the_output_keeps_the_dtype_of_the_input(self):
        layer = REGISTRY["conv1d"](out_channels=1, kernel_size=1)

        assert layer.outputs((TensorSpec((1, 1, 3), "float16"),))[0].dtype == "float16"


class TestRefusals:
    def test_a_kernel_larger_than_the_input_is_refused(self):
        expected = "kernel of 5 (dilation·(kernel − 1) + 1) does not fit into 4 (input 1×4×9 with padding)"

        assert expected == refusal("conv2d", (1, 4, 9), out_channels=1, kernel_size=3, dilation=2)

    def test_a_kernel_of_nothing_is_refused(self):
        assert refusal("conv2d", (1, 4, 4), out_channels=1, kernel_size=0) == "kernel_size must be >= 1, got 0"

    def test_a_kernel_with_a_number_too_many_is_refused(self):
        expected = "kernel_size needs a number or a list of 2, got [3, 3, 3]"

        assert expected == refusal("conv2d", (1, 4, 4), out_channels=1, kernel_size=[3, 3, 3])

    def test_groups_that_do_not_divide_the_output_are_refused(self):
        expected = "groups must divide out_channels, got 2 groups for 3"

        assert expected == refusal("conv2d", (2, 4, 4), out_channels=3, kernel_size=1, groups=2)

    def test_groups_that_do_not_divide_the_input_are_refused(self):
        expected = "groups must divide the input channels, got 2 groups for 3×4×4"

        assert expected == refusal("conv2d", (3, 4, 4), out_channels=2, kernel_size=1, groups=2)

    def test_same_padding_with_a_stride_is_refused(self):
        expected = "padding 'same' needs stride 1, got [2, 2]"

        assert expected == refusal("conv2d", (1, 4, 4), out_channels=1, kernel_size=3, stride=2, padding="same")

    def test_reflecting_as_much_as_the_input_is_refused(self):
        expected = "padding_mode 'reflect' can pad 3 elements by at most 2, got 3"

        assert expected == refusal("conv1d", (1, 3), out_channels=1, kernel_size=1, padding=3, padding_mode="reflect")

    def test_an_input_without_a_height_is_refused(self):
        expected = "conv2d needs an input of 3 dimensions (channels and 2 spatial), got 3×4"

        assert expected == refusal("conv2d", (3, 4), out_channels=1, kernel_size=1)
