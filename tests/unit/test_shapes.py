"""Window arithmetic, against the worked values of textbooks and against windows enumerated one by one."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from cnnprof.shapes import (
    Window,
    adaptive_reads,
    same_padding,
    transposed_output,
    transposed_reach,
)

windows = st.builds(
    Window,
    size=st.integers(1, 12),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 4),
    pad_low=st.integers(0, 4),
    pad_high=st.integers(0, 4),
    dilation=st.integers(1, 3),
    ceil_mode=st.just(False),
)
# torch's pools are padded by at most half a kernel, the same on both sides.
torchs = windows.map(
    lambda window: window._replace(
        pad_low=min(window.pad_low, window.kernel // 2), pad_high=min(window.pad_low, window.kernel // 2)
    )
).filter(lambda window: window.span <= window.padded)
fitting = windows.filter(lambda window: window.span <= window.padded)


def positions(window: Window) -> list[list[int]]:
    """Return what every window inside the padded input reads; places on the padding are negative or beyond the size."""
    taps = [tap * window.dilation for tap in range(window.kernel)]
    starts = range(-window.pad_low, window.size + window.pad_high, window.stride)
    return [[start + tap for tap in taps] for start in starts if start + taps[-1] < window.size + window.pad_high]


class TestOutput:
    def test_a_seven_wide_input_and_a_filter_of_three_give_five_positions(self):
        assert Window(7, 3).output == 5

    def test_a_seven_wide_input_and_a_filter_of_three_at_stride_two_give_three_positions(self):
        assert Window(7, 3, stride=2).output == 3

    def test_padding_one_keeps_the_size_under_a_filter_of_three(self):
        assert Window(7, 3, pad_low=1, pad_high=1).output == 7

    def test_alexnets_first_layer_gives_55_for_227_and_54_for_the_224_of_its_paper(self):
        assert [Window(size, 11, stride=4).output for size in (227, 224)] == [55, 54]

    def test_padding_two_gives_alexnet_its_55_on_224(self):
        assert Window(224, 11, stride=4, pad_low=2, pad_high=2).output == 55

    def test_a_dilated_filter_of_three_spans_five(self):
        window = Window(7, 3, dilation=2)

        assert (window.span, window.output) == (5, 3)

    def test_a_filter_larger_than_the_input_has_no_position(self):
        assert Window(2, 3).output == 0

    def test_ceil_mode_adds_the_window_that_hangs_over_the_edge(self):
        assert [Window(6, 3, stride=2, ceil_mode=mode).output for mode in (False, True)] == [2, 3]

    def test_ceil_mode_starts_no_window_behind_the_input(self):
        assert Window(5, 1, stride=3, pad_low=1, pad_high=1, ceil_mode=True).output == 2

    @given(windows)
    def test_output_is_the_number_of_windows_inside_the_padded_input(self, window):
        assert len(positions(window)) == max(0, window.output)

    @given(torchs)
    def test_with_ceil_mode_a_window_may_hang_over_the_end_but_starts_in_the_input_or_before(self, window):
        inside = len(positions(window))
        # One more window starts after the last whole one, if elements are left over and it begins where torch lets it.
        begins = inside * window.stride
        left_over = window.padded > (inside - 1) * window.stride + window.span
        expected = inside + (left_over and begins < window.size + window.pad_low)

        assert expected == window._replace(ceil_mode=True).output


class TestCut:
    def test_seven_wide_with_a_filter_of_three_at_stride_three_loses_one(self):
        window = Window(7, 3, stride=3)

        assert (window.output, window.cut) == (2, 1)

    def test_windows_that_tile_the_input_cut_nothing(self):
        assert Window(7, 3, stride=2).cut == 0

    def test_cutting_padding_alone_is_no_loss(self):
        assert Window(224, 7, stride=2, pad_low=3, pad_high=3).cut == 0

    def test_a_last_window_that_hangs_over_the_edge_cuts_nothing(self):
        assert Window(6, 3, stride=2, ceil_mode=True).cut == 0

    def test_a_gap_between_strided_windows_is_no_cut_at_the_end(self):
        assert Window(7, 1, stride=3).cut == 0

    @given(fitting)
    def test_cut_is_the_number_of_elements_behind_the_last_one_read(self, window):
        reads = [place for places in positions(window) for place in places]
        last = max(-1, *reads)

        assert max(0, window.size - 1 - last) == window.cut


class TestTaps:
    def test_a_filter_of_three_on_four_reads_six_times(self):
        assert Window(4, 3).taps == 6

    def test_taps_on_the_padding_are_left_out(self):
        assert Window(4, 3, pad_low=1, pad_high=1).taps == 10

    def test_a_window_of_a_billion_elements_is_counted_like_any_other(self):
        window = Window(2**31, 2**30, pad_low=2**20, pad_high=0, dilation=1)

        assert window.kernel * window.output - 2**20 * (2**20 + 1) // 2 == window.taps

    @given(windows)
    def test_taps_are_the_reads_of_stored_elements(self, window):
        reads = [place for places in positions(window) for place in places]

        assert sum(0 <= place < window.size for place in reads) == window.taps

    @given(windows, st.integers(1, 4))
    def test_taps_of_a_window_that_hangs_over_count_what_is_there(self, window, stride):
        ceiled = window._replace(stride=stride, ceil_mode=True)
        reads = [
            place * stride - window.pad_low + tap * window.dilation
            for place in range(ceiled.output)
            for tap in range(window.kernel)
        ]

        assert sum(0 <= place < window.size for place in reads) == ceiled.taps


class TestSamePadding:
    def test_a_filter_of_five_is_padded_by_two_on_both_sides(self):
        assert same_padding(5, 1) == (2, 2)

    def test_the_odd_element_of_an_even_filter_goes_after(self):
        assert same_padding(4, 1) == (1, 2)

    def test_dilation_widens_it(self):
        assert same_padding(3, 2) == (2, 2)

    @given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 4))
    def test_it_keeps_every_size_at_stride_one(self, size, kernel, dilation):
        low, high = same_padding(kernel, dilation)

        assert Window(size, kernel, 1, low, high, dilation).output == size


def spread(size: int, kernel: int, stride: int, pad: int, dilation: int) -> list[int]:
    """Return where the products of a transposed window land, one by one, after the crop's shift."""
    return [place * stride + tap * dilation - pad for place in range(size) for tap in range(kernel)]


