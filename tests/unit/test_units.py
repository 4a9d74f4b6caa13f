"""Quantities to text."""

from __future__ import annotations

import pytest

from cnnprof import units


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (784, "784"), (1792, "1,792"), (138357544, "138,357,544"), (2**63, "9,223,372,036,854,775,808")],
)
def test_a_count_is_exact_with_thousands_separators(number, text):
    assert text == units.count(number)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (7, "7"), (999, "999"), (1000, "1.000 k"), (1792, "1.792 k"), (61_706, "61.71 k"),
        (138_357_544, "138.4 M"), (15_470_264_320, "15.47 G"), (30_940_528_640, "30.94 G"),
        (9_223_372_036_854_775_807, "9.223 E"), (10**29, "100000 Y"),
    ],
)  # fmt: skip
def test_an_si_number_has_four_significant_digits(number, text):
    assert text == units.si(number)


@pytest.mark.parametrize(("number", "text"), [(999_949, "999.9 k"), (999_950, "1.000 M"), (9_999_600, "10.00 M")])
def test_rounding_up_carries_into_the_next_prefix(number, text):
    assert text == units.si(number)


def test_a_fraction_below_a_thousand_keeps_four_digits():
    assert ["2.500", "38.20", "0.125"] == [units.si(number) for number in (2.5, 38.2, 0.125)]


def test_an_si_unit_follows_its_prefix():
    assert "15.47 GMACs" == units.si(15_470_264_320, "MACs")
    assert "7 MACs" == units.si(7, "MACs")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"), (784, "784 B"), (1023, "1023 B"), (1024, "1.00 KiB"),
        (4 * 28_000, "109.38 KiB"), (4 * 61_706, "241.04 KiB"), (4 * 150_529_000, "574.22 MiB"),
        (4 * 28_054_497, "107.02 MiB"), (4 * 134_330_193, "512.43 MiB"), (2**70, "1,024.00 EiB"),
    ],
)  # fmt: skip
def test_memory_prints_keras_figures_under_their_right_unit(size, text):
    assert text == units.memory(size)


def test_memory_that_rounds_to_1024_takes_the_next_unit():
    assert "1.00 MiB" == units.memory(2**20 - 1)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0.00 MiB"), (4 * 32 * 32, "0.00 MiB"), (4 * 61_706, "0.24 MiB"), (4 * 138_357_544, "527.79 MiB"),
     (4 * 15 * 10**8, "5,722.05 MiB")],
)  # fmt: skip
def test_mebibytes_prints_torchsummarys_figures_under_their_right_unit(size, text):
    assert text == units.mebibytes(size)


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0, "0 %"),
        (0.0, "0 %"),
        (0.1196, "12.0 %"),
        (1.0, "100 %"),
        (1, "100 %"),
        (1 + 2**-50, "100 %"),
        (0.0005, "0.1 %"),
    ],
)
def test_a_share_has_one_decimal(fraction, text):
    assert text == units.percent(fraction)


def test_a_small_share_is_never_rounded_to_nothing():
    assert "<0.1 %" == units.percent(0.00049)


@pytest.mark.parametrize("fraction", [0.9999999999999999, 1.0000000000000002, 1 - 1e-12])
def test_all_of_it_is_100_percent_where_only_floats_keep_it_from_that(fraction):
    assert "100 %" == units.percent(fraction)


def test_a_large_share_is_never_rounded_to_all():
    assert ">99.9 %" == units.percent(0.9996)


def test_a_batch_of_one_is_left_out_of_a_shape():
    assert "64×224×224" == units.shape((1, 64, 224, 224))
    assert "1000" == units.shape((1, 1000))


def test_a_larger_batch_shows_the_whole_shape():
    assert "8×64×224×224" == units.shape((8, 64, 224, 224), batch=8)


def test_a_first_size_that_is_not_the_batch_shows_the_whole_shape():
    assert "64×49×96" == units.shape((64, 49, 96))
    assert "1×12×49×49" == units.shape((1, 12, 49, 49), batch=8)


def test_the_only_size_of_a_tensor_is_never_left_out():
    assert "1" == units.shape((1,))


def test_a_tensor_without_axes_is_a_scalar():
    assert "scalar" == units.shape(())


def test_hwc_moves_the_channels_of_images_and_volumes_to_the_end():
    assert "224×112×64" == units.shape((1, 64, 224, 112), layout="hwc")
    assert "8×224×112×64" == units.shape((8, 64, 224, 112), batch=8, layout="hwc")
    assert "5×6×7×64" == units.shape((1, 64, 5, 6, 7), layout="hwc")


def test_hwc_leaves_sequences_and_vectors_alone():
    assert "197×768" == units.shape((1, 197, 768), layout="hwc")
    assert "1000" == units.shape((1, 1000), layout="hwc")


def test_a_lower_bound_is_marked():
    assert "≥ 1,792" == units.at_least(units.count(1792))


def test_signs_have_an_ascii_form_and_everything_else_an_escape():
    assert ">= 3x3 * 2 ... ####" == units.to_ascii("≥ 3×3 · 2 … ████")
    assert "caf\\xe9" == units.to_ascii("café")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (2.5, "2.500 s"),
        (1.0, "1.000 s"),
        (0.99996, "1.000 s"),
        (0.99994, "999.9 ms"),
        (0.001234, "1.234 ms"),
        (0.04512, "45.12 ms"),
        (9.9996e-4, "1.000 ms"),
        (12.344e-6, "12.34 µs"),
        (95e-9, "95.00 ns"),
        (1.2345e-10, "0.123 ns"),
        (-4.988e-6, "-4.988 µs"),
        (0.0, "0 s"),
        (-0.0, "0 s"),
        (4321.0, "4,321 s"),
        (98765.0, "98,765 s"),
    ],
)
def test_a_time_has_four_digits_in_the_unit_that_fits(seconds, expected):
    assert expected == units.duration(seconds)


@pytest.mark.parametrize(("seconds", "expected"), [(3e-6, "3.0 µs"), (450e-9, "450 ns"), (0.0199, "20 ms")])
def test_a_time_in_fewer_digits(seconds, expected):
    assert expected == units.duration(seconds, 2)


@pytest.mark.parametrize(("fraction", "expected"), [(-0.0162, "-1.6 %"), (-1e-9, "<0.1 %"), (1e-9, "<0.1 %")])
def test_a_share_may_be_negative(fraction, expected):
    assert expected == units.percent(fraction)


@pytest.mark.parametrize("seconds", [1e-13, -1e-13, 4.9e-13, 5e-324])
def test_a_time_that_is_not_nothing_is_never_rounded_to_it(seconds):
    assert "<0.001 ns" == units.duration(seconds)
    assert "<0.1 ns" == units.duration(seconds, 2)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0.0, "0.0000"), (1e-9, "<0.0001"), (-1e-9, "<0.0001"), (0.1234, "0.1234"), (0.99994, "0.9999"),
        (0.99996, "1.000"), (1 - 1e-12, "1.000"), (1, "1.000"), (1.0001, "1.000"), (19.2, "19.20"), (1234.4, "1,234"),
        (-0.5, "-0.5000"), (-12.34, "-12.34"),
    ],
)  # fmt: skip
def test_a_quotient_has_four_digits_and_one_way_to_write_1(number, expected):
    assert expected == units.ratio(number)


def test_times_without_unicode():
    assert "12.34 us +/- 2" == units.to_ascii("12.34 µs ± 2")
