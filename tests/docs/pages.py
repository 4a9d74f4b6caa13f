"""What the tests of the documentation need: its pages, their code blocks, and a copy of the project to try them on."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md"), *(ROOT / "changelog.d").glob("README.md")])


class Block(NamedTuple):
    """A fenced block: the HTML comment above it (empty where there is none), its language, its text."""

    comment: str
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """The lines after a ``$``."""
        return [line.removeprefix("$ ") for line in self.text.splitlines() if line.startswith("$ ")]


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page in order."""
    pattern = r"^(?:<!-- ([^\n]*) -->\n)?```(\w*)\n(.*?)^```$"
    return [Block(match[1] or "", match[2], match[3]) for match in re.finditer(pattern, text, re.DOTALL | re.MULTILINE)]


def section(text: str, title: str) -> str:
    """Return the part of a page under ``## title``."""
    (found,) = [part for part in re.split(r"^## ", text, flags=re.MULTILINE) if part.startswith(f"{title}\n")]
    return found


def run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of this environment, with the package that lies in ``folder``."""
    module = [sys.executable, "-m", command[0], *command[1:]]
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": ""}
    return subprocess.run(
        module, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def copy_project(target: Path) -> Path:
    """Copy the package, the zoo and the contract tests, so that a recipe can change them."""
    for name in ("cnnprof", "specs", "tests/layers", "tests/helpers"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "tests/__init__.py"):
        shutil.copy(ROOT / name, target / name)
    return target


def shown(command: str) -> str:
    """Return what a shell shows for a command line that runs ``cnnprof``: standard output, then standard error."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    line = command.replace("cnnprof ", f"{shlex.quote(sys.executable)} -m cnnprof ")
    options = {"cwd": ROOT, "env": environment, "stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    done = subprocess.run(["bash", "-c", line], check=False, **options)
    return done.stdout + done.stderr


def refreshed(text: str) -> str:
    """Return a page whose ``console`` blocks show what their commands print now."""

    def renewed(match: re.Match[str]) -> str:
        command = match[1]
        return f"```console\n$ {command}\n{shown(command).rstrip()}\n```"

    return re.sub(
        r"^```console\n\$ (cnnprof [^\n]*|[^\n]*\| cnnprof [^\n]*)\n.*?^```$",
        renewed,
        text,
        flags=re.DOTALL | re.MULTILINE,
    )


if __name__ == "__main__":
    # python -m tests.docs.pages: write the present output of every command into the pages that show some.
    for page in (
        ROOT / "README.md",
        *(ROOT / "docs" / f"{name}.md" for name in ("claims", "conventions", "devices", "gpu", "measuring")),
    ):
        page.write_text(refreshed(page.read_text(encoding="utf-8")), encoding="utf-8")
