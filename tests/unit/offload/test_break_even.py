"""From which batch on a device pays: known lines, every verdict, the interval, what confirms it."""

from __future__ import annotations

import pytest

from cnnprof.model.plain import replace
from cnnprof.model.run import Part, Setting
from cnnprof.offload import offloads
from cnnprof.offload.break_even import Point, beside, break_even
from tests.helpers.pairs import copies, measured, sides

US = 1e-6
NEVER_RUN = "cnnprof profile net"


def point(batch: int, host: float, device: float, copied: float = 0.0, *, confirms: bool = False) -> Point:
    """Return a batch at which every sample is the same, in microseconds."""
    return Point(batch, (host * US,) * 9, (device * US,) * 9, ((copied * US,) * 3,), confirms)


def line(base: float, slope: float, batch: int) -> float:
    return base + slope * batch


def of(host, device, copied=(0.0, 0.0), batches=(1, 8, 64), **more):
    """Return the break-even of three lines, each its base and its slope."""
    points = [point(batch, *(line(*each, batch) for each in (host, device, copied))) for batch in batches]
    return break_even([*points, *more.get("also", ())], "pinned", NEVER_RUN)


def test_known_lines_meet_where_they_meet():
    """b* = (50 + 20 − 10) / (10 − 1 − 1)."""
    found = of((10, 10), (50, 1), (20, 1))

    assert "from" == found.verdict
    assert pytest.approx((7.5, 7.5, 7.5)) == (found.batch, found.low, found.high)
    assert pytest.approx((10e-6, 10e-6)) == (found.host.base_s, found.host.per_sample_s)
    assert pytest.approx((20e-6, 1e-6)) == (found.copies.base_s, found.copies.per_sample_s)
    assert "it pays from batch 8 on: both take as long at 7.50 (95 %: 7.50 to 7.50)" == found.message
    assert ((1, 8, 64), None) == (found.batches, found.confirmed)


def test_what_pays_at_batch_1_pays_always():
    found = of((100, 10), (50, 1), (20, 1))

    assert ("always", None, None, "it pays at every batch") == (found.verdict, found.batch, found.low, found.message)


def test_a_device_that_computes_faster_and_copies_longer_than_it_saves_never_pays():
    found = of((10, 10), (50, 1), (20, 12))

    assert "never" == found.verdict
    assert (
        "transfer-bound: it never pays, copies one after the other and in this format; per sample it computes 9.000 µs "
        "less than the host and copies 12.00 µs"
    ) == found.message


def test_a_device_that_is_no_faster_never_pays_and_no_transfer_is_blamed():
    found = of((10, 1), (50, 2), (20, 1))

    assert ("never", "it never pays: per sample it computes 2.000 µs, and the host 1.000 µs") == (
        found.verdict, found.message
    )  # fmt: skip


def test_a_device_that_pays_for_small_batches_only_says_up_to_which():
    """80 − 10 = 70 µs at the beginning, and 2 µs lost per sample."""
    found = of((100, 1), (10, 1), (20, 2))

    assert ("up to", pytest.approx(35.0)) == (found.verdict, found.batch)
    assert "it pays up to batch 34: both take as long at 35.00 (95 %: 35.00 to 35.00)" == found.message


def test_a_break_even_beyond_what_was_measured_says_so():
    found = of((10, 10), (500, 1), (20, 1), batches=(1, 8))

    assert found.message.endswith("; beyond the batches measured, 1 to 8")
    assert pytest.approx(63.75) == found.batch


@pytest.mark.parametrize(
    ("batches", "said"),
    [((8,), "only batch 8 was"), ((), "no batch was")],
)
def test_fewer_than_two_batches_are_no_line_and_the_command_that_helps_is_named(batches, said):
    found = of((10, 10), (50, 1), batches=batches)

    assert ("unknown", f"a break-even needs two batches or more, and {said} measured on both") == (
        found.verdict, found.message
    )  # fmt: skip
    assert NEVER_RUN == found.hint


def noisy(batch: int, host: list[float], device: float) -> Point:
    return Point(batch, tuple(each * US for each in host), (device * US,) * 9, ((0.0,),))


def test_the_interval_comes_from_samples_drawn_again_and_is_the_same_each_time():
    """The host takes 100 or 110 µs at batch 8, so that b* is between 4 and 4 · 100/90."""
    points = [
        noisy(1, [10.0] * 9, 46.0),
        noisy(8, [96.0, 98.0, 99.0, 100.0, 100.0, 100.0, 101.0, 102.0, 104.0], 60.0),
    ]

    found = break_even(points, "pinned", NEVER_RUN)

    assert found == break_even(points, "pinned", NEVER_RUN)
    assert found.low < found.batch < found.high
    assert pytest.approx(1 + 36 * 7 / 76, rel=1e-9) == found.batch
    assert pytest.approx(found.batch, rel=0.1) == found.low
    assert pytest.approx(found.batch, rel=0.1) == found.high


def test_an_interval_in_which_lines_may_never_meet_has_no_end():
    points = [noisy(1, [10.0] * 9, 50.0), noisy(8, [48.0] * 4 + [200.0] * 5, 90.1)]

    found = break_even(points, "pinned", NEVER_RUN)

    assert ("from", None) == (found.verdict, found.high)
    assert found.message.count("to no end") == 1


