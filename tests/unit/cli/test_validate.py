"""``cnnprof validate``: what is asked for, what is printed, what the exit code says. What is found is made by hand."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from cnnprof import api, validator
from cnnprof.__main__ import main
from cnnprof.errors import MissingPackageError
from cnnprof.model.validation import Figure, Validation
from cnnprof.report.terminal import progress

SPEC = (
    "cnnprof: 1\nname: tiny\ninput: [3, 8, 8]\nparams: {w: 4}\nlayers: [conv2d: {out_channels: =w, kernel_size: 3}]\n"
)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(SPEC)
    Path("open.yaml").write_text(SPEC.replace("[3, 8, 8]", "[3, '*', '*']"))


@pytest.fixture
def asked(monkeypatch):
    """Replace the checks by a figure that is equal unless the network's name says another verdict; note the calls."""
    calls: list[tuple[str, object, object]] = []

    def validate(graph, *, against=None, checks=None, claims=None):
        assert claims is not None
        calls.append((graph.name, getattr(against, "name", against), checks))
        if "stop" in graph.name:
            raise validator.Interrupted(made(graph.name, "equal", figures=1))
        return made(graph.name, "differs" if "wrong" in graph.name else "equal", figures=2)

    monkeypatch.setattr(validator, "validate", validate)
    return calls


def made(name: str, verdict: str, *, figures: int) -> Validation:
    figure = Figure(check="macs", what="MACs", ours=1_000, theirs=1_001, verdict=verdict, by="torch", layer="conv2d")
    return Validation(
        cnnprof_version="1", model=name, against=None, versions={"torch": "2.13"}, figures=(figure,) * figures
    )


def named(name: str) -> str:
    Path(f"{name}.yaml").write_text(SPEC.replace("tiny", name))
    return f"{name}.yaml"


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def test_each_figure_is_a_line(asked, capsys):
    assert 0 == main(["validate", "tiny.yaml"])

    out, err = capsys.readouterr()
    assert "tiny, 2 figures: 2 equal" == out.splitlines()[0]
    assert ["macs", "MACs", "1,000", "1,001", "-0.10", "%", "equal", "torch", "conv2d"] == out.splitlines()[4].split()
    assert ("", [("tiny", None, None)]) == (err, asked)


@pytest.mark.usefixtures("asked")
def test_a_mismatch_makes_the_exit_code_1():
    assert 1 == main(["validate", named("wrong")])
    assert 1 == main(["validate", "tiny.yaml", named("wrong")])


@pytest.mark.usefixtures("asked")
def test_a_network_that_cannot_be_read_costs_the_others_nothing(capsys):
    assert 4 == main(["validate", "missing.yaml", "tiny.yaml"])

    out, err = capsys.readouterr()
    assert out.startswith("tiny, 2 figures")
    assert err.startswith("missing.yaml: error[file-missing]") or "error[file-missing]" in err


@pytest.mark.usefixtures("asked")
def test_where_none_can_be_read_the_exit_code_is_the_errors(capsys):
    assert 2 == main(["validate", "missing.yaml"])
    assert "" == capsys.readouterr().out


def test_a_failed_check_is_a_finding(monkeypatch, capsys):
    monkeypatch.setattr(validator, "validate", lambda *_args, **_more: made("tiny", "failed", figures=1))

    assert 1 == main(["validate", "tiny.yaml"])
    assert "tiny, 1 figure: 1 failed" == capsys.readouterr().out.splitlines()[0]


def test_without_torch_the_exit_code_is_3_and_one_line_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)  # makes every import of it fail

    assert 3 == main(["validate", "tiny.yaml"])

    out, err = capsys.readouterr()
    assert "" == out
    assert err.startswith("error[missing] validating needs PyTorch, and importing it fails:")
    assert err.endswith("hint: pip install 'cnnprof[torch]'\n")


def test_what_needs_no_torch_works_without(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)

    assert 0 == main(["validate", "lenet5", "--checks", "facts"])
    assert 1 == main(["validate", "resnet50", "--against", "resnet50_v1"])
    assert "+231,211,008 MACs, receptive field 483 → 427" in capsys.readouterr().out


def test_settings_sizes_and_checks_reach_the_network(asked):
    assert 0 == main(["validate", "tiny.yaml", "--set", "w=8", "--checks", "shapes,macs"])
    assert [("tiny", None, ("shapes", "macs"))] == asked
    assert 0 == main(["validate", "tiny.yaml", "--input", "3x64x64", "--against", "alexnet"])
    assert ("tiny", "alexnet", None) == asked[1]


def test_another_librarys_network_is_named_as_it_is(asked):
    assert 0 == main(["validate", "tiny.yaml", "--against", "torchvision:resnet50"])
    assert [("tiny", "torchvision:resnet50", None)] == asked


def test_a_reference_that_is_not_there_is_refused_before_any_work(asked, capsys):
    assert 2 == main(["validate", "tiny.yaml", "--against", "resnet51"])
    assert "no network of the zoo is called 'resnet51'" in capsys.readouterr().err
    assert [] == asked


@pytest.mark.parametrize(
    ("against", "words"),
    [
        ("torchvision:resnet51", "error[unknown-model] torchvision has no "),
        ("torchvision:", "error[unknown-model] torchvision has no "),
        ("torchvision:resnet18(__import__('os'))", "error[unknown-model] torchvision has no "),
        ("torchvision:resnet18(classes=3)", "torchvision:resnet18(classes=3) cannot be made: "),
    ],
)
def test_a_network_that_torchvision_has_not_is_refused_before_any_work(against, words, asked, capsys):
    assert 2 == main(["validate", "tiny.yaml", "--against", against])
    assert words in capsys.readouterr().err
    assert [] == asked


