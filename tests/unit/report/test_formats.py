"""The list of formats."""

from __future__ import annotations

import pytest

from cnnprof.errors import UsageError
from cnnprof.report import FORMATS, SUFFIXES, Format, render
from cnnprof.report.tables import report
from tests.unit.report.samples import small


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_renders_a_report(name):
    text = render(report([small()]), name)

    assert "conv2d" in text


def test_suffixes_name_formats():
    assert {
        ".txt": "table", ".csv": "csv", ".md": "md", ".markdown": "md", ".json": "json", ".tex": "latex",
    } == SUFFIXES  # fmt: skip


def test_an_unknown_format_is_refused_with_the_known_ones():
    with pytest.raises(UsageError) as caught:
        render(report([small()]), "xlsx")

    assert ("there is no format 'xlsx'", "one of table, csv, md, json, latex") == (
        caught.value.message,
        caught.value.hint,
    )


def test_a_new_format_is_one_function_and_one_line(monkeypatch):
    monkeypatch.setitem(FORMATS, "title", Format(f"{__name__}:only_the_title", (".title",)))

    assert "net, input 3×8×8, batch 1, float32, 4 layers" == render(report([small()]), "title")


def only_the_title(found):
    return found.main.title
