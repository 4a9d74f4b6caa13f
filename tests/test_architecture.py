"""The map of docs/architecture.md, held: who may import whom, who owns which package, how long code may be.

Every rule is a function from source files to findings. It runs over the package and, to test the rule itself, over
snippets that break it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "cnnprof"

TIERS = {
    "errors": 1,
    "error_catalogue": 1,
    "units": 1,
    "shapes": 1,
    "_version": 1,
    "model": 2,
    "layers": 4,
    "devices": 4,
    "store": 4,
    "report": 4,
    "zoo_files": 4,
    "receptive": 4,
    "worker": 4,
    "readers": 5,
    "analyzer": 5,
    "formulas": 5,
    "memory": 5,
    "builder": 5,
    "comparer": 5,
    "doctor": 6,
    "measure": 6,
    "offload": 6,
    "validator": 6,
    "published": 6,
    "peers": 5,
    "budget": 6,
    "differ": 6,
    "placement": 6,
    "fine_tuning": 6,
    "bindings": 6,
    "api": 7,
    "stored": 7,
    "cli": 8,
    "__main__": 8,
    "__init__": 8,
}
"""Room (a package or module directly in cnnprof) to tier. Imports go to a lower tier or stay in the room."""

LEANS_ON = {("__main__", "cli")}
"""The one import inside a tier: ``python -m cnnprof`` starts the command line."""

HOMES = {
    "click": ("cli/",),
    "yaml": ("readers/",),
    "msgspec": ("model/", "readers/"),
    "rich": ("report/terminal.py",),
    "jinja2": ("report/html.py",),
    "matplotlib": ("report/png.py",),
    "pandas": ("store/frame.py",),
    "platformdirs": ("store/",),
    "networkx": ("offload/",),
    "pynvml": ("devices/cuda/telemetry.py",),
    "fvcore": ("validator/",),
    "torch": ("layers/", "devices/", "readers/", "builder/", "validator/", "measure/"),
    "torchvision": ("readers/",),
    "timm": ("readers/",),
    "keras": ("readers/",),
    "onnx": ("readers/",),
}
"""Third-party package to the files that may import it."""

LIGHT = {"click", "yaml", "msgspec", "platformdirs"}
"""Packages cheap enough for the top of a file; all others are imported inside the function that needs them."""

LONGEST_FUNCTION = 60
LONGEST_FILE = 400


class File(NamedTuple):
    """A source file: its path inside the package (``report/terminal.py``) and its text."""

    path: str
    source: str

    @property
    def room(self) -> str:
        return self.path.split("/")[0].removesuffix(".py")

    @property
    def module(self) -> list[str]:
        parts = ["cnnprof", *self.path.removesuffix(".py").split("/")]
        return parts[:-1] if parts[-1] == "__init__" else parts


class Import(NamedTuple):
    """One import: the dotted name, its line, and whether it runs when the file is loaded, when called, or never."""

    name: str
    line: int
    when: str


def package_files() -> list[File]:
    return [
        File(path.relative_to(PACKAGE).as_posix(), path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))
    ]


def imports(file: File) -> Iterator[Import]:
    """Yield every import of a file, ``import_module("a.b")`` with a literal name included."""
    yield from _imports_below(ast.parse(file.source), file, "load")


def _imports_below(node: ast.AST, file: File, when: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        yield from _imports_of(child, file, when)
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _imports_below(ast.Module(child.body, []), file, "never")
            yield from _imports_below(ast.Module(child.orelse, []), file, when)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _imports_below(child, file, "never" if when == "never" else "call")
        else:
            yield from _imports_below(child, file, when)


def _imports_of(node: ast.AST, file: File, when: str) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, node.lineno, when)
    elif isinstance(node, ast.ImportFrom):
        base = _base(node, file)
        for alias in node.names:
            yield Import(f"{base}.{alias.name}", node.lineno, when)
    elif _imports_by_name(node):
        yield Import(str(node.args[0].value), node.lineno, when)


def _imports_by_name(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
        return False
    return ast.unparse(node.func).split(".")[-1] in {"import_module", "__import__"}


def _base(node: ast.ImportFrom, file: File) -> str:
    if node.level == 0:
        return node.module or ""
    folder = file.module if file.path.endswith("__init__.py") else file.module[:-1]
    return ".".join([*folder[: len(folder) - node.level + 1], *([node.module] if node.module else [])])


def room_of(name: str) -> str:
    """Return the room that ``cnnprof.a.b`` belongs to; a name of the package itself belongs to ``__init__``."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in TIERS else "__init__"


