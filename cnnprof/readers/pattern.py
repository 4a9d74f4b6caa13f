"""The one-line notation of lectures and papers: ``INPUT 3x32x32 -> [[CONV3-64 -> RELU]*2 -> POOL2]*3 -> FC-10``.

Input
    ``INPUT 3x32x32`` is channels × height × width, ``INPUT [32x32x3]`` height × width × channels, ``INPUT 784`` a flat
    vector; without a size ``--input`` gives it.
Arrows
    ``->``, ``→``, ``,`` and ``-``. A ``-`` before a digit is a size, before a word an arrow.
Groups
    ``[…]`` or ``(…)``; ``*3`` or ``*N`` after a group or a layer repeats it. N, M, K … (one letter) are set by
    ``--set N=2``. The whole pattern may stand in brackets.
Layers
    ``CONV3-64``: 3×3, 64 filters, stride 1, the size kept (padding 'same'), as in the VGG paper. ``CONV-64`` is 3×3,
    ``CONV3x1-64`` rectangular. ``CONV5-6s2p0`` adds stride and padding; a stride above 1 without ``p`` has padding
    (kernel − 1) // 2. ``POOL2``: max pooling 2×2 with stride 2; ``POOL3s2p1`` likewise; ``POOL`` is ``POOL2``;
    ``AVGPOOL`` averages. ``POOL?`` is there unless ``--set POOL=false``. ``FC-10`` is a linear layer; before the
    first one the volume is flattened. ``RELU``, ``RELU6``, ``TANH``, ``SIGMOID``, ``SOFTMAX``, ``LOGSOFTMAX`` (over
    the channels), ``DROPOUT``, ``BN``.
Without a size
    ``CONV`` has as many filters as ``--set CONV=64`` says, ``FC`` is as wide as ``--set FC=4096``. Where several FC
    have no size, the last one is ``--set CLASSES=10`` wide, and as wide as the others without it.

Words may be in upper or lower case. The result is the same tree a YAML file gives, so that all that follows is one.
"""

from __future__ import annotations

import re
from typing import NoReturn

from cnnprof.errors import Place, Problem, SpecError
from cnnprof.readers.pattern_layers import HOW_TO_WRITE, SIMPLE, WORDS, Item, Layer, Part, Repeat, Whole, specification
from cnnprof.readers.scalars import ScalarError, whole
from cnnprof.readers.tree import Document

SOURCE = "<pattern>"
LONGEST = 10_000
"""Characters in a pattern."""
DEEPEST = 64
MOST_PROBLEMS = 25
"""More problems than this are not gathered."""

_START = re.compile(r"\s*[\[(]?\s*INPUT(?![\w./\\])", re.IGNORECASE)
_INPUT = re.compile(r"INPUT(?!\w)", re.IGNORECASE)
_FILE_NAME = re.compile(r"\.[a-z]\w*(#\S*)?\s*\Z", re.IGNORECASE)
_ARROW = re.compile(r"->|→|,|-(?!\s*[0-9])")
_COUNT = re.compile(r"(?:(?P<number>[0-9]+)|(?P<letter>[A-Za-z]))(?![A-Za-z0-9_])")
_SIZES = re.compile(r"[0-9]+(?:\s*[x×]\s*[0-9]+)*(?!\w)", re.IGNORECASE)
_LAYER = re.compile(
    r"(?P<word>[A-Za-z]+?)(?P<kernel>[0-9]+(?:[x×][0-9]+)?)?(?:\s*-\s*(?P<width>[0-9]+))?"
    r"(?:s(?P<stride>[0-9]+))?(?:p(?P<padding>[0-9]+))?(?!\w)",
    re.IGNORECASE,
)
_CLOSING = {"[": "]", "(": ")"}


def is_pattern(text: str) -> bool:
    """Return whether ``text`` is meant as a pattern: it begins with the word INPUT and is no file name."""
    return _START.match(text) is not None and _FILE_NAME.search(text) is None


def compose_pattern(text: str) -> Document:
    """Return the document that says the same as ``text``; every node's column is that in the pattern, its line 1.

    Raises:
        SpecError: it is no pattern; unknown layers are all reported, a wrong syntax ends the reading.
    """
    line = re.sub(r"\s", " ", text)
    return Document(SOURCE, line, specification(_Parser(line).pattern()))


