"""Published figures as a check: what each verdict means. No torch."""

from __future__ import annotations

import pytest

import cnnprof
from cnnprof.model.graph import Fact
from cnnprof.model.plain import replace
from cnnprof.model.validation import Figure

PATTERN = "INPUT 3x8x8 -> CONV3-4 -> FC-10"  # 112 and 2,570 parameters


def figures(*facts: Fact, **changes: object) -> list[Figure]:
    graph = replace(cnnprof.load(PATTERN), facts=facts, **changes)
    return list(cnnprof.validate(graph, checks=["facts"]).figures)


def fact(of: str, value: str, **more: object) -> Fact:
    return Fact(of=of, value=value, source="a book", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("published", "verdict"),
    [
        (fact("params", "2,682"), "equal"),
        (fact("params", "2.7e3"), "close"),
        (fact("params", "2,681"), "differs"),
        (fact("params", "3,000", holds=False, why="guessed"), "explained"),
        (fact("params", "2,682", holds=False, why="guessed"), "differs"),
        (fact("output", "10"), "equal"),
        (fact("output", "11"), "differs"),
    ],
)
def test_the_verdict_of_a_published_figure(published, verdict):
    (found,) = figures(published)

    assert (verdict, "a book", published.value) == (found.verdict, found.by, found.theirs)


def test_a_figure_of_a_layer_names_it_and_one_that_does_not_hold_says_why():
    (found,) = figures(fact("params", "100", at="conv2d", holds=False, why="no bias"))

    assert (112, "conv2d", "no bias") == (found.ours, found.layer, found.note)


def test_a_wrong_word_about_a_figure_is_said():
    first, second = figures(fact("params", "1"), fact("params", "2,682", holds=False))

    assert "the specification is wrong about it: is said to hold, but does not" == first.note
    assert "the specification is wrong about it: is said not to hold, but does" == second.note


def test_what_was_measured_by_others_and_what_was_changed_is_not_compared():
    assert [] == figures(fact("top1_accuracy", "71.5"))
    assert [] == figures(fact("params", "1"), overridden=("--set w",))


def test_without_anything_published_there_is_nothing_to_compare():
    assert [] == figures()
