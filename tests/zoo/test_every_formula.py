"""Every cell of every network of the zoo has a formula that evaluates to it, by an evaluator of its own."""

from __future__ import annotations

import re

import pytest

import cnnprof
from cnnprof.model.plain import replace
from tests.helpers.formula_check import WITHOUT, wrong

KNOWN: set[object] = set()
"""Pairs of a formula and its cell that an earlier network had too."""


@pytest.mark.parametrize("name", cnnprof.zoo())
def test_every_formula_of_a_network_is_its_cell(name):
    analysis = cnnprof.analyze(name, formulas=True)

    assert len(analysis.rows) == len(analysis.formulas)
    assert [] == wrong(analysis, analysis.formulas, KNOWN)


@pytest.mark.parametrize("name", ["alexnet_2012", "googlenet", "mobilenet_v3_small", "resnet18", "convnext_tiny"])
@pytest.mark.parametrize("options", [{"batch": 8}, {"dtype": "float16"}, {"freeze": "*1*"}], ids=str)
def test_so_it_is_with_a_batch_another_dtype_and_frozen_layers(name, options):
    analysis = cnnprof.analyze(name, formulas=True, **options)

    assert [] == wrong(analysis, analysis.formulas)


def test_only_what_is_told_and_not_computed_has_no_formula():
    assert ("name", "op", "input", "place", "frozen", "when", "source", "args") == WITHOUT


# The test can fail


def test_a_wrong_number_in_any_formula_is_found():
    analysis = cnnprof.analyze("lenet5", formulas=True)
    (first, *others) = analysis.formulas

    for column, text in first.items():
        other = re.sub(r"[\d,]*\d", lambda found: str(int(found[0].replace(",", "")) + 1), text, count=1)
        (finding,) = wrong(analysis, ({**first, column: other}, *others))

        assert finding.startswith(f"c1: {column}: {other} is ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "156)",
        "(156",
        "5·5·1·6 + ",
        "5 5",
        "5*5",
        "1560/10",
        "156.0",
        "1,56",
        "0156",
        "+ 156",
        "156 − -0",
        "max()",
        "⌊156⌉",
    ],
)
def test_what_is_not_in_the_grammar_is_found(text):
    analysis = cnnprof.analyze("lenet5", formulas=True)
    (first, *others) = analysis.formulas

    (finding,) = wrong(analysis, ({**first, "params": text}, *others))

    assert finding.startswith(f"c1: params: {text} is no formula")


def test_a_formula_that_is_missing_or_too_many_is_found():
    analysis = cnnprof.analyze("lenet5", formulas=True)
    (first, *others) = analysis.formulas
    without = {name: text for name, text in first.items() if name != "params"}

    assert ["c1: params: the cell is 156, its formula None"] == wrong(analysis, (without, *others))
    assert ["c1: cost: no such column"] == wrong(analysis, ({**first, "cost": "1"}, *others))


def test_a_cell_that_changes_without_its_formula_is_found():
    analysis = cnnprof.analyze("lenet5", formulas=True)
    rows = (replace(analysis.rows[0], trainable_params=157), *analysis.rows[1:])
    broken = replace(analysis, rows=rows)

    found = wrong(broken, analysis.formulas)

    assert "c1: trainable_params: 5·5·1·6 + 6 is not 157" in found
    assert "c1: params: 5·5·1·6 + 6 is not 157" in found
