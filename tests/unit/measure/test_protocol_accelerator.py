"""The order of measuring on an accelerator: five passes in turn, then loading, copies and both at once."""

from __future__ import annotations

from typing import Any

import pytest

from cnnprof.errors import WorkerError
from cnnprof.measure.protocol import Earlier, Plan, checked, judged_ns
from tests.helpers.measuring import PLAN, subject
from tests.unit.measure.test_protocol import GOOD, forwards, kinds, messages, rounds, value

LAUNCHED = {"launch_ns": 3_000_000}
"""Layers of 4 ms are launched in 3: a forward of 11 ms, of which 8 are the layers'."""


def test_all_passes_of_an_accelerator_are_interleaved():
    found = rounds(messages(subject(**LAUNCHED)))

    assert {"EEFFGGLLQQ"} == {"".join(sorted(kinds(said))) for said in found}
    assert 1 < len({kinds(said) for said in found})


def test_passes_on_which_no_line_of_the_ledger_hangs_are_made_ten_times_and_the_others_until_they_are_known():
    found = forwards(messages(subject(noise=(1.0, 1.02, 1.04), **LAUNCHED), Plan(budget_s=30.0, interval=0.001)))

    counts = {kind: kinds(found).count(kind) for kind in "ELQGF"}
    assert 10 == counts["G"] == counts["F"] < min(counts["E"], counts["L"], counts["Q"])


def test_a_pass_is_known_by_its_layers_where_it_waits_until_all_is_queued():
    assert 7 == judged_ns({"kind": "Q", "wall_ns": 900, "marks_ns": [1, 3, 1, 4, 1]})
    assert 900 == judged_ns({"kind": "L", "wall_ns": 900, "marks_ns": [1, 3, 1, 4, 1]})
    assert judged_ns({"kind": "Q", "wall_ns": 900, "marks_ns": []}) is None


def test_forwards_that_could_not_be_queued_are_kept_and_tried_again_within_the_budget():
    device = subject(**LAUNCHED)
    run = device.run
    device.run = lambda kind: run(kind) | ({"marks_ns": []} if kind == "Q" else {})

    found = messages(device, Plan(budget_s=2.0, interval=0.02))

    assert "budget" == value(found, "status")
    assert {()} == {tuple(each["marks_ns"]) for each in forwards(found) if each["kind"] == "Q"}


def test_a_device_is_asked_about_its_clocks_right_before_the_passes_and_right_after_them():
    telemetry = {"before": {"sm_clock_mhz": 1980}, "after": {"sm_clock_mhz": 1500}}
    found = messages(subject(telemetry=telemetry))

    order = [next(iter(message)) for message in found]
    assert ["steady", "telemetry", "forwards", "forwards", "telemetry", "output_std"] == order[6:12]
    assert [{"when": "before", "sm_clock_mhz": 1980}, {"when": "after", "sm_clock_mhz": 1500}] == [
        message["telemetry"] for message in found if "telemetry" in message
    ]


SIZES = PLAN._replace(sizes=(4096, 16384))


def copied(found: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    said = [message["copy"] for message in found if "copy" in message]
    return [(each["bytes"], each["direction"], each["memory"]) for each in said]


def test_every_size_is_copied_both_ways_from_both_memories_after_the_load_and_before_the_overlap():
    found = messages(subject(), SIZES)

    order = [next(iter(message)) for message in found]
    assert ["output_std", "memory", "load", *["copy"] * 8, "overlap", "status"] == order[9:]
    assert [(4096, way, memory) for way in ("h2d", "d2h") for memory in ("pinned", "pageable")] == copied(found)[:4]
    assert {11} == {len(message["copy"]["times_ns"]) for message in found if "copy" in message}


def test_nothing_is_copied_to_a_host():
    found = messages(subject(host=True), SIZES)

    assert [] == [message for message in found if {"copy", "load", "overlap"} & message.keys()]


def test_copies_have_the_budget_once_more_and_end_with_it():
    found = messages(subject(copy_ns=50_000_000), SIZES._replace(budget_s=1.0))

    assert [(4096, "h2d", "pinned"), (4096, "h2d", "pageable")] == copied(found)
    assert "done" == value(found, "status")


def test_a_part_that_goes_on_copies_what_is_missing():
    done = [(4096, way, memory) for way in ("h2d", "d2h") for memory in ("pinned", "pageable")]
    begun = Earlier(copies=[*map(list, done), [16384, "h2d", "pinned"]], load=True, overlap=True, attempt=1)

    found = messages(subject(), SIZES, begun)

    assert [(16384, "h2d", "pageable"), (16384, "d2h", "pinned"), (16384, "d2h", "pageable")] == copied(found)
    assert [] == [message for message in found if {"load", "overlap"} & message.keys()]


@pytest.mark.parametrize("wrong", [0, -1, 1.5, float("nan")])
def test_the_clock_of_the_device_is_checked_too(wrong):
    assert GOOD | {"device_ns": 7} == checked(GOOD | {"device_ns": 7})
    with pytest.raises(WorkerError, match="which is no time"):
        checked(GOOD | {"device_ns": wrong})
