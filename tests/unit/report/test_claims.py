"""Published figures and errata as tables: sentences in columns for programs, in notes for people."""

from __future__ import annotations

from cnnprof.model.claims import Claim, Erratum, Ledger, Match
from cnnprof.model.graph import Fact
from cnnprof.report.claims import claims_table, errata_table


def fact(of: str, value: str, **more: object) -> Fact:
    return Fact(of=of, value=value, source="a book", **more)  # type: ignore[arg-type]


MATCH = Match(model="net", convention="MACs of convolutions only", computed=3_888, cut_off=True)
CLAIMS = (
    Claim(fact=fact("params", "112"), computed=112, shown="112", reproduced=True),
    Claim(
        fact=fact("macs", "3.8e3", at="conv", holds=False, why="dense layers left out"), computed=5_328, shown="5.3e3",
        reproduced=False, matches=(MATCH,),
    ),
    Claim(fact=fact("param_kib", "9", holds=False), computed=0.4375, shown="0", reproduced=False),
    Claim(fact=fact("output", "4x4", holds=False), computed="4x5", shown="4x5", reproduced=False),
    Claim(fact=fact("top1_accuracy", "71.592"), computed=None, shown=None, reproduced=None),
)  # fmt: skip
LEDGER = Ledger(cnnprof_version="1", model="net", source="net.yaml", claims=CLAIMS)


def records(table) -> list[dict[str, object]]:
    ids = [column.id for column in table.columns]
    return [dict(zip(ids, line.cells, strict=True)) for line in table.lines]


def test_a_program_gets_every_column_and_no_notes():
    table = claims_table([LEDGER])

    assert ["model", "quantity", "layer", "published", "computed", "reproduced", "source", "convention",
            "reproduced_by", "why"] == [column.id for column in table.columns]  # fmt: skip
    assert () == table.notes


def test_a_figure_has_what_was_published_and_what_is_counted():
    found = records(claims_table([LEDGER]))

    assert [
        ("params", None, "112", 112, "yes"),
        ("macs", "conv", "3.8e3", 5_328, "no"),
        ("param_kib", None, "9", "0", "no"),
        ("output", None, "4x4", "4x5", "no"),
        ("top1_accuracy", None, "71.592", None, "measured elsewhere"),
    ] == [(line["quantity"], line["layer"], line["published"], line["computed"], line["reproduced"]) for line in found]


def test_a_figure_that_is_not_reproduced_says_what_makes_it_and_why():
    found = [(line["reproduced_by"], line["why"]) for line in records(claims_table([LEDGER]))]

    assert [
        (None, None),
        ("net: MACs of convolutions only, 3,888, cut off", "dense layers left out"),
        ("nothing that was tried", None),
        (None, None),
        (None, None),
    ] == found


def test_people_get_sentences_as_notes_and_no_empty_column():
    table = claims_table([LEDGER], notes=True)

    assert ["model", "quantity", "layer", "published", "computed", "reproduced", "source"] == [
        column.id for column in table.columns
    ]
    assert (
        (
            "net, macs of conv = 3.8e3 (a book): dense layers left out "
            "[what makes it: net: MACs of convolutions only, 3,888, cut off]"
        ),
        "net, param_kib = 9 (a book): nothing says why it differs [what makes it: nothing that was tried]",
        "net, output = 4x4 (a book): nothing says why it differs",
    ) == table.notes


def test_the_title_says_how_many_figures_of_which_networks():
    assert "net, 5 published figures" == claims_table([LEDGER]).title
    assert "2 networks, 10 published figures" == claims_table([LEDGER, LEDGER]).title


def test_a_network_of_which_nothing_was_published_has_no_lines():
    table = claims_table([Ledger(cnnprof_version="1", model="net", source="net.yaml", claims=())], notes=True)

    assert ("net, 0 published figures", ()) == (table.title, table.lines)


ERRATA = (
    Erratum(deck="0, 1", what="layers", published="7", right="8", why="one was forgotten", model="net"),
    Erratum(deck="2", what="a formula", published="a", right="−a", why="a sign"),
)


def test_an_erratum_is_a_line_with_its_reason():
    assert [
        {"deck": "0, 1", "what": "layers", "published": "7", "right": "8", "model": "net", "why": "one was forgotten"},
        {"deck": "2", "what": "a formula", "published": "a", "right": "−a", "model": None, "why": "a sign"},
    ] == records(errata_table(ERRATA))


def test_people_get_the_reasons_of_errata_as_notes():
    assert (
        "decks 0, 1, layers: 7, rightly 8; one was forgotten",
        "deck 2, a formula: a, rightly −a; a sign",
    ) == errata_table(ERRATA, notes=True).notes
