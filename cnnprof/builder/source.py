"""The text of a network's ``forward``: a line per node, and ``del`` after the last use of each tensor. No torch."""

from __future__ import annotations

import keyword
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cnnprof.builder.lives import Lives, Step
from cnnprof.model.graph import Edge, Graph, Node

ENTER, LEAVE = "enter_layer", "leave_layer"
"""What a marked forward calls before and after each layer."""
_RESERVED = {"self", "getattr", "__debug__", ENTER, LEAVE, *keyword.kwlist}
_INDENT = "    "


def is_plain(name: str) -> bool:
    """Return whether ``name`` can stand in code as it is; Python reads other forms of a letter as the usual one."""
    return name.isidentifier() and not keyword.iskeyword(name) and unicodedata.normalize("NFKC", name) == name


def identifier(name: str, taken: Iterable[str] = ()) -> str:
    """Return a Python name like ``name``, none of ``taken``: ``layer1.0.conv`` is ``layer1_0_conv``."""
    letters = unicodedata.normalize("NFKC", name) or "_"
    base = "".join(letter if f"_{letter}".isidentifier() else "_" for letter in letters)
    if not base.isidentifier():  # it begins with a digit
        base = f"_{base}"
    found, number = base, 1
    while found in taken or found in _RESERVED:
        number += 1
        found = f"{base}_{number}"
    return found


def write_forward(
    graph: Graph, lives: Lives, counts: Mapping[str, int], modules: Mapping[str, str], *, marked: bool = False
) -> str:
    """Return the source of ``forward``.

    Args:
        graph: the network.
        lives: when its tensors die.
        counts: the number of outputs of every node.
        modules: the expression for every node's module, ``self.layer1[0].conv``.
        marked: call ``enter_layer`` before and ``leave_layer`` after each layer.
    """
    return "\n".join(_Writer(graph, lives, counts, modules, marked=marked).lines()) + "\n"


class _Writer:
    def __init__(
        self, graph: Graph, lives: Lives, counts: Mapping[str, int], modules: Mapping[str, str], *, marked: bool
    ) -> None:
        self.graph = graph
        self.marked = marked
        self.counts = counts
        self.modules = modules
        self.lives = lives
        self.names = self._local_names()

    def _local_names(self) -> dict[Edge, str]:
        names: dict[Edge, str] = {}
        taken: set[str] = set()
        for edge, wanted in self._wanted():
            names[edge] = identifier(wanted, taken)
            taken.add(names[edge])
        return names

    def _wanted(self) -> Iterator[tuple[Edge, str]]:
        for each in self.graph.inputs:
            yield Edge(each.name), each.name
        for node in self.graph.nodes:
            if self.counts[node.name] == 1:
                yield Edge(node.name), node.name
            else:
                yield from ((Edge(node.name, at), f"{node.name}.{at}") for at in range(self.counts[node.name]))

    def lines(self) -> Iterator[str]:
        yield f"def forward(self, {', '.join(self.names[Edge(each.name)] for each in self.graph.inputs)}):"
        steps = self.lives.steps
        for at, step in enumerate(steps):
            before = steps[at - 1] if at else None
            after = steps[at + 1] if at + 1 < len(steps) else None
            yield from _indented(self._in_training(step, before) if step.training else self._always(step, after))
        yield from _indented(self._return())

    def _always(self, step: Step, after: Step | None) -> Iterator[str]:
        (node,) = step.nodes
        training = self.lives.in_training.get(node.name, [])
        evaluation = self.lives.in_evaluation.get(node.name, [])
        yield self._call(node)
        yield from self._delete([edge for edge in training if edge in evaluation])
        yield from _branch("if self.training:", self._delete([edge for edge in training if edge not in evaluation]))
        if after is None or not after.training:  # else it is said at that step, which begins here
            yield from _branch(
                "if not self.training:", self._delete([edge for edge in evaluation if edge not in training])
            )

    def _in_training(self, step: Step, before: Step | None) -> Iterator[str]:
        yield "if self.training:"
        for node in step.nodes:
            yield _INDENT + self._call(node)
            yield from _indented(self._delete(self.lives.in_training.get(node.name, [])))
        yield from _branch("else:", self._in_evaluation(step, before))

    def _in_evaluation(self, step: Step, before: Step | None) -> Iterator[str]:
        if before is not None and not before.training:
            name = before.nodes[-1].name
            training = self.lives.in_training.get(name, [])
            yield from self._delete([edge for edge in self.lives.in_evaluation.get(name, []) if edge not in training])
        for node in step.nodes:
            for at in range(self.counts[node.name]):
                edge = Edge(node.name, at)
                if edge in self.lives.stands_in:
                    yield f"{self.names[edge]} = {self.names[self.lives.stands_in[edge]]}"
        yield from self._delete(self.lives.in_evaluation.get(step.nodes[-1].name, []))

    def _call(self, node: Node) -> str:
        made = ", ".join(self.names[Edge(node.name, at)] for at in range(self.counts[node.name]))
        read = ", ".join(self.names[edge] for edge in node.inputs)
        call = f"{made} = {self.modules[node.name]}({read})"
        return f"{ENTER}(); {call}; {LEAVE}()" if self.marked else call

    def _delete(self, edges: Sequence[Edge]) -> Iterator[str]:
        if edges:
            yield f"del {', '.join(self.names[edge] for edge in edges)}"

    def _return(self) -> Iterator[str]:
        outputs, kept = self.graph.outputs, self.lives.kept
        if len(kept) < len(outputs):
            yield from _branch("if self.training:", iter([self._returned(outputs)]))
        yield self._returned(kept)

    def _returned(self, outputs: Mapping[str, Edge]) -> str:
        if len(outputs) == 1:
            return f"return {self.names[next(iter(outputs.values()))]}"
        return f"return {{{', '.join(f'{name!r}: {self.names[edge]}' for name, edge in outputs.items())}}}"


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (_INDENT + line for line in lines)


def _branch(head: str, lines: Iterator[str]) -> Iterator[str]:
    """Yield a branch; nothing where it has no lines."""
    for number, line in enumerate(lines):
        if not number:
            yield head
        yield _INDENT + line
