"""What was validated as tables: every figure for programs, what is not equal for people."""

from __future__ import annotations

import csv
import json

import pytest

from cnnprof.model.validation import Figure, Validation
from cnnprof.report import FORMATS, render
from cnnprof.report.base import Report
from cnnprof.report.validation import summary_tables, validation_table


def figure(verdict: str, **more: object) -> Figure:
    fields = {"check": "macs", "what": "MACs", "ours": 5_000, "theirs": 5_000, "by": "torch"}
    return Figure(**(fields | {"verdict": verdict} | more))  # type: ignore[arg-type]


def validation(*figures: Figure, model: str = "net", **more: object) -> Validation:
    fields = {"cnnprof_version": "1", "against": None, "versions": {"torch": "2.13.0"}}
    return Validation(**(fields | {"model": model, "figures": figures} | more))  # type: ignore[arg-type]


LOST = figure("explained", what="MACs of conv2d", theirs=0, by="fvcore", layer="c1", note="a word it does not know")
WRONG = figure("differs", theirs=4_999, layer="conv", note="one is missing")
CLOSE = figure("close", what="output", ours=3.21987e-07, theirs=1e-05)
BROKEN = figure("failed", what="the check itself", ours=None, theirs=None, note="it broke")
GOOD = validation(figure("equal"), LOST)
BAD = validation(figure("equal"), WRONG, BROKEN, CLOSE, model="other")


def records(table) -> list[dict[str, object]]:
    ids = [column.id for column in table.columns]
    return [dict(zip(ids, line.cells, strict=True)) for line in table.lines]


def test_a_program_gets_every_column_of_every_figure():
    expected = {
        "model": "other", "check": "macs", "what": "MACs", "ours": 5_000, "theirs": 4_999, "error": 1 / 4_999,
        "verdict": "differs", "by": "torch", "layer": "conv", "note": "one is missing",
    }  # fmt: skip

    assert expected == records(validation_table([GOOD, BAD]))[3]


def test_a_program_gets_fractions_in_full_and_people_three_digits():
    assert 3.21987e-07 == records(validation_table([BAD]))[3]["ours"]
    assert "3.22e-07" == records(validation_table([BAD], notes=True))[3]["ours"]


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict", "error", "text"),
    [
        (47_905_896, 53_525_608, "explained", -0.10499109137, "-10.50 %"),
        (5_000, 4_999, "close", 0.00020004, "+0.02 %"),
        (1_000_000, 1_000_001, "close", -0.000001, "-0.00 %"),
        (7, 7, "equal", 0.0, "0 %"),
        (0, 0, "equal", 0.0, "0 %"),
        (175, 175, "differs", None, None),
        (1, 0, "explained", None, None),
        (3.2, 3.1, "differs", None, None),
        ("3×8×8", "3×7×7", "differs", None, None),
    ],
)
def test_a_count_has_a_signed_error_and_people_read_percent(ours, theirs, verdict, error, text):
    found = validation(figure(verdict, ours=ours, theirs=theirs))
    (program,), (people,) = (records(validation_table([found], notes=notes)) for notes in (False, True))

    assert error == (program["error"] if error is None else pytest.approx(program["error"]))
    assert text == people["error"]


def test_the_title_counts_the_verdicts():
    assert "net, 2 figures: 1 equal, 1 explained" == validation_table([GOOD]).title
    assert "other, 4 figures: 1 equal, 1 close, 1 differs, 1 failed" == validation_table([BAD]).title
    twice = validation_table([BAD, BAD]).title
    assert "2 networks, 8 figures: 2 equal, 2 close, 2 differ, 2 failed" == twice


def test_a_network_without_figures_says_that_there_was_nothing_to_compare():
    assert "net, 0 figures: nothing to compare" == validation_table([validation()]).title


def test_people_get_no_column_of_the_one_model_and_the_notes_below():
    table = validation_table([validation(WRONG, LOST, model="net")], notes=True)

    assert ["check", "what", "ours", "theirs", "error", "verdict", "by", "layer"] == [
        column.id for column in table.columns
    ]
    assert (
        "MACs (torch), conv: one is missing",
        "MACs of conv2d (fvcore): a word it does not know",
        "asked: torch 2.13.0",
    ) == table.notes


def test_what_is_said_of_several_networks_is_said_once():
    three = validation_table([validation(LOST, model=name) for name in "abc"], notes=True)
    many = validation_table([validation(LOST, model=name) for name in "abcd"], notes=True)

    assert "a, b, c, MACs of conv2d (fvcore): a word it does not know" == three.notes[0]
    assert ("4 networks, MACs of conv2d (fvcore): a word it does not know", "asked: torch 2.13.0") == many.notes


def test_a_changed_network_says_that_published_figures_were_not_checked():
    changed = validation(figure("equal"), overridden=("--set w", "--input"))

    said = "published figures are not checked: --set w, --input changed the network"
    assert said == validation_table([changed]).notes[0]


def test_the_zoo_is_a_line_per_network_and_their_count():
    summary, _ = summary_tables([GOOD, BAD])

    assert ["model", "figures", "equal", "close", "explained", "differs", "failed"] == [
        column.id for column in summary.columns
    ]
    assert [("net", 2, 1, 0, 1, 0, 0), ("other", 4, 1, 1, 0, 1, 1)] == [line.cells for line in summary.lines]
    assert [("total", 6, 2, 1, 1, 1, 1)] == [line.cells for line in summary.totals]


def test_what_is_not_equal_follows_the_zoo_the_worst_first():
    _, unequal = summary_tables([GOOD, BAD])

    assert "4 figures not equal" == unequal.title
    assert [("other", "failed"), ("other", "differs"), ("net", "explained"), ("other", "close")] == [
        (line["model"], line["verdict"]) for line in records(unequal)
    ]


def test_where_all_is_equal_there_is_no_second_table():
    assert 1 == len(summary_tables([validation(figure("equal"))]))


def test_why_networks_are_missing_is_a_note():
    assert "interrupted" == validation_table([GOOD], stopped="interrupted").notes[-1]
    assert ("interrupted",) == summary_tables([GOOD], stopped="interrupted")[0].notes


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_every_figure(name):
    text = render(Report(validation_table([GOOD, BAD])), name)

    for verdict in ("explained", "differs", "failed", "close"):
        assert verdict in text
    assert "4999" in text.replace(",", "")


def test_csv_has_exact_numbers_and_json_null_where_there_is_none():
    report = Report(validation_table([BAD]))
    lines = [line for line in render(report, "csv").splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    (table,) = json.loads(render(report, "json"))["tables"]

    assert ("5000", "4999", "differs") == (rows[1]["ours"], rows[1]["theirs"], rows[1]["verdict"])
    assert (None, "it broke") == (table["rows"][2]["ours"], table["rows"][2]["note"])


def test_names_cannot_act_in_a_terminal():
    hostile = validation(figure("differs", layer="\x1b[31mred", note="\x1b[2J"), model="\x1b]0;t\x07")

    for report in (Report(validation_table([hostile], notes=True)), Report(*summary_tables([hostile])[:1])):
        assert "\x1b" not in render(report, "table")
