"""From parser events to a tree: the only place where YAML and JSON become values.

Events only, never ``yaml.load``: that recurses in C until it crashes, expands aliases, runs tags and loses duplicate
keys. What makes the rest unreadable ends the work; what does not is gathered, so that one run reports it all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from cnnprof.errors import Place, Problem, SpecError
from cnnprof.readers.json_events import json_events
from cnnprof.readers.scalars import ScalarError, resolve
from cnnprof.readers.source import check_characters, refuse, shown, split_lines
from cnnprof.readers.tree import Mapping, Scalar, Sequence, Tree

if TYPE_CHECKING:
    from collections.abc import Iterable

Event = Any
Mark = Any
"""PyYAML has two classes of marks and its stubs let them be None; every event and every syntax error has one."""

DEEPEST = 64
MOST_NODES = 200_000
MOST_PROBLEMS = 25
"""More problems than this are not gathered."""

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""PyYAML is built without its C parser on some systems; the other one gives the same events."""

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_USE_BLOCKS = "name what is repeated: a block under 'blocks', or a value under 'params'"
_ONE_DOCUMENT = "one file holds one specification; a family is written with variants"
_QUOTE_FORMULA = 'inside {} and [] a formula with a comma or bracket must be quoted: "=…"'


_SURROGATE = re.compile("[\ud800-\udfff]")
_HINTS = {
    "\t": "indent with spaces, not with tabs",
    "@": "quote a text that begins with @",
    "`": "quote a text that begins with `",
    "%": "quote a text that begins with %",
}  # fmt: skip


def root(text: str, source: str, *, json: bool) -> Tree:
    """Return the root of the tree. See ``cnnprof.readers.tree.compose``."""
    check_characters(text, source)
    composer = _Composer(text, source, "json-syntax" if json else "yaml-syntax")
    return composer.compose(json_events(text) if json else yaml.parse(text, Loader=LOADER))


