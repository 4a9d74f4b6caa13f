"""Pooling: output sizes, comparisons and additions, and what torch refuses."""

from __future__ import annotations

from cnnprof.layers import REGISTRY
from cnnprof.model.analysis import Events
from cnnprof.model.graph import TensorSpec
from tests.layers.facts import facts, refusal


class TestMaximum:
    def test_2x2_at_stride_2_halves_the_image_and_has_no_parameters(self):
        pool = facts("maxpool2d", (64, 224, 224), kernel_size=2, stride=2)

        assert ((64, 112, 112), 0) == (pool.output, pool.params)

    def test_the_stride_is_the_kernel_unless_given(self):
        assert facts("maxpool2d", (1, 9, 8), kernel_size=(3, 2)).output == (1, 3, 4)

    def test_k_values_take_k_minus_1_comparisons_padding_included(self):
        pool = facts("maxpool2d", (2, 4, 4), kernel_size=3, stride=2, padding=1)

        assert ((2, 2, 2), Events(cmps=8 * 8)) == (pool.output, pool.events)

    def test_ceil_mode_keeps_the_last_column_that_the_floor_cuts_off(self):
        floor, ceiling = (facts("maxpool2d", (1, 6, 5), kernel_size=3, stride=2, ceil_mode=n) for n in (False, True))

        assert ((1, 2, 2), (1, 0)) == (floor.output, floor.cut)
        assert ((1, 3, 2), (0, 0)) == (ceiling.output, ceiling.cut)

    def test_dilation_widens_the_window_and_not_the_work(self):
        pool = facts("maxpool1d", (1, 9), kernel_size=3, stride=1, dilation=2)

        assert ((1, 5), Events(cmps=10)) == (pool.output, pool.events)

    def test_the_indices_are_a_second_output_of_integers(self):
        layer = REGISTRY["maxpool3d"](kernel_size=2, return_indices=True)
        expected = (TensorSpec((1, 2, 2, 2, 2)), TensorSpec((1, 2, 2, 2, 2), "int64"))

        assert expected == layer.outputs((TensorSpec((1, 2, 4, 4, 4)),))

    def test_padding_of_more_than_half_a_kernel_is_refused(self):
        expected = "padding must be at most half of the kernel's 3, got 2"

        assert expected == refusal("maxpool1d", (1, 9), kernel_size=3, padding=2)

    def test_half_a_kernel_is_measured_without_its_dilation(self):
        expected = "padding must be at most half of the kernel's 3, got 2"

        assert expected == refusal("maxpool1d", (1, 9), kernel_size=3, dilation=2, padding=2)

    def test_a_kernel_larger_than_the_input_is_refused(self):
        expected = "kernel of 3 (dilation·(kernel − 1) + 1) does not fit into 2 (input 1×2×9 with padding)"

        assert expected == refusal("maxpool2d", (1, 2, 9), kernel_size=3)


class TestAverage:
    def test_k_values_take_k_minus_1_additions_and_a_division(self):
        pool = facts("avgpool2d", (6, 28, 28), kernel_size=2)

        assert ((6, 14, 14), Events(adds=3 * 1176, divs=1176)) == (pool.output, pool.events)

    def test_another_divisor_is_the_same_work(self):
        plain, other = (facts("avgpool2d", (1, 4, 4), kernel_size=2, divisor_override=n) for n in (None, 3))

        assert plain.events == other.events

    def test_dividing_by_zero_is_refused(self):
        expected = "divisor_override must not be 0"

        assert expected == refusal("avgpool3d", (1, 4, 4, 4), kernel_size=2, divisor_override=0)

    def test_in_three_dimensions_padding_does_not_make_room_for_a_larger_kernel(self):
        expected = "kernel_size must not exceed the input in three dimensions, got 3 for 2"

        assert facts("avgpool2d", (1, 2, 4), kernel_size=3, padding=1).output == (1, 1, 2)
        assert expected == refusal("avgpool3d", (1, 2, 4, 4), kernel_size=3, padding=1)

    def test_a_power_average_takes_an_exponential_per_value_and_one_for_the_root(self):
        pool = facts("lppool2d", (1, 4, 4), norm_type=2, kernel_size=2)

        assert Events(adds=3 * 4, exps=5 * 4) == pool.events

    def test_a_power_of_zero_has_no_root(self):
        assert refusal("lppool1d", (1, 4), norm_type=0, kernel_size=2) == "norm_type must not be 0"


class TestAdaptive:
    def test_one_output_averages_everything(self):
        pool = facts("adaptiveavgpool2d", (512, 7, 7), output_size=1)

        assert ((512, 1, 1), Events(adds=48 * 512, divs=512)) == (pool.output, pool.events)

    def test_windows_that_do_not_divide_the_input_overlap_and_read_more(self):
        pool = facts("adaptivemaxpool1d", (1, 7), output_size=3)

        assert ((1, 3), Events(cmps=9 - 3), None) == (pool.output, pool.events, pool.cut)

    def test_one_axis_that_does_not_divide_is_enough_to_have_no_uniform_window(self):
        assert facts("adaptiveavgpool2d", (1, 6, 7), output_size=3).cut is None

    def test_windows_that_divide_the_input_are_those_of_a_plain_pool(self):
        adaptive = facts("adaptiveavgpool2d", (4, 12, 6), output_size=(4, 3))
        plain = facts("avgpool2d", (4, 12, 6), kernel_size=(3, 2))

        assert (plain.output, plain.events, plain.cut) == (adaptive.output, adaptive.events, adaptive.cut)

    def test_an_axis_of_none_keeps_its_size(self):
        assert facts("adaptiveavgpool2d", (4, 5, 7), output_size=(None, 3)).output == (4, 5, 3)

    def test_a_size_as_large_as_the_input_is_a_pool_of_one(self):
        assert facts("adaptiveavgpool2d", (256, 6, 6), output_size=6).events == Events(divs=256 * 36)

    def test_none_for_every_axis_is_refused_as_torch_does(self):
        assert refusal("adaptiveavgpool2d", (1, 4, 4), output_size=None) == (
            "output_size needs a number or a list of 2, got null"
        )

    def test_none_for_the_only_axis_is_refused_as_torch_does(self):
        assert refusal("adaptiveavgpool1d", (1, 4), output_size=[None]) == (
            "output_size of a single axis must be a number, got null"
        )

    def test_an_output_of_nothing_is_refused(self):
        assert refusal("adaptivemaxpool2d", (1, 4, 4), output_size=(2, 0)) == "output_size must be >= 1, got 0"
