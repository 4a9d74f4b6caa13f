"""What was measured as tables: layers, where the time goes, phases, memory, doubts; and several parts, a line each."""

from __future__ import annotations

import csv
import json
from html.parser import HTMLParser

import pytest

from cnnprof.errors import UsageError
from cnnprof.measure.summary import summarise
from cnnprof.model.plain import replace
from cnnprof.model.profile import Profile
from cnnprof.model.run import MeasuredMemory, Part, Setting, Temperature
from cnnprof.report import FORMATS, measured, render
from cnnprof.report.base import Below, Report, Screen, Table
from cnnprof.report.notebook import report_to_html
from cnnprof.report.profile import ledger_table, naming, profile_report
from cnnprof.report.profile_summary import COLUMNS
from tests.helpers.latex import read
from tests.helpers.parts import forward, part
from tests.unit.report.samples import analysis, blocks, row, small, with_unknown

TIMES = {"conv": 40_000, "relu": 300, "fc": 20_000}
PART = part(TIMES, analysis=small(), memory=MeasuredMemory(peak_bytes=2_000, by="torch"))
PROTOCOL = "E+L cpu batch 1 float32 contiguous 1 thread, 12+12 forwards"


def of(*parts: Part, **chosen) -> Report:
    return profile_report([(each, summarise(each, budget_s=30.0)) for each in parts], **chosen)


def records(table: Table) -> list[dict[str, object]]:
    ids = [column.id for column in table.columns]
    return [dict(zip(ids, line.cells, strict=True)) for line in (*table.lines, *table.totals)]


def table(report: Report, name: str) -> Table:
    return next(each for each in (report.main, *report.extra) if each.id == name)


# Layers


def test_predicted_and_measured_stand_in_one_table():
    conv, relu, pool, fc, total = records(of(PART).main)

    assert {
        "name": "conv", "op": "conv2d", "output": ((4, 6, 6),), "params": 112, "macs": 3_888, "moved_bytes": 1_792,
        "time_s": pytest.approx(40e-6), "interval": 0.0, "time_share": pytest.approx(40 / 60.3),
        "gflops_per_s": pytest.approx(2 * 3_888 / 40e3),
    } == conv  # fmt: skip
    assert (Below(500e-9, 300e-9), None, None, pytest.approx(0.3 / 60.3)) == tuple(
        relu[name] for name in ("time_s", "interval", "gflops_per_s", "time_share")
    )
    assert (None, None, None, None) == tuple(
        pool[name] for name in ("time_s", "interval", "time_share", "gflops_per_s")
    )
    assert pytest.approx(2 * 160 / 20e3) == fc["gflops_per_s"]
    assert ("total", 282, 4_048, 4_368, pytest.approx(60.3e-6), pytest.approx(1.0)) == tuple(
        total[name] for name in ("name", "params", "macs", "moved_bytes", "time_s", "time_share")
    )
    assert pytest.approx(2 * 4_048 / 60e3) == total["gflops_per_s"]


def test_people_read_it():
    expected = """\
net, cpu, input 3×8×8, batch 1, float32: 62.30 µs ± 0 %, 16,051 images/s

layer  type       output  params   MACs     bytes      time    ±   share  GFLOP/s
─────────────────────────────────────────────────────────────────────────────────
conv   conv2d     4×6×6      112  3,888  1.75 KiB  40.00 µs  0 %  66.3 %   0.1944
relu   relu       4×6×6        0      0  1.12 KiB  < 500 ns    –   0.5 %        –
pool   maxpool2d  4×2×2        0      0     640 B         –    –                –
fc     linear     10         170    160     784 B  20.00 µs  0 %  33.2 %   0.0160
─────────────────────────────────────────────────────────────────────────────────
total                        282  4,048  4.27 KiB  60.30 µs    –   100 %   0.1349
note: protocol: E+L cpu batch 1 float32 contiguous 1 thread, 12+12 forwards

ledger of the forward

where the time goes      time  of the whole      from        to
───────────────────────────────────────────────────────────────
layers               60.30 µs        96.8 %         –         –
glue                 2.000 µs         3.2 %         –         –
unexplained               0 s           0 %       0 s       0 s
───────────────────────────────────────────────────────────────
end to end           62.30 µs         100 %  62.30 µs  62.30 µs
note: marks between layers cost +3.300 µs (+5.3 %) beside this: 65.60 µs with them (pass L), 62.30 µs without (pass E)

peak memory of an inference

peak memory          memory  exactly  error
─────────────────────────────────────────────
predicted          1.85 KiB    1,896  -5.20 %
measured by torch  1.95 KiB    2,000
note: the predicted peak is 5.2 % below the measured one, most likely because the forward keeps tensors in variables \
after their last use, as in the branch of a residual block; the prediction frees each one then (in a forward, del does \
so)"""

    assert expected == render(of(PART), "table")


