"""Who should compute what: dynamic programming and the minimum cut against trying everything."""

from __future__ import annotations

import itertools
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnprof.errors import MissingPackageError
from cnnprof.offload.placement import Problem, Solution, Tensor, best_cut, best_two, copies, cost, is_chain

TIMES = st.integers(0, 40).map(lambda number: number / 1024)
"""Seconds whose sums are exact."""


def by_hand(problem: Problem, sides: tuple[bool, ...]) -> float:
    """Add up an assignment, word for word as the rule has it."""
    total = 0.0
    for at, there in enumerate(sides):
        total += problem.device_s[at] if there else problem.host_s[at]
    for source, readers, ends, to_device_s, to_host_s in problem.tensors:
        born_there = source is not None and sides[source]
        if not born_there and any(sides[reader] for reader in readers):
            total += to_device_s
        if born_there and (ends or any(not sides[reader] for reader in readers)):
            total += to_host_s
    return total


def brute_force(problem: Problem) -> list[float]:
    """Return what every assignment costs, the cheapest first."""
    every = itertools.product((False, True), repeat=len(problem.host_s))
    return sorted(by_hand(problem, sides) for sides in every)


@st.composite
def graphs(draw) -> Problem:
    """Draw a graph of up to 12 layers: each reads one to three earlier values; what nobody reads is returned."""
    count = draw(st.integers(1, 12))
    inputs = draw(st.integers(1, 2))
    sources: list[int | None] = [*([None] * inputs), *range(count)]
    readers: list[set[int]] = [set() for _ in sources]
    for layer in range(count):
        for value in draw(st.sets(st.integers(0, inputs + layer - 1), min_size=1, max_size=3)):
            readers[value].add(layer)
    tensors = [
        Tensor(source, tuple(sorted(read)), source is not None and (not read or draw(st.booleans())), *draw(_TWO))
        for source, read in zip(sources, readers, strict=True)
    ]
    times = [tuple(draw(st.lists(TIMES, min_size=count, max_size=count))) for _ in range(2)]
    return Problem(times[0], times[1], tuple(tensors))


_TWO = st.tuples(TIMES, TIMES)


@st.composite
def chains(draw) -> Problem:
    count = draw(st.integers(1, 10))
    times = [tuple(draw(st.lists(TIMES, min_size=count, max_size=count))) for _ in range(2)]
    return chain(*times, [draw(_TWO) for _ in range(count + 1)])


def chain(host, device, crossings) -> Problem:
    """Return layers in a row; ``crossings``: of the input and of each layer's output, there and back."""
    last = len(host)
    tensors = (
        Tensor(None if at == 0 else at - 1, (at,) if at < last else (), at == last, *each)
        for at, each in enumerate(crossings)
    )
    return Problem(tuple(host), tuple(device), tuple(tensors))


@given(graphs())
@settings(max_examples=150, deadline=None)
def test_no_assignment_of_a_graph_is_cheaper_and_the_runner_up_is_the_next_one(problem):
    first, second = best_two(problem)

    cheapest, next_one = brute_force(problem)[:2]
    assert cheapest == first.time_s == by_hand(problem, first.sides)
    assert next_one == second.time_s == by_hand(problem, second.sides)
    assert first.sides != second.sides
    assert len(problem.host_s) == len(first.sides) == len(second.sides)


@given(chains())
@settings(max_examples=150, deadline=None)
def test_no_assignment_of_a_chain_is_cheaper_and_the_runner_up_is_the_next_one(problem):
    assert is_chain(problem)

    first, second = best_two(problem)

    assert brute_force(problem)[:2] == [first.time_s, second.time_s]
    assert first.sides != second.sides


@given(chains())
@settings(max_examples=150, deadline=None)
def test_the_best_cut_is_the_best_of_all_runs_of_layers(problem):
    count = len(problem.host_s)
    every = [
        by_hand(problem, tuple(first <= at <= last for at in range(count)))
        for first in range(count) for last in range(first, count)
    ]  # fmt: skip

    first, last, time_s = best_cut(problem)

    assert min(every) == time_s
    assert time_s == by_hand(problem, tuple(first <= at <= last for at in range(count)))


def test_layers_that_are_faster_there_go_there_only_if_the_copies_cost_less_than_they_save():
    cheap = [(1.0, 1.0)] * 4
    dear = [(9.0, 9.0)] * 4

    assert Solution((False, True, False), 4.0) == best_two(chain((1.0, 8.0, 1.0), (7.0, 0.0, 7.0), cheap))[0]
    assert Solution((False, False, False), 10.0) == best_two(chain((1.0, 8.0, 1.0), (7.0, 0.0, 7.0), dear))[0]
    assert (1, 1, 20.0) == best_cut(chain((1.0, 8.0, 1.0), (7.0, 0.0, 7.0), dear))


def test_a_tensor_that_two_layers_there_read_crosses_once():
    """Two layers that read the input: apart neither would pay, together they do."""
    tensors = (Tensor(None, (0, 1), False, 3.0, 0.0), Tensor(0, (), True, 0.0, 0.0), Tensor(1, (), True, 0.0, 0.0))
    problem = Problem((2.0, 2.0), (0.0, 0.0), tensors)

    first, second = best_two(problem)

    assert Solution((True, True), 3.0) == first
    assert 4.0 == second.time_s
    assert 3.0 == copies(problem, first.sides)


def test_a_tensor_that_two_layers_here_read_comes_back_once():
    tensors = (
        Tensor(None, (0,), False, 0.0, 0.0), Tensor(0, (1, 2), True, 0.0, 3.0), Tensor(1, (), True, 0.0, 9.0),
        Tensor(2, (), True, 0.0, 9.0),
    )  # fmt: skip
    problem = Problem((9.0, 1.0, 1.0), (1.0, 1.0, 1.0), tensors)

    assert Solution((True, False, False), 6.0) == best_two(problem)[0]
    assert 3.0 == copies(problem, (True, False, False))
    assert 9.0 + 1.0 + 1.0 == cost(problem, (False, False, False))


def test_a_chain_with_an_output_in_the_middle_is_none():
    problem = chain((1.0, 1.0), (1.0, 1.0), [(1.0, 1.0)] * 3)
    aside = problem._replace(tensors=tuple(each._replace(ends=True) for each in problem.tensors))

    assert is_chain(problem)
    assert not is_chain(aside)


def test_a_chain_of_ten_thousand_layers_is_placed():
    count = 10_000
    problem = chain((2.0,) * count, (1.0,) * count, [(5.0, 5.0)] * (count + 1))

    first, second = best_two(problem)

    assert (count + 10.0, count + 11.0) == (first.time_s, second.time_s)
    assert all(first.sides)


def test_without_networkx_a_graph_says_what_is_missing_and_a_chain_needs_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "networkx", None)
    tensors = (Tensor(None, (0, 1), False, 3.0, 0.0), Tensor(0, (), True, 0.0, 0.0), Tensor(1, (), True, 0.0, 0.0))

    assert Solution((True,), 3.0) == best_two(chain((9.0,), (1.0,), [(1.0, 1.0), (1.0, 1.0)]))[0]
    with pytest.raises(MissingPackageError, match="networkx") as caught:
        best_two(Problem((2.0, 2.0), (0.0, 0.0), tensors))
    assert "pip install 'cnnprof[torch]'" == caught.value.hint
