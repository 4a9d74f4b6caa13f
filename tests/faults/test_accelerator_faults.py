"""FAULTS 16, 17, 19 on the fake device: memory that ends within a series, errors that stick, a device that is gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cnnprof.devices import fake
from cnnprof.measure.session import Session, measure
from cnnprof.model.plain import replace
from cnnprof.model.run import Run
from cnnprof.store.runs import Store
from tests.helpers.measuring import PLAIN, Log, here, measured, run_of, scripted
from tests.helpers.processes import cnnprof, environment

SMALL = "INPUT 1x8x8 -> FC-10"
GPU = PLAIN | {"launch_ns": 100_000}


def script(folder: Path, **changes: object) -> str:
    """Write what the fake accelerator does, and return its name."""
    (folder / "script.json").write_text(json.dumps(GPU | changes))
    return "fake:script.json"


def peaks(model: str, *batches: int) -> list[int]:
    return [part.analysis.memory.peak_bytes for part in run_of(model, batches=batches).parts]


def stored(folder: Path) -> Run:
    with Store.open(folder / "runs") as store:
        return store.load(store.ids()[-1])


# 16: memory that ends within a series


def test_p6_in_a_series_of_batches_memory_ends_once_and_costs_no_smaller_batch_and_no_other_model(tmp_path):
    batches = [2**power for power in range(14)]
    memory = peaks("lenet5", 2048)[0]
    argv = ("profile", "lenet5", SMALL, "--batch", ",".join(map(str, batches)))

    done = cnnprof(
        *argv, "--device", script(tmp_path, memory_bytes=memory), "-f", "json", cwd=tmp_path,
        env=environment(CNNPROF_STORE=str(tmp_path / "runs")),
    )  # fmt: skip

    lenet5, small = stored(tmp_path).parts[:14], stored(tmp_path).parts[14:]
    assert 4 == done.code
    assert ["done"] * 12 + ["out-of-memory"] * 2 == [part.status for part in lenet5]
    assert ["worker-memory", "batch-too-large"] == [part.code for part in lenet5[12:]]
    assert ["done"] * 14 == [part.status for part in small]
    assert [20] * 12 + [0] * 2 == [len([each for each in measured(part) if each.kind in "EL"]) for part in lenet5]
    assert done.err.splitlines()[1:] == [
        f"error[worker-memory] lenet5 fake:script.json batch {batches[12]} float32: not enough memory",
        "  hint: try a smaller batch: 2048 worked",
        (
            "error[batch-too-large] lenet5 fake:script.json batch 8192 float32: not tried: batch 4096 of it needs "
            "more memory than there is already"
        ),
        "  hint: try a smaller batch: 2048 worked",
    ]


def test_what_was_not_tried_is_said_in_the_report():
    run = run_of("lenet5", batches=(64, 1024, 4096))
    log = Log()

    found = measure(replace(run, parts=tuple(scripted(run.parts, memory_bytes=10**7))), here(writer=log)).run

    assert ["done", "out-of-memory", "out-of-memory"] == [part.status for part in found.parts]
    assert "batch-too-large" == log.of("part")[-1].code
    from cnnprof.measure.summary import summarise

    (doubt,) = summarise(found.parts[2]).doubts
    assert ("out-of-memory", "not tried: batch 1024 of it needs more memory than there is already") == (
        doubt.code, doubt.message
    )  # fmt: skip


def test_a_smaller_batch_is_tried_after_a_larger_one_that_did_not_fit():
    run = run_of("lenet5", batches=(1024, 4096, 1))

    found = measure(replace(run, parts=tuple(scripted(run.parts, memory_bytes=10**7))), here()).run

    assert [("out-of-memory", "worker-memory"), ("out-of-memory", "batch-too-large"), ("done", None)] == [
        (part.status, part.code) for part in found.parts
    ]


def test_another_device_has_its_own_memory():
    run = run_of("lenet5", batches=(1024, 4096))
    small, large = scripted(run.parts, memory_bytes=10**7), scripted(run.parts)

    found = measure(replace(run, parts=(*small, *large)), here()).run

    assert ["out-of-memory"] * 2 + ["done"] * 2 == [part.status for part in found.parts]


def test_a_run_that_goes_on_does_not_try_what_a_smaller_batch_has_shown_already():
    run = run_of("lenet5", batches=(1024, 4096))
    parts = scripted(run.parts, memory_bytes=10**7)
    before = replace(run, parts=(replace(parts[0], status="out-of-memory"), parts[1]))

    assert "batch-too-large" == measure(before, here()).run.parts[1].code


# 17: an error that sticks


def three(fault: str) -> Run:
    """Three models; in the second one the device fails in its twentieth forward."""
    run = run_of(SMALL, "lenet5", "alexnet", layer_ns=20_000_000)
    bad = scripted(run.parts[1:2], layer_ns=20_000_000, faults={"20": fault})
    return replace(run, parts=(run.parts[0], *bad, run.parts[2]))


def test_p6_an_error_that_sticks_in_the_second_of_three_models_costs_the_third_nothing(tmp_path):
    run = three("sticky")

    with Store.open(tmp_path / "runs", write=True) as store:
        found = measure(run, Session(writer=store.begin(run))).run
        assert found == store.load(run.id)

    assert ["done", "failed", "done"] == [part.status for part in found.parts]
    part = found.parts[1]
    assert (
        "device-failed",
        "the device failed, and takes nothing more from this process: a device-side assert, as the script says",
        "what was measured before is kept; every other part has a process of its own",
    ) == (part.code, part.problem, part.hint)
    assert 0 < len(part.forwards)
    assert 20 == len(measured(found.parts[2]))


def test_in_one_process_it_would_have_cost_the_third_too(monkeypatch):
    monkeypatch.setattr(fake, "_stuck", [])

    found = measure(three("sticky"), here()).run

    assert ["done", "failed", "failed"] == [part.status for part in found.parts]


# 19: a device that is gone, and one that says nothing


def test_p8_a_device_that_is_lost_midway_fails_its_part_keeps_its_samples_and_goes_on_when_it_is_back(tmp_path):
    where = {"cwd": tmp_path, "env": environment(CNNPROF_STORE=str(tmp_path / "runs"))}
    device = script(tmp_path, layer_ns=20_000_000, faults={"20": "lost"})

    done = cnnprof("profile", SMALL, "--device", device, "--quiet", **where)

    before = stored(tmp_path).parts[0]
    assert (4, "failed", "device-lost") == (done.code, before.status, before.code)
    assert "the device is gone: it has fallen off the bus, as the script says" in done.err
    assert "Traceback" not in done.err
    assert 0 < len(measured(before))

    with Store.open(tmp_path / "runs") as store:
        (run_id,) = store.ids()
        run = store.load(run_id)
    mended = replace(run, parts=tuple(replace(part, script=GPU) for part in run.parts))
    after = measure(mended, here()).run.parts[0]
    assert ("done", before.forwards) == (after.status, after.forwards[: len(before.forwards)])


@pytest.mark.parametrize(
    ("telemetry", "expected"),
    [
        ({}, []),
        ({"before": {}, "after": {"power_w": 70.5}}, [{"when": "before"}, {"when": "after", "power_w": 70.5}]),
    ],
)
def test_p8_what_a_device_does_not_say_is_null_one_doubt_and_no_failure(tmp_path, telemetry, expected):
    device = script(tmp_path, telemetry=telemetry)

    done = cnnprof("profile", SMALL, "--device", device, "--no-store", "-f", "json", cwd=tmp_path)

    assert (0, "") == (done.code, done.err)
    (part,) = json.loads(done.out)["parts"]
    said = [{name: value for name, value in each.items() if value is not None} for each in part["telemetry"]]
    assert expected == said
    assert [] == [value for each in part["telemetry"] for value in each.values() if value == 0]
    assert 1 == done.out.count('"clocks-unknown"')
