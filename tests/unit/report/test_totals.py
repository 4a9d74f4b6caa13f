"""Sums over one network, and several networks side by side."""

from __future__ import annotations

import pytest

from cnnprof.errors import UsageError
from cnnprof.model.analysis import Events, Note
from cnnprof.report.base import UNKNOWN, AtLeast, Line
from cnnprof.report.tables import report, summary_table, totals_table
from tests.unit.report.samples import analysis, blocks, row, small, two_places, with_unknown


def lines(result):
    return {line.cells[0]: line.cells[1:] for line in totals_table(result).lines}


def lenet_sized():
    """LeNet-5's totals as torchsummary and Keras print them: 61,706 parameters, 241.04 KB, 0.11 + 0.24 = 0.35 MB."""
    return analysis([row("all", params=61_706, torchsummary_outputs=14_732)], shape=(1, 32, 32))


def test_totals_are_exact_and_said_in_words():
    found = lines(lenet_sized())

    assert (61_706, "elements", "61.71 k") == found["parameters"]
    assert (246_824, "bytes", "241.04 KiB") == found["parameter memory"]


def test_torchsummarys_sizes_are_in_mib():
    found = lines(lenet_sized())

    assert (4_096, "bytes", "0.00 MiB") == found["torchsummary input size"]
    assert (117_856, "bytes", "0.11 MiB") == found["torchsummary forward/backward pass size"]
    assert (246_824, "bytes", "0.24 MiB") == found["torchsummary params size"]
    assert (368_776, "bytes", "0.35 MiB") == found["torchsummary estimated total size"]


def test_keras_counts_moving_statistics():
    found = lines(analysis([row("bn", params=128, buffers=129, statistics=128)]))

    assert [(128, "elements", None), (129, "elements", None), (256, "elements", None)] == [
        found[name] for name in ("parameters", "buffers", "Keras total params")
    ]


def test_operations_add_up_from_their_kinds():
    found = lines(analysis([row("x", events=Events(macs=5, muls=5, adds=4, cmps=3, exps=2, divs=1))]))

    parts = [found[name][0] for name in ("multiplications", "additions", "comparisons", "exponentials", "divisions")]
    assert [5, 4, 3, 2, 1] == parts
    assert 15 == sum(parts) == found["operations"][0]
    assert (5, 10) == (found["MACs"][0], found["FLOPs (2 per MAC)"][0])


def test_trainable_and_frozen_parameters_add_up():
    found = lines(analysis([row("a", params=7), row("b", trainable_params=0, frozen_params=5)]))

    assert (12, 7, 5) == tuple(found[name][0] for name in ("parameters", "trainable parameters", "frozen parameters"))


def test_with_an_unknown_operator_every_sum_is_a_lower_bound():
    found = lines(with_unknown())

    assert (AtLeast(400), "MACs", None) == found["MACs"]
    assert (AtLeast(200), "bytes", "≥ 200 B") == found["parameter memory"]
    assert (UNKNOWN, "ops", None) == found["comparisons"]
    assert (UNKNOWN, "bytes", None) == found["torchsummary forward/backward pass size"]


def test_the_input_is_known_whatever_the_operators():
    assert (768, "bytes", "0.00 MiB") == lines(with_unknown())["torchsummary input size"]


def test_totals_carry_the_definition_of_each_quantity():
    definitions = dict(totals_table(small()).definitions)

    assert "2 per multiply-accumulate, nothing else (operations, whole batch)" == definitions["flops"]
    assert "as Keras adds up: moving statistics of batch norm included, num_batches_tracked not" == definitions["Keras"]


# -- several results --------------------------------------------------------------------------------------------------


def test_several_results_are_one_line_each():
    table = summary_table([small(), blocks()])

    assert (
        Line(("net", 1, ((3, 8, 8),), "float32", 4, 282, 4048, 8096, 8288, 1256, 1128, 1896)),
        Line(("net", 1, ((3, 8, 8),), "float32", 22, 7690, 20000, 40000, 40000, 43048, 30760, 31528)),
    ) == table.lines


def test_a_summary_shows_the_columns_asked_for():
    table = summary_table([small()], columns=["name", "muls", "macs"])

    assert ("muls", "macs") == tuple(column.id for column in table.columns[5:])
    assert (4048, 4048) == table.lines[0].cells[5:]


def test_a_summary_sorts_descending_and_keeps_the_top():
    table = summary_table([small(), blocks(), with_unknown()], sort="macs", top=2)

    assert [20000, 4048] == table.cells("macs")
    assert "1 more" in table.notes


def test_a_column_without_a_total_cannot_compare_results():
    with pytest.raises(UsageError, match="column 'output' has no total, so it cannot compare results"):
        summary_table([small()], columns=["name", "output"])


def test_a_summary_of_nothing_is_refused():
    with pytest.raises(UsageError, match="no result was given"):
        summary_table([])


def test_a_lower_bound_stays_one_in_a_summary():
    assert [AtLeast(400)] == summary_table([with_unknown()]).cells("macs")


def test_a_note_that_every_batch_repeats_is_said_once():
    note = Note(code="x", message="careful")
    results = [analysis([row("a", output=(batch, 4))], batch=batch, notes=(note,)) for batch in (1, 8)]

    assert ("net: careful",) == summary_table(results).notes


# -- reports ----------------------------------------------------------------------------------------------------------


def test_a_report_of_one_result_is_its_layers_and_totals():
    found = report([small()])

    assert ("layers", ["totals", "memory"]) == (found.main.id, [table.id for table in found.extra])


def test_a_report_of_a_network_over_devices_has_their_traffic():
    assert ["totals", "memory", "transfers"] == [table.id for table in report([two_places()]).extra]


def test_a_report_of_several_results_is_their_summary():
    found = report([small(), blocks()], columns=["macs"], sort="macs")

    assert ("summary", [20000, 4048], ()) == (found.main.id, found.main.cells("macs"), found.extra)


def test_depth_needs_a_single_result():
    with pytest.raises(UsageError, match="--depth shows the blocks of one result; here are several"):
        report([small(), blocks()], depth=2)
