"""Passes E, L, Q, G and F on a GPU that a test makes up: known times, and mistakes that CUDA would punish."""

from __future__ import annotations

import pytest

from cnnprof.devices.cuda.graphs import capture
from cnnprof.devices.cuda.passes import CudaSubject
from cnnprof.errors import WorkerError
from tests.helpers.gpu import Machine, network

SLOW_DEVICE = {"conv": 10_000, "relu": 10_000, "fc": 10_000}
SLOW_HOST = {"conv": 1_000, "relu": 1_000, "fc": 1_000}


def subject(machine: Machine | None = None, layers: dict[str, int] | None = None, **changes) -> CudaSubject:
    machine = machine or Machine()
    found = network(machine, layers or SLOW_HOST, **({"host_ns": 10_000} | changes))
    return CudaSubject(machine.toolkit, found, 0)


def device_bound(machine: Machine | None = None, **changes) -> CudaSubject:
    return subject(machine, SLOW_DEVICE, **({"host_ns": 1_000} | changes))


# E


def test_the_whole_is_timed_until_the_device_has_finished_where_it_is_behind():
    found = device_bound().run("E")

    assert ("E", 31_000, 31_000) == (found["kind"], found["wall_ns"], found["device_ns"])


def test_the_whole_is_timed_until_the_device_has_finished_where_it_waits_for_the_host():
    found = subject().run("E")

    assert (31_000, 31_000) == (found["wall_ns"], found["device_ns"])


def test_the_cpu_time_of_the_thread_leaves_out_what_the_host_waits_for_the_device():
    assert 3_000 == device_bound().run("E")["cpu_ns"]
    assert 30_000 == subject().run("E")["cpu_ns"]


def test_what_a_forward_before_has_left_in_the_queue_is_no_part_of_the_next():
    machine = Machine()
    device = device_bound(machine)
    machine.launch(1_000_000)

    assert 31_000 == device.run("E")["wall_ns"]


# L


def test_marks_tell_what_each_layer_takes_with_what_the_device_waits_for_the_host():
    assert [0, 11_000, 0, 10_000, 0, 10_000, 0] == subject().run("L")["marks_ns"]


def test_marks_tell_the_device_s_time_where_it_is_behind():
    assert [0, 11_000, 0, 10_000, 0, 10_000, 0] == device_bound().run("L")["marks_ns"]


def test_what_lies_between_layers_is_no_layer_s():
    assert [0, 11_000, 500, 10_000, 500, 10_000, 0] == device_bound(glue_ns=500).run("L")["marks_ns"]


@pytest.mark.parametrize("kind", ["E", "L", "G", "F"])
def test_a_forward_waits_for_the_device_before_it_and_after_it_and_nowhere_else(kind):
    machine = Machine()
    device = subject(machine)
    machine.waits.clear()
    began = machine.now

    found = device.run(kind)

    assert 2 == len(machine.waits)
    assert began == machine.waits[0]
    assert machine.now - found["wall_ns"] == began


def test_marks_add_the_host_s_time_to_record_them():
    machine = Machine(record_ns=100)

    found = subject(machine).run("L")

    # Both fall into a layer: while the host records the end of one and the beginning of the next, the device computes.
    assert [100, 11_000, 0, 10_200, 0, 10_200, 0] == found["marks_ns"]


def test_a_forward_that_runs_other_layers_than_before_is_an_error():
    device = subject()
    device._line = (device._line[0], device._line[1]._replace(run=lambda: None))

    with pytest.raises(WorkerError, match="a forward ran 0 layers, and 3 when it was followed") as caught:
        device.run("L")
    assert "varying-forward" == caught.value.code


def test_a_forward_that_runs_more_layers_than_before_is_an_error():
    device = subject()
    marks, dressed = device._line

    def twice() -> None:
        dressed.run()
        dressed.run()

    device._line = (marks, dressed._replace(run=twice))
    with pytest.raises(WorkerError, match="a forward ran 6 layers, and 3 when it was followed"):
        device.run("L")


# Q


def test_queued_ahead_a_layer_takes_the_device_s_own_time():
    found = subject().run("Q")

    assert [0, 1_000, 0, 1_000, 0, 1_000, 0] == found["marks_ns"]
    assert 3_000 == found["device_ns"]


def test_queued_ahead_what_lies_between_layers_is_seen_too():
    assert [0, 1_000, 300, 1_000, 300, 1_000, 0] == subject(glue_ns=300).run("Q")["marks_ns"]