# What confirms it


@pytest.mark.parametrize(("batch", "expected"), [(7.5, (7, 8)), (8.0, (7, 9)), (1.5, (1, 2))])
def test_the_batches_beside_it_are_below_and_above(batch, expected):
    assert expected == beside(batch)


def test_batches_beside_it_that_are_as_expected_confirm_it_and_do_not_move_it():
    also = (point(7, 80, 90, confirms=True), point(8, 90, 57, 28, confirms=True))

    found = of((10, 10), (50, 1), (20, 1), batches=(1, 64), also=also)

    assert pytest.approx(7.5) == found.batch
    assert [(7, False, False), (8, True, True)] == [(each.batch, each.expected, each.pays) for each in found.checks]
    assert pytest.approx(85e-6) == found.checks[1].device_s
    assert found.confirmed is True


def test_a_batch_that_is_not_as_expected_refutes_it():
    also = (point(7, 80, 70, confirms=True), point(8, 90, 85, confirms=True))

    assert of((10, 10), (50, 1), (20, 1), batches=(1, 64), also=also).confirmed is False


def test_a_batch_anywhere_that_says_otherwise_refutes_lines_that_do_not_fit_it():
    """The host's times grow less and less: its line is above the device's at 128, and it is not."""
    points = [point(1, 10, 175), point(32, 100, 175), point(64, 120, 175), point(128, 170, 175)]
    found = break_even(points, "pinned", NEVER_RUN)

    assert "from" == found.verdict
    assert [(128, True, False)] == [(each.batch, each.expected, each.pays) for each in found.checks]
    assert found.confirmed is False


def test_one_side_alone_confirms_nothing():
    found = of((10, 10), (50, 1), (20, 1), batches=(1, 64), also=(point(7, 80, 90, confirms=True),))

    assert ([7], None) == ([each.batch for each in found.checks], found.confirmed)


def test_a_batch_that_was_measured_beside_it_anyway_counts():
    found = of((10, 10), (50, 1), (20, 1), batches=(7, 8, 64))

    assert [(7, False), (8, True)] == [(each.batch, each.pays) for each in found.checks]
    assert found.confirmed is True


# From parts


def parts(batch: int, host_us: float, device_us: float, **more) -> tuple[Part, Part]:
    """Return parts whose first layer takes all the time."""
    return sides(
        (round(host_us * 1000), 1, 1, 1), (round(device_us * 1000), 1, 1, 1), batch=batch,
        copies=copies([256 * batch, 16 * batch]), **more,
    )  # fmt: skip


def test_parts_of_two_batches_have_a_break_even_for_each_memory():
    """Pinned: X = 2 + 0.272 b µs; C = 10 + 10 b, G = 50 + b."""
    (found,) = offloads(measured(*parts(1, 20, 51), *parts(10, 110, 60)))

    pinned, pageable = found.break_even
    assert pytest.approx((50 + 2 - 10) / (10 - 1 - 0.272), rel=1e-3) == pinned.batch
    assert pytest.approx((50 + 2 - 10) / (10 - 1 - 0.544), rel=1e-3) == pageable.batch
    assert ("pinned", "pageable") == (pinned.memory, pageable.memory)


def test_parts_of_one_batch_name_the_command_that_measures_more():
    (found,) = offloads(measured(*parts(2, 30, 52)))

    assert "cnnprof profile net --device cpu --device cuda --batch 1,2,8,64" == found.break_even[0].hint


def test_a_batch_that_failed_takes_no_part():
    host, device = parts(1, 20, 51)
    failed = replace(device, forwards=(), copies=(), status="failed")

    (found,) = offloads(measured(host, failed, *parts(2, 30, 52), *parts(10, 110, 60)))

    assert [1, 2, 10] == [each.batch for each in found.batches]
    assert (2, 10) == found.break_even[0].batches


def test_parts_of_networks_that_nobody_analysed_say_nothing():
    nothing = [replace(each, analysis=None) for each in parts(1, 20, 51)]

    (found,) = offloads(measured(*nothing))

    assert ((), ()) == (found.batches, found.break_even)


def test_parts_that_confirm_are_shown_and_no_line_goes_through_them():
    confirming = [replace(each, confirms=True) for each in (*parts(4, 50, 54), *parts(5, 60, 30))]

    (found,) = offloads(measured(*parts(1, 20, 51), *parts(10, 110, 60), *confirming))

    assert [1, 4, 5, 10] == [each.batch for each in found.batches]
    assert (1, 10) == found.break_even[0].batches
    assert [(4, False), (5, True)] == [(each.batch, each.pays) for each in found.break_even[0].checks]
    assert found.break_even[0].confirmed is True


def test_the_command_that_measures_more_asks_for_the_same_setting():
    setting = Setting(
        device="cuda", batch=2, dtype="bfloat16", mode="training", optimizer="adam", layout="channels_last", threads=1
    )
    same = [replace(each, setting=replace(setting, device=each.setting.device)) for each in parts(2, 30, 52)]

    (found,) = offloads(measured(*same))

    assert (
        "cnnprof profile net --device cpu --device cuda --batch 1,2,8,64 --dtype bfloat16 --training adam "
        "--channels-last --threads 1"
    ) == found.break_even[0].hint
