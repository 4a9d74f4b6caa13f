"""Colour on terminals that want it; what standard output is."""

from __future__ import annotations

import io
import re
import subprocess
import sys

import pytest

from cnnprof.report import plain, terminal
from cnnprof.report.base import Screen
from cnnprof.report.screen import screen_of
from cnnprof.report.tables import report
from tests.unit.report.samples import analysis, blocks, row, small, two_places, unknown, with_unknown

ANSI = re.compile(r"\x1b\[[0-9;]*m")
COLOURED = Screen(width=80, colour=True, terminal=True)


@pytest.mark.parametrize("width", [20, 40, 80, 120])
@pytest.mark.parametrize("result", [small(), blocks(), with_unknown(), two_places()])
def test_colour_changes_no_character(result, width):
    screen = Screen(width=width, colour=True, terminal=True)
    found = report([result], screen=screen)

    bare = [line.rstrip() for line in ANSI.sub("", terminal.render(found)).splitlines()]

    assert plain.render(found).splitlines() == bare


def test_headers_are_bold_zeros_dim_and_bars_blue():
    lines = terminal.render(report([small()], screen=COLOURED)).splitlines()

    assert "\x1b[1mnet, input 3×8×8, batch 1, float32, 4 layers\x1b[0m" == lines[0]
    assert "\x1b[2m     0\x1b[0m" in lines[5]
    assert "\x1b[34m  ██████████████████\x1b[0m" in lines[4]


def test_what_is_unknown_is_yellow():
    assert "\x1b[33m     ?\x1b[0m" in terminal.render(report([with_unknown()], screen=COLOURED)).splitlines()[5]


@pytest.mark.parametrize(
    "name", ["[/]", "[bold]x[/bold]", "[link=http://x]y[/link]", ":smile:", "\x1b[31mred", "\x1b]0;t\x07"]
)
def test_markup_and_escapes_in_names_are_shown_as_they_are(name):
    result = analysis([row(name, name), unknown("u", name)], model=name)
    coloured = terminal.render(report([result], screen=COLOURED))

    bare = ANSI.sub("", coloured)

    assert "\x1b" not in bare
    assert name.replace("\x1b", "\\x1b").replace("\x07", "\\x07") in bare


def test_without_colour_rich_is_not_imported():
    code = (
        "import sys; from tests.unit.report.samples import small\n"
        "from cnnprof.report import render; from cnnprof.report.base import Screen\n"
        "from cnnprof.report.tables import report\n"
        "[render(report([small()], screen=s), f) for f in ('table', 'csv', 'md', 'json')"
        " for s in (Screen(), Screen(80, False, True, True))]\n"
        "print(sorted({'rich', 'pandas', 'jinja2', 'torch', 'click', 'yaml'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "[]\n" == done.stdout


def test_with_colour_rich_is_imported():
    """The test above can fail."""
    code = (
        "import sys; from tests.unit.report.samples import small\n"
        "from cnnprof.report import render; from cnnprof.report.base import Screen\n"
        "from cnnprof.report.tables import report\n"
        "render(report([small()], screen=Screen(80, True, True, True)))\n"
        "print('rich' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "True\n" == done.stdout


def test_rich_prints_a_result():
    from rich.console import Console

    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(terminal.renderable(small()))

    printed = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert plain.render(report([small()], screen=Screen(80, False, True, True))).splitlines() == printed


# -- what standard output is ------------------------------------------------------------------------------------------


class Stream(io.StringIO):
    """A stream that says what it is told."""

    def __init__(self, *, tty, encoding="utf-8"):
        super().__init__()
        self.tty, self.named = tty, encoding

    def isatty(self):
        return self.tty

    @property
    def encoding(self):
        return self.named

    def fileno(self):
        raise io.UnsupportedOperation


def test_a_pipe_has_no_width_and_no_colour():
    assert Screen(None, False, True, False) == screen_of(Stream(tty=False), {"COLUMNS": "40"})


def test_a_terminal_has_colour_and_the_width_of_columns():
    assert Screen(132, True, True, True) == screen_of(Stream(tty=True), {"COLUMNS": "132"})


@pytest.mark.parametrize("columns", ["", "0", "-5", "wide", "²"])
def test_a_terminal_that_cannot_say_its_width_has_80_columns(columns):
    assert 80 == screen_of(Stream(tty=True), {"COLUMNS": columns}).width


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colour_can_be_refused(env):
    screen = screen_of(Stream(tty=True), env)

    assert (False, True) == (screen.colour, screen.terminal)


def test_an_empty_no_color_refuses_nothing():
    assert True is screen_of(Stream(tty=True), {"NO_COLOR": ""}).colour


def test_with_colour_refused_no_escape_is_printed():
    screen = screen_of(Stream(tty=True), {"NO_COLOR": "1"})

    assert "\x1b" not in terminal.render(report([small()], screen=screen))


@pytest.mark.parametrize("env", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LC_CTYPE": "C"}, {"LANG": "C"}])
def test_the_c_locale_asks_for_ascii(env):
    assert False is screen_of(Stream(tty=True), env).unicode
    assert False is screen_of(Stream(tty=False), env).unicode


@pytest.mark.parametrize(
    "env", [{}, {"LC_ALL": "C.UTF-8"}, {"LC_ALL": "de_DE.UTF-8"}, {"LC_ALL": "C.utf8", "LANG": "C"}]
)
def test_other_locales_do_not(env):
    assert True is screen_of(Stream(tty=True), env).unicode


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", None])
def test_an_encoding_without_unicode_gets_ascii(encoding):
    assert False is screen_of(Stream(tty=True, encoding=encoding), {}).unicode
