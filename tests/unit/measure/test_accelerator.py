"""An accelerator's figures: its own time, what it waits for its host, what a graph would change, what to doubt."""

from __future__ import annotations

import pytest

from cnnprof.measure.samples import samples
from cnnprof.measure.sizes import LADDER
from cnnprof.measure.summary import summarise
from cnnprof.model.plain import replace
from cnnprof.model.profile import Profile
from cnnprof.model.run import Copy, MarkCost, Part, Setting, Telemetry
from tests.helpers.parts import COST, accelerated, part
from tests.unit.measure.test_ledger import ns

TIMES = {"conv": 40_000, "relu": 5_000, "fc": 20_000}
GAPS = {"gaps": [500, 500, 500, 500]}
CLOCKS = (Telemetry(when="before", sm_clock_mhz=1980), Telemetry(when="after", sm_clock_mhz=1980))
BUSY = {"conv": 400_000, "fc": 200_000}
QUIET = accelerated(BUSY, telemetry=CLOCKS)


def lines(found: Profile) -> tuple[int, ...]:
    """Layers, launch gaps, glue, unexplained, E."""
    ledger = found.ledger
    assert ledger is not None
    assert ledger.launch_gaps_s is not None
    seconds = (ledger.layers_s, ledger.launch_gaps_s, ledger.glue_s, ledger.unexplained_s, ledger.end_to_end.median_s)
    return tuple(map(ns, seconds))


def said(found: Part, **asked) -> list[tuple[str, str, str | None]]:
    return [(each.code, each.message, each.hint) for each in summarise(found, **asked).doubts]


# The ledger


def test_a_device_that_never_waits_has_no_launch_gaps_and_the_ledger_closes():
    assert (65_000, 0, 2_000, 0, 67_000) == lines(summarise(accelerated(TIMES)))


def test_what_layers_take_longer_to_be_launched_is_a_launch_gap_in_no_layer_and_not_unexplained():
    # conv takes 40 µs anyway; relu waits 7 of 12 µs; fc takes 20 µs anyway.
    assert (65_000, 7_000, 2_000, 0, 74_000) == lines(summarise(accelerated(TIMES, launch=12_000)))


@pytest.mark.parametrize("hidden", [6_000, -6_000])
def test_what_only_the_forward_without_marks_takes_is_unexplained_with_its_sign(hidden):
    assert (65_000, 7_000, 2_000, hidden, 74_000 + hidden) == lines(
        summarise(accelerated(TIMES, launch=12_000, hidden=hidden))
    )


def test_what_marks_cost_a_device_where_nobody_waits_is_taken_off_the_layers_and_is_a_cost_of_its_own():
    slow = [0, 40_300, 0, 5_300, 0, 20_300, 0]
    costs = {"line": COST, "Q": MarkCost(inside_ns=300, outside_ns=0)}

    found = summarise(accelerated(TIMES, launch=12_000, queued=slow, costs=costs))

    assert (65_000, 7_000, 2_000, 0, 74_000) == lines(found)
    assert [40_000, 5_000, 20_000] == [ns(each.time.median_s) for each in found.layers]
    assert [1_500] * 3 == [ns(each.resolution_s) for each in found.layers]


def test_without_pass_q_layers_are_those_of_pass_l_and_nothing_is_known_of_launches():
    found = accelerated(TIMES, launch=12_000)
    profile = summarise(replace(found, forwards=tuple(each for each in found.forwards if each.kind in "EL")))

    assert (72_000, None) == (ns(profile.ledger.layers_s), profile.ledger.launch_gaps_s)
    assert (None, None, None) == (profile.host_bound, profile.graph, profile.graph_gain)
    assert [None] * 3 == [each.launch_gap_s for each in profile.layers]


# Rows


def test_a_row_has_its_own_time_and_beside_it_what_the_device_waited():
    found = summarise(accelerated(TIMES, launch=12_000))

    assert [("conv", 40_000, 0), ("relu", 5_000, 7_000), ("fc", 20_000, 0)] == [
        (each.name, ns(each.time.median_s), ns(each.launch_gap_s)) for each in found.layers
    ]
    assert ns(found.ledger.rows_s) == 65_000


def test_a_layer_that_does_nothing_on_the_device_has_no_time_and_only_a_gap():
    found = summarise(accelerated(TIMES | {"view": 0}, launch=12_000)).layers[-1]

    assert ("view", None, 12_000) == (found.name, found.time, ns(found.launch_gap_s))
    assert (False, None) == (found.below_resolution, found.resolution_s)


def test_a_time_below_five_times_what_queued_marks_cost_is_below_resolution():
    costs = {"line": COST, "Q": MarkCost(inside_ns=300, outside_ns=0)}
    found = summarise(accelerated({"conv": 40_000, "relu": 1_700}, queued=[0, 40_300, 0, 1_700, 0], costs=costs))

    assert [False, True] == [each.below_resolution for each in found.layers]


