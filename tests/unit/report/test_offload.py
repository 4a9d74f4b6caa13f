"""Whether a device pays, as tables: what is said, what is left out, what is not known."""

from __future__ import annotations

import csv
import json
from itertools import pairwise

import pytest

from cnnprof.model.offload import Check
from cnnprof.model.plain import replace
from cnnprof.model.run import Copy, Load, Overlap, Part, Split
from cnnprof.offload import offloads
from cnnprof.report import FORMATS, render
from cnnprof.report.base import Report, Table
from cnnprof.report.notebook import report_to_html
from cnnprof.report.offload import checked, offload_tables
from cnnprof.report.placement import runs
from cnnprof.report.profile import profile_report
from tests.helpers.pairs import NAMES, copies, measured, sides

HOST = (40_000, 3_000, 1_000, 6_000)
DEVICE = (4_000, 1_000, 500, 1_500)


def of(*parts: Part) -> Report:
    found = measured(*parts)
    return profile_report([(part, profile) for part, profile, _ in found], offloads=offloads(found))


def table(report: Report, name: str) -> Table:
    return next(each for each in report.extra if each.id == name)


def records(found: Table) -> list[dict[str, object]]:
    ids = [column.id for column in found.columns]
    return [dict(zip(ids, line.cells, strict=True)) for line in found.lines]


def test_the_tables_are_these():
    assert ["offload", "break_even", "offload_layers", "placement", "copy_lines"] == [
        each.id for each in of(*sides(HOST, DEVICE)).extra
    ]
    assert ["offload", "break_even", "break_even_lines", "offload_layers", "placement", "copy_lines"] == [
        each.id for each in of(*three()).extra
    ]


def test_a_line_has_a_batch_by_one_memory_and_one_kind_of_input():
    first, *others = records(table(of(*sides(HOST, DEVICE)), "offload"))

    assert (1, "pinned", "as is", "yes", "yes", None, None) == tuple(
        first[name] for name in ("batch", "memory", "input", "pays", "pays_overlapped", "load_s", "load_batches")
    )
    assert [("pinned", "uint8"), ("pageable", "as is"), ("pageable", "uint8")] == [
        (each["memory"], each["input"]) for each in others
    ]


def test_without_copies_there_is_a_line_of_times_and_a_word_that_the_rest_is_not_known():
    report = of(*sides(HOST, DEVICE, copies=()))

    (line,) = records(table(report, "offload"))
    assert (pytest.approx(50e-6), pytest.approx(7e-6), None, None) == (
        line["host_s"], line["device_s"], line["pays"], line["serial_s"]
    )  # fmt: skip
    assert ("no copy on cuda was measured, or none arrived: whether it pays with copies is not known",) == table(
        report, "offload"
    ).notes
    assert ["offload", "offload_layers", "placement"] == [each.id for each in report.extra]
    assert ("batch 1: no placement: no copy was measured, or none arrived as it was sent",) == table(
        report, "placement"
    ).notes


def test_what_is_not_known_of_loading_and_what_was_hidden_are_said():
    both = Overlap(batches=10, copy_ns=(30_000,), compute_ns=(80_000,), both_ns=(95_000,))
    report = of(*sides(HOST, DEVICE, load=Load(weights_bytes=9, weights_ns=5_000), overlap=both))

    notes = table(report, "offload").notes
    assert "paid once, not known and not in the sum: context, kernels" in notes
    assert "of what copies and computing at once can hide, they did hide 50.0 % at batch 1" in notes
    assert 5e-6 == records(table(report, "offload"))[0]["load_s"]


def test_nothing_known_of_loading_is_no_zero():
    assert records(table(of(*sides(HOST, DEVICE, load=Load(weights_bytes=9))), "offload"))[0]["load_s"] is None


def test_a_copy_that_nobody_can_tell_is_said():
    report = of(*sides(HOST, DEVICE, copies=copies([1024, 4096])))

    assert (
        "batch 1, pinned: an input to the device was not copied at its size, and no line of copies reaches it"
        in table(report, "offload").notes
    )


def test_layers_have_a_launch_gap_only_where_one_was_measured():
    assert ["name", "host_s", "device_s", "to_device_s", "to_host_s", "pays"] == [
        column.id for column in table(of(*sides(HOST, DEVICE)), "offload_layers").columns
    ]
    assert ["yes", "no", "no", "yes"] == table(of(*sides(HOST, DEVICE)), "offload_layers").cells("pays")


