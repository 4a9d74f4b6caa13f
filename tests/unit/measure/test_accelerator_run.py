"""A run on the fake accelerator, from its script to its figures: each is what can be worked out by hand."""

from __future__ import annotations

import pytest

from cnnprof.measure.session import measure
from cnnprof.measure.sizes import LADDER, moved
from cnnprof.measure.summary import summarise
from cnnprof.model.profile import Profile
from cnnprof.model.run import Part
from cnnprof.store.files import from_json, to_json
from cnnprof.store.frame import run_to_frame
from tests.helpers.measuring import Log, here, run_of
from tests.unit.measure.test_ledger import ns

SMALL = "INPUT 1x8x8 -> FC-10"
"""A flatten and a linear layer: two of 4 ms, launched in 5, with three gaps of 1 ms."""
LAUNCHED = {"launch_ns": 5_000_000, "macs_per_ns": 1e12, "bytes_per_ns": 1e12}
MS = 1_000_000


def measured(**script: object) -> tuple[Part, Profile]:
    found = measure(run_of(SMALL, **(LAUNCHED | script)), here()).run
    (part,) = found.parts
    return part, summarise(part)


def test_the_ledger_of_a_forward_that_is_launched_slower_than_it_is_computed():
    part, profile = measured()

    ledger = profile.ledger
    assert (13 * MS, 8 * MS, 2 * MS, 3 * MS, 0) == tuple(
        map(
            ns,
            (
                ledger.end_to_end.median_s, ledger.layers_s, ledger.launch_gaps_s, ledger.glue_s, ledger.unexplained_s
            ),
        )
    )  # fmt: skip
    assert [(4 * MS, 1 * MS)] * 2 == [(ns(each.time.median_s), ns(each.launch_gap_s)) for each in profile.layers]
    assert (pytest.approx(5 / 13), 13 / 8) == (profile.host_bound, profile.graph_gain)
    assert 8 * MS == ns(profile.graph.median_s)
    assert 12 * MS == ns(profile.device_whole.median_s)
    assert {"E": 10, "L": 10, "Q": 10, "G": 10} == {
        kind: len([each for each in part.forwards if each.kind == kind and not each.warm_up]) for kind in "ELQG"
    }


def test_what_is_hidden_from_the_marks_is_unexplained_and_neither_a_launch_gap_nor_glue():
    _, profile = measured(hidden_ns=500_000)

    ledger = profile.ledger
    assert (13_500_000, 2 * MS, 3 * MS, 500_000) == tuple(
        map(ns, (ledger.end_to_end.median_s, ledger.launch_gaps_s, ledger.glue_s, ledger.unexplained_s))
    )


def test_what_marks_cost_in_line_is_in_no_line_of_the_ledger():
    plain, dressed = (measured(inside_ns=inside, outside_ns=outside)[1] for inside, outside in ((0, 0), (900, 7_000)))

    for name in ("layers_s", "launch_gaps_s", "glue_s", "unexplained_s"):
        assert getattr(plain.ledger, name) == getattr(dressed.ledger, name)
    assert 2 * 7_900 == ns(dressed.ledger.marks_s)


def test_a_larger_launch_changes_the_gaps_and_neither_the_layers_nor_the_graph():
    slow, fast = (measured(launch_ns=launch)[1] for launch in (9 * MS, 1 * MS))

    assert (10 * MS, 0) == (ns(slow.ledger.launch_gaps_s), ns(fast.ledger.launch_gaps_s))
    assert slow.ledger.layers_s == fast.ledger.layers_s
    assert slow.graph.median_s == fast.graph.median_s
    assert (pytest.approx(13 / 21), pytest.approx(3 / 11)) == (slow.host_bound, fast.host_bound)


def test_a_training_step_has_launch_gaps_of_its_forward_and_no_graph():
    run = run_of(SMALL, training="sgd", **LAUNCHED)
    (part,) = measure(run, here()).run.parts
    profile = summarise(part)

    assert (8 * MS, 2 * MS, 13 * MS) == tuple(
        map(ns, (profile.ledger.layers_s, profile.ledger.launch_gaps_s, profile.ledger.end_to_end.median_s))
    )
    assert profile.graph is None


def test_every_tensor_of_the_network_is_copied_and_a_ladder_besides():
    part, _ = measured()

    # Inputs and flatten 8·8 floats, inputs as uint8, the linear layer 10; its weights and bias 64·10 + 10.
    assert [40, 64, 256, 2600, *LADDER] == moved(part)["sizes"]
    assert [40, 64, 256, 2600, *LADDER] == sorted({copy.bytes for copy in part.copies})
    assert 4 * 13 == len(part.copies)
    assert (2600, 325, 200 * MS) == (part.load.weights_bytes, part.load.weights_ns, part.load.context_ns)
    assert 10 == part.overlap.batches


def test_records_are_stored_one_by_one_as_they_come():
    log = Log()

    found = measure(run_of(SMALL, telemetry={"after": {"power_w": 70.5}}, **LAUNCHED), here(writer=log)).run.parts[0]

    assert [*found.telemetry, found.memory, found.load, *found.copies, found.overlap] == log.of("record")


def test_an_interrupted_part_goes_on_with_the_copies_that_are_missing():
    class StopAtCopy:
        def show(self, _number, part, _progress):
            if len(part.copies) == 6:
                raise KeyboardInterrupt

    try:
        measure(run_of(SMALL, **LAUNCHED), here(watcher=StopAtCopy()))
    except KeyboardInterrupt as stop:
        before = stop.partial

    after = measure(before, here()).run.parts[0]

    assert before.parts[0].copies == after.copies[:6]
    assert 4 * 13 == len(after.copies) == len({(each.bytes, each.direction, each.memory) for each in after.copies})
    assert before.parts[0].load == after.load


def test_a_run_of_an_accelerator_goes_into_a_file_and_a_frame_and_back():
    found = measure(run_of(SMALL, telemetry={"before": {"throttle": ["sw_power_cap"]}}, **LAUNCHED), here()).run

    assert found == from_json(to_json(found), "run.json")
    frame = run_to_frame([(found.parts[0], summarise(found.parts[0]))])
    assert [0.001, 0.001] == list(frame["launch_gap_s"].round(9))
