"""The device that does not exist does what its script says, to the nanosecond."""

from __future__ import annotations

import json

import pytest

from cnnprof.devices import fake
from cnnprof.devices.fake import FakeSubject, Script
from cnnprof.errors import UsageError

QUIET = {"slow_first": (), "inside_ns": 0, "outside_ns": 0}


def subject(*rows: tuple[str, int, int], trains: bool = False, **script: object) -> FakeSubject:
    return FakeSubject(Script(**(QUIET | script)), rows or [("conv", 0, 0)], peak_bytes=512, trains=trains)


@pytest.mark.parametrize(
    ("row", "expected"),
    [(("conv", 100_000, 200), 1_100), (("relu", 0, 200), 110), (("conv", 1_000, 20_000), 1_100), (("view", 0, 0), 100)],
)
def test_a_layer_takes_its_base_time_and_the_longer_of_computing_and_moving(row, expected):
    device = subject(row, layer_ns=100, macs_per_ns=100.0, bytes_per_ns=20.0, gap_ns=10)

    assert [10, expected, 10] == device.run("L")["marks_ns"]
    assert expected + 20 == device.run("E")["wall_ns"]


def test_work_is_planted_in_a_layer_and_before_it():
    device = subject(
        ("a", 0, 0), ("b", 0, 0), layer_ns=100, gap_ns=10, planted_ns={"b": 7, "gap:b": 5}
    )  # fmt: skip

    assert [10, 100, 15, 107, 10] == device.run("L")["marks_ns"]


def test_marks_cost_in_a_layer_and_between_two_and_only_where_there_are_marks():
    device = subject(("a", 0, 0), ("b", 0, 0), layer_ns=100, gap_ns=10, inside_ns=1, outside_ns=3)

    assert [13, 101, 13, 101, 10] == device.run("L")["marks_ns"]
    assert 230 == device.run("E")["wall_ns"]
    assert {"line": {"inside_ns": 1.0, "outside_ns": 3.0, "inside_cpu_ns": 1.0}} == device.costs()


def test_hidden_time_is_there_in_a_forward_without_marks_only():
    device = subject(layer_ns=100, gap_ns=10, hidden_ns=50)

    assert (170, 120) == (device.run("E")["wall_ns"], device.run("L")["wall_ns"])


def test_first_forwards_are_slow_and_noise_comes_again_and_again():
    device = subject(layer_ns=100, gap_ns=0, slow_first=(2.0, 1.5), noise=(1.0, 1.1, 1.2))

    assert [200, 165, 120, 100, 110] == [device.run("E")["wall_ns"] for _ in range(5)]


def test_the_clock_is_the_sum_of_all_that_ran():
    device = subject(layer_ns=100, gap_ns=10, cold=2.0)

    device.run("E")
    device.run("L")
    assert 240 == device.now_ns()
    assert {"layer": "conv", "hot_ns": [100, 100], "cold_ns": [200, 200]} == device.alone(0, 2)
    assert 840 == device.now_ns()


@pytest.mark.parametrize("kind", ["E", "L"])
def test_stolen_time_is_wall_time_in_which_the_thread_did_not_run(kind):
    device = subject(layer_ns=100, gap_ns=10, stolen_ns={"0": 30})

    first, second = device.run(kind), device.run(kind)

    assert (150, 120, 1) == (first["wall_ns"], first["cpu_ns"], first["switches"])
    assert (120, 120, 0) == (second["wall_ns"], second["cpu_ns"], second["switches"])


def test_a_training_step_has_a_backward_of_twice_the_forward_and_an_optimizer_of_a_tenth():
    device = subject(layer_ns=1000, gap_ns=0, trains=True)

    found = device.run("L")

    assert ("forward", "backward", "optimizer") == device.phases
    assert [1000, 2000, 100] == found["phases_ns"]
    assert (3100, [0, 1000, 0]) == (found["wall_ns"], found["marks_ns"])


def test_the_environment_is_the_scripts():
    found = subject(threads=3, cores=8, others=0.5).environment()

    assert (3, 8, 0.5, None) == (found["threads"], found["cores"], found["load_1min"], found["torch"])
    assert 0.5 == subject(others=0.5).others()


@pytest.mark.parametrize(("memory_bytes", "fits"), [(511, False), (512, True)])
def test_a_network_that_needs_more_memory_than_there_is_does_not_start(memory_bytes, fits):
    request = {"script": {"memory_bytes": memory_bytes}, "rows": [], "peak_bytes": 512, "trains": False}

    try:
        started = fake.subject(None, request).memory() == {"peak_bytes": 512, "by": "the fake device"}
    except MemoryError:
        started = False

    assert fits == started


@pytest.mark.parametrize(("fault", "expected"), [("nan", "nan"), ("inf", "inf"), ("zero", "0"), ("negative", "-5")])
def test_a_clock_can_lie(fault, expected):
    assert expected == str(subject(faults={"0": fault}).run("E")["wall_ns"])


def test_nothing_is_missing_for_it():
    assert fake.missing("python") is None


# Its file


def test_without_a_file_everything_has_its_default():
    assert {} == fake.read("fake")


def test_a_file_says_what_is_different(tmp_path):
    (tmp_path / "script.json").write_text('{"gap_ns": 7, "faults": {"3": "hang"}}')

    assert {"gap_ns": 7, "faults": {"3": "hang"}} == fake.read(f"fake:{tmp_path / 'script.json'}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"gap": 7, "layers": 1}', "gap, layers: no such value"),
        ('{"faults": {"3": "explode"}}', "explode: no such fault"),
        ("{", "Expecting property name"),
        ("[1]", "no JSON object"),
    ],
)
def test_a_file_that_says_anything_else_is_refused(tmp_path, text, expected):
    (tmp_path / "script.json").write_text(text)

    with pytest.raises(UsageError, match=expected) as caught:
        fake.read(f"fake:{tmp_path / 'script.json'}")

    assert caught.value.hint


def test_a_file_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match="No such file"):
        fake.read("fake:nowhere.json")


def test_every_default_can_be_written_into_a_file():
    assert Script(**json.loads(json.dumps(Script()._asdict())))._fields == Script._fields
