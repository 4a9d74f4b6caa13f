"""Medians with intervals, modes, warm-up and differences: against brute force, tables and simulation."""

from __future__ import annotations

import itertools
import math
import random
import statistics as python

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnprof.measure.statistics import (
    bimodal,
    bootstrap_difference,
    check_times,
    dip,
    median,
    steady,
    summarise_times,
    summarise_values,
)

NUMBERS = st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=30)


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 the same noise every time


NAN, INF = float("nan"), float("inf")

# Median, spread, interval


@given(NUMBERS)
def test_the_median_is_the_standard_librarys(values):
    assert python.median(values) == pytest.approx(median(values))


@given(NUMBERS)
def test_the_spread_is_the_median_distance_from_the_median(values):
    found = summarise_values(values)

    distances = [abs(value - found.median) for value in values]
    assert (median(distances), min(values), len(values)) == (found.mad, found.min, found.n)


@given(NUMBERS, st.randoms())
def test_the_order_of_samples_does_not_matter(values, chance):
    shuffled = values[:]
    chance.shuffle(shuffled)

    assert summarise_values(values) == summarise_values(shuffled)


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(6, 1, 6), (8, 1, 8), (9, 2, 8), (10, 2, 9), (15, 4, 12), (20, 6, 15), (50, 18, 33), (100, 40, 61)],
)
def test_the_interval_lies_between_the_order_statistics_of_the_tables(count, low, high):
    found = summarise_values(range(1, count + 1))

    assert (low, high, True) == (found.low, found.high, found.enough)


@pytest.mark.parametrize("count", range(1, 13))
def test_the_interval_is_the_narrowest_that_covers_the_median_in_95_percent_of_all_outcomes(count):
    outcomes = [sum(sides) for sides in itertools.product((0, 1), repeat=count)]  # samples below the median

    def coverage(cut: int) -> float:
        return sum(cut < below < count - cut for below in outcomes) / len(outcomes)

    found = summarise_values(range(count))
    assert found.enough == (coverage(0) >= 0.95)
    if found.enough:
        assert coverage(int(found.low)) >= 0.95 > coverage(int(found.low) + 1)


def test_of_five_samples_the_interval_is_their_range_and_says_that_they_are_too_few():
    found = summarise_values([3.0, 1.0, 2.0, 5.0, 4.0])

    assert (1.0, 5.0, False, INF) == (found.low, found.high, found.enough, found.relative_half_width)


def test_half_the_interval_as_a_part_of_the_median():
    found = summarise_values([90.0, 100.0, 100.0, 100.0, 100.0, 100.0, 100.0, 110.0])

    assert 0.1 == found.relative_half_width


def test_a_median_of_nothing_is_not_known_to_any_part():
    assert INF == summarise_values([-1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]).relative_half_width


def test_the_interval_covers_the_median_of_skewed_noise_as_often_as_it_says():
    chance = seeded(7)
    trials = [summarise_values([chance.lognormvariate(0, 1) for _ in range(25)]) for _ in range(2000)]

    assert 0.94 <= sum(each.low <= 1 <= each.high for each in trials) / len(trials) <= 0.975


def test_an_outlier_of_a_thousand_times_moves_the_median_by_nothing():
    clean = summarise_times([100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110])
    spoilt = summarise_times([100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110_000])

    assert clean[:4] == spoilt[:4]


@pytest.mark.parametrize("wrong", [NAN, INF, -INF, 0, -1, -0.0])
def test_what_is_no_time_is_refused_and_never_averaged_in(wrong):
    with pytest.raises(ValueError, match=r"a time is a finite number above 0, got .* among 3"):
        summarise_times([1.0, wrong, 2.0])
    with pytest.raises(ValueError, match="a time is a finite number above 0"):
        steady([1.0, 1.0, 1.0, 1.0, wrong])


@pytest.mark.parametrize("function", [median, summarise_values, dip, lambda values: bootstrap_difference(values, [1])])
@pytest.mark.parametrize("wrong", [NAN, INF, -INF])
def test_what_is_not_finite_is_refused(function, wrong):
    with pytest.raises(ValueError, match="values are finite numbers, got"):
        function([1.0, wrong, 2.0])


@pytest.mark.parametrize("function", [median, summarise_values, summarise_times, dip])
def test_nothing_has_no_median(function):
    with pytest.raises(ValueError, match="there are no values"):
        function([])


def test_times_come_back_as_they_are():
    assert (3, 1, 2) == check_times([3, 1, 2])