def test_a_device_without_unicode_gets_ascii():
    text = render(of(PART, screen=Screen(unicode=False)), "table")

    assert text.isascii()
    assert "40.00 us" in text


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("time", [40e-6, Below(500e-9, 300e-9), None, 20e-6]),
        ("cpu_time_s", [40e-6, 300e-9, None, 20e-6]),
        ("n", [12, None, None, 12]),
        ("dirty", [0, None, None, 0]),
        ("mad_s", [0.0, None, None, 0.0]),
        ("low_s", [40e-6, None, None, 20e-6]),
        ("high_s", [40e-6, None, None, 20e-6]),
        ("min_s", [40e-6, None, None, 20e-6]),
        ("calls", [1, 1, None, 1]),
        ("gigabytes_per_s", [1_792 / 40e3, None, None, 784 / 20e3]),
        ("images_per_s", [25_000.0, None, None, 50_000.0]),
        ("hot_s", [None, None, None, 5e-6]),
        ("cold_s", [None, None, None, 30e-6]),
    ],
)
def test_every_measured_column(column, expected):
    alone = Temperature(layer="fc", hot_ns=(5_000,) * 11, cold_ns=(30_000,) * 11)
    found = of(replace(PART, temperatures=(alone,)), columns=["name", column]).main

    assert [pytest.approx(each) if isinstance(each, float) else each for each in expected] == [
        line.cells[1] for line in found.lines
    ]


def test_hot_and_cold_times_are_shown_where_they_were_measured():
    alone = Temperature(layer="fc", hot_ns=(5_000,) * 11, cold_ns=(30_000,) * 11)

    shown = [column.id for column in of(replace(PART, temperatures=(alone,))).main.columns]
    assert ["time_s", "interval", "time_share", "hot_s", "cold_s"] == shown[6:11]
    assert "hot_s" not in [column.id for column in of(PART).main.columns]


def test_every_measured_column_has_a_definition():
    made = measured.catalogue(Profile(protocol="")).columns

    assert [] == [name for name, each in made.items() if not each.column.help]
    assert [] == [name for name, column in COLUMNS.items() if not column.help]


def test_blocks_add_up_and_have_the_rate_of_their_sums():
    times = {each.name: 1_000 * (at + 1) for at, each in enumerate(blocks().rows)}
    found = of(part(times, analysis=blocks()), depth=2).main

    assert ["stem.conv", "stage.0", "stage.1", "head"] == found.cells("name")
    assert [1e-6, 14e-6, 216e-6, 22e-6] == pytest.approx(found.cells("time_s"))
    assert 2 * 2_000 / 14 / 1e3 == pytest.approx(found.cells("gflops_per_s")[1])


def test_a_block_of_layers_below_resolution_is_below_the_sum_of_theirs():
    found = of(part({each.name: 300 for each in blocks().rows}, analysis=blocks()), depth=2).main

    (stem, stage, *_) = found.cells("time_s")
    assert Below(500e-9, pytest.approx(300e-9)) == stem
    assert (pytest.approx(2_000e-9), pytest.approx(1_200e-9)) == tuple(stage)


