"""A real TeX compiles what ``-f latex`` writes, and the page shows every digit. Run with ``pytest -m tex``.

It needs pdflatex with booktabs, siunitx and longtable (Debian: texlive-latex-recommended, texlive-science) and
pdftotext (poppler-utils).
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import cnnprof
from cnnprof.report import render
from cnnprof.report.base import Report
from cnnprof.report.tables import record_table, report
from tests.faults.test_hostile_names import HOSTILE, everywhere
from tests.unit.report.samples import analysis, row, unknown

pytestmark = pytest.mark.tex

DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs,graphicx,longtable,siunitx}
\sisetup{group-separator={,}}
\begin{document}
%s
\end{document}
"""


def printed(folder: Path, *texts: str) -> str:
    """Return the text of the pages that pdflatex makes of some tables; an error or a letter it lacks fails the test."""
    inputs = []
    for at, text in enumerate(texts):
        (folder / f"t{at}.tex").write_text(text, encoding="utf-8")
        inputs.append(rf"\input{{t{at}}}\clearpage")
    (folder / "document.tex").write_text(DOCUMENT % "\n".join(inputs), encoding="utf-8")
    for _ in range(2):  # the second time reads what the first has written beside the page
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        assert 0 == done.returncode, done.stdout.decode("latin-1")[-2000:]
    log = (folder / "document.log").read_text("latin-1")
    assert [] == re.findall("^Missing character.*", log, re.MULTILINE)
    done = subprocess.run(["pdftotext", "-layout", "document.pdf", "-"], cwd=folder, capture_output=True, check=True)
    return done.stdout.decode("utf-8")


@pytest.mark.parametrize("model", ["vgg16", "resnet50"])
def test_a_page_shows_every_number_of_a_network(tmp_path, model):
    result = cnnprof.analyze(model)

    text = printed(tmp_path, render(report([result], columns=["name", "params", "macs"]), "latex"))

    numbers = [(row.params, row.macs) for row in result.rows] + [(result.totals.params, result.totals.macs)]
    assert [(f"{params:,}", f"{macs:,}") for params, macs in numbers] == re.findall(
        r"^ *[a-z].*? {2,}([\d,]+) +([\d,]+)$", text, re.MULTILINE
    )
    assert f"{result.totals.macs:,} MACs" in re.sub(" +", " ", text)


def test_the_usual_tables_of_networks_fit_their_pages(tmp_path):
    results = [cnnprof.analyze(model) for model in ("lenet5", "vgg16", "resnet50", "alexnet_2012")]

    text = printed(tmp_path, *(render(report([each]), "latex") for each in results))

    assert "Overfull" not in (tmp_path / "document.log").read_text("latin-1")
    assert 2 == text.count(": (continued)")
    assert "138,357,544" in text


def test_several_models_are_one_line_each(tmp_path):
    results = [cnnprof.analyze("lenet5", batch=batch) for batch in (1, 32)]

    text = printed(tmp_path, render(report(results), "latex"))

    assert ["416,520", "13,328,640"] == re.findall(
        r"^ *lenet5 .* ([\d,]+) +[\d,]+ +[\d,]+ +\S+ [KM]iB ", text, re.MULTILINE
    )


def test_bounds_shares_and_memory_keep_their_digits(tmp_path):
    rows = [
        row("a", macs=12345678901, activation_bytes=12845056), row("b", macs=1, activation_bytes=480), unknown("c"),
        row("d", macs=987654321, activation_bytes=1048575),
    ]  # fmt: skip
    columns = ["name", "macs", "share", "activation_bytes"]

    text = printed(tmp_path, render(report([analysis(rows)], columns=columns)._replace(extra=()), "latex"))

    assert [
        ["a", "12,345,678,901", "92.6", "12.25 MiB"],
        ["b", "1", "<0.1", "480 B"],
        ["c", "?", "?", "?"],
        ["d", "987,654,321", "7.4", "1.00 MiB"],
        ["total", "≥ 13,333,333,223", "100", "≥ 13.25 MiB"],
    ] == [re.split(" {2,}", line.strip()) for line in text.splitlines() if re.match(r" *(?:[abcd]|total) ", line)]


def test_no_name_breaks_a_page(tmp_path):
    text = printed(tmp_path, *(render(report([everywhere(name)]), "latex") for name in HOSTILE))

    assert r"\input{x}, input 3 × 8 × 8" in text
    assert len(HOSTILE) == len(re.findall(r"traffic\s+between\s+places", text))


def test_accents_and_unknown_letters_are_printed(tmp_path):
    words = ["Café", "Ångström", "Łódź", "Erdős", "卷", "a--b", "?`x", "[1em]", "'x''"]

    text = printed(tmp_path, render(Report(record_table("words", [{"w": word} for word in words])), "latex"))

    assert [r"\u5377", "a--b", "[1em]"] == re.findall(r"^ *(\\u5377|a--b|\[1em\])$", text, re.MULTILINE)
