"""The order of measuring, on a clock that is a script: every time, count and end is known."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from cnnprof.devices.fake import FakeSubject
from cnnprof.errors import WorkerError
from cnnprof.measure.protocol import MOST_FORWARDS, Earlier, Plan, checked, measure
from tests.helpers.measuring import PLAN, subject

E_NS = 11_000_000
WIDE = (1.0, 1.5)
"""Noise that no number of samples makes narrow."""


def messages(device: FakeSubject, plan: Plan = PLAN, earlier: Earlier | None = None) -> list[dict[str, Any]]:
    return list(measure(device, plan, earlier or Earlier()))


def rounds(found: list[dict[str, Any]], *, warm_up: bool = False) -> list[list[dict[str, Any]]]:
    """The forwards of each message that has some of this kind."""
    said = [[each for each in message.get("forwards", ()) if each["warm_up"] == warm_up] for message in found]
    return [each for each in said if each]


def forwards(found: list[dict[str, Any]], **which: Any) -> list[dict[str, Any]]:
    return [each for said in rounds(found, **which) for each in said]


def value(found: list[dict[str, Any]], name: str) -> Any:
    (only,) = [message[name] for message in found if name in message]
    return only


def kinds(said: list[dict[str, Any]]) -> str:
    return "".join(each["kind"] for each in said)


# What is said, and when


def test_the_first_message_says_what_will_be_measured_where_and_what_marks_cost():
    first = messages(subject(inside_ns=90, outside_ns=800))[0]

    assert ("conv", "relu") == first["layers"]
    assert ("line", "line") == first["marks"]
    assert ("forward",) == first["phases"]
    assert (1, "fake") == (first["environment"]["threads"], first["environment"]["cpu"])
    assert {"line": {"inside_ns": 90.0, "outside_ns": 800.0, "inside_cpu_ns": 90.0}} == first["costs"]


def test_the_order_is_warm_up_then_passes_then_memory_then_layers_alone_then_the_end():
    found = messages(subject(), PLAN._replace(temperature=True))

    order = [next(iter(message)) for message in found]
    assert ["layers", *["forwards"] * 5, "steady", *["forwards"] * 2, "output_std", "memory"] == order[:11]
    assert ["load", "overlap", "temperature", "temperature", "status"] == order[11:]


def test_memory_and_the_spread_of_the_output_are_said_once():
    found = messages(subject(output_std=0.25))

    assert {"peak_bytes": 4096, "by": "the fake device: the predicted peak"} == value(found, "memory")
    assert 0.25 == value(found, "output_std")


def test_progress_is_the_devices_own_time_against_the_budget():
    said = [message["progress"] for message in messages(subject()) if "progress" in message]

    assert {"doing": "warming up", "elapsed_s": 0.011, "of_s": 30.0} == said[0]
    assert {"doing": "measuring", "elapsed_s": 0.627, "of_s": 30.0} == said[-1]


# Warm-up


def test_a_warm_up_of_a_steady_network_is_five_rounds_of_a_tenth_of_a_second():
    """One forward to learn how long it takes, then nine of 11 ms each time."""
    device = subject()
    found = messages(device)

    assert value(found, "steady") is True
    assert [[E_NS]] * 5 == [[each["wall_ns"] for each in said] for said in rounds(found, warm_up=True)]
    assert 1 + 4 * 9 + 2 * 10 == device._number


def test_a_warm_up_goes_on_while_times_fall():
    falling = (2.0, *(factor for level in (1.8, 1.6, 1.4, 1.2) for factor in [level] * 6), *[1.0] * 500)
    found = messages(subject(noise=falling))

    walls = [each["wall_ns"] for each in forwards(found, warm_up=True)]
    assert value(found, "steady") is True
    assert 22_000_000 == walls[0]
    assert [E_NS] * 3 == walls[-3:]
    assert len(walls) > 5
    assert {E_NS} == {each["wall_ns"] for each in forwards(found)}


def test_a_warm_up_that_never_ends_takes_a_third_of_the_budget():
    growing = tuple(1 + number / 20 for number in range(1000))
    found = messages(subject(noise=growing), Plan(budget_s=3.0, interval=0.02))

    elapsed = [each["progress"]["elapsed_s"] for each in found if each.get("progress", {}).get("doing") == "warming up"]
    assert value(found, "steady") is False
    assert elapsed[-2] <= 1.0 < elapsed[-1]


def test_a_warm_up_is_two_forwards_where_those_take_the_budget_and_then_one_round_is_measured():
    found = messages(subject(layer_ns=10**10), Plan(budget_s=1.0, interval=0.02))

    assert 2 == len(forwards(found, warm_up=True))
    assert "EL" == "".join(sorted(kinds(forwards(found))))
    assert "budget" == value(found, "status")


# Passes


def test_passes_are_done_after_ten_clean_forwards_each_where_the_clock_is_steady():
    found = messages(subject())

    assert "done" == value(found, "status")
    assert [5, 5] == [kinds(said).count("E") for said in rounds(found)]
    assert [5, 5] == [kinds(said).count("L") for said in rounds(found)]


def test_the_marks_of_pass_l_tile_the_forward():
    marked = [each for each in forwards(messages(subject())) if each["kind"] == "L"]

    assert {(1_000_000, 4_000_000, 1_000_000, 4_000_000, 1_000_000)} == {tuple(each["marks_ns"]) for each in marked}
    assert {E_NS} == {each["wall_ns"] for each in marked}


def test_the_order_of_passes_is_random_and_the_seeds():
    def order(seed: int, attempt: int = 0) -> list[str]:
        found = messages(subject(noise=WIDE), PLAN._replace(seed=seed, budget_s=2.0), Earlier(attempt=attempt))
        return [kinds(said) for said in rounds(found)]

    first = order(0)

    assert order(0) == first
    assert first != order(1)
    assert first != order(0, attempt=1)
    assert 1 < len(set(first))
    assert {"EEELLL"} == {"".join(sorted(each)) for each in first}


def test_passes_end_at_the_budget_where_the_interval_stays_wide():
    found = messages(subject(noise=WIDE), Plan(budget_s=2.0, interval=0.02))

    elapsed = [each["progress"]["elapsed_s"] for each in found if "progress" in each]
    assert "budget" == value(found, "status")
    assert elapsed[-2] < 2.0 <= elapsed[-1]


def test_a_wider_interval_ends_passes_sooner():
    noise = (1.0, 1.02, 1.04)
    narrow, wide = (messages(subject(noise=noise), Plan(budget_s=30.0, interval=each)) for each in (0.001, 0.05))

    assert ("done", "done") == (value(narrow, "status"), value(wide, "status"))
    assert 20 == len(forwards(wide)) < len(forwards(narrow))


def test_passes_end_after_two_hundred_forwards_each_however_large_the_budget():
    """In rounds of three of each."""
    found = messages(subject(noise=WIDE), Plan(budget_s=1e6, interval=0.02))

    assert "budget" == value(found, "status")
    assert 200 == MOST_FORWARDS
    assert [201, 201] == [kinds(forwards(found)).count(kind) for kind in "EL"]


def test_short_forwards_are_stored_in_rounds_of_twenty():
    found = messages(subject(layer_ns=1000, gap_ns=100))

    assert [20] == [len(said) for said in rounds(found)]


def test_a_network_without_marks_runs_pass_e_only():
    device = subject()
    device.passes = ("E",)

    assert {"E"} == set(kinds(forwards(messages(device))))


def test_a_training_step_has_the_time_of_each_phase():
    found = messages(subject(trains=True))

    step = forwards(found)[0]
    assert ("forward", "backward", "optimizer") == found[0]["phases"]
    assert [E_NS, 2 * E_NS, E_NS // 10] == step["phases_ns"]
    assert sum(step["phases_ns"]) == step["wall_ns"]


# Disturbed forwards

FIRST_MEASURED = 37


def test_a_disturbed_forward_is_kept_and_taken_again():
    found = forwards(messages(subject(stolen_ns={str(FIRST_MEASURED): 5_000_000})))

    assert 30 == len(found)
    assert [16_000_000 - E_NS] == [each["wall_ns"] - each["cpu_ns"] for each in found if each["wall_ns"] > E_NS]


def test_where_all_forwards_are_disturbed_measuring_ends_all_the_same():
    found = messages(subject(threads=2, cores=2, others=1.0), Plan(budget_s=1e6, interval=0.02))

    assert "budget" == value(found, "status")
    assert {1.0} == {each["others"] for each in forwards(found)}
    assert 2 * MOST_FORWARDS == len(forwards(found))


def test_others_that_leave_cpus_enough_disturb_nothing():
    assert 20 == len(forwards(messages(subject(threads=2, cores=4, others=1.5))))


# Clocks that lie (FAULTS 20)


@pytest.mark.parametrize(("fault", "said"), [("nan", "nan"), ("inf", "inf"), ("zero", "0"), ("negative", "-5")])
@pytest.mark.parametrize(("number", "warm", "kept"), [(0, 0, 0), (20, 3, 0), (50, 5, 10)])
def test_a_time_that_cannot_be_is_refused_and_what_was_said_before_is_good(fault, said, number, warm, kept):
    found, source = [], measure(subject(faults={str(number): fault}), PLAN)

    with pytest.raises(WorkerError) as caught:
        found.extend(source)

    assert "bad-clock" == caught.value.code
    assert f"the clock of this device gave {said} ns for a part of a forward, which is no time" == caught.value.message
    assert (warm, kept) == (len(forwards(found, warm_up=True)), len(forwards(found)))


GOOD = {"wall_ns": 9, "cpu_ns": 8, "phases_ns": [4, 5], "marks_ns": [0, 9, 0], "marks_cpu_ns": [0, 8, 0]}


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("wall_ns", 0), ("wall_ns", 1.5), ("wall_ns", float("nan")), ("cpu_ns", -1), ("cpu_ns", float("inf")),
        ("phases_ns", [9, 0]), ("marks_ns", [0, -1, 10]), ("marks_cpu_ns", [0, None, 0]),
    ],
)  # fmt: skip
def test_every_time_of_a_forward_is_checked(field, wrong):
    assert GOOD == checked(dict(GOOD))
    with pytest.raises(WorkerError, match="which is no time"):
        checked(GOOD | {field: wrong})


# Layers alone


def test_every_layer_runs_alone_eleven_times_hot_and_cold():
    found = messages(subject(cold=3.0), PLAN._replace(temperature=True))

    said = [message["temperature"] for message in found if "temperature" in message]
    assert ["conv", "relu"] == [each["layer"] for each in said]
    assert ([4_000_000] * 11, [12_000_000] * 11) == (said[0]["hot_ns"], said[0]["cold_ns"])


def test_layers_alone_have_the_budget_once_more_and_end_with_it():
    found = messages(subject(), Plan(budget_s=0.1, interval=0.02, temperature=True))

    assert ["conv"] == [message["temperature"]["layer"] for message in found if "temperature" in message]
    assert "budget" == value(found, "status")


def test_a_layer_that_cannot_run_alone_costs_the_others_nothing():
    device = subject()
    alone = device.alone
    device.alone = lambda index, samples: alone(index, samples) if index else None

    found = messages(device, PLAN._replace(temperature=True))

    assert ["relu"] == [message["temperature"]["layer"] for message in found if "temperature" in message]
    assert "done" == value(found, "status")


# Going on


def earlier(ends: int, marked: int, **fields: Any) -> Earlier:
    one = {"wall_ns": E_NS, "cpu_ns": E_NS, "others": 0.0, "warm_up": False}
    return Earlier([one | {"kind": "E"}] * ends + [one | {"kind": "L"}] * marked, attempt=1, **fields)


def test_a_part_that_goes_on_takes_only_the_samples_that_are_missing():
    found = messages(subject(), earlier=earlier(10, 6))

    assert 10 == len(forwards(found))
    assert {1} == {each["attempt"] for each in (*forwards(found), *forwards(found, warm_up=True))}


def test_a_part_that_has_all_samples_only_warms_up_for_the_rest():
    found = messages(subject(), PLAN._replace(temperature=True), earlier(10, 10, alone=["conv"], memory=True))

    assert [] == forwards(found)
    assert [] == [message for message in found if "memory" in message]
    assert ["relu"] == [message["temperature"]["layer"] for message in found if "temperature" in message]
    assert "done" == value(found, "status")


def test_forwards_of_an_earlier_warm_up_are_no_samples():
    warm = [{"kind": kind, "wall_ns": 9, "cpu_ns": 9, "others": 0.0, "warm_up": True} for kind in "EL"] * 10

    assert 20 == len(forwards(messages(subject(), earlier=Earlier(warm, attempt=1))))


def test_time_only_grows():
    elapsed = [each["progress"]["elapsed_s"] for each in messages(subject()) if "progress" in each]

    assert [] == [pair for pair in pairwise(elapsed) if pair[0] >= pair[1]]
