"""The table of layers as plain data."""

from __future__ import annotations

import pytest

from cnnprof.errors import UsageError
from cnnprof.model.analysis import Note
from cnnprof.model.graph import Edge, Input
from cnnprof.report.base import UNKNOWN, AtLeast, Line
from cnnprof.report.tables import LAYER_COLUMNS, layer_table
from tests.unit.report.samples import analysis, blocks, row, small, two_places, unknown, with_unknown


def numbers(table, column):
    return [value for value in table.cells(column) if isinstance(value, int | float)]


def total(table, column):
    return table.totals[-1].cells[[each.id for each in table.columns].index(column)]


def test_the_usual_columns_are_name_type_output_params_macs_share_and_memory():
    ids = [column.id for column in layer_table(small()).columns]

    assert ["name", "op", "output", "params", "macs", "macs_share", "activation_bytes"] == ids


def test_a_line_holds_numbers_not_text():
    table = layer_table(small(), columns=["name", "output", "params", "macs", "activation_bytes"])

    assert Line(("conv", ((4, 6, 6),), 112, 3888, 576), ("conv",)) == table.lines[0]


def test_columns_come_in_the_order_asked_for():
    table = layer_table(small(), columns=["macs", "name"])

    assert [(3888, "conv"), (0, "relu"), (0, "pool"), (160, "fc")] == [line.cells for line in table.lines]


@pytest.mark.parametrize("column", [name for name, each in LAYER_COLUMNS.items() if each.column.join == "sum"])
@pytest.mark.parametrize("result", [small(), blocks(), two_places()])
def test_every_column_adds_up_to_its_total(column, result):
    table = layer_table(result, columns=["name", column])

    assert sum(numbers(table, column)) == pytest.approx(total(table, column) or 0, abs=1e-12)


def test_a_quotient_of_blocks_and_totals_is_that_of_their_sums():
    rows = [
        row("a.x", macs=100, useful_macs=50, read_bytes=30, write_bytes=10),
        row("a.y", macs=300, useful_macs=300, read_bytes=50, write_bytes=10),
        row("b", macs=0, read_bytes=100, write_bytes=100),
    ]
    table = layer_table(analysis(rows), columns=["name", "useful_share", "intensity"], depth=1)

    assert [("a", 350 / 400, 800 / 100), ("b", None, None)] == [line.cells for line in table.lines]
    assert ("total", 350 / 400, 800 / 300) == table.totals[0].cells


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_blocks_add_up_to_the_same_total_at_any_depth(depth):
    table = layer_table(blocks(), depth=depth)

    assert 20_000 == sum(table.cells("macs")) == total(table, "macs")
    assert 7_690 == sum(table.cells("params")) == total(table, "params")


def test_every_column_has_a_title_and_a_definition():
    assert [] == [name for name, each in LAYER_COLUMNS.items() if not (each.column.title and each.column.help)]


def test_every_count_says_its_unit():
    counted = [each.column for each in LAYER_COLUMNS.values() if each.column.numeric]

    assert [] == [column.id for column in counted if not column.unit]


def test_definitions_are_those_of_the_columns_shown():
    definitions = layer_table(small(), columns=["name", "flops"]).definitions

    assert (
        ("name", "dotted path of the layer"),
        ("flops", "2 per multiply-accumulate, nothing else (operations, whole batch)"),
    ) == definitions


def test_the_title_says_what_was_counted():
    assert "net, input 3×8×8, batch 1, float32, 4 layers" == layer_table(small()).title


def test_the_title_names_every_input():
    inputs = (Input(name="image", shape=(3, 8, 8)), Input(name="ids", shape=(10,)), Input(name="t", shape=()))

    title = layer_table(analysis([row("add", "add")], inputs=inputs)).title

    assert "net, input 3×8×8 + 10 + scalar, batch 1, float32, 1 layer" == title


# -- depth ------------------------------------------------------------------------------------------------------------


def test_depth_adds_up_blocks():
    table = layer_table(blocks(), depth=1, columns=["name", "output", "params", "macs"])

    assert [
        ("stem", ((8, 8, 8),), 100, 1000),
        ("stage", ((8, 8, 8),), 2580, 14000),
        ("head", ((10,),), 5010, 5000),
    ] == [line.cells for line in table.lines]


def test_a_block_bears_its_own_kind_and_a_layer_its_own():
    table = layer_table(blocks(), depth=3, columns=["name", "op"])

    kinds = [line.cells for line in table.lines]

    assert [("stem.conv", "conv2d"), ("stage.0.0", "bottleneck"), ("stage.1.0", "bottleneck")] == kinds[:3]
    assert ("head", "linear") == kinds[-1]


