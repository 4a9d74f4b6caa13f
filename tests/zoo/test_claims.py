"""What the ledger says of figures that people ask about, and the errata of the course decks."""

from __future__ import annotations

import re

import pytest

import cnnprof
from cnnprof.published.decks import ROWS, Slip


def made_by(model: str, of: str, value: str, at: str | None = None) -> list[str]:
    """Return what makes a figure of a network; it must not be reproduced."""
    (claim,) = (
        claim
        for claim in cnnprof.claims(model).claims
        if (claim.fact.of, claim.fact.value, claim.fact.at) == (of, value, at)
    )
    assert claim.reproduced is False
    return [str(match) for match in claim.matches]


def test_he_et_als_3_8_billion_is_the_form_with_its_stride_in_the_1x1_cut_off():
    assert ["resnet50_v1: MACs, 3,857,973,248, cut off"] == made_by("resnet50", "macs", "3.8e9")
    assert ["resnet50_v1: MACs, 3,857,973,248, cut off"] == made_by("resnet50_v1", "macs", "3.8e9")


def test_the_15_3_billion_of_vgg16_are_its_convolutions():
    assert ["vgg16: MACs of convolutions only, 15,346,630,656"] == made_by("vgg16", "macs", "15.3e9")


def test_the_24_million_values_of_vgg16_are_made_by_nothing():
    assert [] == made_by("vgg16_cs231n", "stored_elements", "24e6")
    assert [] == made_by("vgg16_cs231n", "stored_mib", "93")


def test_what_a_tool_calls_mb_is_mib():
    assert ["dense_1000: parameters × 4 bytes, in MiB, 574.2226"] == made_by("dense_1000", "param_mb", "574.22")


def test_the_380k_of_an_inception_module_have_its_biases():
    assert ["googlenet_2014: parameters, in Ki, 379.6250"] == made_by(
        "googlenet_2014", "weights_ki", "380", "inception3b"
    )


@pytest.mark.parametrize(
    ("of", "value", "at"),
    [
        ("macs", "54e6", "inception5a"),
        ("weights_ki", "364", "inception4a"),
        ("weights_ki", "463", "inception4c"),
        ("weights_ki", "580", "inception4d"),
        ("weights_ki", "1072", "inception5a"),
        ("weights_ki", "1388", "inception5b"),
    ],
)
def test_rows_of_googlenets_table_that_nothing_makes_stay_listed(of, value, at):
    assert [] == made_by("googlenet_2014", of, value, at)


# The decks


def errata() -> list[tuple[str, str, str]]:
    return [(each.deck, each.published, each.right) for each in cnnprof.errata()]


ERRATA = [
    ("0", "28,854,497", "28,054,497"),
    ("0", "2,359,880", "2,359,808"),
    ("0", "182,764,544", "102,764,544"),
    ("0", "69,645", "69,649"),
    ("0, 1", "96x55x55", "96x54x54"),
    ("0", "574.22", "602.12 MB, 574.22 MiB"),
    ("0", '"a single filter"', "1,000 filters, 28,000 parameters"),
    ("0", "… = 1, … = 0", "as written, 0 and 2"),
    ("1", "150,528", "154,587"),
    ("1", "253,440", "290,400"),
    ("1", "233.08", "244.40 MB, 233.08 MiB"),
    ("1", "25e6", "25,557,032"),
    ("1", "3.8e9", "4,089,184,256; 3,857,973,248 with the stride in the 1×1"),
    ("1", "15.3e9", "15,470,264,320; 15,346,630,656 in convolutions"),
    ("1", "x[c, rj + n, si + m]", "x[c, hj + n, wi + m]"),
    ("1", "b[j, i], one for every position", "b, one for every filter"),
    ("1", '"sparse Toeplitz circulant matrix"', "doubly-blocked Toeplitz, 4×16 with 36 non-zeros"),
    ("2", "5e6", "6,998,552"),
    ("2", "Σ y log ŷ", "−Σ y log ŷ"),
    ("3", "208", "608"),
    ("3", "46x10x10", "16x10x10"),
    ("3", "416", "3,216"),
    ("3", "48,001", "48,120"),
    ("3", "10,081", "10,164"),
    ("3", "841", "850"),
    ("3", "156", "456"),
    ("3", "(n + 2p − f) / s + 1", "⌊(n + 2p − f) / s⌋ + 1"),
    ("4", "24e6", "15,237,608"),
    ("4", "93", "58 MiB"),
    ("4", "three", "two: extent F and stride S"),
]


@pytest.mark.parametrize("erratum", ERRATA, ids=lambda erratum: f"deck {erratum[0]}: {erratum[1]}")
def test_each_erratum_of_the_decks_has_what_was_published_and_what_is_right(erratum):
    assert erratum in errata()


def test_there_are_no_other_errata_and_each_has_a_reason():
    assert ERRATA == errata()
    assert [] == [each.what for each in cnnprof.errata() if not each.why]


def test_no_erratum_is_one_itself():
    assert [] == [each.what for each in cnnprof.errata() if not each.agrees]


def test_each_figure_of_a_deck_that_does_not_hold_is_among_the_errata():
    listed = {(row.figure.model, row.figure.of, row.figure.at, row.value) for row in ROWS if isinstance(row, Slip)}
    slips = {
        (name, fact.of, fact.at, fact.value)
        for name in cnnprof.zoo()
        for fact in cnnprof.load(name).facts
        if not fact.holds and re.search(r"\bdecks? \d", fact.source)
    }

    assert 22 == len(slips)
    assert slips == listed


def test_the_sums_that_deck_0_writes_down_are_not_the_image_s():
    """The third and the fourth, with the factors as they are written."""
    third = -1 * 0 - 2 * 0 - 1 * 1 + 0 * 1 + 0 * 1 + 0 * 0 + 1 * 1 + 2 * 0 + 1 * 0
    fourth = -1 * 0 - 2 * 0 - 1 * 1 + 0 * 0 + 0 * 0 + 0 * 1 + 1 * 0 + 2 * 1 + 1 * 1

    assert (0, 2) == (third, fourth)


def test_the_rows_of_deck_1s_matrix_move_on_by_one_and_where_a_line_ends_by_three():
    first = [1, 4, 1, 0, 1, 4, 3, 0, 3, 3, 1, 0, 0, 0, 0, 0]
    printed = [
        first,
        [0, 1, 4, 1, 0, 1, 4, 3, 0, 3, 3, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 4, 1, 0, 1, 4, 3, 0, 3, 3, 1, 0],
        [0, 0, 0, 0, 0, 1, 4, 1, 0, 1, 4, 3, 0, 3, 3, 1],
    ]

    assert printed == [[0] * shift + first[: 16 - shift] for shift in (0, 1, 1 + 3, 1 + 3 + 1)]