def test_the_device_is_blocked_for_twice_the_host_s_time_at_first():
    device = subject(layers=dict.fromkeys("abcdefghij", 1_000))

    device.run("Q")
    assert 200_000 == device._queue.blocker.time_ns


def test_a_blocker_that_is_too_short_is_doubled_until_the_device_is_still_blocked():
    """The clock rises after the calibration: sleeps are a quarter as long as was asked for."""
    machine = Machine()
    device = subject(machine, dict.fromkeys("abcdefghij", 1_000))
    machine.clocks = [4.0]

    found = device.run("Q")

    assert 800_000 == device._queue.blocker.time_ns  # 200 µs of sleep; the host needs 100
    assert 10 * [1_000] == found["marks_ns"][1::2]


def test_a_forward_in_which_the_host_waits_for_the_device_is_never_queued_ahead_and_says_so():
    machine = Machine()
    device = subject(machine, within=machine.finish)

    found = device.run("Q")

    assert ("E", "L", "Q", "F") == device.passes
    assert [] == found["marks_ns"]
    assert min(found["wall_ns"], found["device_ns"]) > 0


def test_what_is_more_than_the_driver_s_queue_holds_is_queued_in_chunks():
    machine = Machine(holds=40)
    names = [f"layer{number}" for number in range(20)]
    device = subject(machine, dict.fromkeys(names, 3_000), kernels=3)

    found = device.run("Q")

    # Each layer is 2 marks and 3 kernels; with the blocker and its mark 40 hold 7 layers: 20, 10, 5.
    assert 5 == device._queue.at_once
    assert 20 * [3_000] == found["marks_ns"][1::2]
    assert 21 * [0] == found["marks_ns"][::2]


def test_between_chunks_the_time_of_what_lies_between_layers_is_kept_and_that_of_blocking_is_not():
    machine = Machine(holds=40)
    names = [f"layer{number}" for number in range(20)]
    device = subject(machine, dict.fromkeys(names, 3_000), kernels=2, glue_ns=70)

    assert [0, *19 * [70], 0] == device.run("Q")["marks_ns"][::2]


def test_a_deep_network_is_queued_in_chunks_from_the_start():
    names = [f"layer{number}" for number in range(400)]
    device = subject(Machine(), dict.fromkeys(names, 1_000), kernels=3)

    found = device.run("Q")

    assert 166 == device._queue.at_once
    assert 400 * [1_000 - 1_000 % 3] == found["marks_ns"][1::2]


def test_a_forward_of_which_one_chunk_only_was_not_queued_ahead_was_not():
    machine = Machine()
    device = subject(machine, dict.fromkeys("abcdef", 1_000))
    device.run("Q")
    device._queue.at_once = 2
    machine.clocks = [1_000.0, 1.0]  # the first sleep is short

    assert not device._queue._attempt().ahead
    assert device._queue._attempt().ahead


def test_a_mark_that_the_device_takes_time_for_is_in_the_intervals_of_pass_q():
    assert [20, 1_020, 20, 1_020, 20, 1_020, 20] == subject(Machine(event_ns=20)).run("Q")["marks_ns"]


# G


def test_a_replay_takes_what_the_device_takes_and_one_launch():
    found = subject(Machine(replay_ns=400)).run("G")

    assert ("G", 3_400) == (found["kind"], found["wall_ns"])


def test_all_passes_are_made_where_all_can_be():
    device = subject()

    assert ("E", "L", "Q", "G", "F") == device.passes
    assert device.environment()["no_graph"] is None


def test_a_forward_that_cannot_be_captured_has_no_pass_g_and_the_reason_is_kept():
    machine = Machine()
    device = subject(machine, within=machine.finish)

    assert ("E", "L", "Q", "F") == device.passes
    reason = "CUDA error: operation failed due to a previous error during capture"
    assert reason == device.environment()["no_graph"]


def test_after_a_capture_that_failed_the_stream_is_the_one_it_was():
    machine = Machine()
    device = subject(machine, within=machine.finish)

    assert machine.main is machine.current
    assert 31_000 == device.run("E")["wall_ns"]


def test_after_a_capture_that_failed_random_numbers_are_those_of_no_graph():
    machine = Machine()

    subject(machine, {"a": 3_000}, within=machine.torch.cuda.synchronize)

    assert not machine.draws_for_graphs


