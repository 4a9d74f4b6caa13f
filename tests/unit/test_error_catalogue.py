"""Every code that cnnprof can print is explained, and nothing else is."""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

from cnnprof import error_catalogue
from cnnprof.__main__ import main
from cnnprof.error_catalogue import CATALOGUE

PACKAGE = Path(error_catalogue.__file__).parent

TAKES_CODE = {"Problem": 0, "FormulaError": 0, "ScalarError": 0, "ExpressionError": 1, "_Composer": 2, "refuse": 0}
"""Functions that take a code, and at which place; so do all methods of ``GATHERERS``, at the first."""
GATHERERS = {"add", "stop", "report", "report_at"}
TABLES = {"_KINDS": 1, "_FAILURES": 0}
"""Tables of tuples with a code in them, and at which place."""


def codes(source: str) -> Iterator[str]:
    """Every code in a source text; of a code that is put together, the pattern (``bad-*``)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield from texts(keyword.value for keyword in node.keywords if keyword.arg == "code")
            yield from texts(node.args[place(node.func) :][:1])
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            yield from assigned(node, node.value)


def place(function: ast.expr) -> int:
    """Where a function takes a code; behind all arguments if it takes none."""
    if isinstance(function, ast.Attribute) and function.attr in GATHERERS:
        return 0
    return TAKES_CODE.get(ast.unparse(function).split(".")[-1], 1_000)


def assigned(node: ast.Assign | ast.AnnAssign, value: ast.expr) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    names = {leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)}
    if "code" in names:
        yield from texts([value])
    for table in names & TABLES.keys():
        for row in ast.walk(value):
            if isinstance(row, ast.Tuple) and not isinstance(row.elts[0], ast.Tuple):
                yield from texts(row.elts[TABLES[table] :][:1])


def texts(nodes: Iterable[ast.expr]) -> Iterator[str]:
    """The texts in expressions: both sides of a condition, the first of a tuple, ``*`` for what is filled in."""
    for node in nodes:
        if isinstance(node, ast.IfExp):
            yield from texts([node.body, node.orelse])
        elif isinstance(node, ast.Tuple):
            yield from texts(node.elts[:1])
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@cache
def used() -> dict[str, list[str]]:
    """Code to the files that use it."""
    found: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for code in codes(path.read_text(encoding="utf-8")):
            found.setdefault(code, []).append(path.relative_to(PACKAGE).as_posix())
    return found


def is_explained(code: str) -> bool:
    return any(fnmatch(known, code) for known in CATALOGUE)


def test_every_code_is_explained():
    assert {} == {code: files for code, files in used().items() if not is_explained(code)}


def test_nothing_is_explained_that_nobody_raises():
    patterns = used()

    assert [] == [code for code in CATALOGUE if not any(fnmatch(code, pattern) for pattern in patterns)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('raise UsageError("no", code="bad-one")', ["bad-one"]),
        ('Problem("bad-one", "no")', ["bad-one"]),
        ('errors.Problem("bad-one", "no")', ["bad-one"]),
        ('raise ExpressionError(tree, "bad-one", "no")', ["bad-one"]),
        ('collector.add("bad-one", "no", tree)', ["bad-one"]),
        ('self.report_at("bad-one", "no", 1, 2)', ["bad-one"]),
        ('UsageError("no", code="bad-one" if x else "bad-two")', ["bad-one", "bad-two"]),
        ('UsageError("no", code=f"bad-{x}")', ["bad-*"]),
        ('class E(Exception):\n    code = "bad-one"', ["bad-one"]),
        ('code, name = ("bad-one", "no") if x else ("bad-two", "no")', ["bad-one", "bad-two"]),
        ('_KINDS = ((f, "bad-one", "no"), (g, "bad-two", "no"))', ["bad-one", "bad-two"]),
        ('_FAILURES = {1: ("bad-one", "no"), 2: ("bad-two", "no")}', ["bad-one", "bad-two"]),
        ('add("params")', []),
        ('raise UsageError("no")', []),
        ("class E(Exception):\n    code: str", []),
    ],
)
def test_a_code_is_found_wherever_it_is_written(source, expected):
    assert expected == list(codes(source))


def test_the_package_is_really_read():
    assert {"unknown-layer", "usage", "bad-shape", "file-missing"} <= set(used())


@pytest.mark.parametrize("code", CATALOGUE)
def test_an_explanation_is_a_title_and_whole_sentences(code):
    entry = CATALOGUE[code]

    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
    assert re.fullmatch(r"\S.*[^\s.]", entry.title)
    assert re.fullmatch(r"[A-Z\"-].*[.!]", prose(entry.text), re.DOTALL)
    assert max(map(len, entry.text.splitlines())) <= 80


def test_an_explanation_given_twice_is_found():
    with pytest.raises(ValueError, match="'bad-one' is explained twice"):
        error_catalogue.read("bad-one: a\n  A.\nbad-one: b\n  B.\n")


def test_a_catalogue_is_codes_titles_and_texts():
    text = "# note\n\n## part\n\none: first\n  Text: of\n  two lines.\n  wrong:\n    - x\n\ntwo-more: second\n  B.\n"

    assert {
        "one": ("first", "Text: of\ntwo lines.\nwrong:\n  - x"),
        "two-more": ("second", "B."),
    } == error_catalogue.read(text)


# The examples are true


def prose(text: str) -> str:
    return re.split(r"^(?:wrong|right):$", text, flags=re.MULTILINE)[0].strip()


def examples(kind: str) -> list:
    """The wrong or the right examples, each with its code."""
    return [
        pytest.param(code, textwrap.dedent(match[1]), id=code)
        for code, entry in CATALOGUE.items()
        for match in re.finditer(rf"^{kind}:\n((?:  .*\n?)+)", entry.text, re.MULTILINE)
    ]


def errors_of(example: str, capsys) -> str:
    """What cnnprof says about an example, in a folder with a small network."""
    capsys.readouterr()
    if example.startswith("$ cnnprof "):
        for line in example.splitlines():
            main(shlex.split(line.removeprefix("$ cnnprof ")))
    else:
        whole = example if not example.startswith("- ") else f"cnnprof: 1\ninput: [3, 32, 32]\nlayers:\n{example}"
        Path("example.yaml").write_text(whole)
        main(["analyze", "example.yaml"])
    return capsys.readouterr().err


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the network that the examples speak of."""
    monkeypatch.chdir(tmp_path)
    layers = "layers: [conv2d: {out_channels: =width, kernel_size: 3}]"
    Path("net.yaml").write_text(f"cnnprof: 1\ninput: [3, 32, 32]\nparams: {{width: 4}}\n{layers}\n")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("code", "example"), examples("wrong"))
def test_a_wrong_example_gives_its_code(code, example, capsys):
    assert f"error[{code}]" in errors_of(example, capsys)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("code", "example"), examples("right"))
def test_a_right_example_gives_no_error(code, example, capsys):
    errors = errors_of(example, capsys)

    assert "error[" not in errors, code


def test_most_codes_have_an_example():
    assert len(examples("wrong")) >= 60
