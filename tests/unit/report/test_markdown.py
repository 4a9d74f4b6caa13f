"""GitHub-flavoured Markdown."""

from __future__ import annotations

import re

import pytest

from cnnprof.model.graph import Origin
from cnnprof.report.base import Report
from cnnprof.report.markdown import escape, render
from cnnprof.report.tables import record_table, report
from tests.unit.report.samples import analysis, row, small, two_places, with_unknown


def main(result, **options):
    return render(report([result], **options)._replace(extra=()))


def test_a_result_is_a_table_with_definitions_below():
    assert (
        main(small(), columns=["name", "output", "params", "macs"])
        == """\
## net, input 3×8×8, batch 1, float32, 4 layers

| layer | output | params | MACs |
| --- | --- | ---: | ---: |
| conv | 4×6×6 | 112 | 3,888 |
| relu | 4×6×6 | 0 | 0 |
| pool | 4×2×2 | 0 | 0 |
| fc | 10 | 170 | 160 |
| **total** |  | **282** | **4,048** |

**Note:** pool: the last 2 rows and the last 2 columns are never read

- name: dotted path of the layer
- output: shape of every output; a batch of 1 is left out
- params: elements of learnable tensors, frozen ones included, shared ones once (elements)
- macs: multiply-accumulates of convolutions, linear layers, matrix products and attention, no bias \
(multiply-accumulates, whole batch)
"""
    )


def test_every_table_is_a_section():
    headings = [line for line in render(report([two_places()])).splitlines() if line.startswith("#")]

    assert [
        "## net, input 3×8×8, batch 1, float32, 3 layers", "## totals", "## peak memory of an inference",
        "## traffic between places",
    ] == headings  # fmt: skip


def test_lower_bounds_and_unknowns_are_shown():
    text = main(with_unknown(), columns=["name", "macs", "share"])

    assert "| pool.a | ? | ? |" in text
    assert "| **total** | **≥ 400** | **100 %** |" in text


def test_a_table_without_definitions_ends_with_its_lines():
    assert "## things\n\n| x |\n| ---: |\n| 5 |\n" == render(Report(record_table("things", [{"x": 5}])))


def test_the_rest_stands_before_the_total():
    lines = main(small(), columns=["name", "macs"], sort="macs", top=1).splitlines()

    assert ["| conv | 3,888 |", "| 3 more | 160 |", "| **total** | **4,048** |"] == lines[4:7]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("conv1_1", "conv1_1"), ("layer.0.conv", "layer.0.conv"), ("3×3", "3×3"), ("-1", "-1"), ("12.0 %", "12.0 %"),
        ("a|b", "a&#124;b"), ("a\\|b", "a&#92;&#124;b"), ("`x`", "&#96;x&#96;"), ("<b>", "&#60;b&#62;"),
        ("&lt;", "&#38;lt;"),
        ("*a*", "&#42;a&#42;"), ("__init__", "&#95;&#95;init&#95;&#95;"), ("[x](y)", "&#91;x&#93;(y)"),
        ("![x](y)", "!&#91;x&#93;(y)"), ("$x$", "&#36;x&#36;"), ("~~x~~", "&#126;&#126;x&#126;&#126;"),
        ("https://x", "https&#58;//x"), ("www.x.org", "www&#46;x.org"), ("@user #1", "&#64;user &#35;1"),
        ("a\nb", "a&#92;nb"), ("\x1b[0m", "&#92;x1b&#91;0m"),
    ],
)  # fmt: skip
def test_what_markdown_would_act_on_becomes_a_reference(text, escaped):
    assert escaped == escape(text)


def test_every_line_of_a_table_has_the_same_number_of_cells():
    hostile = ["a|b", "a\\|b", "`|`", "a\n| b |", "<td>|", "||||"]
    rows = [row(name, name, origin=Origin(source=name)) for name in hostile]

    table = [
        line for line in main(analysis(rows), columns=["name", "op", "source", "macs"]).splitlines() if line[:1] == "|"
    ]

    assert {5} == {len(re.findall(r"\|", line)) for line in table}
    assert 2 + len(hostile) + 1 == len(table)
