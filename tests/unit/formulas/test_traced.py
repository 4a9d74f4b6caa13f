"""Numbers that remember their formula: they stay the numbers they are, and the formula is what was computed."""

from __future__ import annotations

import math
from fractions import Fraction
from operator import add, floordiv, mod, mul, neg, sub

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cnnprof.formulas.traced import Traced, factor, largest, number, ratio, total, written
from tests.helpers.formulas import value

SMALL = st.integers(-50, 2000)
TWO_PLACES = (add, sub, mul, floordiv, mod)


def trees(leaves):
    """Arithmetic as a function of nothing: over plain numbers and over traced ones at once."""
    leaf = st.builds(lambda size, seen: (size, Traced(size) if seen else size), leaves, st.booleans())
    return st.recursive(leaf, lambda inner: st.one_of(inner.map(_negated), _pairs(inner)), max_leaves=8)


def _negated(pair):
    return tuple(map(neg, pair))


def _pairs(inner):
    return st.tuples(st.sampled_from(TWO_PLACES), inner, inner).map(_applied)


def _applied(parts):
    operator, (one, traced), (other, traced_other) = parts
    if operator in (floordiv, mod) and other == 0:
        return one, traced
    return operator(one, other), operator(traced, traced_other)


@given(trees(SMALL))
def test_whatever_is_computed_the_number_is_that_of_plain_integers_and_so_is_its_formula(pair):
    plain, traced = pair

    assert (plain, plain) == (traced, value(written(traced)))


@given(trees(SMALL))
def test_a_formula_between_others_keeps_its_value(pair):
    plain, traced = pair

    assert 7 * plain * 2 == value(f"7·{factor(traced)}·2")


@given(SMALL, SMALL)
def test_a_traced_number_compares_hashes_and_counts_like_a_plain_one(one, other):
    traced = Traced(one)

    assert [one < other, one == other, one >= other] == [traced < other, traced == other, traced >= other]
    assert {one: "found"}[traced] == "found"
    assert [*range(min(one, 30))] == [*range(min(traced, Traced(30)))]
    assert f"{one:,}" == f"{traced:,}"


@given(st.lists(st.integers(1, 500), min_size=1, max_size=4))
def test_products_and_sums_of_the_standard_library_are_traced_too(sizes):
    traced = [Traced(size) for size in sizes]

    assert "·".join(map(str, sizes)) == written(math.prod(traced))
    assert " + ".join(map(str, sizes)) == written(sum(traced)) == written(total(traced))


@pytest.mark.parametrize(
    ("expected", "traced"),
    [
        ("⌊(224 + 1 + 1 − 3) / 1⌋ + 1", (Traced(224) + Traced(1) + Traced(1) - Traced(3)) // Traced(1) + 1),
        ("⌈(224 − 3) / 2⌉ + 1", -((Traced(3) - Traced(224)) // Traced(2)) + 1),
        ("⌈7 / 2⌉", -(-Traced(7) // Traced(2))),
        ("⌊7 / 2⌋", Traced(7) // 2),
        ("3·3·(64 / 32)·128", Traced(3) * Traced(3) * (Traced(64) // Traced(32)) * Traced(128)),
        ("3·3·64 / 32", Traced(3) * Traced(3) * Traced(64) // Traced(32)),
        ("3·(5 − 1)", Traced(3) * (Traced(5) - 1)),
        ("10 − (4 − 3)", Traced(10) - (Traced(4) - Traced(3))),
        ("10 + 4 − 3", Traced(10) + (Traced(4) - Traced(3))),
        ("10 − 4", Traced(10) + -4),
        ("6 / (3·2)", Traced(6) // (Traced(3) * Traced(2))),
        ("7 mod 3", Traced(7) % 3),
        ("1,000·2", Traced(1000) * 2),
        ("−(3 − 5)·2", -((Traced(3) - Traced(5)) * 2)),
    ],
)
def test_a_formula_is_written_as_on_a_blackboard(expected, traced):
    assert expected == written(traced)


def test_a_plain_neutral_element_leaves_no_trace_and_a_traced_one_does():
    five = Traced(5)

    assert ["5"] * 5 == [written(each) for each in (five * 1, 1 * five, five + 0, 0 + five, five // 1)]
    assert ["5·1", "5 + 0"] == [written(five * Traced(1)), written(five + Traced(0))]
    assert "0" == written(five * 0)


def test_what_no_operator_computes_comes_out_as_a_plain_number():
    six = Traced(2) * Traced(3)

    assert [int, int, float] == [type(int(six)), type(math.gcd(six, six)), type(six * 1.5)]
    assert "6" == written(number(six))


def test_the_largest_is_written_as_a_max_and_one_number_as_itself():
    assert "max(0, 5 − 3)" == written(largest(0, Traced(5) - Traced(3)))
    assert (2, "2") == (largest(Traced(2), Traced(2)), written(largest(Traced(2), Traced(2))))


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_ratio_is_not_rounded(above, below):
    assert Fraction(above, below) == value(ratio(above, below))


@given(trees(st.integers(1, 9)), trees(st.integers(1, 9)))
def test_a_ratio_of_formulas_is_that_of_their_numbers(above, below):
    assume(below[0] != 0)

    assert Fraction(above[0], below[0]) == value(ratio(above[1], below[1]))
