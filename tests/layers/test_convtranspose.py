"""Transposed convolutions: sizes, work on the input's side, gaps and crops."""

from __future__ import annotations

from cnnprof.model.analysis import Events
from tests.layers.facts import facts, refusal


def test_a_kernel_of_two_at_stride_two_doubles_the_image():
    up = facts("convtranspose2d", (128, 28, 28), out_channels=64, kernel_size=2, stride=2)

    assert ((64, 56, 56), 128 * 64 * 4 + 64) == (up.output, up.params)


def test_its_work_is_counted_on_the_input():
    up = facts("convtranspose2d", (128, 28, 28), out_channels=64, kernel_size=2, stride=2)

    assert up.events.macs == 28 * 28 * 128 * 64 * 2 * 2


def test_where_every_output_receives_a_product_the_operations_are_twice_the_macs():
    up = facts("convtranspose2d", (128, 28, 28), out_channels=64, kernel_size=2, stride=2)

    assert up.events.ops == 2 * up.events.macs


def test_cropped_products_are_still_worked_out():
    whole = facts("convtranspose1d", (1, 8), out_channels=1, kernel_size=4, stride=2, bias=False)
    cropped = facts("convtranspose1d", (1, 8), out_channels=1, kernel_size=4, stride=2, padding=1, bias=False)

    assert ((1, 18), (1, 16)) == (whole.output, cropped.output)
    assert Events(macs=32, muls=32, adds=32 - 18) == whole.events
    assert Events(macs=32, muls=32, adds=32 - 16) == cropped.events


def test_outputs_in_the_gaps_of_a_wide_stride_take_no_addition_but_their_bias():
    up = facts("convtranspose1d", (1, 5), out_channels=1, kernel_size=1, stride=3)

    assert ((1, 13), Events(macs=5, muls=5, adds=13)) == (up.output, up.events)


def test_output_padding_chooses_among_the_sizes_that_a_stride_makes_equal():
    sizes = [
        facts("convtranspose1d", (1, 4), out_channels=1, kernel_size=3, stride=2, padding=1, output_padding=n).output
        for n in (0, 1)
    ]

    assert [(1, 7), (1, 8)] == sizes


def test_groups_divide_weights_and_work():
    whole, halves = (facts("convtranspose2d", (4, 5, 5), out_channels=6, kernel_size=3, groups=n) for n in (1, 2))

    assert (4 * 6 * 9 + 6, 4 * 3 * 9 + 6) == (whole.params, halves.params)
    assert whole.events.macs == 2 * halves.events.macs


def test_three_dimensions_work_axis_by_axis():
    up = facts("convtranspose3d", (1, 2, 3, 4), out_channels=1, kernel_size=(1, 2, 3), stride=(1, 2, 3))

    assert up.output == (1, 2, 6, 12)


def test_the_layer_has_no_window_over_its_input_and_no_matrix():
    up = facts("convtranspose2d", (1, 5, 5), out_channels=1, kernel_size=3)

    assert (None, None) == (up.cut, up.equivalent)


def test_output_padding_of_a_whole_stride_is_refused():
    expected = "output_padding must be smaller than stride or dilation, got 2 for stride 2 and dilation 1"

    assert expected == refusal("convtranspose1d", (1, 4), out_channels=1, kernel_size=3, stride=2, output_padding=2)


def test_cropping_everything_away_is_refused():
    expected = "padding [1, 1] crops everything away (input 1×1×5)"

    assert expected == refusal("convtranspose2d", (1, 1, 5), out_channels=1, kernel_size=2, padding=1)


def test_groups_that_do_not_divide_the_channels_are_refused():
    assert refusal("convtranspose1d", (3, 4), out_channels=2, kernel_size=1, groups=2) == (
        "groups must divide the input channels, got 2 groups for 3×4"
    )
    assert refusal("convtranspose1d", (2, 4), out_channels=3, kernel_size=1, groups=2) == (
        "groups must divide out_channels, got 2 groups for 3"
    )


def test_a_padding_mode_other_than_zeros_is_refused():
    expected = "padding_mode must be 'zeros' here, got 'reflect'"

    assert expected == refusal("convtranspose1d", (1, 4), out_channels=1, kernel_size=1, padding_mode="reflect")