# The rules


def imports_that_go_up_or_sideways(files: list[File]) -> list[str]:
    findings = []
    for file in files:
        if file.room not in TIERS:
            findings.append(f"{file.path}: room {file.room!r} has no tier; give it one in TIERS and in the map")
            continue
        for name, line, _ in imports(file):
            target = room_of(name)
            inside = target == file.room or (file.room, target) in LEANS_ON
            if name.split(".")[0] == "cnnprof" and not inside and TIERS[target] >= TIERS[file.room]:
                findings.append(f"{file.path}:{line}: {file.room} (tier {TIERS[file.room]}) imports {name}")
    return findings


def packages_away_from_home(files: list[File]) -> list[str]:
    findings = []
    for file in files:
        for name, line, when in imports(file):
            top = name.split(".")[0]
            if when == "never" or top == "cnnprof" or top in sys.stdlib_module_names:
                continue
            if not file.path.startswith(HOMES.get(top, ())):
                findings.append(f"{file.path}:{line}: {top} may be imported only in {HOMES.get(top, 'no file yet')}")
    return findings


def heavy_imports_at_load(files: list[File]) -> list[str]:
    return [
        f"{file.path}:{line}: import {name} inside the function that needs it"
        for file in files
        for name, line, when in imports(file)
        if when == "load" and name.split(".")[0] in HOMES.keys() - LIGHT
    ]


