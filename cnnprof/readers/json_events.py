"""JSON read strictly, as the events that YAML's parser would give: one composer serves both.

YAML's own parser takes most of JSON, but neither surrogate pairs nor tabs, and lets pass what JSON forbids.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, NoReturn

import yaml

from cnnprof.readers.source import LINE_BREAK

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE = re.compile(r"[ \t\n\r]*")
_WORD = re.compile(r"(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null)(?![\w.+-])", re.ASCII)
_EXPECTED = {
    "value": "a value",
    "value or end": "a value or ]",
    "key": "a key in double quotes",
    "key or end": "a key in double quotes or }",
    "colon": "a colon",
    "more": "a comma or the closing bracket",
    "nothing": "nothing more",
}


def json_events(text: str) -> Iterator[yaml.Event]:
    """Yield the events of a JSON text, without those of stream and document.

    Raises:
        yaml.MarkedYAMLError: it is not JSON.
    """
    return _Events(text).run()


class _Events:
    """A machine of seven states (the keys of ``_EXPECTED``) and a list of open brackets: no recursion."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0, *(found.end() for found in LINE_BREAK.finditer(text))]
        self.position = 0
        self.state = "value"
        self.open: list[str] = []

    def run(self) -> Iterator[yaml.Event]:
        while True:
            self.position = self.skip(_SPACE)
            char = self.text[self.position : self.position + 1]
            if self.state == "nothing" and not char:
                return
            if self.state == "colon" and char == ":":
                self.to("value", 1)
            elif self.state == "more" and char == ",":
                self.to("key" if self.open[-1] == "{" else "value", 1)
            else:
                yield self.token(char)

    def token(self, char: str) -> yaml.Event:
        closing = self.state in ("more", "value or end", "key or end")
        if closing and char and self.open[-1] + char in ("{}", "[]"):
            return self.close(char)
        if char == '"' and self.state.startswith(("value", "key")):
            return self.string()
        if self.state.startswith("value"):
            if char in ("{", "["):
                return self.begin(char)
            if (end := self.skip(_WORD)) > self.position:
                return self.scalar(self.text[self.position : end], end, "")
        return self.fail(f"expected {_EXPECTED[self.state]}, got {char or 'the end'}")

    def begin(self, char: str) -> yaml.Event:
        mark = self.mark()
        self.open.append(char)
        self.to("key or end" if char == "{" else "value or end", 1)
        kind = yaml.MappingStartEvent if char == "{" else yaml.SequenceStartEvent
        return kind(None, None, True, mark, mark, flow_style=True)

    def close(self, char: str) -> yaml.Event:
        mark = self.mark()
        self.open.pop()
        self.to(self.after(), 1)
        return yaml.MappingEndEvent(mark, mark) if char == "}" else yaml.SequenceEndEvent(mark, mark)

    def string(self) -> yaml.Event:
        try:
            value, end = scanstring(self.text, self.position + 1, True)
        except JSONDecodeError as error:
            self.position = error.pos
            self.fail(error.msg[0].lower() + error.msg[1:].removesuffix(" at"))
        return self.scalar(value, end, '"')

    def scalar(self, value: str, end: int, style: str) -> yaml.Event:
        mark = self.mark()
        self.state = "colon" if self.state.startswith("key") else self.after()
        self.position = end
        return yaml.ScalarEvent(None, None, (True, True), value, mark, mark, style=style)

    def after(self) -> str:
        return "more" if self.open else "nothing"

    def to(self, state: str, step: int) -> None:
        self.state = state
        self.position += step

    def skip(self, what: re.Pattern[str]) -> int:
        found = what.match(self.text, self.position)
        return found.end() if found else self.position

    def mark(self) -> yaml.Mark:
        line = bisect_right(self.starts, self.position) - 1
        return yaml.Mark("", self.position, line, self.position - self.starts[line], None, 0)

    def fail(self, problem: str) -> NoReturn:
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=self.mark())