def test_all_calls_of_a_layer_are_one_row():
    found = summarise(replace(accelerated(TIMES, launch=12_000), layers=("conv", "relu", "relu")))

    assert [("conv", 40_000, 0), ("relu", 25_000, 7_000)] == [
        (each.name, ns(each.time.median_s), ns(each.launch_gap_s)) for each in found.layers
    ]


# The whole


def test_host_bound_is_what_the_layers_leave_of_the_forward_and_the_gain_what_a_graph_would_change():
    found = summarise(accelerated(TIMES, launch=38_000, graph=66_000))

    assert (40_000 + 38_000 + 38_000 + 2_000, 66_000) == (ns(found.whole.median_s), ns(found.graph.median_s))
    assert pytest.approx(1 - 65 / 118) == found.host_bound
    assert pytest.approx(118 / 66) == found.graph_gain
    assert 118_000 == ns(found.device_whole.median_s)


def test_what_the_whole_takes_after_the_cache_was_overwritten_stands_beside_it():
    found = summarise(accelerated(TIMES, flushed=100_500))

    assert (67_000, 100_500, 1.5) == (ns(found.whole.median_s), ns(found.flushed.median_s), found.flush_factor)


def test_a_cpu_has_nothing_of_an_accelerator():
    found = summarise(part(TIMES))

    assert [None] * 7 == [
        found.device_whole, found.host_bound, found.graph, found.graph_gain, found.flushed, found.flush_factor,
        found.ledger.launch_gaps_s,
    ]  # fmt: skip


def test_the_cpu_time_of_a_thread_that_waits_for_a_device_is_none_of_the_networks():
    found = summarise(accelerated(TIMES))

    assert (None, [None] * 3) == (found.cpu_whole, [each.cpu_time for each in found.layers])


def test_the_protocol_names_the_passes_and_whose_times_the_layers_are():
    assert (
        "E+L+Q+G cpu batch 1 float32 contiguous 1 thread, 12+12+12+12 forwards, layers' times by Q"
        == summarise(accelerated(TIMES)).protocol
    )


def test_a_replay_has_neither_phases_nor_marks_and_is_a_sample_all_the_same():
    found = replace(accelerated(TIMES), phases=("forward", "backward"))

    assert (12, 0) == (samples(found, "G").taken, samples(found, "G").impossible)


# Doubts


def test_a_device_that_is_busy_all_the_time_leaves_no_doubt():
    assert [] == said(QUIET)


@pytest.mark.parametrize(
    ("changes", "graph", "hint"),
    [
        (
            {}, 600_000,
            ("a larger batch takes longer per layer: --batch 8, or replay a graph of the forward, here 1.34 times as "
            "fast (pass G), or --compile, which launches fewer kernels"),
        ),
        (
            {"setting": Setting(compiled=True)}, 700_000,
            ("a larger batch takes longer per layer: --batch 8, or replay a graph of the forward, here 1.15 times as "
            "fast (pass G)"),
        ),
    ],
)  # fmt: skip
def test_a_device_that_waits_for_its_host(changes, graph, hint):
    found = replace(accelerated(BUSY, launch=400_000, telemetry=CLOCKS, graph=graph), **changes)

    assert [
        (
            "host-bound",
            "for 25.1 % of the forward the device waits for its host: a faster device would change little",
            hint,
        )
    ] == said(found)


def test_a_replay_that_gains_nothing_denies_that_the_host_is_waited_for():
    """Kernels took half as long in pass Q as in the others, as behind a clock that rose."""
    (found,) = said(accelerated(BUSY, launch=400_000, telemetry=CLOCKS, graph=800_000))

    assert (
        "not-queued",
        (
            "queued ahead (pass Q), layers take 25.1 % of the forward less than it does, yet a replay, which no host "
            "launches (pass G), is only 1.00 times as fast: clocks differ, or the replay waits too"
        ),
        "a larger --budget",
    ) == found


def test_a_device_that_waits_for_less_than_a_tenth_is_no_doubt():
    assert [] == said(accelerated(BUSY, launch=250_000, telemetry=CLOCKS))


@pytest.mark.parametrize(("flushed", "expected"), [(661_500, []), (663_000, ["cache-hot"])])
def test_a_forward_that_takes_more_than_a_tenth_longer_after_the_cache_was_overwritten(flushed, expected):
    assert expected == [code for code, _, _ in said(accelerated(BUSY, telemetry=CLOCKS, flushed=flushed))]


def test_what_is_said_of_a_warm_cache():
    (found,) = said(accelerated(BUSY, telemetry=CLOCKS, flushed=1_200_000))

    assert (
        "cache-hot",
        (
            "the device's cache still holds of one forward what the next one reads: after it was overwritten a forward "
            "takes 2.00 times as long (pass F), as it may where other work runs between two"
        ),
        "a larger batch takes longer per layer: --batch 8",
    ) == found


def test_no_pass_q():
    found = replace(QUIET, forwards=tuple(each for each in QUIET.forwards if each.kind in "EL"))

    assert [
        (
            "not-queued",
            (
                "nothing could be queued before the device began (no pass Q): layers' times are of pass L, and hold "
                "what the device waits for its host"
            ),
            "a larger batch takes longer per layer: --batch 8",
        )
    ] == said(found)


