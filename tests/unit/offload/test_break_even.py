"""From which batch on a device pays: known lines, every verdict, the interval, what confirms it."""

from __future__ import annotations

import math

import pytest

from cnnprof.model.offload import LeftOut
from cnnprof.model.plain import replace
from cnnprof.model.run import Part, Setting
from cnnprof.offload import offloads
from cnnprof.offload.break_even import MISS, beside, break_even
from cnnprof.offload.points import Point
from tests.helpers.pairs import copies, measured, sides

US = 1e-6


def command(batches) -> str:
    return f"cnnprof profile net --batch {','.join(map(str, batches))}"


def point(batch: int, host: float, device: float, copied: float = 0.0, *, confirms: bool = False) -> Point:
    """Return a batch at which every sample is the same, in microseconds."""
    return Point(batch, (host * US,) * 9, (device * US,) * 9, ((copied * US,) * 3,), confirms)


def line(base: float, slope: float, batch: int) -> float:
    return base + slope * batch


def of(host, device, copied=(0.0, 0.0), batches=(1, 8, 64), **more):
    """Return the break-even of three lines, each its base and its slope."""
    points = [point(batch, *(line(*each, batch) for each in (host, device, copied))) for batch in batches]
    return break_even([*points, *more.get("also", ())], (), "pinned", command)


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


def test_a_device_that_computes_a_sample_as_fast_never_pays_for_its_copies():
    found = of((10, 5), (30, 5), (20, 1))

    assert "never" == found.verdict
    assert (
        "it never pays: per sample it computes as long as the host and copies 1.000 µs, and begins 40.00 µs behind"
    ) == found.message


def test_a_device_that_pays_for_small_batches_only_says_up_to_which():
    """80 − 10 = 70 µs at the beginning, and 2 µs lost per sample."""
    found = of((100, 1), (10, 1), (20, 2))

    assert ("up to", pytest.approx(35.0)) == (found.verdict, found.batch)
    assert "it pays up to batch 34: both take as long at 35.00 (95 %: 35.00 to 35.00)" == found.message


def test_a_break_even_beyond_what_was_measured_says_so():
    found = of((10, 10), (500, 1), (20, 1), batches=(1, 8))

    assert found.message.endswith("; beyond the batches that the lines go through, 1 to 8")
    assert pytest.approx(63.75) == found.batch


@pytest.mark.parametrize(
    ("batches", "said"),
    [((5,), "only batch 5 was"), ((), "no batch was")],
)
def test_fewer_than_two_batches_are_no_line_and_the_command_that_helps_is_named(batches, said):
    found = of((10, 10), (50, 1), batches=batches)

    assert ("unknown", f"a break-even needs two batches or more, and {said} measured on both with its copies") == (
        found.verdict, found.message
    )  # fmt: skip
    assert command([1, *batches, 8, 64]) == found.hint


def test_batches_that_were_asked_for_and_failed_are_not_asked_for_again():
    lacking = LeftOut(batch=64, why="not measured on cuda, not enough memory")
    found = break_even([point(8, 90, 58, 28)], (lacking,), "pinned", command)

    assert ("unknown", None, (lacking,)) == (found.verdict, found.hint, found.left_out)


# How well lines fit


def test_lines_through_two_batches_cannot_miss_and_have_no_fit():
    found = of((10, 10), (50, 1), (20, 1), batches=(1, 64))

    assert [(None, None, None)] * 3 == [
        (each.r2, each.worst, each.worst_batch) for each in (found.host, found.device, found.copies)
    ]
    assert found.doubt is None


def test_each_line_says_how_well_it_fits():
    """The host's (1, 10), (2, 20), (3, 36) by relative residuals: base −1.31, slope 11.61."""
    points = [point(1, 10, 50, 2), point(2, 20, 50, 3), point(3, 36, 50, 4)]
    found = break_even(points, (), "pinned", command)

    ones = [1 / 10, 1 / 20, 1 / 36]
    xs = [1 / 10, 2 / 20, 3 / 36]
    uu, uv, vv = sum(u * u for u in ones), sum(u * v for u, v in zip(ones, xs, strict=True)), sum(v * v for v in xs)
    slope = (sum(xs) * uu - sum(ones) * uv) / (uu * vv - uv * uv)
    base = (sum(ones) - slope * uv) / uu
    missed = [(base + slope * batch - time) / time for batch, time in ((1, 10), (2, 20), (3, 36))]
    assert (pytest.approx(base * US), pytest.approx(slope * US)) == (found.host.base_s, found.host.per_sample_s)
    assert (pytest.approx(max(missed, key=abs)), 2) == (found.host.worst, found.host.worst_batch)
    left = sum((base + slope * batch - time) ** 2 for batch, time in ((1, 10), (2, 20), (3, 36)))
    assert pytest.approx(1 - left / (12**2 + 2**2 + 14**2)) == found.host.r2
    assert (None, 0.0) == (found.device.r2, found.device.worst)
    assert (pytest.approx(1.0), pytest.approx(0.0, abs=1e-12)) == (found.copies.r2, found.copies.worst)


