"""Whether a device pays for the whole and for each layer: every figure by hand."""

from __future__ import annotations

import pytest

from cnnprof.model.offload import Offload
from cnnprof.model.plain import replace
from cnnprof.model.run import Load, Overlap, Part
from cnnprof.offload import offloads
from tests.helpers.pairs import NAMES, copies, measured, sides


def of(*parts: Part) -> Offload:
    (found,) = offloads(measured(*parts))
    return found


def only(*parts: Part):
    (batch,) = of(*parts).batches
    return batch


HOST = (40_000, 3_000, 1_000, 6_000)
DEVICE = (4_000, 1_000, 500, 1_500)
"""Together 50 µs and 7 µs; 256 bytes there take 1.256 µs, 16 bytes back 1.016 µs."""
LOAD = Load(weights_bytes=100, weights_ns=300_000, context_ns=500_000, first_ns=207_000)


def test_the_whole_by_hand():
    batch = only(*sides(HOST, DEVICE))

    pinned, pageable = batch.routes
    way = pinned.ways[0]
    assert pytest.approx((50e-6, 7e-6)) == (batch.host_s, batch.device_s)
    assert (256, 16) == (way.input_bytes, batch.output_bytes)
    assert pytest.approx((1.256e-6, 1.016e-6)) == (way.to_device_s, way.to_host_s)
    assert pytest.approx((9.272e-6, 7e-6)) == (way.serial_s, way.overlapped_s)
    assert pytest.approx(7 / 2.272) == way.load_ratio
    assert (True, True, None, None) == (
        way.pays, way.pays_overlapped, way.load_batches, way.load_batches_overlapped
    )  # fmt: skip
    assert ("pinned", "pageable") == (pinned.memory, pageable.memory)
    assert pytest.approx(7e-6 + 1.512e-6 + 1.032e-6) == pageable.ways[0].serial_s


def test_computing_takes_longer_than_loading_in_words():
    assert (
        "computing (7.000 µs) takes 3.081 times as long as loading (2.272 µs); it pays: 5.393 times as fast as the "
        "host, copies one after the other"
    ) == only(*sides(HOST, DEVICE)).routes[0].message


def test_loading_that_takes_longer_than_computing_is_loading_bound():
    host, device = sides(HOST, DEVICE, copies=copies(alpha_ns=14_000, per_byte_ns=0))

    assert (
        "loading-bound: loading takes 4.000 times as long as computing (28.00 µs); it pays: 1.429 times as fast as the "
        "host, copies one after the other"
    ) == only(host, device).routes[0].message


def test_copies_behind_the_computing_can_pay_where_copies_in_turn_do_not():
    host, device = sides(HOST, DEVICE, copies=copies(alpha_ns=35_000, per_byte_ns=0))

    way = only(host, device).routes[0].ways[0]
    assert pytest.approx((77e-6, 35e-6)) == (way.serial_s, way.overlapped_s)
    assert (False, True) == (way.pays, way.pays_overlapped)
    assert (
        only(host, device)
        .routes[0]
        .message.endswith("it pays only with copies behind the computing, 1.429 times as fast as the host")
    )


def test_where_even_the_longest_copy_takes_longer_than_the_host_it_does_not_pay():
    host, device = sides(HOST, DEVICE, copies=copies(alpha_ns=64_500, per_byte_ns=0))

    way = only(host, device).routes[0].ways[0]
    assert (False, False) == (way.pays, way.pays_overlapped)
    assert (
        only(host, device)
        .routes[0]
        .message.endswith("it does not pay: with the copies it takes 2.720 times as long as the host")
    )


def test_what_is_paid_once_is_paid_by_the_least_number_of_batches_that_can():
    """W = 300 + 500 + (207 − 7) µs, the gain of a batch 50 − 9.272 µs in turn, 50 − 7 µs at once."""
    batch = only(*sides(HOST, DEVICE, load=LOAD))

    way = batch.routes[0].ways[0]
    assert pytest.approx((300e-6, 500e-6, 200e-6)) == (
        batch.load.weights_s, batch.load.context_s, batch.load.kernels_s
    )  # fmt: skip
    assert (25, 24) == (way.load_batches, way.load_batches_overlapped)
    assert 9.272e-6 + 1e-3 / 25 < 50e-6 < 9.272e-6 + 1e-3 / 24


def test_what_is_not_known_of_loading_is_named_and_no_zero():
    batch = only(*sides(HOST, DEVICE, load=Load(weights_bytes=100, weights_ns=300_000)))
    nothing = only(*sides(HOST, DEVICE, load=Load(weights_bytes=100)))

    assert ("context", "kernels") == batch.load.unknown
    assert pytest.approx(300e-6) == batch.load.known_s
    assert ("weights", "context", "kernels") == nothing.load.unknown
    assert nothing.routes[0].ways[0].load_batches is None


def test_images_as_bytes_are_a_quarter_of_floats():
    as_is, narrow = only(*sides(HOST, DEVICE)).routes[0].ways

    assert (256, 64) == (as_is.input_bytes, narrow.input_bytes)
    assert ("as is", "uint8") == (as_is.input, narrow.input)
    assert pytest.approx((1.064e-6, 9.08e-6)) == (narrow.to_device_s, narrow.serial_s)


