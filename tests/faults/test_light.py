"""FAULTS 25: analyze and --help start fast, import nothing heavy, open no socket, and work in any environment."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from cnnprof.cli.root import COMMANDS
from tests.helpers.processes import CNNPROF, cnnprof, environment, run

HEAVY = {
    "torch", "torchvision", "timm", "numpy", "pandas", "jinja2", "matplotlib", "onnx", "rich", "sqlite3",
    "platformdirs",
}  # fmt: skip
"""Nothing of this is needed to count, or to print into a pipe."""

LOADED = """
import json, sys
{before}
from cnnprof.__main__ import main
code = main({argv!r})
print(json.dumps([code, sorted(name.split(".")[0] for name in sys.modules)]), file=sys.stderr)
"""
GUARDED = """
import sys

def no_socket(event, arguments):
    if event.startswith("socket."):
        print("SOCKET", event, file=sys.stderr, flush=True)
        raise SystemExit(99)

sys.addaudithook(no_socket)
{before}
from cnnprof.__main__ import main
sys.exit(main({argv!r}))
"""
JOBS = [
    ["analyze", "vgg16"],
    ["analyze", "vgg16", "alexnet", "--batch", "1,8", "-f", "json"],
    ["analyze", "INPUT 3x32x32 -> CONV5-10 -> RELU"],
    ["--help"],
    ["zoo"],
    ["schema"],
    ["doctor"],
    ["init"],
    ["explain", "--error", "bad-shape"],
    *([command, "--help"] for command in COMMANDS),
]
EXACT = ("138,357,544", "15,470,264,320", "102,764,544", "1,849,688,064")
"""Numbers of VGG-16's table that a pipe must get whole."""


def python(program: str, **options) -> tuple[int, str, str]:
    done = run([sys.executable, "-c", program], **options)
    return done.code, done.out, done.err


# Nothing heavy is imported


def loaded(argv: list[str], before: str = "") -> set[str]:
    _, _, err = python(LOADED.format(argv=argv, before=before))
    code, names = json.loads(err.splitlines()[-1])
    assert 0 == code
    return set(names)


@pytest.mark.parametrize("argv", JOBS, ids=" ".join)
def test_nothing_heavy_is_imported(argv):
    assert set() == loaded(argv) & HEAVY


@pytest.mark.parametrize("package", ["jinja2", "pandas"])
def test_a_heavy_import_would_be_seen(package):
    assert package in loaded(["--help"], f"import {package}") & HEAVY


def test_counting_needs_no_readers_of_other_formats_and_help_needs_no_readers_at_all():
    program = LOADED.replace('name.split(".")[0]', "name").format(argv=["--help"], before="")
    _, _, err = python(program)
    names = json.loads(err.splitlines()[-1])[1]

    assert [] == [name for name in names if name.startswith(("cnnprof.readers", "cnnprof.layers", "msgspec", "yaml"))]


# No network


@pytest.mark.parametrize("argv", JOBS, ids=" ".join)
def test_no_socket_is_opened(argv):
    code, _, err = python(GUARDED.format(argv=argv, before=""))

    assert (0, "") == (code, err)


def test_a_socket_would_be_seen():
    code, _, err = python(GUARDED.format(argv=["--help"], before="import socket\nsocket.socket()"))

    assert (99, "SOCKET socket.__new__\n") == (code, err)


def without_network() -> list[str]:
    """The command before a command that takes the network away, where this system lets us; else nothing."""
    for prefix in (["unshare", "-n"], ["unshare", "-rn"]):
        if (
            shutil.which("unshare")
            and 0 == subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode
        ):
            return prefix
    return []


@pytest.mark.parametrize("argv", [["analyze", "vgg16"], ["--help"], ["doctor"]])
def test_a_system_without_a_network_is_enough(argv):
    done = run([*without_network(), *CNNPROF, *argv])

    assert (0, "") == (done.code, done.err)


# Any environment


def vgg16(**changes: str | None) -> str:
    """The table of VGG-16 under a changed environment."""
    done = cnnprof("analyze", "vgg16", env=environment(**changes))
    assert (0, "") == (done.code, done.err)
    return done.out