def test_the_slowest_come_first_and_the_others_are_added_up():
    found = of(PART, sort="time", top=1).main

    assert ["conv"] == found.cells("name")
    assert ("3 more", pytest.approx(20.3e-6)) == (found.rest.cells[0], found.rest.cells[6])


def test_the_time_of_an_unknown_operator_is_known():
    found = of(part({"conv": 10_000, "pool.a": 5_000, "fc": 10_000}, analysis=with_unknown()))

    rows = {each["name"]: each for each in records(found.main)}
    assert (pytest.approx(5e-6), None) == (rows["pool.a"]["time_s"], rows["pool.a"]["gflops_per_s"])
    assert "excludes 2 unknown operators (roi_align)" in found.main.notes[-1]


def test_an_unknown_column_names_the_nearest():
    with pytest.raises(UsageError) as caught:
        of(PART, columns=["gflop_per_s"])

    assert ("there is no column 'gflop_per_s'", "did you mean 'gflops_per_s'?") == (
        caught.value.message, caught.value.hint
    )  # fmt: skip


def test_doubts_are_notes_with_their_names_and_ways_out():
    found = of(replace(PART, steady=False))

    assert (
        f"protocol: {PROTOCOL}",
        (
            "doubt[not-steady] warm-up had to end before times were seen to stay alike: the first ones may be too "
            "long; --budget 60s"
        ),
    ) == found.main.notes


def test_a_doubt_without_a_way_out_ends_after_its_message():
    found = of(replace(PART, output_std=0.0))

    assert found.main.notes[1].endswith("than on real ones")


def test_what_was_measured_and_is_no_row_is_said():
    found = of(part(TIMES | {"extra": 9_000}, analysis=small()))

    assert "9.000 µs were measured in what is no row here: extra" in found.main.notes


def test_a_part_of_which_nothing_was_measured_shows_what_was_predicted():
    found = of(replace(PART, layers=(), marks=(), forwards=(), memory=None, status="failed", problem="it broke"))

    assert "net, cpu, input 3×8×8, batch 1, float32: not measured" == found.main.title
    assert [112, 0, 0, 170] == found.main.cells("params")
    assert [None] * 4 == found.main.cells("time_s")
    assert () == found.extra
    assert "doubt[failed] it broke; nothing was measured" == found.main.notes[1]


# Ledger, phases, memory


def test_the_ledger_adds_up_to_the_whole():
    *parts, whole = records(ledger_table(summarise(part(TIMES, hidden=-1_000)).ledger))

    assert ["layers", "glue", "unexplained"] == [each["what"] for each in parts]
    assert [60.3e-6, 2e-6, -1e-6] == pytest.approx([each["time_s"] for each in parts])
    assert ("end to end", pytest.approx(61.3e-6), 1.0) == (whole["what"], whole["time_s"], whole["end_share"])
    assert pytest.approx(whole["time_s"]) == sum(each["time_s"] for each in parts)


def test_launch_gaps_are_a_line_where_a_device_has_them():
    ledger = replace(summarise(PART).ledger, launch_gaps_s=1e-6)

    assert ["layers", "launch gaps", "glue", "unexplained", "end to end"] == [
        each["what"] for each in records(ledger_table(ledger))
    ]


def test_what_the_marks_cost_stands_beside_the_ledger_with_its_sign():
    (note,) = ledger_table(summarise(part(TIMES, hidden=10_000)).ledger).notes

    assert note == (
        "marks between layers cost -6.700 µs (-9.3 %) beside this: 65.60 µs with them (pass L), 72.30 µs without "
        "(pass E)"
    )


def test_where_the_rows_add_up_to_less_than_the_layers_a_note_says_why():
    ledger = replace(summarise(PART).ledger, layers_s=62e-6, rows_s=60.3e-6)

    assert ledger_table(ledger).notes[0] == (
        "the medians of the layers by themselves add up to 60.30 µs (-2.7 %): each leaves out the forwards in which "
        "that one layer was slow"
    )