class TestTransposed:
    def test_a_filter_of_two_at_stride_two_doubles_the_size(self):
        assert transposed_output(28, 2, 2, 0, 0, 1) == 56

    def test_a_filter_of_four_at_stride_two_with_padding_one_doubles_it_too(self):
        assert transposed_output(8, 4, 2, 1, 0, 1) == 16

    def test_output_padding_undoes_the_floor_of_the_convolution(self):
        assert transposed_output(112, 7, 2, 3, 1, 1) == 224

    def test_cropping_more_than_there_is_leaves_less_than_one(self):
        assert transposed_output(1, 2, 1, 1, 0, 1) == 0

    @given(st.integers(1, 30), st.integers(1, 7), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3))
    def test_it_inverts_the_size_of_a_convolution(self, size, kernel, stride, pad, dilation):
        there = Window(size, kernel, stride, pad, pad, dilation)
        extra = (there.padded - there.span) % stride

        assume(there.output >= 1)

        assert size == transposed_output(there.output, kernel, stride, pad, extra, dilation)

    def test_a_stride_wider_than_the_filter_leaves_positions_without_a_product(self):
        assert transposed_reach(5, 1, 3, 0, 1, 13) == 5

    def test_an_edge_added_by_output_padding_receives_nothing(self):
        assert transposed_reach(2, 2, 2, 0, 1, 5) == 4

    def test_a_billion_elements_are_counted_like_any_other_number(self):
        assert transposed_reach(2**30, 2**30, 2, 0, 3, 2**40) == 5 * 2**30 - 6

    @given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 6), st.integers(0, 4), st.integers(1, 6))
    def test_reach_is_the_number_of_positions_where_products_land(self, size, kernel, stride, pad, dilation):
        output = max(0, transposed_output(size, kernel, stride, pad, 0, dilation))
        landed = {place for place in spread(size, kernel, stride, pad, dilation) if 0 <= place < output}

        assert len(landed) == transposed_reach(size, kernel, stride, pad, dilation, output)


class TestAdaptive:
    def test_one_window_reads_everything_once(self):
        assert adaptive_reads(7, 1) == 7

    def test_windows_that_divide_the_input_read_everything_once(self):
        assert adaptive_reads(12, 6) == 12

    def test_three_windows_over_seven_share_two_elements(self):
        assert adaptive_reads(7, 3) == 9

    def test_more_windows_than_elements_repeat_them(self):
        assert adaptive_reads(3, 5) == 7

    @given(st.integers(1, 60), st.integers(1, 60))
    def test_reads_are_the_lengths_of_all_windows(self, size, output):
        lengths = [-(-(place + 1) * size // output) - place * size // output for place in range(output)]

        assert sum(lengths) == adaptive_reads(size, output)