def test_a_block_without_a_kind_has_none():
    assert [("stage", None)] == [
        line.cells for line in layer_table(blocks(), depth=1, columns=["name", "op"]).lines[1:2]
    ]


def test_a_block_reads_what_its_layers_read_from_outside_each_tensor_once():
    result = analysis(
        [
            row("block.a", source="input", inputs=((1, 3, 8, 8),)),
            row("block.b", source="block.a", inputs=((1, 9),)),
            row("block.c", edges=(Edge("input"), Edge("block.b")), inputs=((1, 3, 8, 8), (1, 9))),
        ]
    )

    table = layer_table(result, depth=1, columns=["name", "input"])

    assert [("block", ((3, 8, 8),))] == [line.cells for line in table.lines]


def test_a_block_keeps_what_all_its_layers_agree_on():
    table = layer_table(two_places(), depth=1, columns=["name", "place"])

    assert [("a", "gpu0"), ("b", "gpu1")] == [line.cells for line in table.lines]


def test_a_block_with_something_unknown_is_a_lower_bound():
    result = analysis([row("b.conv", "conv2d", macs=7), unknown("b.x"), unknown("c.x")])

    assert [AtLeast(7), UNKNOWN] == layer_table(result, depth=1).cells("macs")


def test_a_block_of_a_network_without_macs_has_no_share():
    assert [None] == layer_table(analysis([row("b.x"), row("b.y")]), depth=1).cells("macs_share")


@pytest.mark.parametrize("value", [0, -3])
@pytest.mark.parametrize("option", ["depth", "top"])
def test_depth_and_top_below_one_are_refused(option, value):
    with pytest.raises(UsageError, match=f"{option} must be >= 1, got {value}"):
        layer_table(small(), **{option: value})


# -- sort and top -----------------------------------------------------------------------------------------------------


def test_numbers_sort_descending():
    assert ["fc", "conv", "relu", "pool"] == layer_table(small(), sort="params").cells("name")


def test_text_sorts_ascending():
    assert ["conv2d", "linear", "maxpool2d", "relu"] == layer_table(small(), sort="op").cells("op")


def test_the_column_to_sort_by_need_not_be_shown():
    table = layer_table(small(), columns=["name"], sort="activations")

    assert [("conv",), ("relu",), ("pool",), ("fc",)] == [line.cells for line in table.lines]


def test_what_has_no_value_sorts_last():
    assert ["conv", "relu", "pool", "fc"] == layer_table(small(), sort="dense_params").cells("name")
    assert ["fc", "conv", "pool.a", "pool.b"] == layer_table(with_unknown(), sort="macs").cells("name")


def test_top_keeps_the_first_and_adds_up_the_rest():
    table = layer_table(small(), columns=["name", "op", "params", "macs"], sort="macs", top=1)

    assert [("conv", "conv2d", 112, 3888)] == [line.cells for line in table.lines]
    assert ("3 more", None, 170, 160) == table.rest.cells
    assert ("total", None, 282, 4048) == table.totals[-1].cells


def test_top_beyond_the_last_line_leaves_no_rest():
    assert None is layer_table(small(), top=4).rest


def test_a_sorted_table_is_no_tree():
    assert (True, False, False) == tuple(
        table.tree
        for table in (layer_table(blocks()), layer_table(blocks(), sort="macs"), layer_table(blocks(), top=3))
    )


# -- unknown ----------------------------------------------------------------------------------------------------------


def test_an_unknown_operators_counts_are_unknown_never_zero():
    numbers = [each for name, each in LAYER_COLUMNS.items() if each.column.numeric or name == "window_cut"]
    counts = [each.column.id for each in numbers if each.of_layers]

    cells = layer_table(with_unknown(), columns=counts).lines[1].cells

    assert [UNKNOWN] * len(counts) == list(cells)


def test_what_only_a_network_has_no_layer_has():
    whole = [name for name, each in LAYER_COLUMNS.items() if not each.of_layers]

    assert {"top1_accuracy", "top5_accuracy"} <= set(whole)
    assert [None] * len(whole) == list(layer_table(with_unknown(), columns=whole).lines[1].cells)


def test_what_is_known_of_an_unknown_operator_is_shown():
    table = layer_table(with_unknown(), columns=["name", "op", "output", "source"])

    assert ("pool.a", "roi_align", ((4,),), "net.yaml:7") == table.lines[1].cells