def test_a_device_that_does_not_answer_after_a_capture_is_an_error():
    machine = Machine()

    def dies() -> None:
        if machine.capturing is not None:
            machine.torch.cuda.synchronize = failing
            raise RuntimeError("CUDA error: device-side assert triggered")

    def failing() -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    with pytest.raises(RuntimeError, match="device-side assert"):
        capture(machine.toolkit, dies)


def test_a_network_whose_layers_cannot_be_told_apart_is_timed_as_a_whole_and_replayed():
    machine = Machine()
    found = network(machine, SLOW_HOST)._replace(layers=(), marked=None, idle={})

    device = CudaSubject(machine.toolkit, found, 0)

    assert ("E", "G", "F") == device.passes
    assert {} == device.costs()


# F


def test_a_forward_after_the_cache_was_overwritten_takes_longer_where_it_had_found_its_weights_there():
    device = device_bound(Machine(cold_ns=4_000))
    device.run("E")  # after what building it has overwritten

    assert [31_000, 35_000, 31_000] == [device.run(kind)["wall_ns"] for kind in "EFE"]


def test_overwriting_the_cache_is_no_part_of_the_forward():
    machine = Machine()
    device = device_bound(machine)
    flush, device._flush = device._flush, lambda: (flush(), machine.launch(1_000_000))

    assert 31_000 == device.run("F")["wall_ns"]


@pytest.mark.parametrize(("known", "expected"), [(1_000, 2_000), (0, 2 * 64 * 2**20)])
def test_twice_the_size_of_the_cache_is_overwritten_and_64_mib_are_taken_for_one_of_unknown_size(known, expected):
    machine = Machine()
    machine.properties.L2_cache_size = known

    assert expected == device_bound(machine)._flush.__self__.size


def test_without_memory_for_what_overwrites_the_cache_there_is_no_such_pass():
    assert ("E", "L", "Q", "G") == device_bound(Machine(memory_bytes=1_999)).passes


def test_what_torch_keeps_for_the_next_step_is_not_taken_for_overwriting_the_cache():
    """Of 6,300 bytes 300 are the context's and 5,000 the step's, which torch keeps when it has ended."""
    machine = Machine(memory_bytes=6_300, block_bytes=1_000, context_bytes=300)

    assert "F" not in device_bound(machine, works_in=5_000).passes


def test_a_failure_other_than_missing_memory_is_not_swallowed(monkeypatch):
    machine = Machine()

    def fail(*_given, **_named):
        raise RuntimeError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(machine.torch, "empty", fail)
    with pytest.raises(RuntimeError, match="unspecified launch failure"):
        device_bound(machine)


# Training


def test_a_step_has_phases_and_is_not_captured():
    device = subject(trains=True)

    assert ("E", "L", "Q", "F") == device.passes
    assert "a training step is not captured" == device.environment()["no_graph"]
    found = device.run("E")
    assert [31_000, 7_000, 500] == found["phases_ns"]
    assert (38_500, 38_500) == (found["wall_ns"], found["device_ns"])


def test_marks_of_a_step_end_with_its_forward():
    found = subject(trains=True).run("L")

    assert [0, 11_000, 0, 10_000, 0, 10_000, 0] == found["marks_ns"]
    assert [31_000, 7_000, 500] == found["phases_ns"]


def test_of_a_step_the_forward_is_queued_ahead():
    found = subject(trains=True).run("Q")

    assert [0, 1_000, 0, 1_000, 0, 1_000, 0] == found["marks_ns"]
    assert [3_000, 7_000, 500] == found["phases_ns"]
    assert 10_500 == found["device_ns"]


# What the made-up GPU itself notices


def test_an_event_that_has_not_finished_has_no_time():
    machine = Machine()
    before, after = machine.toolkit.event(), machine.toolkit.event()
    before.record()
    machine.launch(5)
    after.record()

    with pytest.raises(RuntimeError, match="must be completed"):
        before.elapsed_time(after)
    machine.finish()
    assert 5e-6 == before.elapsed_time(after)


def test_a_full_queue_holds_the_host_up():
    machine = Machine(holds=2)
    for _ in range(3):
        machine.launch(100)

    assert 100 == machine.now


def test_whoever_waits_while_a_graph_is_captured_breaks_it():
    machine = Machine()
    cuda = machine.torch.cuda

    with (
        pytest.raises(RuntimeError, match="failed due to a previous error"),
        cuda.graph(cuda.CUDAGraph(), stream=cuda.Stream()),
    ):
        machine.finish()
