"""Where the time of a forward goes: known work, planted where it belongs, shows there and nowhere else."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnprof.measure.summary import summarise
from cnnprof.model.plain import replace
from cnnprof.model.run import MarkCost
from tests.helpers.parts import COST, forward, marked, part

TIMES = {"conv": 40_000, "relu": 5_000, "fc": 20_000}


def ns(seconds: float) -> int:
    found = round(seconds * 1e9)
    assert seconds * 1e9 == pytest.approx(found, abs=1e-3)
    return found


def lines(found) -> dict[str, int]:
    ledger = found.ledger
    parts = {"layers": ledger.layers_s, "glue": ledger.glue_s, "unexplained": ledger.unexplained_s}
    return {
        name: ns(value) for name, value in (parts | {"E": ledger.end_to_end.median_s, "marks": ledger.marks_s}).items()
    }


def test_without_anything_planted_the_ledger_closes_to_the_nanosecond():
    # Three pairs of marks at 100 + 1,000 ns; four gaps of 500 ns.
    assert {"layers": 65_000, "glue": 2_000, "unexplained": 0, "E": 67_000, "marks": 3_300} == lines(
        summarise(part(TIMES))
    )


def test_work_planted_in_a_layer_shows_in_its_row():
    found = summarise(part(TIMES | {"relu": 5_000 + 7_000}))

    assert {"layers": 72_000, "glue": 2_000, "unexplained": 0, "E": 74_000, "marks": 3_300} == lines(found)
    assert {"conv": 40_000, "relu": 12_000, "fc": 20_000} == {
        each.name: ns(each.time.median_s) for each in found.layers
    }


@pytest.mark.parametrize("place", range(4))
def test_work_planted_between_layers_shows_in_the_glue(place):
    gaps = [500, 500, 500, 500]
    gaps[place] += 7_000

    assert {"layers": 65_000, "glue": 9_000, "unexplained": 0, "E": 74_000, "marks": 3_300} == lines(
        summarise(part(TIMES, gaps=gaps))
    )


@pytest.mark.parametrize("hidden", [7_000, -7_000])
def test_work_that_only_one_pass_does_is_unexplained_with_its_sign(hidden):
    found = summarise(part(TIMES, hidden=hidden))

    assert {
        "layers": 65_000, "glue": 2_000, "unexplained": hidden, "E": 67_000 + hidden, "marks": 3_300 - hidden
    } == lines(found)  # fmt: skip
    assert hidden / (67_000 + hidden) == pytest.approx(found.ledger.unexplained_share)


def test_work_in_a_hook_outside_of_the_marks_is_glue():
    slow = MarkCost(inside_ns=100, outside_ns=1_000)
    forwards = [
        each for _ in range(12) for each in (forward(wall_ns=67_000), marked([65_000], [500, 1_500 + 9_000], slow))
    ]
    found = summarise(part({"net": 65_000}, forwards=tuple(forwards)))

    assert (65_000, 11_000, -9_000) == tuple(lines(found)[name] for name in ("layers", "glue", "unexplained"))


def test_of_a_training_step_the_ledger_is_of_its_forward():
    found = part(TIMES, setting=replace(part(TIMES).setting, mode="training"), phases=("forward", "backward"))
    steps = tuple(
        replace(
            each,
            phases_ns=(sum(each.marks_ns) or each.wall_ns, 200_000),
            wall_ns=each.wall_ns + 200_000,
            cpu_ns=each.wall_ns + 200_000,
        )
        for each in found.forwards
    )
    slow = replace(steps[0], cpu_ns=1)
    profile = summarise(replace(found, forwards=(*steps, slow)))

    assert {"layers": 65_000, "glue": 2_000, "unexplained": 0, "E": 67_000, "marks": 3_300} == lines(profile)
    assert (267_000, 67_000, 200_000) == (
        ns(profile.whole.median_s), ns(profile.phases["forward"].median_s), ns(profile.phases["backward"].median_s)
    )  # fmt: skip
    assert (1, 1) == (profile.phases["backward"].dirty, profile.whole.dirty)


def test_each_kind_of_mark_has_its_own_cost():
    hook = MarkCost(inside_ns=2_000, outside_ns=3_000)
    step = tuple(
        each
        for _ in range(12)
        for each in (
            forward(wall_ns=41_500),
            replace(marked([1, 1], [1, 1, 1]), marks_ns=(1_500, 30_100, 3_500, 12_000, 500)),
        )
    )
    found = summarise(part({"a": 1, "b": 1}, marks=("line", "hook"), costs={"line": COST, "hook": hook}, forwards=step))

    assert {"a": 30_000, "b": 10_000} == {each.name: ns(each.time.median_s) for each in found.layers}
    assert (40_000, 1_500, 0) == tuple(lines(found)[name] for name in ("layers", "glue", "unexplained"))


def test_a_compiled_network_has_no_ledger():
    found = summarise(part({}, gaps=[500], forwards=(forward(),) * 12))

    assert (None, 100_000) == (found.ledger, ns(found.whole.median_s))


@pytest.mark.parametrize("kind", ["E", "L"])
def test_without_both_passes_there_is_no_ledger(kind):
    whole = part(TIMES)
    half = replace(whole, forwards=tuple(each for each in whole.forwards if each.kind == kind))

    assert summarise(half).ledger is None


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(200, 10**9), min_size=3, max_size=3),
            st.lists(st.integers(0, 10**8), min_size=4, max_size=4),
            st.integers(1, 10**10),
        ),
        min_size=1,
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_layers_glue_and_unexplained_are_the_whole_whatever_the_samples_and_their_order(samples, chance):
    forwards = [each for layers, gaps, whole in samples for each in (forward(wall_ns=whole), marked(layers, gaps))]
    found = summarise(part(TIMES, forwards=tuple(forwards))).ledger
    chance.shuffle(forwards)

    assert found.end_to_end.median_s * 1e9 == pytest.approx(
        (found.layers_s + found.glue_s + found.unexplained_s) * 1e9, abs=1e-5
    )
    assert found == summarise(part(TIMES, forwards=tuple(forwards))).ledger


def test_the_rows_add_up_to_the_ledgers_layers_where_every_forward_is_alike():
    found = summarise(part(TIMES))

    assert 65_000 == ns(found.ledger.rows_s) == ns(found.ledger.layers_s)


def test_forwards_that_are_slow_in_one_layer_each_are_in_the_layers_together_and_in_no_row():
    slow = [{"conv": 43_000}, {"relu": 8_000}, {"fc": 23_000}]
    forwards = [
        each
        for _ in range(4)
        for more in slow
        for each in (forward(wall_ns=70_000), marked([*(TIMES | more).values()], [500, 500, 500, 500]))
    ]
    found = summarise(part(TIMES, forwards=tuple(forwards)))

    assert [40_000, 5_000, 20_000] == [ns(each.time.median_s) for each in found.layers]
    assert (68_000, 65_000, 0) == (ns(found.ledger.layers_s), ns(found.ledger.rows_s), lines(found)["unexplained"])


def test_the_interval_of_the_unexplained_holds_it_and_covers_what_is_so_as_often_as_it_says():
    chance = random.Random(9)  # noqa: S311 the same noise every time
    covered = 0
    for _ in range(60):
        forwards = []
        for _ in range(20):
            one, other = (chance.gauss(1, 0.02) for _ in range(2))
            forwards += [
                forward(wall_ns=round(1_000_000 * one)),
                marked([round(each * other) for each in (500_000, 400_000)], [round(30_000 * other)] * 3),
            ]
        found = summarise(part({"a": 1, "b": 1}, forwards=tuple(forwards))).ledger
        assert found.unexplained_low_s <= found.unexplained_s <= found.unexplained_high_s
        covered += found.unexplained_low_s <= 10e-6 <= found.unexplained_high_s

    assert covered >= 54
