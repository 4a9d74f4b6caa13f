"""CSV, as programs and spreadsheets read it."""

from __future__ import annotations

import csv
import io

import pytest

from cnnprof.model.plain import replace
from cnnprof.report.base import Column, Line, Names, Report, Screen, Table
from cnnprof.report.csv import guard, render
from cnnprof.report.tables import report
from tests.unit.report.samples import analysis, blocks, peak, row, small, two_places, with_unknown


def read(text):
    """Rows that are no comments, as the csv module reads them."""
    lines = "\n".join(line for line in text.split("\n") if not line.startswith("#"))
    return list(csv.reader(io.StringIO(lines, newline="")))


def layers(analysis, **chosen):
    """The report without the tables below the layers."""
    return report([analysis], **chosen)._replace(extra=())


def test_the_peak_of_memory_stands_below_the_layers_as_comments():
    text = render(report([replace(small(), memory=peak(282, ("input", "input", (1, 3, 8, 8))))], columns=["name"]))

    assert [
        '# line,"parameters","",1128,1128', '# line,"buffers","",0,0',
        '# line,"input (input)","3x8x8",768,768', '# total,"total","",1896,1896',
    ] == text.splitlines()[-4:]  # fmt: skip


def test_a_table_below_the_main_one_has_a_title_definitions_and_its_columns_above_its_lines():
    columns = (
        Column("memory", "memory", "text", "of the host"),
        Column("alpha_s", "α", "time", "a copy of none", "seconds"),
    )
    below = Table(
        id="copy_lines", title="copies: T(n) = α", columns=columns, lines=(Line(("pinned", 2e-6)),),
        totals=(Line(("all", 2e-6)),), notes=("≥ 1",),
        definitions=(("memory", "of the host"), ("alpha_s", "α (seconds)")),
    )  # fmt: skip

    assert [
        '# table,"copies: T(n) = alpha"', '# definition,"memory","of the host"',
        '# definition,"alpha_s","alpha (seconds)"',
        '# columns,"memory","alpha_s"', '# line,"pinned",2e-06', '# total,"all",2e-06', '# note,">= 1"',
    ] == render(layers(small())._replace(extra=(below,))).splitlines()[-7:]  # fmt: skip


def test_names_that_people_read_shortened_are_all_there():
    column = Column("where", "which", "text")
    lines = tuple(Line((each,)) for each in (Names(("a", "b", "c"), "a … c"), Names((), "none")))
    main = Table(id="placement", title="t", columns=(column,), lines=lines)

    assert [["where"], ["a, b, c"], ["none"]] == read(render(Report(main)))


def test_one_result_is_its_layers():
    assert (
        render(layers(small(), columns=["name", "op", "output", "params", "macs"]))
        == """\
# table,"net, input 3x8x8, batch 1, float32, 4 layers","net.yaml"
# definition,"name","dotted path of the layer"
# definition,"op","operator: torch.nn's class name in lower case"
# definition,"output","shape of every output; a batch of 1 is left out"
# definition,"params","elements of learnable tensors, frozen ones included, shared ones once (elements)"
# definition,"macs","multiply-accumulates of convolutions, linear layers, matrix products and attention, no bias \
(multiply-accumulates, whole batch)"
# note,"pool: the last 2 rows and the last 2 columns are never read"
"name","op","output","params","macs"
"conv","conv2d","4x6x6",112,3888
"relu","relu","4x6x6",0,0
"pool","maxpool2d","4x2x2",0,0
"fc","linear","10",170,160
# total,"","",282,4048
"""
    )


def test_several_results_are_a_line_each():
    assert [
        ["model", "batch", "input", "dtype", "layers", "macs"],
        ["net", "1", "3x8x8", "float32", "4", "4048"],
        ["net", "1", "3x8x8", "float32", "22", "20000"],
    ] == read(render(report([small(), blocks()], columns=["macs"])))


