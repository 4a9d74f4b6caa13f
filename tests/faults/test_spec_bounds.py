"""P1 and P3: no specification runs code, reads another file, exceeds a stated bound, or brings the program down.

Rows 1, 2, 3, 4, 8 and 9 of the list of faults, each through the command line and, where time counts, in the library.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from cnnprof.errors import CnnprofError
from cnnprof.readers import read
from cnnprof.readers.formula import FormulaError, parse
from cnnprof.readers.overrides import Overrides

ROOT = Path(__file__).resolve().parents[2]
SLOWER = 3 if os.environ.get("CI") else 1
"""Machines of a CI service are slow and shared."""

SPEC = "cnnprof: 1\nname: net\ninput: [3, 8, 8]\nlayers:\n  - relu\n"


class Child(NamedTuple):
    """How a run of the command line ended and what it took."""

    code: int
    stdout: str
    stderr: str
    cpu_s: float
    rss_mb: float


# A process inherits the peak memory of the one it was started from: a small one stands between tests and child.
LAUNCHER = """
import json, os, subprocess, sys
report, out, err, given, *command = sys.argv[1:]
with open(out, "wb") as stdout, open(err, "wb") as stderr, open(given, "rb") as stdin:
    child = subprocess.Popen(command, stdout=stdout, stderr=stderr, stdin=stdin)
    _, status, usage = os.wait4(child.pid, 0)