class _Parser:
    """Reads from left to right; ``position`` is 0-based, columns are 1-based."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.depth = 0
        self.problems: list[Problem] = []

    def pattern(self) -> Whole:
        if len(self.text) > LONGEST:
            self.stop("pattern-too-long", f"{len(self.text):,} characters; a pattern has at most {LONGEST:,}")
        bracket = self.opening()
        self.skip()
        column = self.position + 1
        if not _INPUT.match(self.text, self.position):
            self.stop("pattern-syntax", f"a pattern begins with INPUT, got {self.came()}")
        self.position += len("INPUT")
        self.accept(":")
        size_column, sizes = self.sizes()
        items = self.chain(first=False)
        if bracket:
            self.close(bracket)
        self.skip()
        if self.position < len(self.text):
            self.stop("pattern-syntax", f"expected an arrow (->), got {self.came()}")
        if self.problems:
            raise SpecError(self.problems)
        return Whole(column, size_column, sizes, items)

    def sizes(self) -> tuple[int, list[int] | None]:
        """Return the column and the sizes after INPUT, channels first."""
        start = self.position
        self.accept("-")
        bracket = self.opening()
        self.skip()
        match = _SIZES.match(self.text, self.position)
        if match is None:
            self.position = start
            return start + 1, None
        column = self.position + 1
        sizes = [self.whole_number(text, column) for text in re.findall("[0-9]+", match.group())]
        if len(sizes) not in (1, 3):
            self.stop("pattern-syntax", f"an input is CxHxW or one number, got {match.group()}")
        self.position = match.end()
        if bracket:
            self.close(bracket)
            sizes = [*sizes[-1:], *sizes[:-1]]
        return column, sizes

    def chain(self, *, first: bool) -> list[Item]:
        """Return items joined by arrows, up to a closing bracket or the end; ``first``: one comes before any arrow."""
        items = self.item() if first else []
        while self.arrow():
            items += self.item()
        return items

    def item(self) -> list[Item]:
        self.skip()
        start = self.position
        bracket = self.opening()
        if not bracket:
            return self.repeated(start, [self.layer()])
        self.depth += 1
        if self.depth > DEEPEST:
            self.stop("too-deep", f"nested deeper than {DEEPEST}")
        items = self.chain(first=True)
        self.depth -= 1
        self.close(bracket)
        return self.repeated(start, items)

    def repeated(self, start: int, items: list[Item]) -> list[Item]:
        if not self.accept("*", "×"):
            return items
        star = self.position
        self.skip()
        match = _COUNT.match(self.text, self.position)
        if match is None:
            self.stop("pattern-syntax", f"after * comes a number or one letter, got {self.came()}")
        column = self.position + 1
        times = match["letter"] or self.whole_number(match["number"], column)
        self.position = match.end()
        return [Repeat(start + 1, star, times, column, items)]

    def layer(self) -> Layer:
        match = _LAYER.match(self.text, self.position)
        if match is None:
            self.stop("pattern-syntax", f"expected a layer such as CONV3-64, got {self.came()}")
        column = self.position + 1
        word = match["word"].upper()
        self.position = match.end()
        parts = {
            name: Part([self.whole_number(number, match.start(name) + 1) for number in re.findall("[0-9]+", text)],
                       match.start(name) + 1)
            for name, text in match.groupdict().items() if name != "word" and text is not None
        }  # fmt: skip
        if word + (match["kernel"] or "") in SIMPLE:
            word += match["kernel"] or ""
            parts.pop("kernel", None)
        layer = Layer(word, column, parts, optional=self.accept("?"))
        self.check(layer)
        return layer

    def check(self, layer: Layer) -> None:
        """Report a layer nobody knows, and what its word does not take."""
        if layer.word not in WORDS:
            self.report("unknown-layer", f"unknown layer {layer.word}", layer.column, _nearest(layer.word))
            return
        for name, part in layer.parts.items():
            if name not in WORDS[layer.word]:
                self.report(
                    "pattern-syntax", f"{layer.word} takes no {name}", part.column, HOW_TO_WRITE.get(layer.word)
                )
        if layer.optional and layer.word != "POOL":
            self.report("pattern-syntax", "only POOL may be optional (POOL?)", layer.column)

    # -- characters -----------------------------------------------------------------------------------------------

    def skip(self) -> None:
        while self.position < len(self.text) and self.text[self.position] == " ":
            self.position += 1

    def accept(self, *signs: str) -> bool:
        self.skip()
        found = self.text.startswith(signs, self.position)
        self.position += found
        return found

    def arrow(self) -> bool:
        self.skip()
        match = _ARROW.match(self.text, self.position)
        if match is not None:
            self.position = match.end()
        return match is not None

    def opening(self) -> str:
        """Step over an opening bracket; return the one that closes it."""
        return _CLOSING[self.text[self.position - 1]] if self.accept("[", "(") else ""

    def close(self, bracket: str) -> None:
        if not self.accept(bracket):
            self.stop("pattern-syntax", f"expected an arrow (->) or {bracket}, got {self.came()}")

    def came(self) -> str:
        self.skip()
        rest = self.text[self.position : self.position + 20].split(" ")[0]
        return repr(rest) if rest else "the end"

    def whole_number(self, digits: str, column: int) -> int:
        try:
            return whole(digits)
        except ScalarError as error:
            self.report(error.code, error.message, column)
            return 1

    # -- findings -------------------------------------------------------------------------------------------------

    def report(self, code: str, message: str, column: int, hint: str | None = None) -> None:
        self.problems.append(Problem(code, message, Place(SOURCE, 1, column, self.text), hint))
        if len(self.problems) >= MOST_PROBLEMS:
            raise SpecError(self.problems)

    def stop(self, code: str, message: str) -> NoReturn:
        self.report(code, message, self.position + 1)
        raise SpecError(self.problems)


def _nearest(word: str) -> str:
    from difflib import get_close_matches  # only where there is an error to explain

    found = get_close_matches(word, WORDS, n=1)
    return f"did you mean {found[0]}?" if found else f"the layers are {', '.join(WORDS)}"
