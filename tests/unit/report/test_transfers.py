"""Traffic between places, and tables of any records."""

from __future__ import annotations

from cnnprof.report.base import Line
from cnnprof.report.tables import record_table, transfers_table, zoo_table
from tests.unit.report.samples import analysis, row, two_places


def test_every_tensor_that_crosses_is_a_line():
    assert (
        Line(("gpu0", "gpu1", "a.conv", "b.conv", 1000, 4000)),
        Line(("gpu0", "gpu1", "a.split[1]", "b.fc", 24, 96)),
        Line(("gpu1", "gpu0", "b.conv", "a.fc", 500, 2000)),
    ) == transfers_table(two_places()).lines


def test_traffic_adds_up_per_direction_and_altogether():
    assert (
        Line(("gpu0", "gpu1", None, None, 1024, 4096)),
        Line(("gpu1", "gpu0", None, None, 500, 2000)),
        Line(("total", None, None, None, 1524, 6096)),
    ) == transfers_table(two_places()).totals


def test_a_single_direction_is_its_own_total():
    result = two_places()
    one_way = analysis([row("a")], transfers=result.transfers[:2])

    assert (Line(("gpu0", "gpu1", None, None, 1024, 4096)),) == transfers_table(one_way).totals


def test_without_traffic_there_is_nothing_to_add_up():
    assert ((), ()) == transfers_table(analysis([row("a")]))[3:5]


def test_traffic_says_what_its_columns_mean():
    definitions = dict(transfers_table(two_places()).definitions)

    assert "values that cross, whole batch (elements)" == definitions["elements"]


def test_records_become_a_table_in_the_order_of_their_keys():
    table = record_table("things", [{"name": "a"}, {"name": "b", "size": 3}])

    assert ("things", ["name", "size"], ["text", "count"]) == (
        table.title,
        [column.id for column in table.columns],
        [column.kind for column in table.columns],
    )
    assert (Line(("a", None)), Line(("b", 3))) == table.lines


def test_no_records_are_an_empty_table():
    assert ((), ()) == record_table("things", [])[2:4]


def test_the_zoo_is_a_table_of_names_titles_files_and_sources():
    entry = {"name": "vgg16", "title": "VGG-16", "file": "vgg.yaml", "source": "Simonyan 2014"}

    table = zoo_table([entry])

    assert ("1 network", (Line(("vgg16", "VGG-16", "vgg.yaml", "Simonyan 2014")),)) == (table.title, table.lines)
