"""Slices in formulas: part of a list, as Python cuts it."""

from __future__ import annotations

import pytest

from cnnprof.readers.formula import FormulaError, parse

DEPTHS = {"depths": [1, 2, 3, 4], "index": 2}


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("depths[:index]", [1, 2]),
        ("depths[index:]", [3, 4]),
        ("depths[1:3]", [2, 3]),
        ("depths[:]", [1, 2, 3, 4]),
        ("depths[-1:]", [4]),
        ("depths[:-1][0]", 1),
        ("sum(depths[:index]) + 1", 4),
        ("depths[9:]", []),
    ],
)
def test_a_slice_cuts_a_list_as_python_does(formula: str, expected: object) -> None:
    assert expected == parse(formula).evaluate(DEPTHS)


@pytest.mark.parametrize(
    ("formula", "code"),
    [
        ("index[:1]", "bad-type"),
        ("depths['a':]", "bad-type"),
        ("depths[1.5:]", "bad-type"),
        ("depths[::2]", "formula-syntax"),
        ("depths[]", "formula-syntax"),
        ("1:2", "formula-syntax"),
    ],
)
def test_anything_else_between_the_brackets_is_an_error(formula: str, code: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse(formula).evaluate(DEPTHS)

    assert code == caught.value.code