def test_times_that_are_all_alike_have_exactly_no_slope():
    points = [point(batch, 12.3 * batch, 111.003, 0.7) for batch in (1, 7, 64)]
    found = break_even(points, (), "pinned", command)

    assert (111.003e-6, 0.0) == (found.device.base_s, found.device.per_sample_s)
    assert (pytest.approx(0.7e-6), 0.0) == (found.copies.base_s, found.copies.per_sample_s)


def test_nothing_that_crosses_is_a_line_of_nothing_without_a_fit():
    found = of((10, 10), (50, 1)).copies

    assert (0.0, 0.0, None, None) == (found.base_s, found.per_sample_s, found.r2, found.worst)


def test_a_copy_below_the_clock_s_unit_bends_no_other_one_to_nothing():
    """0 ns at batch 1 and 40 ns at batch 64, of which the line keeps both."""
    points = [point(1, 20, 51, 0), point(64, 650, 51, 0.04)]
    found = break_even(points, (), "pinned", command)

    assert pytest.approx(0.04e-6 / 63) == found.copies.per_sample_s


def test_a_line_that_misses_by_more_than_noise_does_makes_the_break_even_doubtful():
    """The host's times grow less and less; b* is between 8 and 64."""
    points = [point(1, 10, 175), point(8, 60, 175), point(64, 250, 175)]
    found = break_even(points, (), "pinned", command)

    below, above = beside(found.batch)
    near = f"{int(found.batch / 2)},{below},{above},{math.ceil(2 * found.batch)}"
    assert found.doubt is not None
    assert found.doubt.startswith("the line of the host misses batch 8 by ")
    assert found.doubt.endswith(
        " % of what the host takes there: the break-even rests on a line that does not fit; try batches around it "
        f"alone: cnnprof profile net --batch {near}"
    )
    assert MISS < abs(found.host.worst)


def test_a_break_even_on_a_line_that_does_not_fit_stands_where_it_was_confirmed():
    points = [point(1, 10, 175), point(8, 60, 175), point(64, 250, 175)]
    below, above = beside(break_even(points, (), "pinned", command).batch)
    also = [point(below, 100, 175, confirms=True), point(above, 180, 175, confirms=True)]

    found = break_even([*points, *also], (), "pinned", command)

    assert found.confirmed is True
    assert found.doubt is not None
    assert found.doubt.endswith("; what was measured right beside the break-even confirms it all the same")


def test_a_line_that_does_not_fit_where_nothing_meets_leaves_the_batches_measured():
    """The device takes nine tenths of the host; both lines are off by more than that tenth."""
    found = break_even([point(1, 100, 90), point(8, 600, 540), point(64, 2500, 2250)], (), "pinned", command)

    assert "always" == found.verdict
    assert abs(found.host.worst) > 0.1
    assert found.doubt is not None
    assert found.doubt.endswith(": only of the batches measured it is sure whether it pays; measure the one that you "
        "will run")  # fmt: skip


def test_a_line_that_does_not_fit_is_no_matter_where_the_sides_are_far_apart():
    found = break_even([point(1, 100, 10), point(8, 600, 10), point(64, 2500, 10)], (), "pinned", command)

    assert "always" == found.verdict
    assert abs(found.host.worst) > MISS
    assert found.doubt is None


def test_copies_that_matter_little_may_miss_their_line():
    """30 % of a copy, and 0.3 % of what the device takes with it."""
    points = [point(1, 100, 1000, 10), point(8, 800, 1000, 13), point(64, 6400, 1000, 11)]
    found = break_even(points, (), "pinned", command)

    assert abs(found.copies.worst) > MISS
    assert found.doubt is None


def test_a_device_that_takes_little_beside_its_copies_may_miss_its_line():
    points = [point(1, 100, 10, 1000), point(8, 800, 14, 1000), point(64, 6400, 11, 1000)]
    found = break_even(points, (), "pinned", command)

    assert abs(found.device.worst) > MISS
    assert found.doubt is None


# What is even


