"""The tree of names on a terminal."""

from __future__ import annotations

import pytest

from cnnprof.model.graph import Container
from cnnprof.report.tables import layer_table
from cnnprof.report.tree import nest
from tests.unit.report.samples import analysis, blocks, row, small

COLUMNS = ["name", "op", "output", "macs"]


def shown(table):
    """Name with its indentation, type and MACs of every line."""
    return [
        ("  " * entry.indent + entry.line.cells[0], entry.line.cells[1], entry.line.cells[3]) for entry in nest(table)
    ]


def test_blocks_get_a_heading_and_repeated_blocks_fold():
    assert [
        ("stem.conv", "conv2d", 1000),
        ("stage.0.0", "bottleneck", None),
        ("  conv_bn.conv2d", "conv2d", 2000),
        ("  conv_bn.batchnorm2d", "batchnorm2d", 0),
        ("  relu", "relu", 0),
        ("  add", "add", 0),
        ("stage.1.0", "bottleneck", None),
        ("  conv_bn.conv2d", "conv2d", 3000),
        ("  conv_bn.batchnorm2d", "batchnorm2d", 0),
        ("  relu", "relu", 0),
        ("  add", "add", 0),
        ("stage.1.1 … 3 (like 0)", "3 × bottleneck", 9000),
        ("head", "linear", 5000),
    ] == shown(layer_table(blocks(), columns=COLUMNS))


def test_every_number_stands_in_a_tree_once():
    for name in ("macs", "params", "activation_bytes"):
        table = layer_table(blocks(), columns=["name", name])

        assert table.totals[-1].cells[1] == sum(entry.line.cells[1] or 0 for entry in nest(table))


def test_a_fold_shows_what_its_blocks_have_in_common():
    fold = next(entry for entry in nest(layer_table(blocks(), columns=COLUMNS)) if entry.hides)

    assert (((8, 8, 8),), 12) == (fold.line.cells[2], fold.hides)


def test_one_repetition_folds_too():
    result = blocks()
    fewer = analysis(result.rows[:13], containers=result.containers)

    assert ("stage.1.1 (like 0)", "1 × bottleneck", 3000) == shown(layer_table(fewer, columns=COLUMNS))[-1]


def test_blocks_that_differ_in_a_shown_number_do_not_fold():
    rows = [row(f"b.{i}.{name}", macs=i) for i in range(2) for name in "wxyz"]
    result = analysis(rows, containers=tuple(Container(path=f"b.{i}", block="b", last=f"b.{i}.z") for i in range(2)))

    names = [entry.line.cells[0] for entry in nest(layer_table(result, columns=["name", "macs"]))]

    assert ["b.0", "w", "x", "y", "z", "b.1", "w", "x", "y", "z"] == names


def test_a_small_block_keeps_its_name_before_its_layers():
    result = analysis(
        [row("conv_bn.conv2d"), row("conv_bn.batchnorm2d"), row("conv_bn.relu")],
        containers=(Container(path="conv_bn", block="conv_bn", last="conv_bn.relu"),),
    )

    assert ["conv_bn.conv2d", "conv_bn.batchnorm2d", "conv_bn.relu"] == [
        name for name, _, _ in shown(layer_table(result, columns=COLUMNS))
    ]


def test_a_block_inside_a_block_is_indented_twice():
    rows = [row("out.first"), *(row(f"out.in.{name}") for name in "wxyz")]
    paths = (
        Container(path="out", block="outer", last="out.in.z"),
        Container(path="out.in", block="inner", last="out.in.z"),
    )

    names = [name for name, _, _ in shown(layer_table(analysis(rows, containers=paths), columns=COLUMNS))]

    assert ["out", "  first", "  in", "    w", "    x", "    y", "    z"] == names


def test_a_block_of_nothing_but_headed_blocks_needs_no_heading():
    rows = [row(f"features.{part}.{name}", macs=int(part)) for part in "12" for name in "wxyz"]
    paths = tuple(
        Container(path=path, module="M", last="features.2.z") for path in ("features", "features.1", "features.2")
    )

    names = [name for name, _, _ in shown(layer_table(analysis(rows, containers=paths), columns=COLUMNS))]

    assert ["features.1", "  w", "  x", "  y", "  z", "features.2", "  w", "  x", "  y", "  z"] == names


def test_a_network_without_blocks_is_a_plain_list():
    assert ["conv", "relu", "pool", "fc"] == [name for name, _, _ in shown(layer_table(small(), columns=COLUMNS))]


@pytest.mark.parametrize("options", [{"sort": "macs"}, {"top": 3}])
def test_a_sorted_table_keeps_full_names(options):
    table = layer_table(blocks(), columns=COLUMNS, **options)

    assert list(table.lines) == [entry.line for entry in nest(table)]


def test_without_names_there_is_no_tree():
    table = layer_table(blocks(), columns=["op", "macs"])

    assert list(table.lines) == [entry.line for entry in nest(table)]


def test_blocks_added_up_at_a_depth_nest_as_well():
    result = analysis(
        [row(f"net.{i}.{name}", macs=1) for i in range(4) for name in "ab"],
        containers=(Container(path="net", block="trunk", last="net.3.b"),),
    )

    assert [("net", "trunk", None), *((f"  {i}", None, 2) for i in range(4))] == [
        (name, op if op == "trunk" else None, macs)
        for name, op, macs in shown(layer_table(result, depth=2, columns=COLUMNS))
    ]


def test_a_layer_named_like_the_block_before_it_is_kept():
    rows = [row("a"), row("a.b"), row("a.c")]

    assert ["a", "a.b", "a.c"] == [name for name, _, _ in shown(layer_table(analysis(rows), columns=COLUMNS))]


def test_a_name_with_a_thousand_dots_does_not_exhaust_the_stack():
    name = ".".join("a" * 1000)

    assert [name] == [entry.line.cells[0] for entry in nest(layer_table(analysis([row(name)])))]