@pytest.mark.parametrize(
    "changes",
    [
        {"HOME": None},
        {"HOME": "/proc"},  # nobody can write there, not even root
        {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/proc", "XDG_DATA_HOME": "/proc", "TMPDIR": "/proc"},
        {"PYTHONDONTWRITEBYTECODE": "1", "PATH": "", "LANG": None},
        {"TERM": None},
        {"TERM": "dumb"},
        {"NO_COLOR": "1"},
        {"COLUMNS": "20"},
        {"COLUMNS": "0"},
        {"COLUMNS": "wide"},
    ],
    ids=str,
)
def test_the_table_in_a_pipe_is_the_same_in_any_environment(changes):
    assert vgg16() == vgg16(**changes)


@pytest.mark.parametrize("changes", [{}, {"COLUMNS": "20"}, {"LC_ALL": "C"}], ids=str)
def test_a_pipe_loses_no_digit(changes):
    out = vgg16(**changes)

    assert [] == [number for number in EXACT if number not in out]


def test_a_pipe_gets_no_escape_sequence():
    assert "\x1b" not in vgg16(FORCE_COLOR="1", CLICOLOR_FORCE="1")


def test_plain_text_is_printed_where_that_is_asked():
    assert vgg16(LC_ALL="C").isascii()
    assert not vgg16(LC_ALL="C.UTF-8").isascii()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-16"])
def test_an_encoding_without_our_signs_is_no_error(encoding):
    done = subprocess.run([*CNNPROF, "analyze", "vgg16"], capture_output=True, check=False,
                          env=environment(PYTHONIOENCODING=encoding))  # fmt: skip

    assert (0, b"") == (done.returncode, done.stderr)
    assert "138,357,544" in done.stdout.decode(encoding)


def test_a_session_without_a_terminal_is_enough():
    done = run([*CNNPROF, "analyze", "vgg16"], start_new_session=True)

    assert (0, "") == (done.code, done.err)


def test_a_folder_that_is_gone_is_no_obstacle(tmp_path):
    (tmp_path / "gone").mkdir()
    code = f"import os; os.chdir({str(tmp_path / 'gone')!r}); os.rmdir('.' + '/../gone'); "
    code, out, err = python(code + "from cnnprof.__main__ import main; raise SystemExit(main(['analyze', 'vgg16']))")

    assert (0, "") == (code, err)
    assert "138,357,544" in out


def test_nothing_is_written_into_the_home_directory(tmp_path):
    vgg16(HOME=str(tmp_path), XDG_CACHE_HOME=None, XDG_DATA_HOME=None, XDG_CONFIG_HOME=None)

    assert [] == list(tmp_path.iterdir())


# A terminal


def on_terminal(columns: int, *argv: str, **changes: str | None) -> str:
    """What a command prints on a terminal of some width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = environment(TERM="xterm-256color", COLUMNS=None, NO_COLOR=None, LC_ALL="C.UTF-8") | changes
    with subprocess.Popen([*CNNPROF, *argv], stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=env) as child:
        os.close(theirs)
        text = b"".join(iter(lambda: _read(ours), b"")).decode()
        os.close(ours)
        assert (b"", 0) == (child.stderr.read(), child.wait(timeout=60))
    return text.replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux says so where the other side is closed
        return b""


def without_colour(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_a_terminal_of_20_columns_shows_what_fits_and_says_nothing_wrong():
    text = without_colour(on_terminal(20, "analyze", "vgg16"))

    assert "conv1_1" in text
    for number in re.findall(r"\d[\d,]{4,}\d", text):
        assert number.replace(",", "") in cnnprof("analyze", "vgg16", "-f", "json").out.replace(",", "")


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_the_lines_of_a_table_fit_into_the_terminal(columns):
    layers, _ = without_colour(on_terminal(columns, "analyze", "vgg16")).split("totals", maxsplit=1)
    lines = layers.splitlines()

    table = [line for line in lines if line.lstrip().startswith(("conv", "relu", "pool", "fc"))]
    assert 36 == len(table)
    assert max(map(len, table)) <= columns


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_works_on_a_terminal_of_20_columns(command):
    assert "Usage: cnnprof" in on_terminal(20, *([command] if command else []), "--help")


def test_a_terminal_has_colour_unless_that_is_unwanted():
    assert "\x1b[" in on_terminal(80, "analyze", "vgg16")
    assert "\x1b" not in on_terminal(80, "analyze", "vgg16", NO_COLOR="1")
    assert "\x1b" not in on_terminal(80, "analyze", "vgg16", TERM="dumb")


# Fast: processor time of the child, the best of a few, thrice as much where CI is told

BUDGET_S = {"--help": 0.150, "analyze vgg16": 0.300}
TOLERANCE = 3 if os.environ.get("CI") else 1


@pytest.mark.parametrize("job", [*BUDGET_S, *(f"{command} --help" for command in COMMANDS)])
def test_starting_takes_little_processor_time(job):
    budget = BUDGET_S.get(job, BUDGET_S["--help"]) * TOLERANCE

    assert min(cnnprof(*job.split()).cpu_s for _ in range(5)) < budget


def test_slowness_would_be_seen(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import time\nwhile time.process_time() < 1: pass\n")

    done = cnnprof("--help", env=environment(PYTHONPATH=f"{tmp_path}:{Path(__file__).parents[2]}"))

    assert done.cpu_s >= 1
