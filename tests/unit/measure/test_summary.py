"""Raw samples to figures of layers and of the whole."""

from __future__ import annotations

import pytest

from cnnprof.measure.samples import all_samples
from cnnprof.measure.summary import summaries, summarise
from cnnprof.model.plain import from_json, replace, to_json
from cnnprof.model.profile import Estimate, Profile
from cnnprof.model.run import Run, Setting, Temperature
from tests.helpers.parts import accelerated, forward, marked, part
from tests.unit.report.samples import small

TIMES = {"conv": 40_000, "relu": 5_000, "fc": 20_000}


def estimate(median_ns: float, n: int = 12, dirty: int = 0) -> Estimate:
    """The estimate of samples that are all alike."""
    at = median_ns / 1e9
    return Estimate(median_s=at, mad_s=0.0, low_s=at, high_s=at, min_s=at, n=n, dirty=dirty)


def rows(found: Profile) -> dict[str, float | None]:
    return {each.name: each.time and each.time.median_s for each in found.layers}


def test_a_layer_has_the_median_of_its_interval_less_what_its_marks_cost():
    (conv, *_) = summarise(part(TIMES)).layers

    assert estimate(40_000) == conv.time
    assert (1, False, 500e-9) == (conv.calls, conv.below_resolution, conv.resolution_s)


def test_the_whole_is_pass_e_and_says_images_per_second():
    found = summarise(part(TIMES, setting=Setting(batch=8)))

    assert (estimate(67_000), estimate(67_000)) == (found.whole, found.cpu_whole)
    assert 8 / 67e-6 == pytest.approx(found.images_per_s)


def test_cpu_time_has_its_own_cost_taken_off_and_is_there_with_one_thread_only():
    one = summarise(part(TIMES))
    two = summarise(part(TIMES, environment={"threads": 2, "cores": 2}))

    assert estimate(40_000) == one.layers[0].cpu_time
    assert (None, None, estimate(40_000)) == (two.layers[0].cpu_time, two.cpu_whole, two.layers[0].time)


def test_a_layer_that_runs_twice_has_the_time_of_both_runs():
    forwards = [each for _ in range(12) for each in (forward(), marked([10_000, 5_000, 20_000], [500] * 4))]
    found = summarise(part({"a": 1}, layers=("act", "conv", "act"), marks=("line",) * 3, forwards=tuple(forwards)))

    act = found.layers[0]
    assert ("act", 2, estimate(30_000), 1_000e-9) == (act.name, act.calls, act.time, act.resolution_s)


def test_the_sum_over_the_runs_is_made_in_each_forward_before_the_median_is_taken():
    # One run is slow where the other is fast: their medians are 10 and 10, their sum is always 30.
    pairs = [(10_000, 20_000), (20_000, 10_000), (10_000, 20_000)] * 4
    forwards = tuple(marked(each, [500] * 3) for each in pairs)
    found = summarise(part({"a": 1}, layers=("act", "act"), marks=("line",) * 2, forwards=forwards))

    assert {"act": pytest.approx(30e-6)} == rows(found)


def test_rows_follow_the_analysis_and_what_was_not_told_apart_has_no_time():
    found = summarise(part(TIMES, analysis=small()))

    assert {"conv": 40e-6, "relu": 5e-6, "pool": None, "fc": 20e-6} == {
        name: None if seconds is None else pytest.approx(seconds) for name, seconds in rows(found).items()
    }
    assert [0.0] == [each.calls for each in found.layers if each.name == "pool"]


def test_what_was_marked_and_is_no_row_stands_behind_the_rows_so_that_the_sum_holds():
    found = summarise(part({"extra": 3_000} | TIMES, analysis=small()))

    assert ["conv", "relu", "pool", "fc", "extra"] == list(rows(found))
    assert 68e-6 == pytest.approx(found.ledger.layers_s)


@pytest.mark.parametrize(("time_ns", "below"), [(499, True), (500, False), (100, True)])
def test_a_time_of_less_than_five_times_what_its_marks_cost_is_below_resolution(time_ns, below):
    (found,) = summarise(part({"relu": time_ns})).layers

    assert (estimate(time_ns), below) == (found.time, below)
    assert below == found.below_resolution


