"""Measuring from the outside: what is kept, in which order, and what one part's trouble costs the others."""

from __future__ import annotations

import sys

import pytest

from cnnprof.measure.session import Measured, Session, measure
from cnnprof.model.plain import replace
from cnnprof.model.run import MeasuredMemory, Run
from cnnprof.store.runs import Store
from tests.helpers.measuring import Log, StopAt, here, listening, measured, run_of, scripted
from tests.helpers.processes import run

SMALL = "INPUT 1x8x8 -> FC-10"
BUSY = [1.0, 1.5]
"""Noise that no number of samples makes narrow."""


def of(run: Run, **session: object) -> Measured:
    return measure(run, here(**session))


def counts(run: Run) -> list[int]:
    return [len(measured(part)) for part in run.parts]


# What a run becomes


def test_a_run_has_all_that_was_measured_of_each_part():
    found = of(run_of(SMALL, batches=(1, 8), temperature=True)).run

    assert ("done", ["done", "done"]) == (found.status, [part.status for part in found.parts])
    assert [1, 8] == [part.setting.batch for part in found.parts]
    first = found.parts[0]
    assert ("flatten", "linear") == first.layers
    assert {"line"} == set(first.marks) == set(first.costs)
    assert (True, 1.0, "fake") == (first.steady, first.output_std, first.environment["cpu"])
    assert ["flatten", "linear"] == [each.layer for each in first.temperatures]
    assert first.analysis.memory.peak_bytes == first.memory.peak_bytes
    assert {"E": 10, "L": 10} == {kind: [each.kind for each in measured(first)].count(kind) for kind in "EL"}


def test_a_run_says_what_it_measures_with_while_it_is_measured():
    log = Log()

    of(run_of(SMALL), writer=log)

    statuses = [part.status for part in log.of("part")]
    assert ("running", "done", "done") == (statuses[0], statuses[-1], log.of("finish")[0])


def test_the_store_has_what_the_run_has(tmp_path):
    run = run_of(SMALL, batches=(1, 2), temperature=True)

    with Store.open(tmp_path / "runs", write=True) as store:
        found = of(run, writer=store.begin(run)).run
        assert found == store.load(run.id)


# Every message is stored before the next is asked for


def test_a_message_is_stored_before_the_worker_goes_on():
    order: list[str] = []

    class Writer(Log):
        def __getattr__(self, name):
            return lambda *_: order.append(name)

    with listening(order) as source:
        measure(run_of(SMALL), Session(messages=source, writer=Writer()))

    said = " ".join(order)
    assert said.startswith("part said part asked for more said forwards asked for more said forwards")
    assert said.endswith("said record asked for more said part asked for more part finish")
    assert "said asked" not in said


def test_the_watcher_sees_a_part_before_the_worker_goes_on_with_all_that_there_is():
    seen = []

    class Watcher:
        def show(self, number, part, progress):
            seen.append((number, len(part.forwards), progress and progress.doing))

    found = of(run_of(SMALL), watcher=Watcher()).run

    assert (0, 0, None) == seen[0]
    assert (0, 1, "warming up") == seen[1]
    assert (0, len(found.parts[0].forwards), None) == seen[-1]


# A part that fails costs no other


def test_a_batch_that_does_not_fit_costs_neither_smaller_ones_nor_the_next_model():
    """FAULTS 16: out of memory in a series."""
    run = run_of(SMALL, "lenet5", batches=(1, 8, 512))
    most = run.parts[4].analysis.memory.peak_bytes

    found = of(replace(run, parts=tuple(scripted(run.parts, memory_bytes=most)))).run

    statuses = [part.status for part in found.parts]
    assert (["done"] * 2, ["done", "done", "out-of-memory"]) == (statuses[:2], statuses[3:])
    assert ("out-of-memory", "failed") == (found.parts[5].status, found.status)
    assert ("not enough memory", "worker-memory") == (found.parts[5].problem, found.parts[5].code)
    assert 0 == counts(found)[5]
    assert 0 < min(counts(found)[3:5])


@pytest.mark.parametrize(("fault", "said"), [("nan", "nan"), ("inf", "inf"), ("zero", "0"), ("negative", "-5")])
def test_a_clock_that_lies_fails_its_part_with_what_was_measured_before(fault, said):
    """FAULTS 20."""
    run = run_of(SMALL, "lenet5")
    bad = scripted(run.parts[:1], faults={"50": fault})

    found = of(replace(run, parts=(*bad, run.parts[1]))).run

    assert ("failed", "bad-clock") == (found.parts[0].status, found.parts[0].code)
    assert found.parts[0].problem.startswith(f"the clock of this device gave {said} ns ")
    assert [10, 20] == counts(found)
    assert ("done", "failed") == (found.parts[1].status, found.status)


