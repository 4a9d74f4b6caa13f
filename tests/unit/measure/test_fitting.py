"""What is tried where a batch did not fit: what worked before, else less; half the bytes only where it is alone."""

from __future__ import annotations

from typing import Any

import pytest

from cnnprof.measure.fitting import advice, too_large, untried
from cnnprof.model.plain import replace
from cnnprof.model.run import Part, Setting, Split


def part(batch: int, status: Any = "out-of-memory", **setting: Any) -> Part:
    return Part(model="net", status=status, setting=Setting(**({"device": "cuda", "batch": batch} | setting)))


SERIES = (part(1, "done"), part(8, "budget"), part(32), part(64, "running"))


def test_the_largest_smaller_batch_that_worked_is_named():
    assert "a smaller batch: 8 worked" == advice(SERIES[2], SERIES)


def test_a_batch_that_worked_and_is_larger_is_no_advice():
    parts = (part(8), part(64, "done"))

    assert "a smaller batch, such as --batch 4" == advice(parts[0], parts)


@pytest.mark.parametrize(
    "other",
    [
        replace(part(8, "done"), model="other"), part(8, "done", dtype="bfloat16"), part(8, "done", device="cuda:1"),
        replace(part(8, "done"), script={}), replace(part(8, "done"), split=Split(on_device=("a",))), part(8, "failed"),
    ],
)  # fmt: skip
def test_what_worked_is_of_the_same_network_at_the_same_setting(other):
    assert advice(part(32), (part(32), other)).startswith("a smaller batch, such as --batch 16")


@pytest.mark.parametrize(
    ("batch", "setting", "environment", "expected"),
    [
        (64, {}, {}, "a smaller batch, such as --batch 32, or --dtype bfloat16 or float16"),
        (1, {}, {}, "a smaller --input, or --dtype bfloat16 or float16"),
        (1, {"device": "cpu"}, {"capability": "AVX512"}, "a smaller --input, or --dtype bfloat16 or float16"),
        (1, {}, {"capability": "9.0"}, "a smaller --input, or --dtype bfloat16 or float16"),
        (1, {"tf32": True}, {"capability": "8.0"}, "a smaller --input, or --dtype bfloat16 or float16"),
        (1, {}, {"capability": "7.5"}, "a smaller --input, or --dtype float16"),
        (1, {"dtype": "float16"}, {}, "a smaller --input"),
        (8, {"dtype": "bfloat16"}, {}, "a smaller batch, such as --batch 4"),
    ],
)
def test_one_batch_alone_may_have_half_the_bytes_where_the_device_computes_with_them(
    batch, setting, environment, expected
):
    alone = replace(part(batch, **setting), environment=environment)

    assert expected == advice(alone, (alone,))


def test_what_was_not_tried_has_the_same_advice():
    assert 32 == too_large(SERIES[3], SERIES)
    left = untried(SERIES[3], 32, SERIES)

    assert ("not tried: batch 32 of it needs more memory than there is already", "try a smaller batch: 8 worked") == (
        left.problem, left.hint
    )  # fmt: skip


def test_without_one_that_worked_it_is_half_of_the_least_that_did_not():
    parts = (part(16), part(64, "running"))

    assert "a smaller batch, such as --batch 8" == advice(parts[1], parts)


def test_a_larger_batch_that_did_not_fit_says_nothing_of_a_smaller_one():
    assert too_large(part(8, "running"), (part(8, "running"), part(64))) is None