with open(report, "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024], file)
os._exit(0)
"""


@pytest.fixture
def cnnprof(tmp_path):
    """Run the command line; bytes as ``stdin`` where given."""

    def run(*arguments: str | bytes, stdin: bytes = b"") -> Child:
        files = [tmp_path / name for name in (".report", ".out", ".err", ".in")]
        files[3].write_bytes(stdin)
        command = [sys.executable, "-m", "cnnprof", *arguments]
        subprocess.run([sys.executable, "-S", "-E", "-c", LAUNCHER, *files, *command], check=True, cwd=ROOT, timeout=60)
        code, cpu_s, rss_mb = json.loads(files[0].read_text())
        return Child(code, files[1].read_text(), files[2].read_text(), cpu_s, rss_mb)

    return run


@pytest.fixture
def spec(tmp_path):
    def write(text: str | bytes, name: str = "net.yaml") -> str:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    return write


def refused(child: Child, place: str, code: str) -> None:
    """Check that one error with place and code, and nothing else, came out."""
    assert (2, "") == (child.code, child.stdout)
    assert f"{place}: error[{code}]" in child.stderr
    assert "Traceback" not in child.stderr


# Row 1: an alias bomb

BOMB = 'a: &a ["lol","lol","lol","lol","lol","lol","lol","lol","lol"]\n' + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize("command", ["analyze", "validate"])
@pytest.mark.parametrize("options", [(), ("--format", "json")])
def test_an_alias_bomb_is_refused_at_its_first_alias(cnnprof, spec, command, options):
    path = spec(BOMB)
    child = cnnprof(command, path, *options)

    refused(child, f"{path}:2:8", "alias")
    assert f"{path}:1:4: error[anchor]" in child.stderr
    assert child.cpu_s < 0.5 * SLOWER
    assert child.rss_mb < 100


def test_an_alias_bomb_as_a_reference_is_refused_too(cnnprof, spec):
    path = spec(BOMB, "bomb.yaml")

    refused(cnnprof("validate", spec(SPEC), "--against", path), f"{path}:2:8", "alias")


# Row 2: depth


@pytest.mark.parametrize("command", ["analyze", "validate"])
@pytest.mark.parametrize(
    ("text", "name", "column"),
    [
        ("[" * 100_000, "net.yaml", 65),
        ("{a: " * 100_000, "net.yaml", 257),
        ("- " * 100_000, "net.yaml", 129),
        ("[" * 100_000, "net.json", 65),
        ('{"a":' * 100_000, "net.json", 321),
    ],
)
def test_nesting_a_hundred_thousand_deep_is_refused_at_the_65th_level(cnnprof, spec, command, text, name, column):
    path = spec(text, name)
    child = cnnprof(command, path)

    refused(child, f"{path}:1:{column}", "too-deep")
    assert "nested deeper than 64" in child.stderr
    assert child.cpu_s < 0.5 * SLOWER
    assert child.rss_mb < 100


def test_nested_brackets_of_a_pattern_are_refused(cnnprof):
    refused(cnnprof("analyze", "INPUT 3x8x8 -> " + "[" * 9_000), "<pattern>:1:81", "too-deep")


# Row 3: code in tags


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system",
        "!!python/object/new:os.system",
        "!include",
        "!!binary",
        "!<tag:yaml.org,2002:python/name:os.system>",
    ],
)
@pytest.mark.parametrize("command", ["analyze", "validate"])
def test_a_tag_is_refused_and_runs_nothing(cnnprof, spec, tmp_path, tag, command):
    touched = tmp_path / "touched"
    path = spec(f'cnnprof: 1\nname: {tag} ["touch {touched}"]\n')

    refused(cnnprof(command, path), f"{path}:2:7", "tag")
    assert not touched.exists()


# Row 4: broken texts


@pytest.mark.parametrize(
    ("text", "place", "code"),
    [
        (SPEC + "name: again\n", ":6:1", "duplicate-key"),
        (SPEC + "---\n" + SPEC, ":6:1", "second-document"),
        (SPEC.replace("net", "n\0t"), ":2:8", "nul-byte"),
        (SPEC.replace("net", "n\x1b[31mt"), ":2:8", "control-character"),
        (SPEC.encode().replace(b"net", b"n\xfft"), ":2:8", "not-utf8"),
        (SPEC.encode("utf-16"), ":1:1", "not-utf8"),
        ("", "", "empty"),
        ("# nothing\n", "", "empty"),
        (SPEC + "#" * 2_097_152, "", "file-too-long"),
    ],
)
def test_a_broken_text_is_refused_with_its_own_code(cnnprof, spec, text, place, code):
    path = spec(text)
    child = cnnprof("analyze", path)

    refused(child, path + place, code)
    assert "\x1b" not in child.stderr


@pytest.mark.parametrize("text", ["\ufeff" + SPEC, SPEC.replace("\n", "\r\n"), "\ufeff" + SPEC.replace("\n", "\r\n")])
def test_a_byte_order_mark_and_windows_line_ends_change_nothing(cnnprof, spec, text):
    plain, other = cnnprof("analyze", spec(SPEC)), cnnprof("analyze", spec(text))

    assert (0, "") == (other.code, other.stderr)
    assert plain.stdout == other.stdout


def test_a_surrogate_in_a_file_name_is_printed_escaped(cnnprof, tmp_path):
    path = os.fsencode(tmp_path) + b"/net\xff.yaml"
    Path(os.fsdecode(path)).write_text(SPEC + "name: again\n")

    refused(cnnprof("analyze", path), f"{tmp_path}/net\\udcff.yaml:6:1", "duplicate-key")


def test_a_surrogate_in_a_file_name_does_not_hinder_the_analysis(cnnprof, tmp_path):
    path = os.fsencode(tmp_path) + b"/net\xff.yaml"
    Path(os.fsdecode(path)).write_text(SPEC)

    for options in ((), ("-f", "json"), ("-f", "csv")):
        child = cnnprof("analyze", path, *options)
        assert (0, "") == (child.code, child.stderr)


def test_a_longer_standard_input_is_refused(cnnprof):
    refused(cnnprof("analyze", "-", stdin=b"#" * 2_097_152), "<stdin>", "file-too-long")


# Row 8: formulas


@pytest.mark.parametrize(
    ("formula", "code"),
    [
        ("().__class__", "formula-syntax"),
        ("9**9**9", "formula-syntax"),
        ("__import__('os').system('true')", "unknown-function"),
        ("1+" * 5_000 + "1", "formula-too-long"),
        ("1//0", "division-by-zero"),
        ("9223372036854775807 * 2", "too-large"),
        ("range(1000000000)", "list-too-long"),
    ],
)
def test_a_hostile_formula_is_refused_with_its_place(cnnprof, spec, formula, code):
    path = spec(SPEC + f'  - conv2d: {{out_channels: 1, kernel_size: "={formula}"}}\n')
    child = cnnprof("analyze", path)

    assert (2, "") == (child.code, child.stdout)
    assert f"{path}:6:" in child.stderr
    assert f"error[{code}]" in child.stderr
    assert "Traceback" not in child.stderr


@pytest.mark.parametrize(
    "text",
    [
        "().__class__",
        "9**9**9",
        "__import__('os')",
        "1+" * 5_000,
        "1//0",
        "(" * 999,
        "-" * 999,
        "not " * 249,
        "[" * 999,
        "a" * 1000,
        "'" * 999,
        "9" * 1000,
        "[" + "range(100000)," * 70 + "]",
        "max(" + "range(100000)," * 70 + ")",
    ],
)
def test_a_hostile_formula_costs_less_than_ten_milliseconds(text):
    refuse_formula(text)  # loads what explaining an error needs
    before = time.process_time()
    refuse_formula(text)

    assert time.process_time() - before < 0.010 * SLOWER


def refuse_formula(text: str) -> None:
    with pytest.raises(FormulaError):
        parse(text).evaluate({})


def test_a_block_that_uses_itself_is_refused(cnnprof, spec):
    path = spec("cnnprof: 1\nname: net\ninput: [3, 8, 8]\nblocks:\n  b: {layers: [b]}\nlayers: [b]\n")

    refused(cnnprof("analyze", path), f"{path}:5:16", "recursive-block")


# Row 9: what is no file, and what asks for another one


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("fifo.yaml", "file-fifo"),
        ("directory.yaml", "file-directory"),
        ("loop.yaml", "file-loop"),
        ("device.yaml", "file-device"),
        ("missing.yaml", "file-missing"),
    ],
)
def test_what_is_no_regular_file_is_refused_at_once(cnnprof, tmp_path, name, code):
    os.mkfifo(tmp_path / "fifo.yaml")
    (tmp_path / "directory.yaml").mkdir()
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    (tmp_path / "device.yaml").symlink_to("/dev/zero")
    child = cnnprof("analyze", str(tmp_path / name))

    assert (2, "") == (child.code, child.stdout)
    assert f"error[{code}]" in child.stderr
    assert "Traceback" not in child.stderr
    assert child.rss_mb < 100


def test_a_file_that_fails_while_it_is_read_is_refused(cnnprof, tmp_path):
    (tmp_path / "memory.yaml").symlink_to("/proc/self/mem")
    child = cnnprof("analyze", str(tmp_path / "memory.yaml"))

    assert (2, "") == (child.code, child.stdout)
    assert "error[file-unreadable]" in child.stderr


OPENED: list[str] | None = None


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and OPENED is not None:
        OPENED.append(str(arguments[0]))


@pytest.fixture(scope="module")
def _hook():
    # A hook can not be taken away again: it is put in place once and listens while OPENED is a list.
    sys.addaudithook(_note)


def opened_by(path: str) -> list[str]:
    """Every file that is opened while a specification is read."""
    global OPENED  # noqa: PLW0603 - an audit hook has no other way back
    OPENED = []
    try:
        read(path, Overrides())
    except CnnprofError as error:
        error.render()
    finally:
        opened, OPENED = OPENED, None
    return opened


@pytest.mark.usefixtures("_hook")
@pytest.mark.parametrize(
    "line",
    [
        "include: ../../etc/passwd",
        "weights: x.pt",
        "name: /etc/passwd",
        "blocks: {b: {file: /etc/passwd}}",
        "expect: {reference: /etc/passwd}",
        "name: '=open(\"/etc/passwd\")'",
        "name: !include /etc/passwd",
        "'$ref': /etc/passwd",
        "import: os",
        "model: os:system",
    ],
)
def test_reading_a_specification_opens_that_file_only(spec, line):
    path = spec(SPEC.replace("name: net", line))
    opened_by(path)  # what is imported on the way is there now

    assert [path] == opened_by(path)


@pytest.mark.parametrize("line", ["include: ../../etc/passwd", "weights: x.pt", "model: os:system"])
def test_a_key_that_asks_for_a_file_is_an_unknown_key(cnnprof, spec, line):
    path = spec(SPEC + line + "\n")

    refused(cnnprof("analyze", path), f"{path}:6:1", "unknown-key")