def test_an_error_of_the_networks_own_code_fails_its_part_only():
    def source(asked):
        raise ZeroDivisionError("their division")
        yield asked

    found = measure(run_of(SMALL, "lenet5"), Session(messages=source)).run

    assert ["their division"] * 2 == [part.problem for part in found.parts]
    assert [None, None] == [part.code for part in found.parts]


def test_what_a_worker_says_that_is_no_message_fails_its_part_only():
    found = measure(run_of(SMALL), Session(messages=lambda _: iter([{"forwards": [{"kind": "X"}]}]))).run

    assert "failed" == found.parts[0].status


# A store that fails


@pytest.mark.parametrize("writes", [0, 1, 4, 9])
def test_a_store_that_fails_midway_costs_no_measuring(writes):
    log = Log(full_after=writes)

    found = of(run_of(SMALL, "lenet5"), writer=log)

    assert "the disk is full" == found.unstored.message
    assert (["done", "done"], [20, 20]) == ([part.status for part in found.run.parts], counts(found.run))
    assert writes == len(log.said)


# Interrupts


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_was_measured_before_an_interrupt_is_in_the_run_and_in_the_store(tmp_path, error):
    run = run_of(SMALL, "lenet5", layer_ns=20_000_000)

    with Store.open(tmp_path / "runs", write=True) as store:
        with pytest.raises(error) as caught:
            of(run, writer=store.begin(run), watcher=StopAt(8, error))
        stored = store.load(run.id)

    found = caught.value.partial
    assert found == stored
    assert ("interrupted", ["interrupted"] * 2) == (found.status, [part.status for part in found.parts])
    assert 8 <= counts(found)[0] < 20
    assert 0 == counts(found)[1]


def test_an_interrupt_in_the_warm_up_keeps_the_warm_up():
    with pytest.raises(KeyboardInterrupt) as caught:
        of(run_of(SMALL), watcher=StopAt(0))

    assert ("interrupted", [0]) == (caught.value.partial.status, counts(caught.value.partial))


def test_an_interrupt_while_a_sample_is_saved_still_ends_as_interrupted():
    class Writer(Log):
        def forwards(self, *_):
            raise KeyboardInterrupt

    log = Writer()
    with pytest.raises(KeyboardInterrupt) as caught:
        of(run_of(SMALL), writer=log)

    assert "interrupted" == caught.value.partial.parts[0].status
    assert (["interrupted"], "interrupted") == (log.of("finish"), log.of("part")[-1].status)


# Going on


def interrupted(samples: int, *models: str, **changes: object) -> Run:
    with pytest.raises(KeyboardInterrupt) as caught:
        of(run_of(*models, **changes), watcher=StopAt(samples))
    return caught.value.partial


def test_a_run_that_goes_on_measures_what_is_missing_under_another_attempt():
    before = interrupted(8, SMALL, "lenet5", layer_ns=20_000_000)

    after = of(before).run

    assert ("done", ["done", "done"]) == (after.status, [part.status for part in after.parts])
    first = after.parts[0]
    assert before.parts[0].forwards == first.forwards[: len(before.parts[0].forwards)]
    assert [0, 1] == sorted({each.attempt for each in first.forwards})
    assert {0} == {each.attempt for each in after.parts[1].forwards}
    assert 20 <= counts(after)[0] <= 24


def test_parts_that_are_done_stay_as_they_are():
    first = of(run_of(SMALL, "lenet5", noise=BUSY, budget_s=2.0)).run
    torn = replace(first, parts=(first.parts[0], replace(first.parts[1], status="interrupted")))

    after = of(torn).run

    assert "budget" == first.parts[0].status
    assert first.parts[0] == after.parts[0]
    assert len(first.parts[1].forwards) < len(after.parts[1].forwards)


def test_parts_before_the_one_to_begin_with_are_left_as_they_are():
    run = run_of("lenet5", batches=(1, 2))
    failed = replace(run.parts[0], status="failed", problem="it broke")

    found = measure(replace(run, parts=(failed, run.parts[1])), here(), begin=1).run

    assert failed == found.parts[0]
    assert "done" == found.parts[1].status


def test_a_part_that_failed_is_tried_again_and_forgets_its_problem():
    run = run_of(SMALL)
    before = of(replace(run, parts=tuple(scripted(run.parts, faults={"0": "nan"})))).run
    mended = replace(before, parts=tuple(scripted(before.parts)))

    after = of(mended).run

    assert ("failed", "bad-clock") == (before.parts[0].status, before.parts[0].code)
    part = after.parts[0]
    assert ("done", None, None, None) == (part.status, part.problem, part.hint, part.code)


