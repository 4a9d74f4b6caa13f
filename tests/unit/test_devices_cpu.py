"""What marks cost on a CPU: a time that interruptions do not move. No torch."""

from __future__ import annotations

from cnnprof.devices.cpu import _undisturbed


def test_the_cost_of_marks_is_of_runs_that_nothing_interrupted():
    quiet, interrupted = [101, 100, 102, 103], [9_000] * 27

    assert 103 == _undisturbed([*interrupted, *quiet])


def test_one_run_that_was_too_fast_is_not_it():
    assert 100 == _undisturbed([3, *([100] * 30)])
