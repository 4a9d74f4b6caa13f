"""The device that does not exist does what its script says, to the nanosecond."""

from __future__ import annotations

import json

import pytest

from cnnprof.devices import fake
from cnnprof.devices.fake import FakeSubject, Moved
from cnnprof.devices.fake_script import FAULTS, Script, read
from cnnprof.errors import UsageError, WorkerError

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
    request = {
        "script": {"memory_bytes": memory_bytes}, "rows": [("conv", 0, 0)], "peak_bytes": 512, "trains": False,
        "weights_bytes": 0, "input_bytes": 0, "split": None,
    }  # fmt: skip

    try:
        started = fake.subject(None, request).memory() == {
            "peak_bytes": 512,
            "by": "the fake device: the predicted peak",
        }
    except MemoryError:
        started = False

    assert fits == started


@pytest.mark.parametrize(("layer_ns", "fits"), [(997, False), (998, True)])
def test_a_forward_of_less_than_a_microsecond_is_refused_because_warming_up_would_be_millions_of_them(layer_ns, fits):
    request = {
        "script": {"layer_ns": layer_ns, "gap_ns": 1}, "rows": [("conv", 0, 0)], "peak_bytes": 0, "trains": False,
        "weights_bytes": 0, "input_bytes": 0, "split": None,
    }  # fmt: skip

    if fits:
        assert 1_000 == fake.subject(None, request).forward_ns()
        return
    with pytest.raises(WorkerError, match="a forward takes 999 ns by the script of this fake device") as caught:
        fake.subject(None, request)
    assert "bad-script" == caught.value.code


def test_what_a_split_copies_is_in_pageable_memory():
    """600 ns on the host, 400 on the device, three gaps of 10, copies of 100 + 800 ÷ 2 and 100 + 80 ÷ 2."""
    quiet = QUIET | {"slow_first": [], "gap_ns": 10}
    request = {
        "script": quiet | {"layer_ns": 400, "copy_ns": 100, "pinned_bytes_per_ns": 10.0, "pageable_bytes_per_ns": 2.0},
        "rows": [("here", 0, 0), ("there", 0, 0)], "peak_bytes": 0, "trains": False, "weights_bytes": 0,
        "input_bytes": 0,
        "split": {
            "host_script": quiet | {"host": True, "layer_ns": 600}, "on_device": ["there"],
            "copies": [["h2d", 800], ["d2h", 80]],
        },
    }  # fmt: skip

    assert 600 + 400 + 3 * 10 + 500 + 140 == fake.subject(None, request).run("E")["wall_ns"]


# An accelerator


def accelerator(*rows: tuple[str, int, int], **script: object) -> FakeSubject:
    """Two layers of 100 and 700 ns, launched in 300 ns each, with gaps of 10."""
    rows = rows or (("small", 0, 0), ("large", 60_000, 0))
    return subject(*rows, **({"layer_ns": 100, "gap_ns": 10, "launch_ns": 300} | script))


def test_without_a_time_to_launch_it_has_the_passes_of_a_cpu_and_no_clock_beside_the_hosts():
    device = subject(layer_ns=100)

    assert ("E", "L") == device.passes
    assert "device_ns" not in device.run("E")


def test_an_accelerator_has_all_passes_and_in_training_no_graph():
    assert ("E", "L", "Q", "G", "F") == accelerator().passes
    assert ("E", "L", "Q", "F") == accelerator(trains=True).passes


def test_a_network_without_layers_is_measured_as_a_whole_too():
    found = FakeSubject(Script(launch_ns=300, slow_first=()), [], 0, trains=False).run("E")

    assert (500, 1) == (found["wall_ns"], found["device_ns"])


def test_a_layer_takes_what_takes_longer_computing_it_or_launching_it():
    found = accelerator(inside_ns=1, outside_ns=3).run("L")

    assert [13, 301, 13, 701, 10] == found["marks_ns"]
    assert (1038, 1028) == (found["wall_ns"], found["device_ns"])
    assert "marks_cpu_ns" not in found


def test_what_is_queued_takes_its_own_time_after_the_host_has_launched_all_of_it():
    found = accelerator(inside_ns=1, outside_ns=3).run("Q")

    assert [0, 100, 0, 700, 0] == found["marks_ns"]
    assert 800 + 2 * 300 == found["wall_ns"]


def test_after_the_cache_was_overwritten_the_first_layer_takes_longer_where_it_is_not_launched_more_slowly_anyway():
    assert [1030, 1330] == [accelerator(flushed_ns=500).run(kind)["wall_ns"] for kind in "EF"]
    assert [1030, 1030] == [accelerator(flushed_ns=200).run(kind)["wall_ns"] for kind in "EF"]