def _begun_early(count: int) -> Part:
    seen = iter(range(len(QUIET.forwards)))
    forwards = [
        replace(each, marks_ns=()) if each.kind == "Q" and next(seen) < count else each for each in QUIET.forwards
    ]
    return replace(QUIET, forwards=tuple(forwards))


def test_forwards_that_began_before_all_was_queued_are_left_out_and_said():
    assert (
        "not-queued",
        (
            "2 forwards of pass Q began before all of it was queued, and are left out: the others may have been close "
            "to it"
        ),
        "a larger batch takes longer per layer: --batch 8",
    ) in said(_begun_early(2))
    assert [] == [code for code, *_ in said(_begun_early(1)) if code != "too-few-samples"]


def test_layers_that_take_longer_queued_than_in_turn():
    found = accelerated(BUSY, queued=[0, 440_000, 0, 200_000, 0], telemetry=CLOCKS)

    assert [
        (
            "not-queued",
            "queued ahead (pass Q), layers take 6.7 % of the forward longer than in turn (pass L): clocks differ",
            "--budget 60s",
        )
    ] == said(found, budget_s=30.0)


@pytest.mark.parametrize(
    ("device", "hint"),
    [
        ("cuda", "nvidia-smi -q -d PERFORMANCE,POWER,TEMPERATURE says how much"),
        ("fake", "let it cool, and measure again"),
    ],
)
def test_clocks_that_were_held_down(device, hint):
    held = Telemetry(when="after", sm_clock_mhz=1980, throttle=("sw_power_cap", "gpu_idle"))

    assert [
        (
            "clocks-throttled",
            "the device held its clocks down (sw_power_cap): it is faster when cool, or with more power",
            hint,
        )
    ] == said(replace(QUIET, telemetry=(*CLOCKS, held), setting=Setting(device=device)))


def test_a_device_with_nothing_to_do_lowers_its_clocks_and_that_is_no_doubt():
    idle = Telemetry(when="before", sm_clock_mhz=1980, throttle=("gpu_idle",))

    assert [] == said(replace(QUIET, telemetry=(idle,)))


@pytest.mark.parametrize(
    ("device", "hint"), [("cuda:1", "nvidia-smi --lock-gpu-clocks 1500, as root"), ("fake", "--budget 60s")]
)
def test_clocks_that_moved(device, hint):
    moved = (CLOCKS[0], replace(CLOCKS[1], sm_clock_mhz=1500))

    assert [
        (
            "clocks-moved",
            "the device's clock was between 1500 and 1980 MHz: times are of no one speed",
            hint,
        )
    ] == said(replace(QUIET, telemetry=moved, setting=Setting(device=device)), budget_s=30.0)


@pytest.mark.parametrize(("device", "hint"), [("cuda", "pip install nvidia-ml-py"), ("fake", None)])
@pytest.mark.parametrize("telemetry", [(), (Telemetry(when="after", power_w=70.0),)])
def test_clocks_of_which_nothing_is_known(device, hint, telemetry):
    assert [
        ("clocks-unknown", "nothing says at which clocks the device ran, nor whether they were held down", hint)
    ] == said(replace(QUIET, telemetry=telemetry, setting=Setting(device=device)))


def _copies(*verified: bool | None) -> tuple[Copy, ...]:
    return tuple(Copy(direction="h2d", memory="pinned", bytes=1, times_ns=(1,), verified=each) for each in verified)


@pytest.mark.parametrize(
    ("verified", "expected"),
    [
        (
            (True, False, None),
            ("what arrived was not what was sent in 1 of 3 copies: their times are of no copy",
             "the device's memory or its link is broken"),
        ),
        ((True, None, None), ("nobody looked whether 2 of 3 copies arrived: their times may be of less", None)),
    ],
)  # fmt: skip
def test_copies_that_did_not_arrive_or_at_which_nobody_looked(verified, expected):
    assert [("copies-unverified", *expected)] == said(replace(QUIET, copies=_copies(*verified)))[:1]
    assert "copies-unverified" not in [code for code, *_ in said(replace(QUIET, copies=_copies(True, True)))]


@pytest.mark.parametrize(("copied", "expected"), [
    (8, [(
        "copies-cut",
        ("1 of 9 sizes were not copied, for want of time or of memory: nothing is said about copies of more than "
        "67,108,864 bytes"),
        "--budget 60s",
    )]),
    (9, []),
])  # fmt: skip
def test_sizes_for_which_there_was_no_time_or_no_memory(copied, expected):
    copies = [Copy(direction="h2d", memory="pinned", bytes=size, times_ns=(1,), verified=True) for size in LADDER]

    assert expected == said(replace(QUIET, copies=tuple(copies[:copied])), budget_s=30.0)


def test_doubts_about_the_hosts_threads_are_none_about_a_device():
    assert [] == said(replace(QUIET, environment={"threads": 8, "cores": 8}))
    assert [("load-unknown", None)] == [
        (code, hint) for code, _, hint in said(replace(QUIET, environment={"threads": 8}))
    ]