class _Composer:
    """Keeps the open collections in a list of its own, so depth costs no recursion."""

    def __init__(self, text: str, source: str, syntax_code: str) -> None:
        self.text = text
        self.source = source
        self.syntax_code = syntax_code
        self.lines: list[str] | None = None
        self.problems: list[Problem] = []
        self.open: list[Mapping | Sequence] = []
        self.keys: list[Scalar | None] = []
        """For each open collection the key that waits for its value."""
        self.flow: list[bool] = [False]
        """Whether what comes now stands inside {} or []."""
        self.root: Tree | None = None
        self.documents = 0
        self.nodes = 0
        self.last: Event = None

    def compose(self, events: Iterable[yaml.Event]) -> Tree:
        try:
            for event in events:
                self.event(event)
                self.last = event
        except yaml.MarkedYAMLError as error:
            self.syntax(error)
        except ValueError:  # only PyYAML's own parser, the one without C, stumbles over an escape such as \U00110000
            refuse(self.syntax_code, "an escape names no character", self.source)
        if self.problems:
            raise SpecError(self.problems)
        if self.root is None:
            refuse("empty", "there is nothing in it", self.source)
        return self.root

    def event(self, event: Event) -> None:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self.scalar(event)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self.begin(event, Mapping if kind is yaml.MappingStartEvent else Sequence)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self.end()
        elif kind is yaml.AliasEvent:
            self.stop("alias", f"aliases (*{event.anchor}) are not allowed", event.start_mark, _USE_BLOCKS)
        elif kind is yaml.DocumentStartEvent:
            self.documents += 1
            if self.documents > 1:
                self.stop("second-document", "a second document begins here", event.start_mark, _ONE_DOCUMENT)

    # -- nodes ----------------------------------------------------------------------------------------------------

    def scalar(self, event: Event) -> None:
        mark = event.start_mark
        self.check_node(event)
        plain = not event.style
        value: int | float | bool | str | None = event.value
        if plain:
            value = self.resolve(event.value, mark)
            if isinstance(value, str) and value.startswith("=") and self.flow[-1] and _is_cut(value):
                self.report("unquoted-formula", f"the formula {value} is cut off at a comma", mark, _QUOTE_FORMULA)
        elif _SURROGATE.search(event.value):
            self.report("control-character", "half of a surrogate pair is no character", mark)
        self.attach(Scalar(mark.line + 1, mark.column + 1, value, plain=plain), mark)

    def resolve(self, text: str, mark: Mark) -> int | float | bool | str | None:
        try:
            return resolve(text)
        except ScalarError as error:
            self.report(error.code, error.message, mark, "quote it if it is a text")
            return None

    def begin(self, event: Event, kind: type[Mapping | Sequence]) -> None:
        mark = event.start_mark
        self.check_node(event)
        if len(self.open) >= DEEPEST:
            self.stop("too-deep", f"nested deeper than {DEEPEST}", mark)
        node = kind(mark.line + 1, mark.column + 1, [])
        self.attach(node, mark)
        self.open.append(node)
        self.keys.append(None)
        self.flow.append(self.flow[-1] or bool(event.flow_style))

    def end(self) -> None:
        self.open.pop()
        self.keys.pop()
        self.flow.pop()

    def attach(self, node: Tree, mark: Mark) -> None:
        if not self.open:
            self.root = node
            return
        parent, key = self.open[-1], self.keys[-1]
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif key is not None:
            self.keys[-1] = None
            self.add(parent, key, node)
        elif isinstance(node, Scalar):
            self.keys[-1] = node
            if node.value == "<<" and node.plain:
                self.report("merge-key", "merge keys (<<) are not allowed", mark, _USE_BLOCKS)
        else:
            self.stop("bad-key", "a key must be a single value, not a list or mapping", mark)

    def add(self, parent: Mapping, key: Scalar, value: Tree) -> None:
        earlier = parent.add(key, value)
        if earlier is not None:
            message = f"the key {key.value!r} is there already, at line {earlier.line}, column {earlier.column}"
            self.report_at("duplicate-key", message, key.line, key.column)

    def check_node(self, event: Event) -> None:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            self.stop("too-many-nodes", f"more than {MOST_NODES:,} values", event.start_mark)
        if event.anchor is not None:
            self.report("anchor", f"anchors (&{event.anchor}) are not allowed", event.start_mark, _USE_BLOCKS)
        tag = getattr(event, "tag", None)
        if tag is not None:
            shown_tag = tag.replace("tag:yaml.org,2002:", "!!", 1)
            self.report("tag", f"tags ({shown_tag}) are not allowed", event.start_mark, "write the plain value")

    # -- findings -------------------------------------------------------------------------------------------------

    def syntax(self, error: yaml.MarkedYAMLError) -> NoReturn:
        """Turn the parser's complaint into a problem and raise."""
        mark: Mark = error.problem_mark
        char = self.line(mark.line)[mark.column : mark.column + 1]
        last = self.last
        if char in ("[", "{") and isinstance(last, yaml.ScalarEvent) and not last.style and last.value.startswith("="):
            message = f"the formula {last.value} is cut off at a bracket"
            self.stop("unquoted-formula", message, last.start_mark, _QUOTE_FORMULA)
        message = " ".join(part for part in (error.problem, error.context) if part)
        if error.context_mark is not None and error.context_mark.line != mark.line:
            message += f" that begins in line {error.context_mark.line + 1}"
        self.stop(self.syntax_code, message, mark, _HINTS.get(char) if self.syntax_code == "yaml-syntax" else None)

    def report(self, code: str, message: str, mark: Mark, hint: str | None = None) -> None:
        self.report_at(code, message, mark.line + 1, mark.column + 1, hint)

    def report_at(self, code: str, message: str, line: int, column: int, hint: str | None = None) -> None:
        place = Place(shown(self.source), line, column, self.line(line - 1))
        self.problems.append(Problem(code, message, place, hint))
        if len(self.problems) >= MOST_PROBLEMS:
            raise SpecError(self.problems)

    def stop(self, code: str, message: str, mark: Mark, hint: str | None = None) -> NoReturn:
        self.report(code, message, mark, hint)
        raise SpecError(self.problems)

    def line(self, number: int) -> str:
        if self.lines is None:
            self.lines = split_lines(self.text)
        return self.lines[number] if number < len(self.lines) else ""


def _is_cut(formula: str) -> bool:
    """Return whether brackets or quotes do not close: YAML took the rest of the formula for the next item."""
    code = _QUOTED.sub("", formula)
    return code.count("(") != code.count(")") or "'" in code or '"' in code
