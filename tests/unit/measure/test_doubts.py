"""Every doubt: when there is reason for it, what it says, and what it advises to whom."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from cnnprof.measure.doubts import CODES
from cnnprof.measure.summary import summarise
from cnnprof.model.plain import replace
from cnnprof.model.run import MarkCost, MeasuredMemory, Part, Setting
from tests.helpers.parts import QUIET, forward, marked, part

TIMES = {"conv": 400_000, "fc": 200_000}
QUIET_PART = part(TIMES)
TASKSET = "end other programs, or measure on CPUs of its own: taskset -c 0 cnnprof profile …"


def said(found: Part, **asked) -> list[tuple[str, str, str | None]]:
    return [(each.code, each.message, each.hint) for each in summarise(found, **asked).doubts]


def codes(found: Part, **asked) -> list[str]:
    return [each[0] for each in said(found, **asked)]


def with_forwards(*forwards, **more) -> Part:
    return replace(part({}, gaps=[1], forwards=forwards), **more)


def test_a_quiet_part_leaves_no_doubt():
    assert [] == said(QUIET_PART, budget_s=30.0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"status": "out-of-memory", "hint": "try a smaller batch: 32 worked"},
            (
                "out-of-memory", "the memory did not suffice; what was measured before is shown",
                "try a smaller batch: 32 worked",
            ),
        ),
        (
            {"status": "out-of-memory", "forwards": ()},
            (
                "out-of-memory", "the memory did not suffice; nothing was measured", None,
            ),
        ),
        (
            {"status": "failed", "problem": "the worker was killed", "hint": "see dmesg"},
            ("failed", "the worker was killed; what was measured before is shown", "see dmesg"),
        ),
        (
            {"status": "failed", "forwards": ()},
            ("failed", "the measuring process ended; nothing was measured", None),
        ),
        (
            {"status": "interrupted"},
            (
                "unfinished", "measuring was interrupted; what was measured before is shown",
                "cnnprof profile --resume RUN goes on",
            ),
        ),
        (
            {"status": "running", "forwards": ()},
            (
                "unfinished", "measuring has not ended; nothing was measured", "cnnprof profile --resume RUN goes on",
            ),
        ),
    ],
)  # fmt: skip
def test_how_measuring_ended(changes, expected):
    assert [expected] == said(replace(QUIET_PART, **changes))


@pytest.mark.parametrize(
    ("std", "dtype", "message", "hint"),
    [
        (0.0, "float32", "all values of the output are alike", None),
        (None, "float32", "the output is not finite", None),
        (float("nan"), "float16", "the output is not finite", "--dtype float32"),
        (float("inf"), "bfloat16", "the output is not finite", "--dtype float32"),
    ],
)
def test_an_output_without_real_values(std, dtype, message, hint):
    found = replace(QUIET_PART, output_std=std, setting=Setting(dtype=dtype))

    assert [
        ("no-real-values", f"{message}: computing on such values may be faster or slower than on real ones", hint)
    ] == said(found)


@pytest.mark.parametrize("status", ["interrupted", "failed", "running"])
def test_an_output_that_was_not_looked_at_yet_is_no_doubt(status):
    assert "no-real-values" not in codes(replace(QUIET_PART, status=status, output_std=None))


def test_impossible_times():
    found = replace(QUIET_PART, forwards=(*QUIET_PART.forwards, forward(wall_ns=0)))

    assert [
        (
            "impossible-times",
            "1 forward had a time of 0 or below, or lacked marks: left out, the clock is to blame",
            "measure again; a virtual machine's clock may jump",
        )
    ] == said(found)


def test_all_forwards_disturbed():
    dirty = [replace(each, cpu_ns=each.wall_ns // 2, others=1.5) for each in QUIET_PART.forwards]

    assert [
        (
            "all-dirty",
            (
                "something else ran during 24 of 24 forwards (other processes used 1.5 CPUs), and none of pass E and L "
                "were undisturbed: all are used, and times are too long by an unknown part"
            ),
            TASKSET,
        )
    ] == said(replace(QUIET_PART, forwards=tuple(dirty)))


@pytest.mark.parametrize(("clean", "expected"), [(6, "some-dirty"), (5, "all-dirty")])
def test_fewer_than_six_undisturbed_forwards_of_a_pass_are_too_few(clean, expected):
    ends = [forward() if at < clean else forward(wall_ns=300_000, cpu_ns=100_000) for at in range(20)]
    rest = [each for each in QUIET_PART.forwards if each.kind == "L"]

    (doubt,) = [each for each in summarise(replace(QUIET_PART, forwards=(*ends, *rest))).doubts if "dirty" in each.code]
    assert expected == doubt.code
    assert ("fewer than 6 of pass E were undisturbed" in doubt.message) is (expected == "all-dirty")


def test_a_budget_that_is_advised_has_room_for_ten_forwards_of_each_pass():
    slow = tuple(replace(each, wall_ns=20_000_000_000, cpu_ns=20_000_000_000) for each in QUIET_PART.forwards[:2])

    (hint,) = {hint for code, _, hint in said(replace(QUIET_PART, forwards=slow), budget_s=30.0) if "few" in code}
    assert "--budget 600s" == hint  # 2 · 10 · 20 s, and a third of all for warming up


def test_some_forwards_disturbed():
    dirty = tuple(forward(cpu_ns=1, others=0.04) for _ in range(3))

    assert [
        (
            "some-dirty",
            "something else ran during 3 of 27 forwards: they are left out, the others may have lost their caches",
            TASKSET,
        )
    ] == said(replace(QUIET_PART, forwards=(*QUIET_PART.forwards, *dirty)))


def test_one_forward_in_ten_disturbed_is_no_doubt():
    assert [] == said(replace(QUIET_PART, forwards=(*QUIET_PART.forwards, forward(cpu_ns=1), forward(cpu_ns=1))))


@pytest.mark.parametrize(
    ("threads", "hint"), [(None, "--threads 1 measures what one core does, and tells exactly"), (2, None)]
)
def test_several_threads(threads, hint):
    quiet = tuple(replace(each, others=0.0) for each in QUIET_PART.forwards)
    found = replace(
        QUIET_PART, environment={"threads": 2, "cores": 2}, setting=Setting(threads=threads), forwards=quiet
    )

    assert [
        (
            "threads-many",
            (
                "2 threads: their CPU time means nothing, because they spin while they wait, so that disturbed "
                "forwards are told by the load of other processes alone"
            ),
            hint,
        )
    ] == said(found)


def test_nothing_that_says_who_else_was_busy():
    found = replace(QUIET_PART, environment={})

    assert [
        (
            "load-unknown",
            "nothing here says whether other programs were busy: disturbed forwards are not left out",
            "--threads 1 measures what one core does, and tells exactly",
        )
    ] == said(found)


def test_more_threads_than_cores():
    assert ("oversubscribed", "4 threads share 2 cores: they wait for each other", "--threads 2") in said(
        replace(QUIET_PART, environment={"threads": 4, "cores": 2})
    )


@pytest.mark.parametrize("governor", ["powersave", "schedutil"])
def test_a_frequency_that_follows_the_load(governor):
    assert [
        (
            "governor",
            f"the CPU's frequency follows its load (governor {governor}): a time depends on what ran before",
            "cpupower frequency-set --governor performance, as root",
        )
    ] == said(replace(QUIET_PART, environment=QUIET | {"governor": governor}))
    assert [] == said(replace(QUIET_PART, environment=QUIET | {"governor": "performance"}))


def test_a_memory_that_is_nearly_full():
    found = replace(
        QUIET_PART, memory=MeasuredMemory(peak_bytes=950, by="x"), environment=QUIET | {"memory_bytes": 1_000}
    )

    assert [
        (
            "memory-tight",
            "the network needs 95.0 % of the memory: what is swapped out takes longer",
            "a smaller --batch",
        )
    ] == said(found)


def _paging(share, pages, **where):
    """Return forwards of which the system takes a part to hand out pages."""
    each = [replace(each, faults=pages, system_ns=round(share * each.wall_ns)) for each in QUIET_PART.forwards]
    return replace(QUIET_PART, forwards=tuple(each), environment=QUIET | where)


@pytest.mark.parametrize(
    ("where", "hint"),
    [
        (
            {"libc": "glibc 2.36", "allocator": {}},
            (
                "MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=-1 before the command has glibc keep it, there and where "
                "you deploy"
            ),
        ),
        ({"libc": "glibc 2.36", "allocator": {"LD_PRELOAD": "libtcmalloc.so"}}, None),
        ({"libc": None}, None),
    ],
)
def test_a_system_that_hands_out_memory_anew_in_each_forward(where, hint):
    assert [
        (
            "page-faults",
            (
                "49.0 % of the time is the system's, which hands out 65,731 pages of memory anew in each forward: the "
                "allocator gives back what layers free"
            ),
            hint,
        )
    ] == said(_paging(0.49, 65_731, **where))


@pytest.mark.parametrize(("share", "pages"), [(0.05, 65_731), (0.49, 999), (0.49, None)])
def test_few_pages_little_time_or_nothing_known_is_no_doubt_about_memory(share, pages):
    assert [] == said(_paging(share, pages))


def test_with_several_threads_the_systems_part_is_of_the_time_of_all_of_them():
    assert "page-faults" not in [code for code, *_ in said(_paging(0.09, 65_731, threads=2, cores=2))]
    assert "page-faults" in [code for code, *_ in said(_paging(0.11, 65_731, threads=2, cores=2))]


@pytest.mark.parametrize(("budget_s", "hint"), [(5.0, "--budget 10s"), (None, "a larger --budget")])
def test_too_few_samples_asks_for_twice_the_budget(budget_s, hint):
    assert [
        (
            "too-few-samples",
            (
                "only 7 of pass E and 7 of pass L: an interval of so few forwards is wide, and two groups of times "
                "cannot be seen"
            ),
            hint,
        )
    ] == said(part(TIMES, count=7), budget_s=budget_s)


def test_a_warm_up_that_did_not_end():
    assert [
        (
            "not-steady",
            "warm-up had to end before times were seen to stay alike: the first ones may be too long",
            "--budget 60s",
        )
    ] == said(replace(QUIET_PART, steady=False), budget_s=30.0)
    assert [] == said(replace(QUIET_PART, steady=None))


def _spread(count: int) -> list[int]:
    """Evenly spread: one group of times, widely known."""
    return [80_000 + 40_000 * at // (count - 1) for at in range(count)]


def test_an_interval_that_the_budget_left_wide():
    found = with_forwards(*(forward(wall_ns=each) for each in _spread(21)))

    assert [
        (
            "interval-wide",
            "the whole is known to ± 10.0 %, and ± 2.0 % was asked for: the budget ended first",
            "--budget 60s",
        )
    ] == said(found, budget_s=30.0)
    assert [] == said(found, budget_s=30.0, interval=0.11)


def test_an_interval_that_stays_wide_after_all_samples_asks_for_no_larger_budget():
    found = with_forwards(*(forward(wall_ns=each) for each in _spread(200)))

    assert [
        (
            "interval-wide",
            "the whole is known to ± 2.9 %, and ± 2.0 % was asked for: 200 forwards differ too much",
            "a quieter machine: no more forwards than these are taken, whatever the budget",
        )
    ] == said(found, budget_s=30.0)


def test_a_whole_with_two_groups_of_times():
    found = with_forwards(*(forward(wall_ns=100_000 + 20_000 * (at % 2) + at) for at in range(30)))

    assert (
        "bimodal-total",
        "forwards fall into two groups of times: the median may lie in either, and jump between runs",
        "the run's samples show both: cnnprof runs export",
    ) in said(found)


def _two_groups(times: list[list[int]]) -> Part:
    """Layers with these times, in turn."""
    forwards = []
    for layers in itertools.islice(itertools.cycle(times), 30):
        forwards += [forward(wall_ns=sum(times[0])), marked(layers, [500] * (len(layers) + 1))]
    names = {f"l{at}": 1 for at in range(len(times[0]))}
    return part(names, forwards=tuple(forwards))


def test_layers_with_two_groups_of_times_are_named_up_to_three():
    few = _two_groups([[50_000, 90_000], [50_000, 120_000]])
    many = _two_groups([[50_000] * 5, [80_000] * 5])

    assert ("bimodal-layers", "two groups of times in l1: the median may lie in either", "--budget 60s") in said(
        few, budget_s=30.0
    )
    assert (
        "bimodal-layers",
        "two groups of times in l0, l1, l2 and 2 more: the median may lie in either",
        "a larger --budget",
    ) in said(many)


def test_two_groups_of_times_in_a_layer_that_does_not_matter_are_no_doubt():
    assert "bimodal-layers" not in codes(_two_groups([[50_000_000, 90_000], [50_000_000, 120_000]]))


def test_layers_below_resolution_that_matter():
    found = part({"conv": 10_000, "relu": 400, "identity": 0}, setting=Setting(batch=4))

    assert (
        "below-resolution",
        (
            "2 layers, together 3.8 % of the layers' time, take less than five times what measuring them costs: their "
            "times are bounds"
        ),
        "a larger batch takes longer per layer: --batch 32",
    ) in said(found)
    assert "below-resolution" not in codes(part({"conv": 1_000_000, "identity": 0}))


@pytest.mark.parametrize(
    ("hidden", "expected"),
    [
        (40_000, "6.2 % of the forward is in no layer and no gap: layers' times are too short to add up to it"),
        (-40_000, "layers and gaps take 7.1 % more than the forward without marks: their times are too long"),
        (30_000, None),
        (-28_000, None),
    ],
)
def test_a_ledger_that_stays_open(hidden, expected):
    found = [each for each in said(part(TIMES, hidden=hidden), budget_s=30.0) if each[0] == "ledger-open"]

    assert ([] if expected is None else [("ledger-open", expected, "--budget 60s")]) == found


def test_gaps_of_less_than_nothing_say_that_marks_were_mismeasured_and_not_that_the_ledger_is_open():
    marks = {"line": MarkCost(inside_ns=100, outside_ns=41_000)}

    assert [
        (
            "marks-mismeasured",
            (
                "less than nothing is left of the gaps between layers, by 13.1 % of the forward: what marks cost was "
                "measured too high, and glue and unexplained are wrong by about as much"
            ),
            "measure again, with nothing else running",
        )
    ] == [each for each in said(replace(QUIET_PART, costs=marks)) if each[0] in ("marks-mismeasured", "ledger-open")]


def test_marks_that_weigh():
    found = part({f"l{at}": 10_000 for at in range(10)})

    assert [
        (
            "marks-heavy",
            "the marks between layers make the forward 10.4 % longer: times of small layers are uncertain",
            "a larger batch takes longer per layer: --batch 8",
        )
    ] == said(found)


def test_every_code_is_tested_here_or_beside_the_accelerators_figures():
    here = Path(__file__)
    text = "".join(each.read_text(encoding="utf-8") for each in (here, here.with_name("test_accelerator.py")))

    assert [] == [code for code in CODES if f'"{code}"' not in text]