def test_a_training_step_has_its_phases():
    steps = tuple(
        replace(each, wall_ns=400_000, phases_ns=(sum(each.marks_ns) or 62_300, 200_000, 100_000))
        for each in PART.forwards
    )
    found = of(
        replace(
            PART, forwards=steps, phases=("forward", "backward", "optimizer"),
            setting=Setting(mode="training", optimizer="adam"),
        )
    )  # fmt: skip

    rows = records(table(found, "phases"))
    assert [("forward", 62.3e-6), ("backward", 200e-6), ("optimizer", 100e-6)] == [
        (each["phase"], pytest.approx(each["time_s"])) for each in rows
    ]
    assert 1 == pytest.approx(sum(each["phase_share"] for each in rows))
    assert "net, cpu, input 3×8×8, batch 1, float32, training with adam: 400.0 µs ± 0 %" in found.main.title


def test_the_predicted_peak_stands_beside_the_measured_one_with_its_error():
    predicted, found = records(table(of(PART), "peak"))

    assert ("predicted", 1_896, 1_896, "-5.20 %") == tuple(predicted.values())
    assert ("measured by torch", 2_000, 2_000, None) == tuple(found.values())


KEPT = (
    "the measured one, most likely because the forward keeps tensors in variables after their last use, as in the "
    "branch of a residual block; the prediction frees each one then (in a forward, del does so)"
)
NEVER = "the predicted peak is 11.5 % above the measured one, most likely because"
MADE = ": tensors that the prediction counts were never made"


@pytest.mark.parametrize(
    ("peak", "setting", "note"),
    [
        (1_896, Setting(), None),
        (1_990, Setting(), None),
        (2_340, Setting(), f"the predicted peak is 19.0 % below {KEPT}"),
        (1_700, Setting(), f"{NEVER} some layers work in place or share memory{MADE}"),
        (1_700, Setting(compiled=True), f"{NEVER} torch.compile fuses layers{MADE}"),
    ],
)  # fmt: skip
def test_a_predicted_peak_that_is_far_from_the_measured_one_has_a_note_with_the_likely_reason(peak, setting, note):
    found = replace(PART, memory=MeasuredMemory(peak_bytes=peak, by="torch"), setting=setting)

    assert ((note,) if note else ()) == table(of(found), "peak").notes


def test_on_a_gpu_workspaces_may_be_what_the_prediction_lacks():
    found = replace(PART, memory=MeasuredMemory(peak_bytes=2_340, by="torch"), setting=Setting(device="cuda"))

    (note,) = table(of(found), "peak").notes
    assert note.endswith("; a GPU's peak holds the workspaces of kernels too")


def test_of_an_unknown_operator_the_predicted_peak_is_a_bound_without_an_error():
    found = of(part({"conv": 1_000}, analysis=with_unknown(), memory=MeasuredMemory(peak_bytes=2_000, by="torch")))

    predicted, _ = records(table(found, "peak"))
    assert (None, True) == (predicted["error"], isinstance(predicted["bytes"], tuple))


# Several parts


def test_several_parts_are_a_line_each():
    eight = replace(PART, setting=Setting(batch=8), status="budget")
    failed = replace(PART, forwards=(), layers=(), marks=(), memory=None, status="failed", problem="gone", model="big")
    one, other, broken = records(of(PART, eight, failed).main)

    assert {
        "model": "net", "device": "cpu", "batch": 1, "dtype": "float32", "time_s": 62.3e-6, "interval": 0.0,
        "images_per_s": pytest.approx(1 / 62.3e-6), "gflops_per_s": pytest.approx(2 * 4_048 / 62.3e3),
        "layers_s": pytest.approx(60.3e-6), "glue_s": pytest.approx(2e-6), "unexplained": 0.0, "peak_bytes": 1_896,
        "measured_peak_bytes": 2_000, "dirty": 0, "status": "done",
    } == one  # fmt: skip
    assert (8, "budget", pytest.approx(8 / 62.3e-6)) == (other["batch"], other["status"], other["images_per_s"])
    assert ("big", "failed", None, None, None) == tuple(
        broken[name] for name in ("model", "status", "time_s", "unexplained", "measured_peak_bytes")
    )


