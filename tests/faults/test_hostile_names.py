"""Promise 7: no name can act in a terminal, a browser, a spreadsheet, Markdown, LaTeX or a build log.

Each output is read again by a parser of its format, written here without the code under test: what comes back must be
the name, in its own cell, and nothing else.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnprof.model.analysis import Note, Transfer
from cnnprof.model.graph import Container, Edge, Input, Origin
from cnnprof.report import render
from cnnprof.report.base import Screen
from cnnprof.report.notebook import to_html
from cnnprof.report.tables import report
from tests.helpers import latex
from tests.unit.report.samples import analysis, row, unknown

HOSTILE = (
    "</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "]]>", "<!--", "&lt;b&gt;",
    '=HYPERLINK("http://x","y")', "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", "'=1+1", 'a","b', "a;=1", "#comment",
    "a|b\nc", "a\\|b", "`|`", "# heading", "- item", "1. item", "---", "| x |", "**x**", "__x__", "~~x~~",
    "![i](http://x)", "https://x", "www.x.org", "$\\frac{1$", "\\input{x}",
    "[/]", "[link=http://x]y[/link]", "[bold red]x", "%s%n{0}",
    "\x1b[2J\x1b[31m", "\x1b]0;title\x07", "\x1b]8;;http://x\x1b\\y", "\x9b31m", "\x90q\x9c",
    "\u202etxt.exe", "\u2066x\u2069", "\u200b\ufeff", "\u2028x\u2029", "a\r\nb", "\x00", "\x7f", "\udc80",
    "::error::x", "  ::error file=x::y", "##[error]x",
    "\\\\[1em]", "[x]", "*", "^^5cinput", "^^M", "100%", "a_b", "}{", "&", "~", "#1", "\\end{tabular}", '"a"', "?`",
    "a--b",
    "R²÷α·β ± µ", "💥", "العربية", "卷积", " ", "",
)  # fmt: skip
SCREENS = (
    Screen(),
    Screen(width=80, terminal=True),
    Screen(width=20, terminal=True),
    Screen(width=80, colour=True, terminal=True),
    Screen(width=80, colour=True, unicode=False, terminal=True),
)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

names = st.one_of(
    st.sampled_from(HOSTILE), st.text(max_size=12), st.lists(st.sampled_from(HOSTILE), max_size=3).map("".join)
)


def everywhere(name):
    """A result that holds a name wherever a name can stand."""
    rows = [
        row(f"b.{name}.{part}", name, args={name: name}, place=name, origin=Origin(source=name, line=1), macs=1)
        for part in "wxyz"
    ]
    rows += [row(name, name, macs=3), unknown("u", name)]
    return analysis(
        rows, model=name, source=name, dtype=name, inputs=(Input(name=name, shape=(3, 8, 8)),),
        containers=(Container(path="b", block=name, last=rows[3].name),),
        notes=(Note(code="x", message=name, layer=name),),
        transfers=(Transfer(source=name, target=name, tensor=Edge(name), reader=name, elements=1, bytes=4),),
    )  # fmt: skip


def acts(text):
    """Characters that do something instead of being shown."""
    return {char for char in text if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and char != "\n"}


# -- terminal ---------------------------------------------------------------------------------------------------------


def check_terminal(name, screens=SCREENS):
    for screen in screens:
        for options in ({}, {"columns": ["name", "op", "args", "place", "source", "macs"]}, {"depth": 1}):
            text = render(report([everywhere(name)], screen=screen, **options))
            bare = COLOUR.sub("", text) if screen.colour else text
            assert set() == acts(bare)
            assert [] == [line for line in bare.splitlines() if line.lstrip().startswith("::") or "##[" in line]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_terminal_gets_nothing_that_acts(name):
    check_terminal(name)


@settings(deadline=None)
@given(names)
def test_a_terminal_gets_nothing_that_acts_whatever_the_name(name):
    check_terminal(name, SCREENS[1:3])


@pytest.mark.parametrize("name", ["[/]", "[link=http://x]y[/link]", "[bold red]x", "%s%n{0}", "💥", "卷积"])
def test_a_terminal_shows_harmless_text_as_it_is(name):
    for screen in (SCREENS[0], SCREENS[1], SCREENS[3]):
        assert name in render(report([analysis([row(name)])], screen=screen))


def test_a_name_adds_no_line_to_a_table():
    plain = len(render(report([everywhere("x")])).splitlines())

    assert {plain} == {len(render(report([everywhere(name)])).splitlines()) for name in HOSTILE}


# -- CSV --------------------------------------------------------------------------------------------------------------


def unguarded(cell):
    """Take off the one protecting ' before = + - @, a tab or a carriage return."""
    return cell[1:] if re.match(r"''*[=+\-@\t\r]", cell) else cell