def test_layers_are_of_the_largest_batch_and_placements_of_every_one():
    report = of(*sides(HOST, DEVICE), *sides(HOST, DEVICE, batch=2))

    assert table(report, "offload_layers").title.endswith("batch 2")
    assert "the largest batch; JSON has the layers at batch 1 too" in table(report, "offload_layers").notes
    assert [1] * 5 + [2] * 5 == table(report, "placement").cells("batch")


def test_the_first_layers_are_those_that_gain_most_and_csv_has_the_others_too():
    """Alone: the convolution gains 32.46 µs, the last layer 1.444; the others lose."""
    found = measured(*sides(HOST, DEVICE))
    report = profile_report([(part, profile) for part, profile, _ in found], offloads=offloads(found), top=2)

    shown = table(report, "offload_layers")
    assert ["conv2d", "linear"] == shown.cells("name")
    assert "the 2 layers that gain most; 2 more in CSV and JSON" == shown.notes[-1]
    assert "flatten" not in render(report).partition("each layer alone")[2].partition("who should")[0]
    lines = [line for line in render(report, "csv").splitlines() if line.startswith("# line")]
    assert [1, 1, 1, 1] == [sum(line.startswith(f'# line,"{name}",') for line in lines) for name in NAMES]
    (plain,) = json.loads(render(report, "json"))["offloads"]
    assert list(NAMES) == [each["name"] for each in plain["batches"][0]["layers"]]


def test_without_a_word_of_how_many_all_layers_are_shown_in_their_order():
    shown = table(of(*sides(HOST, DEVICE)), "offload_layers")

    assert (list(NAMES), ()) == (shown.cells("name"), shown.left)
    assert not any("gain most" in note for note in shown.notes)


def test_a_network_that_is_no_chain_says_that_it_has_no_cut():
    (chain,) = offloads(measured(*sides(HOST, DEVICE), *sides(HOST, DEVICE, batch=2)))
    graphs = [replace(each, placement=replace(each.placement, method="graph", cut=None)) for each in chain.batches]

    notes = [note for each in offload_tables(replace(chain, batches=tuple(graphs))) for note in each.notes]

    said = "the network is no chain: there is no single cut"
    assert 1 == notes.count(said)
    assert said not in [note for each in offload_tables(chain) for note in each.notes]


