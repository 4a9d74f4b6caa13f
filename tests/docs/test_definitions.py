"""docs/definitions.md is complete and true: every number is defined and in the table, every named test exists."""

from __future__ import annotations

import re

from cnnprof.model.analysis import Totals
from cnnprof.report.columns import LAYER_COLUMNS
from cnnprof.report.totals import _OTHER_TOOLS, _TOTALS
from tests.docs.pages import PAGES, ROOT, section

PAGE = (ROOT / "docs" / "definitions.md").read_text(encoding="utf-8")
QUANTITIES = {"count", "bytes", "sizes", "fraction", "ratio"}
"""Kinds of columns that are quantities; the others name, place or describe a layer."""


def defined(page: str) -> set[str]:
    """Return the identifiers of the headings: ``### Parameters (`params`, `bias_params`)``."""
    return set(re.findall(r"`(\w+?)…?`", "\n".join(re.findall(r"^### .*$", page, re.MULTILINE))))


def undefined(names: set[str]) -> set[str]:
    """Return the names that no heading covers; ``torchsummary_…`` covers every name that begins so."""
    known = defined(PAGE)
    return {
        name for name in names if name not in known and not (name.startswith("torchsummary_") and name[:13] in known)
    }


def test_every_column_that_is_a_quantity_is_defined():
    quantities = {name for name, each in LAYER_COLUMNS.items() if each.column.kind in QUANTITIES}

    assert set() == undefined(quantities)
    assert {"macs", "window_cut", "torchsummary_outputs"} <= quantities


def test_every_total_is_defined():
    about = {"layers", "events", "unknown_ops", "input_bytes"}

    assert set() == undefined(set(Totals.__struct_fields__) - about)


def test_a_quantity_without_a_definition_is_noticed():
    assert {"energy"} == undefined({"energy", "macs"})


TABLE = section(PAGE, "Every number and what it was checked against")


def lines_of(table: str) -> dict[str, list[str]]:
    """Return, by every name in the first cell of a line, the line's other cells."""
    found: dict[str, list[str]] = {}
    for line in table.splitlines():
        first, *cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] or [""]
        found |= dict.fromkeys(re.findall(r"`(\w+)`", first), cells)
    return found


def numbers_of_the_report() -> set[str]:
    """Return the columns, and the sums that are no column."""
    return {*LAYER_COLUMNS, *Totals.__struct_fields__, *(name for name, _, _ in (*_TOTALS, *_OTHER_TOOLS))} - {"events"}


def test_every_number_of_the_report_is_in_the_table():
    table = lines_of(TABLE)

    assert set() == numbers_of_the_report() - set(table)
    assert {"transfers", "saved_bytes"} == set(table) - numbers_of_the_report()


def test_every_number_in_the_table_says_what_it_is_what_it_was_checked_against_and_how_closely():
    table = lines_of(TABLE)

    assert {3} == {len(cells) for cells in table.values()}
    assert ["unknown_ops"] == [name for name, cells in table.items() if not all(cells)]


def test_a_number_that_the_table_lacks_is_noticed():
    lines = [line for line in TABLE.splitlines() if "`intensity`" not in line]

    assert {"intensity"} == numbers_of_the_report() - set(lines_of("\n".join(lines)))


def existing_tests() -> set[str]:
    files = (ROOT / "tests").rglob("test_*.py")
    return {name for file in files for name in re.findall(r"^ *def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)}


def test_every_test_that_a_page_names_exists():
    named = {name for page in PAGES for name in re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8"))}

    assert set() == named - existing_tests() - {"test_a_kernel_larger_than_the_input_is_refused"}
    assert 20 <= len(named)


def test_every_definition_names_a_test_that_checks_it():
    parts = re.split(r"^##+ ", PAGE, flags=re.MULTILINE)[1:]
    unchecked = [part.split("\n")[0] for part in parts if len(part.split("\n\n")) > 2 and "`test_" not in part]

    assert [] == unchecked