def check_csv(name):
    columns = ["name", "op", "place", "macs"]
    text = render(report([everywhere(name)], columns=columns), "csv")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    exact = name.encode("utf-8", "backslashreplace").decode("utf-8")

    start = rows.index(columns)
    layers = rows[start + 1 : start + 7]
    assert [f"b.{name}.{part}".encode("utf-8", "backslashreplace").decode("utf-8") for part in "wxyz"] == [
        unguarded(cells[0]) for cells in layers[:4]
    ]
    assert [exact, exact, "", "3"] == [unguarded(cell) for cell in layers[4]]
    assert "# total" == rows[start + 7][0]
    cells = [cell for each in rows for cell in each]
    assert [] == [cell for cell in cells if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_csv_reader_gives_the_name_back_and_no_cell_is_a_formula(name):
    check_csv(name)


@settings(deadline=None)
@given(names)
def test_a_csv_reader_gives_the_name_back_whatever_it_is(name):
    check_csv(name)


@pytest.mark.parametrize("name", [name for name in HOSTILE if "\r" not in name and "\x00" not in name and name.strip()])
def test_pandas_gives_the_name_back_too(name):
    import pandas as pd

    text = render(report([analysis([row(name, macs=5)])], columns=["name", "macs"]), "csv")

    frame = pd.read_csv(io.StringIO(text), comment="#")

    assert [[name.encode("utf-8", "backslashreplace").decode("utf-8"), 5]] == [
        [unguarded(found), macs] for found, macs in frame.to_numpy()
    ]


def test_csv_on_a_terminal_has_nothing_that_acts():
    for name in HOSTILE:
        assert set() == acts(render(report([everywhere(name)], screen=SCREENS[1]), "csv"))


# -- Markdown ---------------------------------------------------------------------------------------------------------


def cells(line):
    """Split a line of a table the way GitHub does: at every bar that no backslash precedes."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def shown(text):
    """What a name is, made visible: the same characters, with escapes for those that would act."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def check_markdown(name):
    text = render(report([everywhere(name)], columns=["name", "op", "macs"]), "md")
    table = text.split("\n\n")[1].splitlines()

    assert {3} == {len(cells(line)) for line in table}
    assert 2 + 6 + 1 == len(table)
    assert set() == acts(text)
    first = unescape(cells(table[6])[0])
    assert shown(name).strip() == first.replace("\\x3a:", "::", 1).replace("\\x23#[", "##[")
    for line in text.splitlines():
        prose = line.removeprefix("**Note:** ").strip("|- *") if not line.startswith("##") else line[3:]
        assert None is re.search(r"[\\`<>\[\]$~]|!\[|://|(?<![|-])-->", prose.replace("**", ""))


@pytest.mark.parametrize("name", [name for name in HOSTILE if "::" not in name and "##" not in name])
def test_markdown_has_the_right_cells_and_no_syntax_of_a_name(name):
    check_markdown(name)


@settings(deadline=None)
@given(names.filter(lambda name: "::" not in name and "##" not in name))
def test_markdown_has_the_right_cells_whatever_the_name(name):
    check_markdown(name)


# -- LaTeX ------------------------------------------------------------------------------------------------------------


def characters(text):
    """What a text shows, code points and runs of spaces resolved: TeX has no font for every letter."""
    found = re.sub(
        r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U(00(?:0[0-9a-f]|10)[0-9a-f]{4}))",
        lambda code: chr(int("".join(filter(None, code.groups())), 16)),
        text,
    )
    return re.sub(" +", " ", found).strip()


def check_latex(name):
    text = render(report([everywhere(name)], columns=["name", "op", "args", "place", "macs"]), "latex")
    layers, totals, *_, traffic = latex.read(text)

    want = characters(shown(name))
    assert set() == acts(text)
    assert [] == [line for line in text.splitlines() if line.lstrip().startswith("::") or "##[" in line]
    assert [1 + 6 + 1, 1 + 1 + 1] == [len(layers.rows), len(traffic.rows)]
    assert [characters(shown(f"b.{name}.{part}")) for part in "wxyz"] == [
        characters(row[0]) for row in layers.rows[1:5]
    ]
    assert [want, want, "", "--", "3"] == [characters(cell) for cell in layers.rows[5]]
    assert [want] * 4 + ["1", "4 B"] == [characters(cell) for cell in traffic.rows[1]]
    assert characters(shown(f"{name}: totals" if name else "totals")) == characters(totals.caption)
    assert characters(shown(f"{name}: {name}" if name else "")) == characters(layers.notes[1])


@pytest.mark.parametrize("name", HOSTILE)
def test_latex_prints_the_name_and_knows_no_command_of_it(name):
    check_latex(name)


@settings(deadline=None)
@given(names)
def test_latex_prints_the_name_whatever_it_is(name):
    check_latex(name)


# -- JSON -------------------------------------------------------------------------------------------------------------


def check_json(name):
    text = render(report([everywhere(name)]), "json")
    found = json.loads(text)["analyses"][0]

    assert text.isascii()
    assert set() == acts(text)
    assert [name, name, name] == [found["model"], found["rows"][4]["name"], found["rows"][4]["op"]]
    assert {name: name} == found["rows"][0]["args"]


@pytest.mark.parametrize("name", HOSTILE)
def test_json_keeps_names_exact_in_ascii(name):
    check_json(name)


@settings(deadline=None)
@given(names)
def test_json_keeps_names_exact_whatever_they_are(name):
    check_json(name)


# -- notebook ---------------------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    """Collects tags, attributes and the text of cells."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.cells, self.comments = set(), set(), [], []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag in {"td", "th"}:
            self.cells.append("")

    def handle_data(self, data):
        if self.cells:
            self.cells[-1] += data

    def handle_comment(self, data):
        self.comments.append(data)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_notebook_gets_text_only(name):
    text = to_html(everywhere(name))
    found = Tags()
    found.feed(text)

    known = {"div", "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "p", "details", "summary"}
    assert known == found.tags
    assert {"style", "title"} == found.attributes
    assert [] == found.comments
    assert set() == acts(text)


# -- the oracle itself ------------------------------------------------------------------------------------------------


def test_the_oracle_sees_what_acts():
    assert {"\x1b", "\u202e", "\x9b", "\udc80"} == acts("\x1b[0m \u202e \x9b \udc80 ok")
    assert 4 == len(cells("| a | b|c | d |"))
    assert 3 == len(cells("| a | b\\|c | d |"))
    assert "=1" == unguarded("'=1")