# Modes


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3, 4], 1 / 8),  # evenly spread: no distribution is nearer than half a step
        ([0, 1, 2, 10, 11, 12], 0.2),
        ([0, 1, 2, 3, 10, 11, 12, 13], 0.175),
        ([0, 1, 2, 10, 11, 12, 20, 21, 22], 0.13333333),
        ([1, 3, 4, 8, 9, 20, 21, 25, 30, 31, 32, 60], 0.11956522),
    ],
)
def test_the_dip_is_the_distance_to_the_nearest_distribution_with_one_mode(values, expected):
    # Solved as linear programs, one per place of the mode, from the definition.
    assert expected == pytest.approx(dip(values), abs=1e-7)


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=40, unique=True))
def test_the_dip_lies_between_half_a_sample_and_a_quarter_and_does_not_mind_scale(values):
    found = dip(values)

    assert 1 / (2 * len(values)) - 1e-12 <= found <= 0.25 + 1e-12
    assert found == pytest.approx(dip([7.0 + 3.0 * value for value in values]))
    assert found == pytest.approx(dip([-value for value in values]))


def _noises(chance: random.Random):
    return {
        "normal": lambda: chance.gauss(100, 5),
        "uniform": lambda: chance.uniform(90, 110),
        "skewed": lambda: 100 + chance.expovariate(1 / 10),
        "long tail": lambda: 100 * chance.lognormvariate(0, 0.5),
        "outliers": lambda: 100 + chance.gauss(0, 3) * (20 if chance.random() < 0.05 else 1),
    }


@pytest.mark.parametrize("kind", ["normal", "uniform", "skewed", "long tail", "outliers"])
@pytest.mark.parametrize("count", [10, 17, 60])
def test_clean_noise_with_one_mode_is_called_bimodal_in_at_most_one_percent(kind, count):
    noise = _noises(seeded(11))[kind]

    assert sum(bimodal([noise() for _ in range(count)]) for _ in range(1000)) <= 10


@pytest.mark.parametrize(("count", "share", "seen"), [(12, 0.5, 0.8), (20, 0.5, 0.95), (40, 0.3, 0.95)])
def test_two_groups_of_times_are_seen(count, share, seen):
    chance = seeded(5)

    def sample() -> list[float]:
        return [chance.gauss(130 if index < share * count else 100, 2) for index in range(count)]

    assert sum(bimodal(sample()) for _ in range(200)) >= seen * 200


def test_two_exact_values_in_turn_are_two_groups():
    assert bimodal([100, 120] * 6)


def test_fewer_than_ten_samples_are_never_called_bimodal():
    assert not bimodal([1.0, 1.1, 1.2, 1.3, 100.0, 100.1, 100.2, 100.3, 100.4])
    assert not bimodal([])


def test_groups_that_lie_within_2_percent_are_one():
    assert not bimodal([1000, 1019] * 20)
    assert bimodal([1000, 1021] * 20)


# Warm-up


@pytest.mark.parametrize(
    ("medians", "expected"),
    [
        ([100, 100, 100, 100, 100], True),
        ([150, 130, 115, 105, 100], False),
        ([150, 130, 100, 101, 99, 100, 100], True),
        ([100, 90, 105, 95, 100], True),
        ([100, 100, 100, 100], False),
        ([], False),
        ([100.0, 99.8, 99.6, 99.4, 99.2], True),  # surely falling, by less than 1 % in all
        ([100.0, 99.5, 99.0, 98.5, 98.0], False),
    ],
)
def test_times_are_steady_where_the_last_five_have_no_slope(medians, expected):
    assert expected == steady(medians)


def test_steady_noise_is_called_steady_in_about_95_percent():
    chance = seeded(3)
    trials = [steady([chance.gauss(100, 5) for _ in range(5)]) for _ in range(2000)]

    assert 0.93 <= sum(trials) / len(trials) <= 0.98


def test_a_window_that_can_show_no_slope_is_refused():
    with pytest.raises(ValueError, match="a slope is judged by at least 4 values, got a window of 3"):
        steady([1, 1, 1], window=3)


# Differences


def test_the_difference_of_medians_lies_in_its_interval_and_the_seed_decides_it():
    chance = seeded(2)
    one, other = ([chance.gauss(level, 2) for _ in range(40)] for level in (110, 100))

    low, high = bootstrap_difference(one, other)
    assert low < median(one) - median(other) < high
    assert 8 < low < 10 < high < 12
    assert (low, high) == bootstrap_difference(one, other)
    assert (low, high) != bootstrap_difference(one, other, seed=1)


def test_the_interval_of_a_difference_covers_it_as_often_as_it_says():
    chance = seeded(4)
    covered = 0
    for trial in range(300):
        one, other = ([chance.gauss(level, 3) for _ in range(20)] for level in (105, 100))
        low, high = bootstrap_difference(one, other, seed=trial, resamples=200)
        covered += low <= 5 <= high

    assert covered / 300 >= 0.92


def test_the_order_of_samples_does_not_change_the_interval_of_a_difference():
    assert bootstrap_difference([3, 1, 2, 9], [5, 4, 8]) == bootstrap_difference([9, 2, 1, 3], [8, 5, 4])


def test_samples_without_spread_have_an_exact_difference():
    assert (2.0, 2.0) == bootstrap_difference([5.0] * 8, [3.0] * 8)


def test_intervals_are_never_infinite_by_themselves():
    assert math.isfinite(summarise_values([1e300, -1e300]).high)
