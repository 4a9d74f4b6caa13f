"""README.md is true: its install lines are what CI runs, and every output it shows is what the command prints."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest

import cnnprof
from cnnprof.__main__ import main
from tests.docs.pages import ROOT, Block, blocks, refreshed, section, shown

PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
CPU_BUILD = "pip install torch==2.13.0 torchvision==0.28.0 --index-url https://download.pytorch.org/whl/cpu"
INSTALL = [
    "pip install -c constraints.txt '.[torch]' && cnnprof profile vgg16",
    "pip install -c constraints.txt -e '.[test]' && pytest",
    "pip install -c constraints.txt . && cnnprof analyze vgg16",
]
SHOWN = [block for block in blocks(PAGE) if block.language == "console"]


def test_the_install_lines_are_these_and_the_cpu_build_comes_before_one_that_may_fetch_gigabytes():
    assert [CPU_BUILD, *INSTALL] == [block.text.strip() for block in blocks(section(PAGE, "Install"))]


def test_ci_installs_with_the_readmes_line_and_then_runs_pytest():
    install, test = INSTALL[1].split(" && ")
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()

    assert install in lines
    assert [test] == [line.split()[0] for line in lines if line.startswith("pytest")]


def test_the_extras_that_the_readme_installs_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = set(re.findall(r"'\.\[(\w+)\]'", PAGE))

    assert {"torch", "test"} == asked
    assert asked <= set(project["optional-dependencies"])


def test_the_torch_of_the_cpu_line_is_the_pinned_one():
    assert f"{CPU_BUILD.split()[2]}\n" in (ROOT / "constraints.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [line.split(" && ")[1] for line in (INSTALL[0], INSTALL[2])])
def test_the_main_jobs_print_a_table_of_vgg16(command, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("CNNPROF_STORE", str(tmp_path / "runs.sqlite3"))

    code = main(command.split()[1:])

    out = capsys.readouterr().out
    assert 0 == code
    assert "vgg16" == re.split(r"\W", out)[0]
    assert ["138,357,544", "15,470,264,320"] == re.findall(r"^total .*$", out, re.MULTILINE)[0].split()[1:3]
    assert ("end to end" in out) == ("profile" in command)


def test_the_main_job_needs_no_torch():
    no_torch = "import sys; sys.modules['torch'] = None"  # makes every import of it fail
    code = f"{no_torch}; from cnnprof.__main__ import main; sys.exit(main(['analyze', 'vgg16']))"

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)
    assert "15,470,264,320" in done.stdout


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.commands[0][:40])
def test_an_output_in_the_readme_is_what_the_command_prints(block: Block):
    command, *rest = block.text.split("\n")

    assert "\n".join(rest).rstrip() == shown(command.removeprefix("$ ")).rstrip()


def test_the_readme_shows_a_table_a_pattern_and_an_error():
    typed = "\n".join(command for block in SHOWN for command in block.commands)

    assert ["cnnprof analyze lenet5", 'cnnprof analyze "INPUT ', "cnnprof analyze -"] == re.findall(
        r'cnnprof analyze (?:lenet5$|"INPUT |-$)', typed, re.MULTILINE
    )


def test_refreshing_a_page_writes_what_a_command_prints_now():
    stale = "before\n```console\n$ cnnprof --version\ncnnprof 0.0.0\n```\nafter\n"

    assert f"before\n```console\n$ cnnprof --version\ncnnprof {cnnprof.__version__}\n```\nafter\n" == refreshed(stale)


def test_the_specification_in_the_readme_is_counted(tmp_path):
    (text,) = [block.text for block in blocks(PAGE) if block.language == "yaml"]
    path = tmp_path / "small.yaml"
    path.write_text(text, encoding="utf-8")

    analysis = cnnprof.analyze(str(path), set={"width": 128}, batch=32)

    assert (9, 32, (32, 10)) == (analysis.totals.layers, analysis.batch, analysis.rows[-1].outputs[0].shape)


def test_the_columns_that_the_readme_explains_are_in_the_table_it_shows():
    table = SHOWN[0].text
    explained = re.findall(r"^\| ([^|]+?) \| ", section(PAGE, "What it prints"), re.MULTILINE)[1:]

    assert 8 == len(explained)
    assert [] == [name for names in explained for name in names.split(", ") if name not in table]