@pytest.mark.parametrize("time_ns", [0, -40])
def test_where_the_marks_cost_all_of_it_there_is_no_time_neither_zero_nor_negative(time_ns):
    (found,) = summarise(part({"identity": time_ns})).layers

    assert (None, True, 500e-9) == (found.time, found.below_resolution, found.resolution_s)


def test_an_interval_ends_where_no_time_can_lie():
    forwards = tuple(marked([each], [500, 500]) for each in (-50, -20, 10, 20, 30, 40, 60))
    (found,) = summarise(part({"relu": 1}, forwards=forwards)).layers

    assert (20e-9, 0.0, 0.0) == pytest.approx((found.time.median_s, found.time.low_s, found.time.min_s))


def test_disturbed_forwards_are_counted_and_left_out():
    clean = part(TIMES)
    slow = (forward(wall_ns=900_000, cpu_ns=400_000), marked([900_000, 1, 1], [500] * 4, cpu_ns=10_000))
    found = summarise(replace(clean, forwards=(*clean.forwards, *slow)))

    assert (estimate(67_000, dirty=1), estimate(40_000, dirty=1)) == (found.whole, found.layers[0].time)
    assert "E+L cpu batch 1 float32 contiguous 1 thread, 12+12 forwards, 2 dirty" == found.protocol


def test_where_no_forward_is_clean_all_are_used_and_it_is_said():
    forwards = tuple(forward(wall_ns=100_000, cpu_ns=50_000) for _ in range(12))
    found = summarise(part({}, gaps=[500], forwards=forwards))

    assert estimate(100_000, dirty=12) == found.whole
    assert "all-dirty" in [each.code for each in found.doubts]