def test_lines_that_meet_at_a_whole_batch_leave_it_out_on_both_sides():
    """Both take 90 µs at batch 8; below it is 7, above it 9, whatever the last bits of a division are."""
    found = of((10, 10), (50, 3), (4, 1.5), batches=(1, 3, 64), also=(point(8, 90, 74, 16, confirms=True),))

    assert (8.0, "from") == (found.batch, found.verdict)
    assert found.message.startswith("it pays from batch 9 on: both take as long at 8.00")
    assert () == found.checks


def test_lines_that_meet_at_batch_1_pay_from_batch_2_on():
    found = of((10, 10), (19, 1), batches=(1, 2, 64))

    assert ("from", 1.0, (1, 2)) == (found.verdict, found.batch, beside(found.batch))
    assert found.message.startswith("it pays from batch 2 on: both take as long at 1.00")
    assert [(1, False, False), (2, True, True)] == [(each.batch, each.expected, each.pays) for each in found.checks]
    assert found.confirmed is True


def test_a_batch_at_which_both_take_as_long_speaks_against_nothing():
    """The lines meet at 7.999."""
    also = (point(7, 80, 88, confirms=True), point(8, 90, 90, confirms=True))
    found = of((10.008, 10), (80, 1.2490625), batches=(1, 64), also=also)

    assert [(7, True, False), (8, True, True)] == [(each.batch, each.agrees, each.even) for each in found.checks]
    assert found.confirmed is True


@pytest.mark.parametrize(
    ("host", "device", "said"),
    [
        ((10, 5), (10, 5), "it never pays: both take as long at every batch"),
        ((10, 5), (30, 5), "it never pays: it takes 20.00 µs longer at every batch"),
        ((10, 0), (30, 0), "it never pays: it takes 20.00 µs longer at every batch"),
        ((30, 5), (10, 5), "it pays at every batch"),
    ],
)
def test_lines_side_by_side_never_meet_whatever_their_last_bits(host, device, said):
    found = of(host, device, batches=(1, 3, 7, 64))

    assert (said, None) == (found.message, found.batch)


def noisy(batch: int, host: list[float], device: float) -> Point:
    return Point(batch, tuple(each * US for each in host), (device * US,) * 9, ((0.0,),))


def test_the_interval_comes_from_samples_drawn_again_and_is_the_same_each_time():
    """The host takes 100 or 110 µs at batch 8, so that b* is between 4 and 4 · 100/90."""
    points = [
        noisy(1, [10.0] * 9, 46.0),
        noisy(8, [96.0, 98.0, 99.0, 100.0, 100.0, 100.0, 101.0, 102.0, 104.0], 60.0),
    ]

    found = break_even(points, (), "pinned", command)

    assert found == break_even(points, (), "pinned", command)
    assert found.low < found.batch < found.high
    assert pytest.approx(1 + 36 * 7 / 76, rel=1e-9) == found.batch
    assert pytest.approx(found.batch, rel=0.1) == found.low
    assert pytest.approx(found.batch, rel=0.1) == found.high


def test_an_interval_in_which_lines_may_never_meet_has_no_end():
    points = [noisy(1, [10.0] * 9, 50.0), noisy(8, [48.0] * 4 + [200.0] * 5, 90.1)]

    found = break_even(points, (), "pinned", command)

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
    found = break_even(points, (), "pinned", command)

    assert "from" == found.verdict
    assert [(128, True, False)] == [(each.batch, each.expected, each.pays) for each in found.checks]
    assert found.confirmed is False
    assert found.message.startswith(
        "measured, it does not pay at batch 1, 32, 64 and 128; the lines do not fit that: by them both take as long at "
    )


def test_what_was_measured_comes_before_the_lines_that_it_refutes():
    """Lines of the relative residuals pass by above batch 8, where the device loses already."""
    points = [point(1, 100, 60), point(8, 90, 95), point(64, 700, 710)]
    found = break_even(points, (), "pinned", command)

    assert ("up to", False) == (found.verdict, found.confirmed)
    near = f"{found.batch:.2f} (95 %, of sampling noise alone: {found.batch:.2f} to {found.batch:.2f})"
    assert (
        "measured, it pays at batch 1 and does not at 8 and 64; the lines do not fit that: by them both take as long "
        f"at {near}"
    ) == found.message


@pytest.mark.parametrize(
    ("points", "verdict", "said"),
    [
        (
            [point(1, 100, 60), point(8, 90, 95), point(64, 700, 500)], "always",
            (
                "measured, it pays at batch 1 and 64 and does not at 8; the lines do not fit that: by them it pays at "
                "every batch"
            ),
        ),
        (
            [point(1, 100, 120), point(8, 160, 150), point(64, 700, 800)], "never",
            "measured, it pays at batch 8 and does not at 1 and 64; the lines do not fit that: by them it never pays",
        ),
    ],
)  # fmt: skip
def test_what_refutes_that_it_pays_at_every_batch_or_at_none_comes_first(points, verdict, said):
    found = break_even(points, (), "pinned", command)

    assert (verdict, said) == (found.verdict, found.message)