def functions_too_long(files: list[File]) -> list[str]:
    return [
        f"{file.path}:{node.lineno}: {node.name} has {length} lines"
        for file in files
        for node in ast.walk(ast.parse(file.source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]


def files_too_long(files: list[File]) -> list[str]:
    counts = [(file.path, len(file.source.splitlines())) for file in files]
    return [f"{path} has {count} lines" for path, count in counts if count > LONGEST_FILE]


def prints_outside_the_command_line(files: list[File]) -> list[str]:
    return [
        f"{file.path}:{node.lineno}: print()"
        for file in files
        if file.room != "cli"
        for node in ast.walk(ast.parse(file.source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


RULES = [
    imports_that_go_up_or_sideways,
    packages_away_from_home,
    heavy_imports_at_load,
    functions_too_long,
    files_too_long,
    prints_outside_the_command_line,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps_the_rule(rule):
    assert [] == rule(package_files())


def test_the_package_is_really_read():
    paths = {file.path for file in package_files()}

    assert {"errors.py", "model/graph.py", "layers/conv.py"} <= paths


def test_the_map_lists_every_room_that_is_there_with_its_tier():
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text("utf-8")
    listed = {name: int(tier) for tier, name in re.findall(r"^\| (\d) \| `(\w+)(?:/|\.py)` \|", page, re.MULTILINE)}

    assert {file.room: TIERS[file.room] for file in package_files()} == listed


# The rules can fail


def findings(rule, path: str, source: str) -> list[str]:
    return rule([File(path, source)])


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("shapes.py", "from cnnprof.model.graph import Shape"),
        ("model/graph.py", "from cnnprof import layers"),
        ("model/graph.py", "import cnnprof.layers.conv"),
        ("model/graph.py", "from ..layers import conv"),
        ("layers/conv.py", "def build():\n    from cnnprof.builder import build"),
        ("layers/conv.py", "if TYPE_CHECKING:\n    from cnnprof.analyzer import analyze"),
        ("readers/text.py", "import importlib\nimportlib.import_module('cnnprof.cli.analyze')"),
        ("analyzer.py", "import cnnprof"),
    ],
)
def test_an_import_upwards_is_found(path, source):
    assert 1 == len(findings(imports_that_go_up_or_sideways, path, source))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("report/tables.py", "from cnnprof.layers import REGISTRY"),
        ("layers/conv.py", "from cnnprof.store import save"),
        ("analyzer.py", "from cnnprof.readers import read"),
        ("cli/analyze.py", "from cnnprof import __version__"),
    ],
)
def test_an_import_sideways_is_found(path, source):
    assert 1 == len(findings(imports_that_go_up_or_sideways, path, source))


def test_a_room_without_a_tier_is_found():
    expected = ["utils.py: room 'utils' has no tier; give it one in TIERS and in the map"]

    assert expected == findings(imports_that_go_up_or_sideways, "utils.py", "")


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("layers/conv.py", "from cnnprof.layers.base import Layer"),
        ("layers/__init__.py", "from .base import Layer"),
        ("analyzer.py", "from cnnprof.layers import of\nfrom cnnprof import shapes\nimport math"),
        ("__main__.py", "def main():\n    from cnnprof.cli import main"),
    ],
)
def test_an_import_downwards_or_inside_the_room_is_fine(path, source):
    assert [] == findings(imports_that_go_up_or_sideways, path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("analyzer.py", "import yaml"),
        ("report/tables.py", "def show():\n    from rich.table import Table"),
        ("api.py", "import pandas as pd"),
        ("units.py", "import msgspec"),
        ("readers/text.py", "import requests"),
        ("cli/doctor.py", "def check():\n    __import__('torch')"),
    ],
)
def test_a_package_outside_its_home_is_found(path, source):
    assert 1 == len(findings(packages_away_from_home, path, source))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("readers/text.py", "import yaml"),
        ("report/terminal.py", "def show():\n    from rich.table import Table"),
        ("model/analysis.py", "if TYPE_CHECKING:\n    import pandas as pd\nelse:\n    import math"),
    ],
)
def test_a_package_at_home_or_for_types_only_is_fine(path, source):
    assert [] == findings(packages_away_from_home, path, source)


@pytest.mark.parametrize(
    "source",
    [
        "import torch",
        "from rich.console import Console",
        "class Frame:\n    import pandas",
        "try:\n    import torch.nn as nn\nexcept ImportError:\n    nn = None",
        "if TYPE_CHECKING:\n    import math\nelse:\n    import jinja2",
    ],
)
def test_a_heavy_import_that_runs_on_load_is_found(source):
    assert 1 == len(findings(heavy_imports_at_load, "layers/conv.py", source))


@pytest.mark.parametrize(
    "source",
    [
        "def build():\n    import torch",
        "if TYPE_CHECKING:\n    import torch",
        "if TYPE_CHECKING:\n    class Typed:\n        def run(self):\n            import torch",
        "import click",
    ],
)
def test_a_heavy_import_inside_a_function_or_for_types_is_fine(source):
    assert [] == findings(heavy_imports_at_load, "layers/conv.py", source)


def test_a_function_of_61_lines_is_found_and_one_of_60_is_fine():
    body = "    x = 1\n"

    assert ["a.py:1: f has 61 lines"] == findings(functions_too_long, "a.py", "def f():\n" + body * 60)
    assert [] == findings(functions_too_long, "a.py", "def f():\n" + body * 59)


def test_a_file_of_401_lines_is_found_and_one_of_400_is_fine():
    assert ["a.py has 401 lines"] == findings(files_too_long, "a.py", "x = 1\n" * 401)
    assert [] == findings(files_too_long, "a.py", "x = 1\n" * 400)


def test_a_print_is_found_outside_the_command_line_only():
    source = "class Table:\n    def show(self):\n        print(self)"

    assert ["report/table.py:3: print()"] == findings(prints_outside_the_command_line, "report/table.py", source)
    assert [] == findings(prints_outside_the_command_line, "cli/analyze.py", source)