def test_a_size_that_is_left_open_is_64(monkeypatch):
    graphs = []
    monkeypatch.setattr(
        validator, "validate", lambda graph, **_more: graphs.append(graph) or made("x", "equal", figures=1)
    )

    assert [0, 0] == [main(["validate", "open.yaml", *more]) for more in ([], ["--input", "3x9x9"])]

    assert [(3, 64, 64), (3, 9, 9)] == [graph.inputs[0].shape for graph in graphs]
    assert [("--input 3x64x64",), ("--input",)] == [graph.overridden for graph in graphs]


def test_analyze_still_asks_for_a_size_that_is_left_open(capsys):
    assert 2 == main(["analyze", "open.yaml"])
    assert "hint: give one: --input 3x224x224" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "validate needs a MODEL or --all, not both"),
        (["tiny.yaml", "--all"], "validate needs a MODEL or --all, not both"),
        (["--all", "--against", "vgg16"], "--all validates the zoo as it is"),
        (["--all", "--set", "w=1"], "--all validates the zoo as it is"),
        (["--all", "--input", "3x8x8"], "--all validates the zoo as it is"),
        (["tiny.yaml", "--checks", "shape"], "there is no check 'shape'; did you mean 'shapes'?"),
        (["tiny.yaml", "--checks", "network"], "the check 'network' needs another network"),
        (["tiny.yaml", "--checks", "facts", "--against", "vgg16"], "none of these checks compares with vgg16"),
        (
            ["tiny.yaml", "--checks", "shapes", "--against", "torchvision:vgg16"],
            "none of these checks compares with torchvision:vgg16\n  hint: add reference to --checks",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message, capsys):
    assert 2 == main(["validate", *arguments])

    out, err = capsys.readouterr()
    assert "" == out
    assert message in err


# The zoo


@pytest.fixture
def zoo(monkeypatch):
    def of(*names: str) -> None:
        monkeypatch.setattr(api, "zoo", lambda: [named(name) for name in names])

    return of


@pytest.mark.usefixtures("asked")
def test_all_prints_a_line_per_network_what_is_not_equal_and_the_count(zoo, capsys):
    zoo("one", "wrong", "two")

    assert 1 == main(["validate", "--all"])

    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert ("3 networks, 6 figures: 4 equal, 2 differ", "") == (lines[0], err)
    assert ["one", "2", "2", "0", "0", "0", "0"] == lines[4].split()
    assert ["total", "6", "4", "0", "0", "2", "0"] == lines[8].split()
    assert "2 figures not equal" == lines[10]
    assert 2 == sum(line.startswith("wrong ") and "differs" in line for line in lines)


@pytest.mark.usefixtures("asked")
def test_all_gives_programs_every_figure(zoo, capsys):
    zoo("one", "wrong")

    assert 1 == main(["validate", "--all", "-f", "csv"])
    assert [("one", "equal")] * 2 + [("wrong", "differs")] * 2 == [
        (row["model"], row["verdict"]) for row in rows(capsys.readouterr().out)
    ]


@pytest.mark.usefixtures("asked")
def test_an_interrupt_keeps_what_was_found_until_then(zoo, capsys):
    zoo("one", "stop", "two")

    assert 130 == main(["validate", "--all", "-o", "found.json", "-o", "-"])

    lines = capsys.readouterr().out.splitlines()
    (table,) = json.loads(Path("found.json").read_text())["tables"]
    assert "2 networks, 3 figures: 3 equal" == lines[0] == table["title"]
    assert "note: interrupted: what was found until then, of 2 of 3 networks" == lines[8]
    assert ["one", "one", "stop"] == [row["model"] for row in table["rows"]]


def test_an_interrupt_before_anything_was_found_prints_nothing(monkeypatch, capsys):
    def stop(*_args: object, **_more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(validator, "validate", stop)

    assert 130 == main(["validate", "tiny.yaml"])
    assert ("", "") == capsys.readouterr()


def test_what_is_missing_after_the_first_network_is_said_once(monkeypatch, capsys):
    def refuse(*_args: object, **_more: object) -> None:
        raise MissingPackageError("no torch", hint="pip install it")

    monkeypatch.setattr(validator, "validate", refuse)

    assert 3 == main(["validate", "tiny.yaml", "tiny.yaml"])
    assert "error[missing] no torch\n  hint: pip install it\n" == capsys.readouterr().err


# Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_how_far_it_is_and_nothing_stays(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()

    with progress(stream, 3) as advance:
        for name in ("vgg11", "[/]\x1b]0;t\x07", "vgg16"):
            advance(name)

    shown = stream.getvalue()
    assert "2/3" in shown
    assert "vgg16" in shown
    assert "\x1b]0;" not in shown
    assert shown.endswith(("\x1b[2K", "\r"))


@pytest.mark.parametrize(("stream", "count"), [(io.StringIO(), 3), (Terminal(), 0), (None, 3)])
def test_elsewhere_there_is_no_progress(stream, count):
    with progress(stream, count) as advance:
        advance("vgg16")

    assert "" == ("" if stream is None else stream.getvalue())


def test_help_and_refusals_need_no_torch_and_no_rich():
    code = (
        "import sys\nfrom cnnprof.__main__ import main\n"
        "main(['validate', '--help'])\nmain(['validate', 'missing.yaml'])\n"
        "sys.exit(str([name for name in ('torch', 'rich', 'fvcore') if name in sys.modules]))"
    )
    root = Path(api.__file__).resolve().parents[2]

    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)

    assert "[]" == done.stderr.splitlines()[-1]