def test_totals_with_an_unknown_operator_are_lower_bounds():
    assert ("total", AtLeast(50), AtLeast(400)) == layer_table(
        with_unknown(), columns=["name", "params", "macs"]
    ).totals[-1].cells


def test_shares_are_of_what_is_known():
    assert [0.25, UNKNOWN, UNKNOWN, 0.75] == layer_table(with_unknown()).cells("macs_share")


def test_one_note_names_all_unknown_operators():
    assert (
        "excludes 2 unknown operators (roi_align): totals are lower bounds (≥), shares are of what is known",
    ) == layer_table(with_unknown()).notes


def test_a_note_about_a_layer_names_it():
    assert ("pool: the last 2 rows and the last 2 columns are never read",) == layer_table(small()).notes


def test_a_note_about_the_network_stands_alone():
    result = analysis([row("a")], notes=(Note(code="facts-not-checked", message="figures are not checked"),))

    assert ("figures are not checked",) == layer_table(result).notes


def test_layers_that_run_in_training_only_are_said():
    result = analysis([row("main"), row("aux", when="train"), row("drop", when="train")])

    assert (
        "2 layers run in training only: parameters count, work does not (--columns name,when,params shows them)",
    ) == layer_table(result).notes


# -- single columns ---------------------------------------------------------------------------------------------------


def cell(column, **changes):
    return layer_table(analysis([row("x", **changes)]), columns=[column]).lines[0].cells[0]


def test_shapes_follow_the_layout():
    table = layer_table(small(), columns=["input", "output"], layout="hwc")

    assert (((8, 8, 3),), ((6, 6, 4),)) == table.lines[0].cells


def test_a_larger_batch_shows_whole_shapes():
    result = analysis([row("x", output=(8, 4), inputs=((8, 3, 8, 8),))], batch=8)

    assert (((8, 3, 8, 8),), ((8, 4),)) == layer_table(result, columns=["input", "output"]).lines[0].cells


def test_the_source_is_file_and_line():
    assert "net.yaml:7" == cell("source")
    assert None is cell("source", origin=None)


def test_frozen_says_which_kind():
    assert (None, "frozen", "eval") == (cell("frozen"), cell("frozen", frozen=True), cell("frozen", frozen="eval"))


def test_a_network_without_macs_has_no_shares():
    table = layer_table(analysis([row("x")]))

    assert ([None], None) == (table.cells("macs_share"), table.totals[-1].cells[5])


def test_dense_and_toeplitz_equivalents_are_columns():
    columns = ["dense_params", "toeplitz_rows", "toeplitz_columns", "toeplitz_nonzeros"]

    table = layer_table(small(), columns=columns)

    assert [(27792, 144, 192, 3888), (None, None, None, None)] == [line.cells for line in table.lines[:2]]


# -- choosing columns -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("mac", "macs"), ("parms", "params"), ("FLOPs", "flops"), ("tpye", "op"), ("layr", "name"),
        ("written", "write_bytes"),
    ],
)  # fmt: skip
def test_an_unknown_column_is_refused_with_the_nearest_one(asked, meant):
    with pytest.raises(UsageError) as caught:
        layer_table(small(), columns=["name", asked])

    assert (f"there is no column '{asked}'", f"did you mean '{meant}'?") == (caught.value.message, caught.value.hint)


def test_an_unknown_column_that_is_near_nothing_lists_all_columns():
    with pytest.raises(UsageError) as caught:
        layer_table(small(), sort="xyzzy")

    assert f"the columns are {', '.join(LAYER_COLUMNS)}" == caught.value.hint


def test_share_is_a_shorter_word_for_the_share_of_macs():
    assert ["macs_share"] == [column.id for column in layer_table(small(), columns=["share"]).columns]


def test_no_columns_at_all_are_refused():
    with pytest.raises(UsageError, match="no columns chosen"):
        layer_table(small(), columns=[])


def test_a_name_with_a_thousand_dots_is_one_line_like_any_other():
    name = ".".join("a" * 1000)

    assert [name] == layer_table(analysis([row(name)]), depth=900).cells("name")


def test_the_type_may_go_first_where_names_end_in_it():
    told = analysis([row("a.conv2d", "conv2d"), row("a.relu", "relu"), row("fc", "linear")])

    assert (("activation_bytes", "op"), ("activation_bytes",)) == (
        layer_table(told).optional,
        layer_table(small()).optional,
    )
    assert () == layer_table(told, columns=["name", "op"]).optional
