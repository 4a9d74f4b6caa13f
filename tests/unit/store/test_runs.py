"""The store: what goes in comes out, and says who measures it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cnnprof.errors import StoreError, UsageError
from cnnprof.model.plain import replace
from cnnprof.model.run import UNMEASURED, MeasuredMemory, Part, Setting, Temperature
from cnnprof.store import owner, rows, statements
from cnnprof.store.runs import Head, Store
from tests.helpers import runs


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "runs.sqlite3", write=True) as opened:
        yield opened


@pytest.fixture
def leave(monkeypatch):
    """Call it, and whoever measured until now is gone."""
    return lambda: monkeypatch.setattr(owner, "_boot", lambda: "another boot")


def test_a_run_comes_out_as_it_went_in(store):
    run = runs.run()

    assert store.add(run)
    assert run == store.load(run.id)


def test_a_run_written_sample_by_sample_is_put_together_in_order(store):
    whole = runs.run(runs.ID, runs.part("vgg16"), runs.part("alexnet", 5))
    writer = store.begin(runs.head(whole))
    for number in (1, 0):
        part = whole.parts[number]
        writer.part(number, replace(part, **UNMEASURED))
        writer.forwards(number, part.forwards[:2])
        writer.forwards(number, part.forwards[2:])
        for record in rows.records_of(replace(part, forwards=())):
            writer.record(number, record)
    writer.finish("done")

    assert whole == store.load(runs.ID)


def test_what_an_accelerator_was_asked_is_there_in_order_and_of_what_is_said_once_the_last_counts(store):
    part = runs.accelerated()
    writer = store.begin(runs.head(runs.run(runs.ID, part)))
    writer.record(0, replace(part.load, weights_bytes=1))
    for record in rows.records_of(replace(part, forwards=())):
        writer.record(0, record)

    found = store.load(runs.ID).parts[0]
    assert (part.copies, part.load, part.overlap, part.telemetry) == (
        found.copies, found.load, found.overlap, found.telemetry
    )  # fmt: skip


def test_a_run_of_an_accelerator_comes_out_as_it_went_in(store):
    run = runs.run(runs.ID, runs.accelerated(), runs.part())

    assert store.add(run)
    assert run == store.load(run.id)
    assert not store.add(run)


def test_a_run_is_there_as_soon_as_it_began_and_runs(store):
    store.begin(runs.head(runs.run()))

    run = store.load(runs.ID)

    assert ("running", "running", ()) == (run.status, run.parts[0].status, run.parts[0].forwards)
    assert [Head(runs.ID, run.created, "running", ("vgg16",), 1, 0)] == store.list()


def test_a_head_is_replaced_and_the_samples_stay(store):
    writer = store.begin(runs.head(runs.run()))
    writer.forwards(0, [runs.forward(5)])
    writer.record(0, MeasuredMemory(peak_bytes=1, by="x"))

    writer.part(0, Part(model="vgg16", setting=Setting(), status="failed", problem="it broke"))

    found = store.load(runs.ID).parts[0]
    assert ("failed", "it broke", (runs.forward(5),)) == (found.status, found.problem, found.forwards)
    assert MeasuredMemory(peak_bytes=1, by="x") == found.memory


def test_a_part_may_come_later(store):
    writer = store.begin(runs.head(runs.run()))

    writer.part(1, Part(model="lenet5", setting=Setting()))

    assert ["vgg16", "lenet5"] == [part.model for part in store.load(runs.ID).parts]


def test_the_last_memory_counts(store):
    writer = store.begin(runs.head(runs.run()))
    for size in (1, 2):
        writer.record(0, MeasuredMemory(peak_bytes=size, by="x"))

    assert 2 == store.load(runs.ID).parts[0].memory.peak_bytes


def test_samples_of_a_part_that_is_not_there_are_a_mistake_of_the_caller(store):
    writer = store.begin(runs.head(runs.run()))

    with pytest.raises(ValueError, match=r"(?m)^there is no part 7$"):
        writer.record(7, Temperature(layer="a", hot_ns=(), cold_ns=()))


def test_an_interrupt_while_samples_are_written_leaves_none_of_them(store, monkeypatch):
    writer = store.begin(runs.head(runs.run()))
    append = statements.append

    def interrupted(*given):
        append(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(statements, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.forwards(0, [runs.forward(1), runs.forward(2)])
    monkeypatch.undo()

    assert () == store.load(runs.ID).parts[0].forwards
    writer.forwards(0, [runs.forward(3)])
    assert (runs.forward(3),) == store.load(runs.ID).parts[0].forwards


def test_what_nobody_measures_any_more_was_interrupted(store, leave):
    whole = runs.run(runs.ID, runs.part(), runs.part())
    writer = store.begin(runs.head(whole))
    writer.part(0, replace(whole.parts[0], forwards=(), temperatures=()))

    leave()

    found = store.load(runs.ID)
    assert ("interrupted", ["done", "interrupted"]) == (found.status, [part.status for part in found.parts])
    assert ["interrupted"] == [head.status for head in store.list()]


def test_an_imported_run_that_was_running_elsewhere_was_interrupted_here(store):
    store.add(runs.run(status="running"))

    assert "interrupted" == store.load(runs.ID).status


def test_the_newest_is_listed_first_whatever_came_first(store):
    for run_id, created in (("b", "2026-11-21T10:00:00Z"), ("c", "2026-11-21T13:00:00+02:00"), ("a", "2025-01-01")):
        store.add(runs.run(run_id, created=created))

    assert ["c", "b", "a"] == [head.id for head in store.list()]
    assert ["a", "b", "c"] == store.ids()


def test_a_list_counts_forwards_without_warm_up_and_names_each_model_once(store):
    store.add(runs.run(runs.ID, runs.part("a", 3), runs.part("b", 5), runs.part("a", 2)))

    (head,) = store.list()

    assert (("a", "b"), 3, 3 + 5 + 2) == (head.models, head.parts, head.samples)


# Several runs, several processes


def test_the_same_run_is_added_once(store):
    assert [True, False] == [store.add(runs.run()), store.add(runs.run())]


def test_another_run_of_the_same_id_is_refused(store):
    store.add(runs.run())

    with pytest.raises(StoreError, match=f"another run {runs.ID}") as caught:
        store.add(runs.run(interval=0.5))

    assert ("run-exists", 2) == (caught.value.code, caught.value.exit_code)
    assert runs.run() == store.load(runs.ID)


def test_a_run_that_is_being_measured_is_neither_resumed_nor_deleted(store):
    store.begin(runs.head(runs.run()))

    for act in (store.resume, lambda run_id: store.delete([run_id])):
        with pytest.raises(StoreError, match=r"is being measured by process \d+ on ") as caught:
            act(runs.ID)
        assert "run-busy" == caught.value.code


def test_a_run_whose_process_is_gone_is_resumed_with_its_samples(tmp_path):
    """A process of its own begins it, and dies."""
    path = tmp_path / "runs.sqlite3"
    script = (
        "import os, sys\nfrom cnnprof.store.runs import Store\nfrom tests.helpers import runs\n"
        "writer = Store.open(sys.argv[1], write=True).begin(runs.head(runs.run()))\n"
        "writer.forwards(0, [runs.forward(5)])\nos.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, path], check=False)

    with Store.open(path, write=True) as store:
        before = store.load(runs.ID)
        writer = store.resume(runs.ID)
        assert ("interrupted", "running") == (before.status, store.load(runs.ID).status)
        writer.forwards(0, [runs.forward(6)])
        writer.finish("done")
        found = store.load(runs.ID)

    assert ("done", (runs.forward(5), runs.forward(6))) == (found.status, found.parts[0].forwards)


def test_a_finished_run_is_resumed_and_runs_again(store):
    store.add(runs.run())

    store.resume(runs.ID)

    assert "running" == store.load(runs.ID).status


def test_who_lost_a_run_cannot_write_to_it(store, leave):
    lost = store.begin(runs.head(runs.run()))
    leave()
    store.resume(runs.ID)

    for write in (lambda: lost.forwards(0, [runs.forward(1)]), lambda: lost.finish("done")):
        with pytest.raises(StoreError, match="is not written by this process any more") as caught:
            write()
        assert "run-taken" == caught.value.code
    assert () == store.load(runs.ID).parts[0].forwards


def test_a_run_that_is_finished_takes_nothing_more(store):
    writer = store.begin(runs.head(runs.run()))
    writer.finish("done")

    with pytest.raises(StoreError, match="any more"):
        writer.forwards(0, [runs.forward(1)])


def test_runs_are_deleted_with_everything_and_the_file_shrinks(store):
    store.add(runs.run())
    store.add(runs.run("big", runs.part(forwards=5000)))
    before = store.connection.path.stat().st_size

    store.delete(["big"])

    assert [runs.ID] == store.ids()
    assert store.connection.path.stat().st_size < before / 5


def test_of_several_runs_all_or_none_are_deleted(store):
    store.add(runs.run())

    with pytest.raises(UsageError, match=r"(?m)^there is no run nope$"):
        store.delete([runs.ID, "nope"])

    assert [runs.ID] == store.ids()


@pytest.mark.parametrize("act", ["load", "resume"])
def test_a_run_that_is_not_there_is_an_error(store, act):
    with pytest.raises(UsageError, match=r"(?m)^there is no run nope$") as caught:
        getattr(store, act)("nope")

    assert "unknown-run" == caught.value.code


def test_a_digit_that_changed_is_noticed(store):
    store.add(runs.run())
    store.add(runs.run("other"))
    with store.connection.transaction(write=True) as db:
        changed = "UPDATE records SET data = replace(data, '\"wall_ns\":7', '\"wall_ns\":8') WHERE kind = 'forward'"
        db.execute(changed + " AND part = 1")

    with pytest.raises(StoreError, match=r"is damaged: .*: forward 4: its checksum is wrong") as caught:
        store.load(runs.ID)

    assert "store-damaged" == caught.value.code
    assert runs.run("other") == store.load("other")


def test_a_run_that_is_damaged_costs_the_list_no_other(store):
    store.add(runs.run("whole"))
    store.add(runs.run("hurt"))
    with store.connection.transaction(write=True) as db:
        db.execute("UPDATE runs SET head = '{}' WHERE id = 'hurt'")

    assert [("whole", "done"), ("hurt", "damaged")] == [(head.id, head.status) for head in store.list()]
