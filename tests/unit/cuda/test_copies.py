"""Pass T on a GPU that a test makes up: rates are known, and bytes that are lost are noticed."""

from __future__ import annotations

from typing import Any

import pytest

from cnnprof.devices.cuda.copies import copies
from tests.helpers.gpu import Machine, OutOfMemoryError, Tensor

RATES: dict[str, Any] = {"copy_ns": 1_000, "pinned_rate": 20.0, "pageable_rate": 5.0}


def made(sizes: list[int], samples: int = 3, **script) -> tuple[Machine, list[dict[str, Any]]]:
    machine = Machine(**(RATES | script))
    return machine, list(copies(machine.toolkit, sizes, samples))


def test_each_size_is_copied_both_ways_and_out_of_both_kinds_of_memory():
    _, found = made([4_096, 16_384])

    ways = [(each["bytes"], each["direction"], each["memory"]) for each in found]
    assert [
        (4_096, "h2d", "pinned"), (4_096, "h2d", "pageable"), (4_096, "d2h", "pinned"), (4_096, "d2h", "pageable"),
        (16_384, "h2d", "pinned"), (16_384, "h2d", "pageable"), (16_384, "d2h", "pinned"),
        (16_384, "d2h", "pageable"),
    ] == ways  # fmt: skip


def test_pinned_memory_is_timed_by_the_device_and_pageable_by_the_host_with_its_cpu_time():
    _, found = made([200_000])

    pinned, pageable = found[:2]
    assert {
        "direction": "h2d", "memory": "pinned", "bytes": 200_000, "verified": True, "times_ns": 3 * [11_000],
    } == pinned  # fmt: skip
    assert {
        "direction": "h2d", "memory": "pageable", "bytes": 200_000, "verified": True, "times_ns": 3 * [41_000],
        "cpu_ns": 3 * [41_000],
    } == pageable  # fmt: skip


def test_the_time_the_host_needs_to_launch_a_copy_is_no_part_of_a_pinned_one():
    _, found = made([4_000], launch_ns=50_000)

    assert 3 * [1_200] == found[0]["times_ns"]


@pytest.mark.parametrize(("size", "expected"), [(4_096, 20), (2**21, 16), (2**28, 2)])
def test_so_many_copies_lie_between_two_events_that_they_move_32_mib_from_2_to_20(size, expected):
    machine = Machine()
    moved: list[int] = []
    queue = machine.queue

    def counting(time_ns, effect=None, engine=None):
        moved.extend([time_ns] if engine == "h2d" else [])
        return queue(time_ns, effect, engine)

    machine.queue = counting
    next(copies(machine.toolkit, [size], samples=1))
    assert expected == len(moved)


def test_what_arrives_as_something_else_is_not_verified():
    _, found = made([4_096], loses_bytes=True)

    assert 4 * [False] == [each["verified"] for each in found]


def test_sizes_for_which_there_is_no_memory_are_left_out():
    _, found = made([4_096, 16_384, 65_536], memory_bytes=20_000)

    assert {4_096, 16_384} == {each["bytes"] for each in found}


def test_of_copies_that_take_long_there_are_three():
    _, found = made([200_000_000], samples=11, pinned_rate=0.5, pageable_rate=1.0)

    assert [3, 3] == [len(each["times_ns"]) for each in found[:2]]


def test_small_copies_do_not_wait_for_memory_of_large_ones(monkeypatch):
    machine, made_bytes = Machine(**RATES), []
    empty = machine.torch.empty

    def noting(size: int, **kind: Any) -> Any:
        made_bytes.append(size)
        return empty(size, **kind)

    monkeypatch.setattr(machine.torch, "empty", noting)
    before = {each["bytes"]: max(made_bytes) for each in copies(machine.toolkit, [4_096, 2**26, 2**27, 2**29], 1)}

    assert {4_096: 2**26, 2**26: 2**26, 2**27: 2**27, 2**29: 2**29} == before
    assert 0 == machine.allocated


def test_without_any_memory_nothing_is_copied():
    assert [] == made([4_096], memory_bytes=100)[1]


def test_another_failure_of_the_device_is_not_taken_for_missing_memory(monkeypatch):
    machine = Machine()

    def failing(*_given: Any, **_kind: Any) -> Any:
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(machine.torch, "empty", failing)
    with pytest.raises(RuntimeError, match="device-side assert"):
        list(copies(machine.toolkit, [4_096], 1))


def test_copies_that_cannot_be_queued_ahead_are_left_out_and_tried_once_each_way():
    machine, found = made([4_096], holds=3)

    assert ["pageable", "pageable"] == [each["memory"] for each in found]
    assert machine.now < 2 * 2_000_000_000  # the longest that one copy is tried to be queued ahead of


def test_all_memory_is_given_back():
    machine, _ = made([4_096])

    assert 0 == machine.allocated


# What the made-up GPU itself notices


def test_pinned_memory_that_is_read_before_the_copy_has_finished_holds_what_it_held():
    machine = Machine(copy_ns=500)
    device, host = Tensor(machine, 8, "cuda"), Tensor(machine, 8, pinned=True)
    device.zero_()
    host.copy_(device, non_blocking=True)
    zeros = Tensor(machine, 8).zero_()

    assert not machine.torch.equal(host, zeros)
    machine.finish()
    assert machine.torch.equal(host, zeros)


def test_more_memory_than_there_is_is_not_given():
    with pytest.raises(OutOfMemoryError, match="CUDA out of memory"):
        Tensor(Machine(memory_bytes=10), 11, "cuda")