def test_pandas_reads_it_with_comments_skipped():
    import pandas as pd

    frame = pd.read_csv(io.StringIO(render(report([small()]))), comment="#")

    assert [112, 0, 0, 170] == list(frame["params"])
    assert 4048 == frame["macs"].sum()
    assert pytest.approx(1.0) == frame["macs_share"].sum()


def test_a_hash_in_a_name_is_no_comment():
    import pandas as pd

    result = analysis([row("#first"), row("net.yaml#resnet50 #x")])

    assert ["#first", "net.yaml#resnet50 #x"] == list(
        pd.read_csv(io.StringIO(render(report([result]))), comment="#")["name"]
    )


def test_integers_are_exact():
    result = analysis([row("a", params=2**62 + 1)])

    assert [["params"], [str(2**62 + 1)]] == read(render(report([result], columns=["params"])))


def test_what_is_unknown_is_no_number():
    text = render(layers(with_unknown(), columns=["name", "params", "macs"]))

    assert ["pool.a", "?", "?"] == read(text)[2]
    assert text.endswith('# total,">=50",">=400"\n')


def test_what_has_no_value_is_empty():
    assert ["relu", ""] == read(render(report([small()], columns=["name", "dense_params"])))[2]


def test_the_rest_is_a_comment_under_its_columns():
    text = render(layers(small(), columns=["name", "op", "macs"], sort="macs", top=1))

    assert ['"conv","conv2d",3888', '# rest,"",160', '# total,"",4048'] == text.splitlines()[-3:]


def test_a_total_in_the_first_column_stands_after_its_label():
    assert '# total 282,"total",4048' == render(layers(small(), columns=["params", "op", "macs"])).splitlines()[-1]


def test_traffic_is_not_in_the_file_of_layers():
    assert "gpu0" not in render(report([two_places()]))


@pytest.mark.parametrize(
    ("text", "guarded"),
    [
        ("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "'-1"), ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"), ("\r=1", "'\r=1"),
        ("conv", "conv"), ("a=1", "a=1"), ("'quoted", "'quoted"), ("'=1", "''=1"), ("", ""),
    ],
)  # fmt: skip
def test_text_that_a_spreadsheet_takes_for_a_formula_is_guarded(text, guarded):
    assert guarded == guard(text)


def test_numbers_are_never_guarded():
    table = Table("t", "t", (Column("x", "x", "count"),), (Line((-5,)),))

    assert [["x"], ["-5"]] == read(render(Report(table)))


def test_a_name_in_a_comment_stays_on_its_line_and_acts_no_more_than_in_a_cell():
    result = analysis([row("x")], model='a\n=1,"b\r', source="=2\n#x")

    first = render(report([result], columns=["name"])).splitlines()[0]

    assert ["# table", 'a\\n=1,"b\\r, input 3x8x8, batch 1, float32, 1 layer', "'=2\\n#x"] == next(csv.reader([first]))


def test_names_are_exact_in_a_file_and_escaped_on_a_terminal():
    found = report([analysis([row("a\x1b[31m\nb")])], columns=["name"])

    assert ["a\x1b[31m\nb"] == read(render(found))[1]
    assert ["a\\x1b[31m\\nb"] == read(render(found._replace(screen=Screen(80, True, True, True))))[1]


@pytest.mark.parametrize("column", ["protocol", "device", "dtype"])
def test_what_a_run_file_says_of_its_device_is_escaped_in_a_file_too(column):
    table = Table("a", "a title", (Column(column, column, "text"),), (Line(("cpu\u202ex\x1b",), path="a"),))

    assert ["cpu\\u202ex\\x1b"] == read(render(Report(table)))[1]


def test_a_lone_surrogate_does_not_stop_the_file():
    text = render(report([analysis([row("a\udc80")])], columns=["name"]))

    assert ["a\\udc80"] == read(text.encode("utf-8").decode("utf-8"))[1]
