"""Which parts with times in doubt enter a comparison."""

from __future__ import annotations

import pytest

from cnnprof.measure.doubts import CODES as KNOWN
from cnnprof.model.offload import Disturbed
from cnnprof.model.plain import replace
from cnnprof.model.profile import Doubt
from cnnprof.offload import offloads
from cnnprof.offload.disturbed import CODES
from tests.helpers.pairs import measured, sides

TIMES = (40_000, 3_000, 1_000, 6_000)


def doubted(*codes: str, **setting: str) -> tuple[Disturbed, ...]:
    """Return what a comparison says where its host, a CPU at batch 8, has these doubts."""
    found = measured(*sides(TIMES, TIMES, batch=8))
    doubts = tuple(Doubt(code=code, message="") for code in codes)
    found = [
        (replace(part, setting=replace(part.setting, **setting)), replace(profile, doubts=own), walls)
        for (part, profile, walls), own in zip(found, (doubts, ()), strict=True)
    ]
    (offload,) = offloads(found)
    return offload.disturbed


def test_a_doubt_that_times_are_disturbed_names_the_device_and_the_batch():
    assert (Disturbed(device="cpu", batch=8, code="all-dirty", times="whole"),) == doubted("all-dirty")


def test_a_doubt_of_how_surely_a_time_is_known_is_not_among_them():
    assert () == doubted("interval-wide", "too-few-samples", "host-bound", "governor")


@pytest.mark.parametrize("code", ["ledger-open", "marks-mismeasured"])
def test_doubts_of_layers_are_named_where_layers_are_compared(code):
    assert (Disturbed(device="cpu", batch=8, code=code, times="layers"),) == doubted(code)
    assert () == doubted(code, mode="training", optimizer="sgd")


def test_the_doubts_are_those_that_measuring_has():
    assert set() == set(CODES) - set(KNOWN)