def test_the_rate_of_a_training_step_counts_its_gradients():
    found = part({"conv": 40_000}, whole=50_000, analysis=analysis([row("conv", "conv2d", macs=1_000)]))
    step = replace(found, setting=Setting(mode="training"))

    assert [2_000 / 50e3, 6_000 / 50e3] == pytest.approx(of(found, step).main.cells("gflops_per_s"))


def test_doubts_about_several_parts_name_them_and_what_is_said_of_many_is_said_once():
    shaky = replace(PART, steady=False)
    found = of(PART, shaky, replace(shaky, setting=Setting(batch=8)), replace(PART, output_std=0.0, model="zero"))

    assert [
        "net cpu batch 1 float32, net cpu batch 8 float32: doubt[not-steady]",
        "zero cpu batch 1 float32: doubt[no-real-values]",
    ] == [note.partition("]")[0] + "]" for note in found.main.notes]


def test_what_is_said_of_more_than_three_parts_counts_them():
    shaky = [replace(PART, steady=False, setting=Setting(batch=batch)) for batch in (1, 2, 3, 4)]

    assert ["4 lines: doubt[not-steady]"] == [note.partition("]")[0] + "]" for note in of(*shaky).main.notes]


@pytest.mark.parametrize("others", [(), (PART,)], ids=["alone", "beside another"])
def test_an_unfinished_part_names_the_run_to_go_on_with_where_it_is_known(others):
    parts = [replace(PART, status="interrupted"), *others]

    (known,) = [note for note in naming(of(*parts), "7f3a").main.notes if "unfinished" in note]
    (unknown,) = [note for note in of(*parts).main.notes if "unfinished" in note]
    assert known.endswith("; cnnprof profile --resume 7f3a goes on")
    assert unknown.endswith("; cnnprof profile --resume RUN goes on")


def test_several_parts_are_sorted_and_cut():
    parts = [replace(PART, model=name, setting=Setting(batch=batch)) for name, batch in (("a", 1), ("b", 8), ("c", 2))]
    found = of(*parts, sort="images_per_s", top=2, columns=["model", "time", "protocol"]).main

    assert ["b", "c"] == found.cells("model")
    assert ("1 more",) == found.notes
    assert ["model", "time_s", "protocol"] == [column.id for column in found.columns]


def test_a_compiled_network_is_one_line():
    compiled = replace(PART, setting=Setting(compiled=True), layers=(), marks=(), forwards=(forward(),) * 12)
    found = of(compiled)

    assert ("profiles", "net: E cpu batch 1 float32 contiguous 1 thread compiled, 12 forwards") == (
        found.main.id, found.main.title
    )  # fmt: skip
    assert [("net", 100e-6, None)] == [
        (each["model"], each["time_s"], each["layers_s"]) for each in records(found.main)
    ]
    assert ["peak"] == [each.id for each in found.extra]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (
            {"depth": 1},
            "--depth shows the blocks of one network whose layers were told apart; here are none, or several",
        ),
        ({"top": 0}, "top must be >= 1, got 0"),
        ({"columns": ["params"]}, "there is no column 'params' of several measurements"),
        ({"sort": "op"}, "there is no column 'op' of several measurements"),
    ],
)
def test_what_several_parts_cannot_show_is_refused(chosen, message):
    with pytest.raises(UsageError) as caught:
        of(PART, PART, **chosen)

    assert message == caught.value.message


def test_nothing_measured_is_nothing_to_show():
    with pytest.raises(UsageError, match="nothing was measured"):
        profile_report([])


