"""What other tools say as a table: a line for each figure, and one for each kind of layer that makes it differ."""

from __future__ import annotations

from cnnprof.model.conventions import Conventions, Part, Total
from cnnprof.model.graph import Input
from cnnprof.report.base import UNKNOWN, AtLeast
from cnnprof.report.conventions import conventions_table

PARTS = (
    Part(kind="conv2d", call="module", layers=2, ours=90, counted=90, rule="1 per MAC"),
    Part(kind="relu", call="function", layers=1, ours=0, counted=10, rule="1 per element in", why="patched"),
)
LOST = Part(kind="einsum", call="module", layers=1, ours=7, counted=None, rule="")
WORK = Total(
    tool="counter", version="1.2", asked="count(net)", quantity="macs", unit="flop", ours=90, counted=100, parts=PARTS,
    note="it says flop",
)  # fmt: skip
BOUND = Total(
    tool="other", version="3", asked="other(net)", quantity="macs", unit="MACs", ours=97, counted=90,
    unknown=("einsum",), parts=(PARTS[0], LOST),
)  # fmt: skip
EQUAL = Total(
    tool="counter", version="1.2", asked="count(net)", quantity="params", unit="parameters", ours=5, counted=5, parts=()
)


def said(*totals: Total, bounded: bool = False, training: bool = False) -> Conventions:
    return Conventions(
        cnnprof_version="1", model="net", source="net.yaml", inputs=(Input(name="x", shape=(3, 8, 8)),),
        training=training, bounded=bounded, totals=totals,
    )  # fmt: skip


def records(table) -> list[dict[str, object]]:
    ids = [column.id for column in table.columns]
    return [dict(zip(ids, line.cells, strict=True)) for line in table.lines]


def test_a_program_gets_every_column_on_every_line():
    table = conventions_table(said(WORK, EQUAL))

    head = {"tool": "counter", "version": "1.2", "asked": "count(net)", "quantity": "macs", "unit": "flop"}
    assert [
        head | {"kind": "all layers", "call": None, "layers": 3, "counted": 100, "ours": 90, "beyond": 10, "rule": None,
                "why": "it says flop"},
        head | {"kind": "relu (function)", "call": "function", "layers": 1, "counted": 10, "ours": 0, "beyond": 10,
                "rule": "1 per element in", "why": "patched"},
    ] == records(table)[:2]  # fmt: skip
    assert ("parameters", 5, 0) == tuple(records(table)[2][name] for name in ("unit", "counted", "beyond"))
    assert () == table.notes


def test_people_find_reasons_and_what_agrees_in_notes():
    table = conventions_table(said(WORK, EQUAL), notes=True)

    assert ["tool", "unit", "kind", "layers", "counted", "beyond", "rule"] == [column.id for column in table.columns]
    assert ["counter", None] == [record["tool"] for record in records(table)]
    assert (
        "cnnprof: 90 MACs, 5 parameters",
        "as many parameters print counter",
        "counter, flop: it says flop",
        "counter, flop of relu (function): patched",
    ) == table.notes


def test_a_lower_bound_has_no_difference_and_its_unknown_kind_a_line():
    total, part = records(conventions_table(said(BOUND)))

    assert (AtLeast(90), None) == (total["counted"], total["beyond"])
    assert ("einsum", UNKNOWN, 7, None, "unknown") == (
        part["kind"], part["counted"], part["ours"], part["beyond"], part["rule"]
    )  # fmt: skip
    assert "other, MACs: a lower bound; its rule is not known for einsum" in (
        conventions_table(said(BOUND), notes=True).notes
    )


def test_where_cnnprofs_own_number_is_a_lower_bound_there_is_no_difference():
    table = conventions_table(said(WORK, bounded=True))

    assert (AtLeast(90), None) == (records(table)[0]["ours"], records(table)[0]["beyond"])
    assert "cnnprof: ≥ 90 MACs" == conventions_table(said(WORK, bounded=True), notes=True).notes[0]


def test_the_title_names_network_input_and_mode():
    assert "net, input 3×8×8: what other tools say" == conventions_table(said(WORK)).title
    assert (
        "net, input 3×8×8, in training mode: what other tools say" == conventions_table(said(WORK, training=True)).title
    )
