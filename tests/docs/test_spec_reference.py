"""docs/spec.md is true: every example is read, and gives what the comment above it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

import cnnprof
from cnnprof.model.analysis import Analysis

PAGE = Path(__file__).parents[2] / "docs" / "spec.md"
HEADER = "cnnprof: 1\nname: example\ninput: [3, 32, 32]\nlayers:\n"


class Example(NamedTuple):
    line: int
    comment: str
    text: str


def examples() -> list[Example]:
    text = PAGE.read_text(encoding="utf-8")
    found = re.finditer(r"(?:<!-- ([^\n]*) -->\n)?```yaml\n(.*?)```", text, re.DOTALL)
    return [Example(text.count("\n", 0, match.start()) + 1, match[1] or "", match[2]) for match in found]


def ids() -> list[str]:
    return [f"line-{example.line}" for example in examples()]


def write(example: Example, folder: Path) -> Path:
    whole = example.text if example.text.startswith("cnnprof:") else HEADER + example.text
    path = folder / "example.yaml"
    path.write_text(whole, encoding="utf-8")
    return path


def seen(analysis: Analysis, wanted: str) -> str:
    """What the analysis says about one quantity of a comment, as the comment writes it."""
    if wanted == "output":
        return "x".join(str(size) for size in analysis.rows[-1].outputs[0].shape[1:])
    if wanted == "names":
        return ",".join(row.name for row in analysis.rows)
    if wanted == "outputs":
        return ",".join(analysis.outputs)
    return str(getattr(analysis.totals, wanted))


def test_every_example_says_what_must_come_out() -> None:
    assert [] == [example.line for example in examples() if not re.search(r"\b(expect|error):", example.comment)]
    assert 20 <= len(examples())


@pytest.mark.parametrize("example", examples(), ids=ids())
def test_an_example_of_the_reference_gives_what_its_comment_says(example: Example, tmp_path: Path) -> None:
    path = write(example, tmp_path)
    variant = re.search(r"variant: (\w+)", example.comment)
    model = f"{path}#{variant[1]}" if variant else str(path)
    error = re.search(r"error: ([\w-]+)", example.comment)
    if error:
        with pytest.raises(cnnprof.SpecError) as caught:
            cnnprof.analyze(model)

        assert [error[1]] == [problem.code for problem in caught.value.problems]
        return
    expected = dict(part.split("=") for part in example.comment.split("expect: ")[1].split())

    assert expected == {wanted: seen(cnnprof.analyze(model), wanted) for wanted in expected}
