"""``cnnprof claims``: what is asked for, what is printed, what the exit code says."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from cnnprof.__main__ import main

SPEC = """\
cnnprof: 1
name: claimed
input: [3, 8, 8]
layers: [conv2d: {out_channels: 4, kernel_size: 3}]
expect:
  facts:
    - {of: params, value: "112", source: right}
    - {of: params, value: "108", source: "no biases", holds: false, why: the biases are left out}
    - {of: top1_accuracy, value: "71.5", source: somebody}
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("claimed.yaml").write_text(SPEC)
    Path("wrong.yaml").write_text(SPEC.replace('"112"', '"113"'))
    Path("broken.yaml").write_text(SPEC.replace("of: params", "of: parms"))
    return tmp_path


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def test_each_figure_is_a_line_and_what_differs_is_explained_below(capsys):
    assert 0 == main(["claims", "claimed.yaml"])

    out, err = capsys.readouterr()
    assert "claimed, 3 published figures" == out.splitlines()[0]
    assert ["claimed", "params", "112", "112", "yes", "right"] == out.splitlines()[4].split()
    assert ["claimed", "top1_accuracy", "71.5", "measured", "elsewhere", "somebody"] == out.splitlines()[6].split()
    assert (
        "note: claimed, params = 108 (no biases): the biases are left out "
        "[what makes it: claimed: parameters without biases, 108]"
    ) == out.splitlines()[7]
    assert "" == err


def test_several_networks_are_one_table(capsys):
    Path("other.yaml").write_text(SPEC.replace("claimed", "other"))

    assert 0 == main(["claims", "claimed.yaml", "other.yaml", "-f", "csv"])
    assert ["claimed"] * 3 + ["other"] * 3 == [line["model"] for line in rows(capsys.readouterr().out)]


def test_json_has_numbers_as_numbers(capsys):
    assert 0 == main(["claims", "claimed.yaml", "-f", "json"])

    (table,) = json.loads(capsys.readouterr().out)["tables"]
    assert [112, 112, None] == [line["computed"] for line in table["rows"]]
    assert "claimed: parameters without biases, 108" == table["rows"][1]["reproduced_by"]


def test_a_file_gets_the_format_of_its_suffix(capsys):
    assert 0 == main(["claims", "claimed.yaml", "-o", "claims.md", "-o", "claims.csv"])

    assert "wrote claims.md\nwrote claims.csv\n" == capsys.readouterr().err
    assert Path("claims.md").read_text().startswith("## claimed, 3 published figures\n")
    assert 3 == len(rows(Path("claims.csv").read_text()))


def test_a_specification_that_is_wrong_about_its_figures_is_a_finding(capsys):
    assert 1 == main(["claims", "wrong.yaml", "claimed.yaml"])
    assert "claimed: the published figure params = 113 (right) is not what is counted: 112\n" == capsys.readouterr().err


def test_a_figure_that_is_not_reproduced_is_no_finding_where_that_is_said(capsys):
    assert 0 == main(["claims", "claimed.yaml", "--quiet"])
    assert "108" in capsys.readouterr().out


def test_one_bad_model_does_not_cost_the_others(capsys):
    assert 4 == main(["claims", "broken.yaml", "claimed.yaml", "-f", "csv"])

    out, err = capsys.readouterr()
    assert 3 == len(rows(out))
    assert "speaks of 'parms', which is not counted" in err


@pytest.mark.parametrize("argv", [[], ["--decks", "vgg16"]])
def test_models_or_the_decks_must_be_named_and_not_both(argv, capsys):
    assert 2 == main(["claims", *argv])
    assert "error[usage] claims needs a MODEL or --decks, not both" == capsys.readouterr().err.splitlines()[0]


def test_a_network_without_published_figures_says_so(capsys):
    assert 0 == main(["claims", "INPUT 3x8x8 -> CONV3-4"])
    assert "pattern, 0 published figures\n" == capsys.readouterr().out


def test_the_errata_of_the_decks_are_printed_with_their_reasons(capsys):
    assert 0 == main(["claims", "--decks", "-f", "csv"])

    found = rows(capsys.readouterr().out)
    assert {"0", "0, 1", "1", "2", "3", "4"} == {line["deck"] for line in found}
    (vgg,) = (line for line in found if line["published"] == "15.3e9")
    assert ("15,470,264,320; 15,346,630,656 in convolutions", "vgg16") == (vgg["right"], vgg["model"])


def test_an_erratum_that_is_one_itself_is_a_finding(capsys, monkeypatch):
    from cnnprof import api
    from cnnprof.model.claims import Erratum

    wrong = Erratum(deck="0", what="layers", published="8", right="8", why="", model="net", agrees=False)
    monkeypatch.setattr(api, "errata", lambda: (wrong,))

    assert 1 == main(["claims", "--decks"])
    assert "deck 0, layers: what was published is what is counted\n" == capsys.readouterr().err


@pytest.mark.parametrize("argv", [["vgg16"], ["--decks"]])
def test_claims_need_neither_torch_nor_pandas_nor_colour(argv):
    code = (
        "import sys; from cnnprof.__main__ import main; main(['claims', *sys.argv[1:]]); "
        "print(sorted({'torch', 'pandas', 'rich', 'jinja2', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    root = str(Path(__file__).parents[3])
    done = subprocess.run([sys.executable, "-c", code, *argv], cwd=root, capture_output=True, text=True, check=True)

    assert "[]\n" == done.stderr
