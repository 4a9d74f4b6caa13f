"""How many samples are taken of what takes its time."""

from __future__ import annotations

import math

import pytest

from cnnprof.devices.cuda.toolkit import sampled
from tests.helpers.gpu import Machine


@pytest.mark.parametrize(
    ("each_ns", "longest_ns", "expected"), [(10, math.inf, 11), (10, 1_000, 11), (10, 50, 5), (10, 25, 3), (99, 1, 3)]
)
def test_after_so_much_time_there_are_no_more_than_three(each_ns, longest_ns, expected):
    machine = Machine()

    def take() -> int:
        machine.host(each_ns)
        return each_ns

    assert [each_ns] * expected == sampled(machine.toolkit, take, 11, longest_ns)


def test_what_cannot_be_taken_is_not_tried_again():
    said = iter([1, 2, None, 4])

    assert [1, 2] == sampled(Machine().toolkit, lambda: next(said), 11)
    assert 4 == next(said)
