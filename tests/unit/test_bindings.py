"""What runs can do: become a data frame, a notebook's table, rich's; and their ledger."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from cnnprof import bindings, offload
from cnnprof.errors import UsageError
from cnnprof.measure.samples import samples
from cnnprof.measure.summary import summarise
from cnnprof.model.run import Run
from tests.helpers.parts import part
from tests.unit.report.samples import small

bindings.bind_run(summarise, samples, offload.offloads)

PART = part({"conv": 40_000, "relu": 300, "fc": 20_000}, analysis=small())


def run(*parts) -> Run:
    return Run(cnnprof_version="1", id="x", created="now", parts=parts)


def test_a_run_of_one_part_has_its_ledger():
    assert PART.ledger == run(PART).ledger
    assert 62.3e-6 == pytest.approx(run(PART).ledger.end_to_end.median_s)


def test_a_run_of_several_parts_says_where_the_ledgers_are():
    with pytest.raises(UsageError) as caught:
        _ = run(PART, PART).ledger

    assert ("a run of 2 parts has as many ledgers", "run.parts[0].ledger") == (caught.value.message, caught.value.hint)


def test_a_run_becomes_a_data_frame():
    frame = run(PART, PART).to_frame()

    assert ["conv", "relu", "pool", "fc"] * 2 == list(frame["name"])


def test_a_run_is_shown_in_notebooks_and_by_rich():
    console = Console(file=StringIO(), width=100)
    console.print(run(PART))

    assert "40.00 µs" in console.file.getvalue()
    assert "40.00 µs" in run(PART)._repr_html_()


def test_the_budget_of_a_run_reaches_its_doubts():
    found = run(part({"conv": 40_000}, steady=False, analysis=small()))

    assert "--budget 60s" in found._repr_html_()