# Formats


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_the_times_and_the_ledger(name):
    text = render(of(PART), name)

    assert "unexplained" in text
    assert "e-05" in text if name in ("csv", "json") else "40.00" in text


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_takes_several_parts(name):
    assert "budget" in render(of(PART, replace(PART, status="budget")), name)


def test_csv_has_seconds_and_names_the_protocol_in_every_row():
    lines = [line for line in render(of(PART), "csv").splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))

    assert [PROTOCOL] * 4 == [each["protocol"] for each in rows]
    assert (40e-6, "<5e-07", "") == (float(rows[0]["time_s"]), rows[1]["time_s"], rows[2]["time_s"])


def test_csv_has_the_ledger_as_comments():
    text = render(of(PART), "csv")

    assert '# line,"unexplained",0.0,0.0,0.0,0.0' in text
    assert '# total,"end to end",6.23e-05,1.0,6.23e-05,6.23e-05' in text


def test_json_has_every_figure_and_no_raw_sample():
    found = json.loads(render(of(PART), "json"))

    (one,) = found["parts"]
    assert {"forwards", "temperatures", "graph"}.isdisjoint(one)
    assert (PROTOCOL, pytest.approx(40e-6)) == (
        one["profile"]["protocol"], one["profile"]["layers"][0]["time"]["median_s"]
    )  # fmt: skip
    assert (pytest.approx(3.3e-6), 0.0) == tuple(
        one["profile"]["ledger"][name] for name in ("marks_s", "unexplained_share")
    )
    assert ("net", 4_048, {"cores": 2, "threads": 1}) == (
        one["model"], one["analysis"]["totals"]["macs"], one["environment"]
    )  # fmt: skip
    assert {"time_s", "macs", "unexplained"} <= set(found["definitions"])


def test_json_of_tables_says_what_a_time_is_less_than():
    found = json.loads(render(Report(of(PART).main), "json"))

    assert {"less_than": 5e-07} == found["tables"][0]["rows"][1]["time_s"]


def test_latex_sets_times_with_their_units():
    text = render(of(PART), "latex")
    (layers, *_) = read(text)

    assert r"\num{40.00}\,$\mu$s" in text
    assert r"$<$\,\num{500}\,ns" in text
    assert ["conv", "conv2d", "4×6×6", "112", "3888", "1.75 KiB", "40.00 µs", "0", "66.3", "0.1944"] == layers.rows[1]


def test_a_notebook_has_all_tables():
    found = report_to_html(of(PART))

    assert 3 == found.count("<table>")
    assert "&lt; 500 ns" in found


HOSTILE = [
    "</script><script>alert(1)</script>", "=HYPERLINK(1)", "a|b\nc", "[/]", "\x1b]0;x\x07", "\u202eabc",
    r"$\frac{1$", r"\input{x}", "::error::", "]]>", 'a,b"c',
]  # fmt: skip


class _Scripts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag, _attrs):
        self.tags.append(tag)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_of_a_layer_or_model_acts_nowhere(name):
    hostile = part(
        {name: 40_000, "fc": 20_000, "no-row" + name: 9_000}, model=name, steady=False, problem=name, status="failed",
        analysis=analysis([row(name, "conv2d", macs=10), row("fc", "linear")], model=name),
    )  # fmt: skip
    for report in (of(hostile), of(hostile, replace(hostile, setting=Setting(batch=2)))):
        for target in ("table", "csv"):
            shown = render(report._replace(screen=Screen(terminal=True)), target)
            assert shown.replace("\n", "").isprintable()
            assert not [line for line in shown.splitlines() if line.lstrip().startswith("::")]
        read(render(report, "latex"))
        parser = _Scripts()
        parser.feed(report_to_html(report))
        assert "script" not in parser.tags
        cells = [line.count("|") for line in render(report, "md").splitlines() if line.startswith("|")]
        assert set(cells) <= {len(each.columns) + 1 for each in (report.main, *report.extra)}
    assert name == json.loads(render(of(hostile), "json"))["parts"][0]["profile"]["layers"][0]["name"]