def test_a_copy_of_a_size_that_nobody_measured_is_not_guessed():
    host, device = sides(HOST, DEVICE, copies=copies([1024, 4096]))

    batch = only(host, device)
    assert () == batch.routes[0].ways
    assert (
        "an input to the device was not copied at its size, and no line of copies reaches it" == batch.routes[0].unknown
    )
    assert [None] * 4 == [each.pays for each in batch.layers]
    assert "copies of 256 bytes to the device were not measured, and no line of copies reaches them" == batch.unplaced


def test_what_two_buffers_hid_is_a_part_of_what_they_could():
    both = Overlap(batches=10, copy_ns=(30_000,), compute_ns=(80_000,), both_ns=(95_000,))

    assert pytest.approx(0.5) == only(*sides(HOST, DEVICE, overlap=both)).overlap
    assert only(*sides(HOST, DEVICE, overlap=replace(both, both_ns=()))).overlap is None


def test_a_layer_alone_pays_if_it_does_with_its_copies():
    """In pageable memory: conv 4 + 1.512 + 2.024 µs for 40, relu 1 + 2 · 2.024 for 3, fc 1.5 + 2.024 + 1.032 for 6."""
    layers = only(*sides(HOST, DEVICE)).layers

    assert NAMES == tuple(each.name for each in layers)
    assert [True, False, False, True] == [each.pays for each in layers]
    assert pytest.approx([7.536e-6, 5.048e-6, 4.548e-6, 4.556e-6]) == [each.alone_s for each in layers]
    assert [(256, 512), (512, 512), (512, 512), (512, 16)] == [(each.in_bytes, each.out_bytes) for each in layers]
    assert pytest.approx([40e-6, 3e-6, 1e-6, 6e-6]) == [each.host_s for each in layers]


def test_placement_by_hand():
    """All there: 7 + 1.512 + 1.032 µs, pageable. The next best has flatten here: 6.5 + 1, and all four copies."""
    placement = only(*sides(HOST, DEVICE)).placement

    assert ("chain", "pageable") == (placement.method, placement.memory)
    assert NAMES == placement.on_device
    assert pytest.approx((9.544e-6, 2.544e-6)) == (placement.time_s, placement.copies_s)
    assert pytest.approx((50e-6, 9.544e-6)) == (placement.all_host_s, placement.all_device_s)
    assert pytest.approx(50 / 9.544) == placement.gain_over_host
    assert pytest.approx(1.0) == placement.gain_over_device
    assert ("conv2d", "relu", "linear") == placement.runner_up_on_device
    assert pytest.approx(6.5e-6 + 1e-6 + 1.512e-6 + 2 * 2.024e-6 + 1.032e-6) == placement.runner_up_s
    assert ("conv2d", "linear", 4, True) == (
        placement.cut.first, placement.cut.last, placement.cut.layers, placement.cut.pays
    )  # fmt: skip


def test_where_pageable_copies_are_not_known_the_placement_is_with_pinned_ones():
    pinned = tuple(each for each in copies() if each.memory == "pinned")

    placement = only(*sides(HOST, DEVICE, copies=pinned)).placement

    assert ("pinned", pytest.approx(9.272e-6)) == (placement.memory, placement.time_s)


def test_a_layer_that_the_device_is_slow_at_stays_on_the_host():
    placement = only(*sides((40_000, 3_000, 1_000, 1_000), (4_000, 1_000, 500, 90_000))).placement

    assert ("conv2d", "relu", "flatten") == placement.on_device
    assert pytest.approx(5.5e-6 + 1e-6 + 1.512e-6 + 2.024e-6) == placement.time_s


def test_a_layer_without_a_time_on_one_of_both_leaves_no_placement():
    host, device = sides(HOST, DEVICE)
    lacking = replace(
        device, layers=device.layers[:-1], marks=device.marks[:-1],
        forwards=tuple(
            replace(each, marks_ns=each.marks_ns[:-2], marks_cpu_ns=each.marks_cpu_ns[:-2]) for each in device.forwards
        ),
    )  # fmt: skip

    batch = only(host, lacking)
    assert (None, "linear was told apart on one of both only") == (batch.placement, batch.unplaced)


def test_without_copies_times_stand_side_by_side_and_nothing_is_said_of_paying():
    batch = only(*sides(HOST, DEVICE, copies=()))

    assert pytest.approx((50e-6, 7e-6)) == (batch.host_s, batch.device_s)
    assert ((), None, "no copy was measured, or none arrived as it was sent") == (
        batch.routes,
        batch.placement,
        batch.unplaced,
    )


def test_a_training_step_is_compared_as_a_whole():
    """Nothing but the inputs crosses in a step; its layers are those of the forward only."""
    host, device = (
        replace(each, setting=replace(each.setting, mode="training")) for each in sides(HOST, DEVICE)
    )  # fmt: skip

    batch = only(host, device)
    assert ((), None, None) == (batch.layers, batch.placement, batch.unplaced)
    assert (0.0, 0) == (batch.routes[0].ways[0].to_host_s, batch.output_bytes)
    assert "training" == of(host, device).mode