def test_passes_are_made_of_the_same_kind_of_forwards_so_that_one_that_went_undisturbed_is_not_compared_with_none():
    """A busy machine let one forward of pass E through, and none of pass L: all took three times as long but that."""
    slow = part({name: 3 * time for name, time in TIMES.items()}, gaps=[1_500] * 4)
    busy = tuple(replace(each, cpu_ns=each.wall_ns // 3) for each in slow.forwards)
    found = summarise(replace(part(TIMES), forwards=(forward(wall_ns=67_000), *busy)))

    assert (3 * 67_000, 13) == (round(found.whole.median_s * 1e9), found.whole.n)
    assert pytest.approx(0.0, abs=1e-12) == found.ledger.unexplained_share
    assert {"all-dirty"} == {each.code for each in found.doubts} & {"all-dirty", "marks-heavy", "ledger-open"}


def test_a_pass_with_enough_clean_forwards_uses_all_of_them_where_another_has_too_few():
    found = part(TIMES)
    busy = tuple(each if each.kind == "E" else replace(each, cpu_ns=each.wall_ns // 3) for each in found.forwards)

    assert [True, True] == [all_samples(replace(found, forwards=busy))[kind].mixed for kind in ("E", "L")]


def test_six_undisturbed_forwards_of_each_pass_are_enough_to_leave_the_others_out():
    clean = part(TIMES, count=6)
    slow = tuple(replace(each, wall_ns=9 * each.wall_ns) for each in clean.forwards)

    assert (67_000, 6) == (
        (found := summarise(replace(clean, forwards=clean.forwards + slow)).whole).median_s * 1e9,
        found.n,
    )


def test_a_pass_that_the_ledger_does_not_need_takes_no_clean_forwards_from_the_others():
    found = accelerated(TIMES, graph=60_000)
    disturbed = tuple(replace(each, others=9.0) if each.kind == "G" else each for each in found.forwards)

    passes = all_samples(replace(found, forwards=disturbed))
    assert {"E": False, "L": False, "Q": False, "G": True, "F": False} == {
        kind: each.mixed for kind, each in passes.items()
    }


def test_the_warm_up_is_left_out():
    clean = part(TIMES)
    slow = tuple(forward(wall_ns=900_000, warm_up=True) for _ in range(50))

    assert estimate(67_000) == summarise(replace(clean, forwards=slow + clean.forwards)).whole


@pytest.mark.parametrize(
    "wrong",
    [
        forward(wall_ns=0),
        forward(wall_ns=-5, cpu_ns=10),
        forward(cpu_ns=-1),
        marked([-200, 1, 1], [500] * 4),
        replace(marked([1, 1, 1], [500] * 4), marks_ns=(1, 2, 3)),
        replace(marked([1, 1, 1], [500] * 4), marks_cpu_ns=(1, 2, 3)),
    ],
)
def test_a_forward_with_a_time_that_cannot_be_is_left_out_and_said(wrong):
    clean = part(TIMES)
    found = summarise(replace(clean, forwards=(*clean.forwards, wrong)))

    assert summarise(clean).layers == found.layers
    assert summarise(clean).whole == found.whole
    assert ["impossible-times"] == [each.code for each in found.doubts]


def test_an_outlier_of_a_thousand_times_moves_no_median():
    clean = part(TIMES)
    found = summarise(replace(clean, forwards=(*clean.forwards, forward(wall_ns=67_000_000))))

    assert 67e-6 == found.whole.median_s


def test_hot_and_cold_times_stand_beside_the_layers():
    alone = (Temperature(layer="fc", hot_ns=(5_000,) * 11, cold_ns=(30_000,) * 11),)
    found = summarise(part(TIMES, temperatures=alone))

    assert (estimate(5_000, 11), estimate(30_000, 11)) == (found.layers[2].hot, found.layers[2].cold)
    assert (None, None) == (found.layers[0].hot, found.layers[0].cold)


def test_of_a_layer_that_runs_twice_both_runs_are_added_or_nothing_is_said():
    run = Temperature(layer="act", hot_ns=(5_000,) * 11, cold_ns=(30_000,) * 11)
    forwards = tuple(marked([1_000, 1_000], [500] * 3) for _ in range(12))
    twice = part({"a": 1}, layers=("act", "act"), marks=("line",) * 2, forwards=forwards)

    assert estimate(10_000, 11) == summarise(replace(twice, temperatures=(run, run))).layers[0].hot
    assert summarise(replace(twice, temperatures=(run,))).layers[0].hot is None


@pytest.mark.parametrize("wrong", [(0, 5), (-1, 5), ()])
def test_a_time_alone_that_cannot_be_is_no_time(wrong):
    alone = (Temperature(layer="fc", hot_ns=wrong, cold_ns=(30_000,) * 11),)
    found = summarise(part(TIMES, temperatures=alone)).layers[2]

    assert (None, estimate(30_000, 11)) == (found.hot, found.cold)


def test_the_protocol_names_passes_and_everything_that_times_depend_on():
    setting = Setting(
        batch=8, dtype="bfloat16", layout="channels_last", mode="training", optimizer="adam", compiled=True
    )
    found = part({}, gaps=[1], setting=setting, environment={"threads": 4, "cores": 8}, forwards=(forward(),) * 3)

    said = "E cpu batch 8 bfloat16 channels_last 4 threads training adam compiled, 3 forwards"
    assert said == summarise(found).protocol


def test_of_a_part_that_measured_nothing_nothing_is_said():
    found = summarise(part({}, gaps=[1], forwards=(), environment={}, status="failed", problem="it broke"))

    assert (None, None, None, {}, ()) == (
        found.whole, found.images_per_s, found.ledger, found.phases, found.layers
    )  # fmt: skip
    assert "nothing measured cpu batch 1 float32 contiguous ? threads" == found.protocol
    assert [("failed", "it broke; nothing was measured")] == [(each.code, each.message) for each in found.doubts]


def test_a_run_has_the_figures_of_each_part_and_its_budget_is_known_to_doubts():
    run = Run(cnnprof_version="1", id="x", created="now", budget_s=5, parts=(part(TIMES), part(TIMES, steady=False)))
    first, second = summaries(run)

    assert ((), "--budget 10s") == (first.doubts, second.doubts[0].hint)


def test_figures_go_to_json_and_back():
    found = summarise(part(TIMES, analysis=small()))

    assert found == from_json(to_json(found), Profile)
