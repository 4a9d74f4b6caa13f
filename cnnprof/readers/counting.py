"""How many layers a specification expands to at least, found by multiplication before anything is expanded."""

from __future__ import annotations

from typing import Any

from cnnprof.layers import REGISTRY
from cnnprof.readers.scopes import Scope, zipped
from cnnprof.readers.statements import (
    BlockCall,
    Chain,
    Condition,
    Expression,
    Group,
    LayerCall,
    Loop,
    Spec,
    Statement,
)  # fmt: skip
from cnnprof.readers.tree import ExpressionError, Tree

MOST_LAYERS = 100_000
MOST_STEPS = 400_000


class TooManyLayersError(Exception):
    """The bound is passed; ``tree`` is where."""

    def __init__(self, tree: Tree) -> None:
        super().__init__(f"expands to more than {MOST_LAYERS:,} layers or rounds of loops")
        self.tree = tree


class Counter:
    """Counts layers from below: what depends on a shape counts as the smaller choice, so nothing sound is refused."""

    def __init__(self, spec: Spec, file_scope: Scope) -> None:
        self.spec = spec
        self.file_scope = file_scope
        self.steps = 0
        self.depth = 0
        self.known: dict[str, int] = {}

    def chain(self, chain: Chain, scope: Scope) -> int:
        """Return the least number of layers.

        Raises:
            TooManyLayersError: more than ``MOST_LAYERS``.
        """
        total = 0
        for statement in chain:
            self.steps += 1
            total += self.statement(statement, scope)
            if total > MOST_LAYERS or self.steps > MOST_STEPS:
                raise TooManyLayersError(statement.tree)
        return total

    def statement(self, statement: Statement, scope: Scope) -> int:
        match statement:
            case LayerCall():
                return 1 + sum(self.chain(branch, scope) for _, branch in statement.branches or ())
            case Group():
                return self.chain(statement.body, scope)
            case Condition():
                return self.condition(statement, scope)
            case Loop():
                return self.loop(statement, scope)
            case BlockCall():
                return self.block(statement, scope)
            case _:
                raise TypeError(statement)

    def condition(self, statement: Condition, scope: Scope) -> int:
        test = _try(statement.test, scope)
        if test is None:
            return min(self.chain(statement.then, scope), self.chain(statement.otherwise, scope))
        return self.chain(statement.then if test[0] else statement.otherwise, scope)

    def loop(self, loop: Loop, scope: Scope) -> int:
        rounds = zipped(loop, lambda value: _try(value, scope))
        if rounds is None:
            return 0
        if isinstance(rounds, range):
            if len(rounds) > MOST_LAYERS:
                raise TooManyLayersError(loop.tree)
            # A round counts even where it has no layer: an empty loop in an empty loop is work without end, too.
            return len(rounds) * max(1, self.chain(loop.body, scope.without(["index", *loop.let]))) if rounds else 0
        total = 0
        for index, variables in enumerate(rounds):
            inner = scope.extended({**variables, "index": index})
            self.let(loop.let, inner)
            total += max(1, self.chain(loop.body, inner))
            if total > MOST_LAYERS:
                raise TooManyLayersError(loop.tree)
        return total

    def let(self, let: dict[str, Expression], scope: Scope) -> None:
        for name, value in let.items():
            scope.pop(name, None)
            if (found := _try(value, scope)) is not None:
                scope[name] = found[0]

    def block(self, call: BlockCall, scope: Scope) -> int:
        name = _try(call.block, scope)
        block = self.spec.blocks.get(str(name[0])) if name is not None else None
        if block is None and name is not None and isinstance(name[0], str) and name[0] in REGISTRY:
            return 1
        # A block that uses itself is reported by the expansion; here it must only end.
        if block is None or self.depth > len(self.spec.blocks):
            return 0
        inner = self.file_scope.without([*block.params, *block.let])
        for param, default in block.params.items():
            given = call.arguments.get(param)
            found = _try(given, scope) if given is not None else _try(default, self.file_scope)
            if found is not None:
                inner[param] = found[0]
        self.let(block.let, inner)
        key = f"{block.name} {sorted((name, repr(inner.get(name))) for name in (*block.params, *block.let))}"
        if key not in self.known:
            self.depth += 1
            # At least 1, as a round: blocks that double each other and come to nothing are work without end.
            self.known[key] = max(1, self.chain(block.body, inner))
            self.depth -= 1
        return self.known[key]


def _try(expression: Expression, scope: Scope) -> tuple[Any] | None:
    """Return the value in a tuple, None where it is not known yet or fails (the expansion says why)."""
    if not expression.names <= scope.keys():
        return None
    try:
        return (expression.evaluate(scope),)
    except ExpressionError:
        return None
