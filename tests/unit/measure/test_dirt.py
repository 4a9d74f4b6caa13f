"""Which forwards were disturbed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from cnnprof.measure.dirt import crowded, dirty, waited


def forward(
    wall_ns: int = 1000, cpu_ns: int = 1000, others: float | None = None, device_ns: int | None = None
) -> SimpleNamespace:
    return SimpleNamespace(wall_ns=wall_ns, cpu_ns=cpu_ns, others=others, device_ns=device_ns)


@pytest.mark.parametrize(
    ("cpu_ns", "expected"),
    [(1000, False), (970, False), (969, True), (500, True), (0, True), (1010, False)],
)
def test_a_forward_of_one_thread_that_waited_for_more_than_3_percent_is_dirty(cpu_ns, expected):
    assert expected is dirty(forward(cpu_ns=cpu_ns), {"threads": 1, "cores": 2})


@pytest.mark.parametrize(("others", "expected"), [(0.0, False), (1.05, False), (1.06, True), (None, None)])
def test_on_an_accelerator_the_load_of_others_says_it_because_one_thread_launches_and_waits(others, expected):
    assert expected is dirty(forward(cpu_ns=500, others=others, device_ns=900), {"threads": 8, "cores": 2})


def test_with_one_thread_the_load_of_others_does_not_matter():
    assert dirty(forward(others=2.0), {"threads": 1, "cores": 2}) is False
    assert dirty(forward(cpu_ns=900, others=0.0), {"threads": 1}) is True


@pytest.mark.parametrize(
    ("others", "threads", "cores", "expected"),
    [
        (0.0, 2, 2, False),
        (0.05, 2, 2, False),
        (0.06, 2, 2, True),
        (2.0, 2, 4, False),
        (2.1, 2, 4, True),
        (0.02, 8, 4, False),
        (0.5, 8, 4, True),
    ],
)
def test_with_several_threads_a_forward_is_dirty_where_others_leave_too_few_cpus(others, threads, cores, expected):
    environment = {"threads": threads, "cores": cores}

    assert expected is dirty(forward(cpu_ns=1, others=others), environment)


@pytest.mark.parametrize(
    ("others", "environment"),
    [
        (None, {"threads": 2, "cores": 2}),
        (1.0, {"threads": 2, "cores": None}),
        (1.0, {"threads": None, "cores": 2}),
        (1.0, {}),
    ],
)
def test_where_nothing_is_known_nothing_is_said(others, environment):
    assert dirty(forward(cpu_ns=1, others=others), environment) is None


def test_the_part_of_a_time_that_its_thread_did_not_run():
    assert 0.25 == waited(1000, 750)


@pytest.mark.parametrize("wall_ns", [0, -5, float("nan")])
def test_a_time_that_is_none_is_refused(wall_ns):
    with pytest.raises(ValueError, match="a time is above 0"):
        waited(wall_ns, 1)


def test_too_many_threads_leave_no_cpu_to_others():
    assert crowded(0.1, threads=16, cores=2) is True
