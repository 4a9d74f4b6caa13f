"""A printed number speaks of the digits it has."""

from __future__ import annotations

import pytest

from cnnprof.errors import UsageError
from cnnprof.published.printed import printed


@pytest.mark.parametrize(
    ("text", "digits"),
    [("3.8e9", 2), ("25,557,032", 8), ("60,000", 5), ("0.714e9", 3), ("0.04e9", 1), ("0.00", 1), ("11.3e9", 3)],
)
def test_leading_zeros_are_no_digits_that_a_number_speaks_of(text, digits):
    assert digits == printed(text).digits


@pytest.mark.parametrize(
    ("text", "number", "rounded", "cut_off"),
    [
        ("3.8e9", 3_857_973_248, False, True),
        ("3.9e9", 3_857_973_248, True, False),
        ("3.8e9", 3_800_000_000, True, False),
        ("3.8e9", 3_899_999_999, False, True),
        ("3.8e9", 3_900_000_000, False, False),
        ("3.8e9", 3_749_999_999, False, False),
        ("25,557,032", 25_557_033, False, False),
        ("159", 159.5, True, False),
        ("97.4", 97.492, False, True),
    ],
)
def test_a_number_is_rounded_or_cut_off_and_never_both(text, number, rounded, cut_off):
    assert (rounded, cut_off) == (printed(text).is_rounded(number), printed(text).is_cut_off(number))


@pytest.mark.parametrize(
    ("text", "shown"),
    [("1", "3857973248"), ("1,000", "3,857,973,248"), ("3.80e9", "3.86e9"), ("1.0e0", "3857973248.0e0")],
)
def test_another_number_is_written_in_the_same_notation(text, shown):
    assert shown == printed(text).write(3_857_973_248)


@pytest.mark.parametrize("text", ["many", "-1", "12,34", "1e-3", "", "3.8B", "1e999999999", "9" * 41, "²", "٣"])
def test_anything_else_is_no_printed_number(text):
    with pytest.raises(UsageError) as caught:
        printed(text)

    assert "bad-value" == caught.value.code
