"""Times in tables: as text, added up, sorted; those below resolution are bounds everywhere."""

from __future__ import annotations

import json

import pytest

from cnnprof.report import render
from cnnprof.report.base import Below, Column, Line, Report, Table, add_up, order, total
from cnnprof.report.cells import text

TIME = Column("time_s", "time", "time", "how long", "seconds", "sum")
NAME = Column("name", "layer", "text", "which layer")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0012345, "1.234 ms"),
        (Below(3e-6, 1e-6), "< 3.0 µs"),
        (Below(450e-9, 0.0), "< 450 ns"),
        (None, "–"),
        (0.0, "0 s"),
    ],
)
def test_a_time_as_people_read_it(value, expected):
    assert expected == text(TIME, value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.0], 3.0),
        ([1.0, None], 1.0),
        ([1.0, Below(0.5, 0.2)], 1.2),
        ([Below(0.5, 0.2), Below(0.5, 0.1)], Below(1.0, pytest.approx(0.3))),
        ([Below(0.5, 0.4), 0.05], Below(0.5, pytest.approx(0.45))),
        ([None, None], None),
    ],
)
def test_what_is_below_resolution_counts_as_measured_in_sums_and_bounds_small_ones(values, expected):
    assert expected == total(values)
    assert (expected,) == add_up([TIME], [Line((each,)) for each in values])


def test_times_below_resolution_are_sorted_by_what_was_measured():
    values = [Below(0.5, 0.1), 0.3, None, Below(0.5, 0.4)]

    assert [Below(0.5, 0.4), 0.3, Below(0.5, 0.1), None] == sorted(values, key=order)


def test_programs_get_seconds_and_bounds_that_are_no_numbers():
    table = Table("t", "t", (NAME, TIME), (Line(("a", 1.5e-6)), Line(("b", Below(3e-6, 1e-6))), Line(("c", None))))

    assert ['"a",1.5e-06', '"b","<3e-06"', '"c",""'] == render(Report(table), "csv").splitlines()[-3:]
    rows = json.loads(render(Report(table), "json"))["tables"][0]["rows"]
    assert [1.5e-06, {"less_than": 3e-06}, None] == [each["time_s"] for each in rows]


def test_a_column_that_is_the_same_for_all_lines_stands_in_each_line_of_csv_and_not_under_the_sums():
    table = Table(
        "t", "t", (NAME, TIME), (Line(("a", 1.0)), Line(("b", 2.0))), totals=(Line(("total", 3.0)),),
        rest=Line(("1 more", 4.0)), constant=((Column("protocol", "protocol", "text"), "=E"),),
    )  # fmt: skip
    lines = render(Report(table), "csv").splitlines()

    assert ['"name","time_s","protocol"', '"a",1.0,"\'=E"', '"b",2.0,"\'=E"'] == lines[1:4]
    assert ['# rest,4.0,""', '# total,3.0,""'] == lines[4:]
    assert "protocol" not in render(Report(table), "table")