def disturbed(part: Part) -> Part:
    """Return a part in which the thread had half of the time only, in every forward."""
    return replace(part, forwards=tuple(replace(each, cpu_ns=each.wall_ns // 2) for each in part.forwards))


def test_a_batch_with_disturbed_times_is_named_where_it_enters_a_comparison():
    host, *others = three()
    report = of(disturbed(host), *others)

    said = "this rests on times that are in doubt: cpu batch 1 (doubt[all-dirty])"
    assert [1, 1] == [table(report, name).notes.count(said) for name in ("offload", "break_even")]
    assert [] == [note for each in of(*three()).extra for note in each.notes if "in doubt" in note]


def test_a_line_that_begins_below_nothing_is_said_to_be_none_that_a_device_has():
    """200 and 4,000 µs at batch 1 and 8: 542.9 µs a sample and -342.9 µs."""
    parts = [*sides((50_000,) * 4, DEVICE), *sides((1_000_000,) * 4, DEVICE, batch=8)]

    below, _ = table(of(*parts), "break_even_lines").notes
    assert below.startswith("host: -342.9 µs at batch 0 is less than nothing, which no device can take: ")


@pytest.mark.parametrize(
    ("device", "said"),
    [
        (
            DEVICE,
            "all on the device is cheapest, 5.239 times as fast as all on the host; 2.544 µs of it are copies (page",
        ),
        ((90_000,) * 4, "all on the host is cheapest; all on the device takes 7.251 times as long"),
        (
            (4_000, 1_000, 500, 90_000),
            "the cheapest assignment is 3.325 times as fast as all on the host and 6.521 times as fast as all on",
        ),
    ],
)
def test_the_cheapest_placement_in_words(device, said):
    (note,) = table(of(*sides(HOST, device)), "placement").notes

    assert note.startswith(f"batch 1: {said}")


def split_of(device: Part, whole_ns: int) -> Part:
    return replace(
        device, split=Split(on_device=NAMES), layers=(), copies=(),
        forwards=tuple(replace(each, wall_ns=whole_ns) for each in device.forwards if each.kind == "E"),
    )  # fmt: skip


def test_a_placement_that_was_run_where_no_pageable_copy_is_known_is_compared_with_nothing():
    pinned = tuple(each for each in copies() if each.memory == "pinned")
    host, device = sides(HOST, DEVICE, copies=pinned)

    report = of(host, device, split_of(device, 8_000))
    _, note = table(report, "placement").notes
    assert note.endswith(
        "50.00 µs all on the host, all on the device with its copies (pageable) is not known: nothing can be compared"
    )
    (found,) = json.loads(render(report, "json"))["offloads"]
    assert (None, None) == tuple(found["batches"][0]["placement"]["run"][name] for name in ("device_s", "confirmed"))
    assert (
        "copies from and to pinned memory, for want of times of pageable ones" in table(report, "offload_layers").notes
    )


@pytest.mark.parametrize(("whole", "said"), [(8_000, "confirmed"), (9_400, "confirmed"), (9_600, "not confirmed")])
def test_a_placement_that_was_run_says_whether_it_holds(whole, said):
    """All on the device take 9.272 µs with pinned copies, and 9.544 µs with pageable ones, which a split has too."""
    host, device = sides(HOST, DEVICE)

    report = of(host, device, split_of(device, whole))
    _, note = table(report, "placement").notes
    pinned = "" if whole < 9_272 else "; with pinned copies all on the device takes less, 9.272 µs"
    assert note.endswith(
        f"50.00 µs all on the host, 9.544 µs all on the device with its copies (pageable): {said}{pinned}"
    )
    assert ["cpu", "cuda", "cuda and host"] == report.main.cells("device")


def test_a_placement_that_was_run_beside_another_host_says_nothing_of_this_one():
    host, device = sides(HOST, DEVICE)
    ran = replace(device, split=Split(on_device=NAMES, host_script={"host": True}), layers=(), copies=())

    assert 1 == len(table(of(host, device, ran), "placement").notes)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [((), "none"), (NAMES, "conv2d … linear"), (("relu",), "relu"), (("conv2d", "flatten", "linear"),
        "conv2d, flatten … linear")],
)  # fmt: skip
def test_layers_in_a_row_are_named_by_the_first_and_the_last(chosen, expected):
    assert expected == runs(NAMES, chosen)


def test_a_line_that_copies_follow_is_shown_with_its_range():
    bent = Copy(direction="h2d", memory="pinned", bytes=500, times_ns=(3_000,))
    host, device = sides(HOST, DEVICE)
    found = records(table(of(host, replace(device, copies=(*copies(), bent))), "copy_lines"))

    assert [("pinned", "h2d"), ("pinned", "d2h"), ("pageable", "h2d"), ("pageable", "d2h")] == [
        (each["memory"], each["direction"]) for each in found
    ]
    assert (500, 16, 16_384) == tuple(found[0][name] for name in ("worst_bytes", "smallest_bytes", "largest_bytes"))
    assert found[0]["worst"] < -0.4
    assert pytest.approx((1e-6, 1.0)) == (found[1]["alpha_s"], found[1]["gigabytes_per_s"])


THREE = (*sides((20_000, 1, 1, 1), (51_000, 1, 1, 1)), *sides((96_000, 1, 1, 1), (58_000, 1, 1, 1), batch=8),
    *sides((650_000, 1, 1, 1), (114_000, 1, 1, 1), batch=64))  # fmt: skip
SIZES = [size for batch in (1, 8, 64) for size in (256 * batch, 16 * batch)]


def three() -> list[Part]:
    """Return three batches with all of their copies; the host's times are on no line."""
    return [replace(each, copies=copies(SIZES)) if each.setting.device == "cuda" else each for each in THREE]


def test_each_line_of_a_break_even_is_shown_with_its_fit():
    found = records(table(of(*three()), "break_even_lines"))

    assert [("host", "pinned, pageable"), ("device", "pinned, pageable"), ("copies", "pinned"),
        ("copies", "pageable")] == [(each["line"], each["memory"]) for each in found]  # fmt: skip
    host, device, pinned, _ = found
    assert [(1, 64)] * 4 == [(each["smallest_batch"], each["largest_batch"]) for each in found]
    assert (8, True, True) == (host["worst_batch"], -0.06 < host["worst"] < -0.03, 0.99 < host["r2"] < 1)
    assert (pytest.approx(50e-6, rel=1e-3), pytest.approx(1e-6, rel=1e-3)) == (device["base_s"], device["per_sample_s"])
    assert (pytest.approx(2e-6), pytest.approx(0.272e-6)) == (pinned["base_s"], pinned["per_sample_s"])
    assert () == table(of(*three()), "break_even_lines").notes


def test_two_batches_say_that_a_line_through_them_shows_no_fit():
    found = table(of(*three()[:4]), "break_even_lines")

    assert ("a line through two batches misses neither: how well times follow it takes a third",) == found.notes
    assert {(None, None, None)} == {(each["r2"], each["worst"], each["worst_batch"]) for each in records(found)}


@pytest.mark.parametrize("name", ["table", "md", "csv", "latex"])
def test_every_format_has_the_lines(name):
    text = render(of(*three()), name)

    assert "lines of the break-even: T(batch) = base + per sample" in text
    assert "pinned, pageable" in text


def test_json_has_the_fit_of_every_line():
    (found,) = json.loads(render(of(*three()), "json"))["offloads"]

    assert [8, 8] == [each["host"]["worst_batch"] for each in found["break_even"]]
    assert [True, True] == [0.99 < each["host"]["r2"] < 1 for each in found["break_even"]]
    assert [[], []] == [each["left_out"] for each in found["break_even"]]


def test_what_takes_no_part_and_what_does_not_fit_are_notes():
    bent = [*three()[:2], *sides((120_000, 1, 1, 1), (58_000, 1, 1, 1), batch=8, copies=copies(SIZES)), *three()[4:]]
    host, device = sides((30_000, 1, 1, 1), (52_000, 1, 1, 1), batch=2, copies=())

    notes = table(of(*bent, host, device), "break_even").notes

    assert "pinned: without batch 2: no copy was measured, or none arrived as it was sent" in notes
    (doubt,) = [each for each in notes if each.startswith("pinned: the line of the host misses batch 8 by ")]
    assert "the break-even rests on a line that does not fit; try batches around it alone: cnnprof profile" in doubt


def test_a_batch_at_which_both_take_as_long_is_said_to_be_that():
    assert ("measured at batch 8, both take as long: 90.00 µs with its copies, 90.00 µs on the host") == checked(
        Check(batch=8, host_s=90e-6, device_s=90e-6, expected=True)
    )


def test_layers_are_of_the_largest_batch_that_was_asked_for_and_measured():
    confirming = [replace(each, confirms=True) for each in sides(HOST, DEVICE, batch=4)]
    host, device = sides(HOST, DEVICE, batch=3)
    failed = replace(device, forwards=(), copies=(), status="failed")

    report = of(*sides(HOST, DEVICE), *sides(HOST, DEVICE, batch=2), host, failed, *confirming)

    assert table(report, "offload_layers").title.endswith("batch 2")
    assert table(report, "copy_lines").title.endswith("batch 2")


def test_a_name_in_a_network_cannot_act_in_any_format():
    bad = "\x1b[2J<script>=1+1"
    host, device = (replace(each, model=bad) for each in sides(HOST, DEVICE))
    report = of(host, device)

    for name in FORMATS.keys() - {"csv"}:  # a CSV file has exact names in the main table; below it they are shown
        text = render(report, name)
        assert "\x1b" not in text
        assert "pays" in text
    assert "\x1b" not in "".join(line for line in render(report, "csv").splitlines() if line.startswith("#"))
    assert "<script>" not in report_to_html(report)


def test_json_has_every_batch_and_what_follows():
    text = render(of(*sides(HOST, DEVICE), *sides(HOST, DEVICE, batch=2)), "json")

    (found,) = json.loads(text)["offloads"]
    assert [1, 2] == [each["batch"] for each in found["batches"]]
    assert [None, None] == [each["confirmed"] for each in found["break_even"]]
    assert pytest.approx(50 / 9.544) == found["batches"][0]["placement"]["gain_over_host"]
    assert pytest.approx(1000.0) == found["batches"][0]["fits"][0]["half_bytes"]


def test_csv_has_every_table_below_the_main_one_as_comments():
    lines = render(of(*sides(HOST, DEVICE)), "csv").splitlines()

    titles = [line for line in lines if line.startswith("# table") and "beside" in line]
    assert 5 == len(titles)
    assert all(after.startswith("# definition") for line, after in pairwise(lines) if line in titles)
    assert '# columns,"batch","assignment","time_s","speedup","device_layers","where"' in lines


def test_csv_names_every_layer_of_a_placement():
    lines = [line for line in render(of(*sides(HOST, DEVICE)), "csv").splitlines() if '"all on the device"' in line]

    assert [", ".join(NAMES)] == [next(csv.reader([line]))[-1] for line in lines]


def test_one_part_alone_has_no_such_tables():
    host, _ = sides(HOST, DEVICE)

    assert [] == [each.id for each in of(host).extra if each.id in ("offload", "placement")]


def test_latex_has_signs_for_the_formulas_and_no_escapes():
    text = render(of(*sides(HOST, DEVICE)), "latex")

    assert [r"computing $\div$ loading", r"R$^2$", r"$\alpha$"] == [
        each for each in (r"computing $\div$ loading", r"R$^2$", r"$\alpha$") if each in text
    ]
    assert r"\textbackslash" not in text
    assert [] == [line for line in text.splitlines() if line.startswith("%") and "\\u0" in line]
