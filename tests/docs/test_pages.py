"""Every page of the documentation: its Python examples run, its links lead somewhere, its commands exist."""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.pages import PAGES, ROOT, blocks, run

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def test_the_pages_are_found():
    names = {page.relative_to(ROOT).as_posix() for page in PAGES}

    assert {"README.md", "CONTRIBUTING.md", "docs/README.md", "docs/spec.md", "changelog.d/README.md"} <= names


@every_page
def test_the_python_examples_of_a_page_give_what_they_show(page):
    text = page.read_text(encoding="utf-8")
    # One after the other in one namespace, as a reader would type them.
    examples = "\n".join(block.text for block in blocks(text) if block.language == "python" and ">>>" in block.text)
    report: list[str] = []
    test = doctest.DocTestParser().get_doctest(examples, {}, page.name, str(page), 0)

    failed, _ = doctest.DocTestRunner(verbose=False).run(test, out=report.append)

    assert 0 == failed, "".join(report)


def slugs(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def dead_links(page: Path, text: str) -> Iterator[str]:
    """Yield the links of a page that lead to no file of the project, or to no heading of it."""
    prose = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"https?://|mailto:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        found = target.exists() and target.is_relative_to(ROOT)
        if not found or (anchor and anchor not in slugs(target.read_text(encoding="utf-8") if path else text)):
            yield link


@every_page
def test_the_links_of_a_page_lead_somewhere(page):
    assert [] == list(dead_links(page, page.read_text(encoding="utf-8")))


def test_a_dead_link_or_anchor_is_noticed():
    text = "# A title, `here`\n[a](#a-title-here) [b](#nowhere) [c](nothing.md) [d](README.md#nowhere) [e](LICENSE)\n"

    assert ["#nowhere", "nothing.md", "README.md#nowhere"] == list(dead_links(ROOT / "README.md", text))


def test_the_index_links_every_page():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = [page.name for page in PAGES if page.parent == ROOT / "docs" and page.name != "README.md"]

    assert [] == [page for page in pages if f"]({page})" not in index]
    assert "definitions.md" in pages


def commands(text: str) -> set[str]:
    """Return the sub-commands of ``cnnprof`` that a text types, in code."""
    return set(re.findall(r"(?:`|\$ |&& )cnnprof ([a-z][\w-]*)", text))


def test_every_command_in_the_pages_exists_and_has_help():
    typed = set().union(*(commands(page.read_text(encoding="utf-8")) for page in PAGES))

    assert {"analyze", "schema", "zoo"} <= typed
    for command in sorted(typed):
        done = run(["cnnprof", command, "--help"], ROOT)
        assert 0 == done.returncode, f"cnnprof {command}: {done.stderr}"
        assert len(done.stdout.splitlines()) >= 5, command


def test_every_command_is_described_in_the_pages():
    shown = run(["cnnprof", "--help"], ROOT).stdout.split("Commands:")[1]
    existing = set(re.findall(r"^  ([a-z][\w-]*)", shown, re.MULTILINE))

    assert set() == existing - set().union(*(commands(page.read_text(encoding="utf-8")) for page in PAGES))