def test_a_replay_is_what_the_layers_take_and_a_forward_has_launches_and_gaps_besides():
    device = accelerator(hidden_ns=7)

    assert 800 == device.run("G")["wall_ns"]
    assert (1037, 1027) == tuple(device.run("E")[name] for name in ("wall_ns", "device_ns"))


def test_a_copy_takes_its_base_time_and_its_bytes_at_the_rate_of_the_memory():
    device = subject(copy_ns=50, pinned_bytes_per_ns=10.0, pageable_bytes_per_ns=2.0)

    found = list(device.copies([1000, 20], 3))

    assert {
        "direction": "h2d", "memory": "pinned", "bytes": 1000, "times_ns": [150] * 3, "cpu_ns": [], "verified": True,
    } == found[0]  # fmt: skip
    assert {"direction": "h2d", "memory": "pageable", "bytes": 1000, "times_ns": [550] * 3, "cpu_ns": [550] * 3,
            "verified": True} == found[1]  # fmt: skip
    assert [("d2h", "pinned", 150), ("d2h", "pageable", 550), ("h2d", "pinned", 52)] == [
        (each["direction"], each["memory"], each["times_ns"][0]) for each in found[2:5]
    ]
    assert 3 * 2 * (150 + 550 + 52 + 60) == device.now_ns()


def test_loading_is_the_context_the_weights_at_their_rate_and_the_first_forward():
    device = FakeSubject(
        Script(layer_ns=100, gap_ns=10, slow_first=(2.0,), context_ns=5, load_bytes_per_ns=4.0), [("a", 0, 0)],
        peak_bytes=0, trains=False, moved=Moved(weights=1000),
    )  # fmt: skip

    assert {"weights_bytes": 1000, "weights_ns": 250, "context_ns": 5, "first_ns": None} == device.load()
    device.run("E")
    device.run("E")
    assert 240 == device.load()["first_ns"]


@pytest.mark.parametrize(("overlap", "both"), [(1.0, 120), (0.5, 145), (0.0, 170)])
def test_of_copying_and_computing_at_once_a_part_of_the_shorter_one_is_hidden(overlap, both):
    device = FakeSubject(
        Script(layer_ns=100, gap_ns=10, copy_ns=20, pinned_bytes_per_ns=10.0, overlap=overlap), [("a", 0, 0)],
        peak_bytes=0, trains=False, moved=Moved(inputs=300),
    )  # fmt: skip

    assert {
        "batches": 10, "copy_ns": [500] * 2, "compute_ns": [1200] * 2, "both_ns": [10 * both] * 2
    } == device.overlap(2)  # fmt: skip


def test_nothing_is_copied_to_a_host_nor_loaded():
    device = subject(host=True)

    assert ([], None, None) == (list(device.copies([4096], 3)), device.load(), device.overlap(3))


def test_it_says_of_itself_what_its_script_says_and_nothing_else():
    device = subject(telemetry={"after": {"sm_clock_mhz": 1500, "throttle": []}})

    assert device.telemetry("before") is None
    assert {"when": "after", "sm_clock_mhz": 1500, "throttle": []} == device.telemetry("after")


def test_a_device_that_is_lost_says_so():
    with pytest.raises(WorkerError, match="the device is gone: it has fallen off the bus") as caught:
        subject(faults={"0": "lost"}).run("E")

    assert "device-lost" == caught.value.code


def test_an_error_that_sticks_is_the_answer_to_everything_in_that_process(monkeypatch):
    monkeypatch.setattr(fake, "_stuck", [])
    request = {
        "script": {},
        "rows": [("conv", 0, 0)],
        "peak_bytes": 0,
        "trains": False,
        "weights_bytes": 0,
        "input_bytes": 0,
        "split": None,
    }
    fake.subject(None, request)

    with pytest.raises(WorkerError, match="the device failed, and takes nothing more from this process") as caught:
        subject(faults={"0": "sticky"}).run("E")
    assert "device-failed" == caught.value.code
    with pytest.raises(WorkerError, match="takes nothing more"):
        fake.subject(None, request)


@pytest.mark.parametrize(("fault", "expected"), [("nan", "nan"), ("inf", "inf"), ("zero", "0"), ("negative", "-5")])
def test_a_clock_can_lie(fault, expected):
    assert expected == str(subject(faults={"0": fault}).run("E")["wall_ns"])


def test_nothing_is_missing_for_it():
    assert fake.missing("python") is None


# Its file


def test_without_a_file_everything_has_its_default():
    assert {} == read("fake")