def test_memory_and_layers_alone_are_not_measured_twice():
    class StopAtTemperature:
        def show(self, _number, part, _progress):
            if part.temperatures:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        of(run_of("lenet5", temperature=True), watcher=StopAtTemperature())
    before, log = caught.value.partial, Log()

    after = of(before, writer=log).run

    assert 1 == len(before.parts[0].temperatures)
    assert list(after.parts[0].layers) == [each.layer for each in after.parts[0].temperatures]
    assert [] == [each for each in log.of("record") if isinstance(each, MeasuredMemory)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ({"cores": 64}, "it was measured with cores 2 and cannot go on with 64: two machines make no one figure"),
        ({"threads": 8}, "it was measured with threads 1 and cannot go on with 8: two machines make no one figure"),
    ],
)
def test_another_machine_does_not_go_on_with_samples_of_this_one(script, expected):
    before = interrupted(8, SMALL, layer_ns=20_000_000)
    moved = replace(before, parts=tuple(scripted(before.parts, **script)))

    after = of(moved).run

    assert (expected, "other-machine") == (after.parts[0].problem, after.parts[0].code)
    assert before.parts[0].forwards == after.parts[0].forwards
    assert before.parts[0].environment == after.parts[0].environment


def test_a_network_that_has_changed_does_not_go_on_with_samples_of_what_it_was():
    before = interrupted(8, SMALL, layer_ns=20_000_000)
    other = run_of("lenet5").parts[0]
    changed = replace(before.parts[0], analysis=other.analysis)

    after = of(replace(before, parts=(changed,))).run

    assert "other-network" == after.parts[0].code
    assert (("flatten", "linear"), before.parts[0].forwards) == (after.parts[0].layers, after.parts[0].forwards)


# Through the worker that measures everything else too (FAULTS 15)

SLOW = {"layer_ns": 20_000_000}


@pytest.mark.parametrize(
    ("fault", "status", "code", "problem"),
    [
        ("segfault", "failed", "worker-died", "its process was ended by SIGSEGV"),
        ("kill", "failed", "worker-died",
         "its process was killed (SIGKILL), as a system does that has no memory left"),
        ("memory", "out-of-memory", "worker-memory", "not enough memory"),
        ("exit", "failed", "worker-died", "its process ended with exit code 0 before it had answered"),
        ("hang", "failed", "worker-timeout", "no answer within 4 seconds, so its process was ended"),
        ("nan", "failed", "bad-clock",
         "the clock of this device gave nan ns for a part of a forward, which is no time"),
    ],
)  # fmt: skip
def test_p6_a_worker_that_dies_costs_its_own_part_from_there_and_nothing_else(tmp_path, fault, status, code, problem):
    run = run_of(SMALL, "lenet5", **SLOW)
    bad = scripted(run.parts[:1], faults={"20": fault}, **SLOW)
    run = replace(run, parts=(*bad, run.parts[1]))

    with Store.open(tmp_path / "runs", write=True) as store:
        found = measure(run, Session(deadline_s=4, writer=store.begin(run))).run
        assert found == store.load(run.id)

    part = found.parts[0]
    assert (status, code, problem) == (part.status, part.code, part.problem)
    assert 10 == len(measured(part))
    assert ("done", 20) == (found.parts[1].status, len(measured(found.parts[1])))
    assert "failed" == found.status


def test_p6_what_a_worker_prints_is_no_message(capfd):
    run = run_of(SMALL, **SLOW)

    found = measure(replace(run, parts=tuple(scripted(run.parts, faults={"20": "print"}, **SLOW))), Session()).run

    out, err = capfd.readouterr()
    assert ("done", 20) == (found.status, len(measured(found.parts[0])))
    assert ("", True) == (out, "garbage {[" in err)


def test_an_interpreter_that_is_not_there_fails_its_parts():
    found = measure(replace(run_of(SMALL), python="/nonexistent/python"), Session()).run

    expected = "cannot start /nonexistent/python: No such file or directory"
    assert (expected, "worker-died") == (found.parts[0].problem, found.parts[0].code)


def test_measuring_on_the_fake_device_imports_no_torch():
    script = (
        "import sys, cnnprof\ncnnprof.profile('lenet5', device='fake', in_process=True)\n"
        "assert 'torch' not in sys.modules"
    )

    done = run([sys.executable, "-c", script])

    assert (0, "") == (done.code, done.err)