def test_an_interval_narrower_than_the_lines_miss_says_of_what_it_is():
    """The host's line misses batch 8 by about 3 %; samples of the same batches do not differ at all."""
    found = break_even([point(1, 20, 60), point(8, 96, 60), point(64, 650, 60)], (), "pinned", command)

    assert "from" == found.verdict
    assert "(95 %, of sampling noise alone: " in found.message


def test_an_interval_that_is_wider_than_the_lines_miss_says_nothing_of_it():
    noisy = tuple(each * US for each in (40, 50, 60, 70, 80, 50, 60, 70, 60))
    points = [point(1, 20, 60), point(8, 93, 60), point(64, 650, 60)]
    found = break_even([each._replace(device=noisy) for each in points], (), "pinned", command)

    assert found.high - found.low > 1
    assert "(95 %: " in found.message


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


def left_out(*given: Part) -> list[tuple[str, int, str]]:
    (found,) = offloads(measured(*given))
    return [(met.memory, each.batch, each.why) for met in found.break_even for each in met.left_out]


def test_a_batch_without_its_copies_is_named_by_memory_and_by_what_it_lacks():
    host, device = parts(4, 50, 54)
    pinned = tuple(each for each in device.copies if each.memory == "pinned")
    short = tuple(each for each in device.copies if each.memory == "pinned" and each.bytes != 64)
    others = (*parts(1, 20, 51), *parts(10, 110, 60))

    assert [("pageable", 4, "no copy was measured, or none arrived as it was sent")] == left_out(
        host, replace(device, copies=pinned), *others
    )
    lost = replace(device, copies=tuple(replace(each, verified=False) for each in device.copies))
    assert [("pinned", 4), ("pageable", 4)] == [each[:2] for each in left_out(host, lost, *others)]
    assert (
        "pinned", 4, "copies of 64 bytes to the host were not measured, and no line of copies reaches them"
    ) == left_out(host, replace(device, copies=short), *others)[0]  # fmt: skip


def test_a_batch_that_failed_takes_no_part_and_is_named():
    host, device = parts(1, 20, 51)
    failed = replace(device, forwards=(), copies=(), status="failed", problem="a crash")

    (found,) = offloads(measured(host, failed, *parts(2, 30, 52), *parts(10, 110, 60)))

    assert [1, 2, 10] == [each.batch for each in found.batches]
    assert (2, 10) == found.break_even[0].batches
    assert [LeftOut(batch=1, why="not measured on cuda, a crash")] == list(found.break_even[0].left_out)


def test_parts_of_networks_that_nobody_analysed_say_nothing():
    nothing = [replace(each, analysis=None) for each in parts(1, 20, 51)]

    (found,) = offloads(measured(*nothing))

    assert ((), ()) == (found.batches, found.break_even)


def test_parts_that_confirm_are_shown_and_no_line_goes_through_them():
    confirming = [replace(each, confirms=True) for each in (*parts(4, 50, 54), *parts(5, 60, 30))]

    (found,) = offloads(measured(*parts(1, 20, 51), *parts(10, 110, 60), *confirming))

    assert [1, 4, 5, 10] == [each.batch for each in found.batches]
    assert [False, True, True, False] == [each.confirms for each in found.batches]
    assert (1, 10) == found.break_even[0].batches
    assert [(4, False), (5, True)] == [(each.batch, each.pays) for each in found.break_even[0].checks]
    assert found.break_even[0].confirmed is True


def test_batches_that_confirm_are_no_batches_measured_to_extrapolate_from():
    """b* = 40 / (10 − 9): beyond 1 to 10 it is, although 39 and 41 were measured."""
    confirming = [replace(each, confirms=True) for each in (*parts(39, 400, 401), *parts(42, 430, 428))]

    (found,) = offloads(measured(*parts(1, 20, 57), *parts(10, 110, 135), *confirming))

    met = found.break_even[0]
    assert (1, 10) == met.batches
    assert met.message.endswith("; beyond the batches that the lines go through, 1 to 10")


def test_one_batch_and_some_that_confirm_are_still_one_batch():
    confirming = [replace(each, confirms=True) for each in parts(5, 60, 30)]

    (found,) = offloads(measured(*parts(2, 30, 52), *confirming))

    met = found.break_even[0]
    assert ("unknown", "cnnprof profile net --device cpu --device cuda --batch 1,2,8,64") == (met.verdict, met.hint)
    assert met.message.endswith("and only batch 2 was measured on both with its copies")


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
