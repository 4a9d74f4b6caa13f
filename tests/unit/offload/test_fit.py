"""Copies as lines: exact where they are lines, within what was measured, and nothing where there is nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnprof.model.run import Copy
from cnnprof.offload.fit import fit, fitted, links
from cnnprof.offload.lines import line
from tests.helpers.pairs import copies

LADDER = [4096 * 4**step for step in range(9)]


def points(alpha_s: float, bytes_per_s: float) -> list[tuple[int, float]]:
    return [(size, alpha_s + size / bytes_per_s) for size in LADDER]


@given(st.floats(1e-7, 1e-3), st.floats(1e8, 1e12))
@settings(deadline=None)
def test_what_is_a_line_is_found_again(alpha_s, bytes_per_s):
    found = fit(points(alpha_s, bytes_per_s), "h2d", "pinned")

    assert pytest.approx((alpha_s, bytes_per_s), rel=1e-3) == (found.alpha_s, found.bytes_per_s)
    assert pytest.approx(alpha_s * bytes_per_s, rel=1e-3) == found.half_bytes
    assert abs(found.worst) < 1e-6
    assert pytest.approx(1.0) == found.r2
    assert (9, 4096, 2**28) == (found.sizes, found.smallest_bytes, found.largest_bytes)


def test_a_size_that_is_no_part_of_the_line_is_its_worst_residual():
    found = fit([*points(1e-5, 1e9), (2**29, 2 * (1e-5 + 2**29 / 1e9))], "d2h", "pageable")

    assert 2**29 == found.worst_bytes
    assert -0.5 < found.worst < -0.3
    assert ("d2h", "pageable") == (found.direction, found.memory)


def test_a_line_that_meets_zero_below_no_bytes_goes_through_the_origin():
    found = fit([(1_000, 1e-6), (2_000, 4e-6)], "h2d", "pinned")

    assert 0.0 == found.alpha_s
    assert pytest.approx((1.0 + 0.25) / (1.0 + 0.5) * 1e9) == found.bytes_per_s


@pytest.mark.parametrize(
    "found", [[], [(1_000, 1e-6)], [(1_000, 1e-6), (1_000, 2e-6)], [(1_000, 2e-6), (2_000, 1e-6)], [(1, 0.0), (2, 1.0)]]
)
def test_too_few_sizes_and_times_that_do_not_grow_are_no_line(found):
    assert fit(found, "h2d", "pinned") is None


def test_times_that_are_all_alike_leave_no_variance_to_explain():
    assert fit([(1_000, 1e-6), (2_000, 1e-6)], "h2d", "pinned") is None


def test_between_the_sizes_that_were_measured_the_line_speaks_and_beyond_them_nobody():
    found = fit(points(1e-5, 1e9), "h2d", "pinned")

    assert pytest.approx(1e-5 + 5e-6) == fitted(found, 5_000)
    assert fitted(found, 4095) is None
    assert fitted(found, 2**28 + 1) is None


def test_a_size_that_was_measured_has_its_own_median_whatever_the_line_says():
    strange = Copy(direction="h2d", memory="pinned", bytes=5_000, times_ns=(900_000, 50_000, 70_000))
    (pinned, pageable) = links([*copies([1_000, 10_000]), strange])

    assert 70e-6 == pinned.seconds("h2d", 5_000)
    assert pytest.approx(6e-6) == pinned.seconds("d2h", 5_000)
    assert pytest.approx(11e-6) == pageable.seconds("d2h", 5_000)
    assert pinned.seconds("d2h", 999) is None


def test_pinned_memory_comes_first_and_what_was_not_measured_is_not_there():
    alone = [each for each in copies() if each.memory == "pageable" and each.direction == "h2d"]

    assert ["pinned", "pageable"] == [each.memory for each in links(reversed(copies()))]
    (link,) = links(alone)
    assert ("pageable", {"h2d"}) == (link.memory, set(link.fits))
    assert link.seconds("d2h", 256) is None
    assert () == links([])
    assert () == links([Copy(direction="h2d", memory="pinned", bytes=1, times_ns=())])


def test_a_line_goes_by_relative_residuals():
    """Twice as long at 1 and half as long at 1,000,000 weigh alike."""
    base, slope = line([(0.0, 1.0), (1.0, 2.0), (10.0, 11.0)])

    assert pytest.approx((1.0, 1.0)) == (base, slope)