def test_a_file_says_what_is_different(tmp_path):
    (tmp_path / "script.json").write_text('{"gap_ns": 7, "faults": {"3": "hang"}}')

    assert {"gap_ns": 7, "faults": {"3": "hang"}} == read(f"fake:{tmp_path / 'script.json'}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"gap": 7, "layers": 1}', "gap, layers: no such key"),
        (
            '{"faults": {"3": "explode"}}',
            "faults must be an object of forwards and faults, each one of segfault, kill,",
        ),
        ('{"faults": ["nan"]}', "faults must be an object of forwards and faults"),
        ('{"faults": {"3": ["nan"]}}', "faults must be an object of forwards and faults"),
        ('{"launch_ns": "8000"}', 'launch_ns must be a whole number of at least 0, got "8000"'),
        ('{"copy_ns": null}', "copy_ns must be a whole number of at least 0, got null"),
        ('{"copy_ns": -5}', "copy_ns must be a whole number of at least 0, got -5"),
        ('{"copy_ns": 10.5}', "copy_ns must be a whole number of at least 0, got 10.5"),
        ('{"bytes_per_ns": 0}', "bytes_per_ns must be a number above 0, got 0"),
        ('{"macs_per_ns": NaN}', "macs_per_ns must be a number above 0, got NaN"),
        ('{"cores": "x"}', 'cores must be a whole number above 0, got "x"'),
        ('{"noise": []}', r"noise must be a list of numbers above 0, got \[\]"),
        ('{"noise": 5}', "noise must be a list of numbers above 0, got 5"),
        ('{"overlap": 5}', "overlap must be a number from 0 to 1, got 5"),
        ('{"host": "yes"}', 'host must be true or false, got "yes"'),
        ('{"planted_ns": {"c1": "x"}}', "planted_ns must be an object of whole numbers"),
        ('{"telemetry": {"before": 5}}', "telemetry must be an object with the objects before and after"),
        ('{"telemetry": {"before": {"clock": 5}}}', "before and after, each of sm_clock_mhz, memory_clock_mhz,"),
        ("{", "the device file is no JSON: line 1, column 2: Expecting property name"),
        ('{\n  "host": True\n}', "the device file is no JSON: line 2, column 11: Expecting value"),
        ("", "the device file is no JSON: the file is empty"),
        ("[" * 100_000, "the device file is no JSON: it is nested too deep"),
        ("[1]", "a device file is a JSON object, this is a list"),
        ("null", "a device file is a JSON object, this is null"),
    ],
)
def test_a_file_that_says_anything_else_is_refused(tmp_path, text, expected):
    (tmp_path / "script.json").write_text(text)

    with pytest.raises(UsageError, match=expected) as caught:
        read(f"fake:{tmp_path / 'script.json'}")

    assert "docs/devices.md has every key, its unit and its default" in (caught.value.hint or "")
    assert "bad-device-file" == caught.value.code


def test_a_mistyped_key_is_answered_by_the_one_that_was_meant(tmp_path):
    (tmp_path / "script.json").write_text('{"lanch_ns": 8000}')

    with pytest.raises(UsageError) as caught:
        read(f"fake:{tmp_path / 'script.json'}")

    assert "did you mean 'launch_ns'? the keys are macs_per_ns, bytes_per_ns, " in (caught.value.hint or "")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "script.json").write_bytes(b"\xff\xfe")

    with pytest.raises(UsageError, match="the device file is no JSON: it is not UTF-8"):
        read(f"fake:{tmp_path / 'script.json'}")


def test_a_mark_of_its_encoding_at_the_beginning_of_a_file_is_taken(tmp_path):
    (tmp_path / "script.json").write_bytes(b'\xef\xbb\xbf{"host": true}')

    assert {"host": True} == read(f"fake:{tmp_path / 'script.json'}")


def test_what_may_be_unknown_may_be_null(tmp_path):
    (tmp_path / "script.json").write_text('{"output_std": null, "verified": null, "slow_first": []}')

    assert [None, None, []] == list(read(f"fake:{tmp_path / 'script.json'}").values())


def test_the_device_can_do_every_fault_that_a_script_may_name():
    assert set(FAULTS) == set(fake._FAULTS)


def test_a_file_that_is_not_there_is_refused():
    with pytest.raises(UsageError) as caught:
        read("fake:nowhere.json")

    assert "fake:nowhere.json: cannot read the device file nowhere.json: No such file or directory" == str(caught.value)
    expected = "after fake: comes the path of a JSON file, from the folder you are in; fake alone needs none"
    assert expected == caught.value.hint


def test_every_default_can_be_written_into_a_file():
    assert Script(**json.loads(json.dumps(Script()._asdict())))._fields == Script._fields
