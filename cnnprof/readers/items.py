"""One item of a chain: a layer, a block, a loop, a condition, a side chain or a group."""

from __future__ import annotations

import re
from typing import Any

from cnnprof.layers import REGISTRY
from cnnprof.model.graph import Origin
from cnnprof.readers.arguments import check_call
from cnnprof.readers.collector import Collector, near, nearest
from cnnprof.readers.statements import (
    BlockCall,
    Chain,
    Condition,
    Expression,
    Group,
    LayerCall,
    Loop,
    Siblings,
    Statement,
    Template,
)  # fmt: skip
from cnnprof.readers.tree import ExpressionError, Mapping, Scalar, Sequence, Tree

KEYWORDS = ("use", "repeat", "for", "if", "side", "group")
SIBLINGS = ("name", "from", "output", "frozen", "when", "share", "place")
COMPANIONS = {
    "use": ("with", *SIBLINGS),
    "repeat": ("layers", "let", "name", "flat", "frozen", "when", "place"),
    "for": ("layers", "let", "name", "flat", "frozen", "when", "place"),
    "if": ("then", "else"),
    "side": SIBLINGS,
    "group": SIBLINGS,
}
"""The keys that may stand beside each keyword; beside a layer also ``branches``."""
SHAPE_NAMES = frozenset({"in_channels", "in_shape"})
_BESIDE = frozenset({*SIBLINGS, "with", "layers", "let", "flat", "then", "else", "branches"})
_LONGEST_NAME = 100
_NAME = re.compile(r"[^\W\d]\w*", re.UNICODE)


def valid_name(name: object) -> bool:
    """Return whether ``name`` can be one part of a dotted path: letters, digits, underscore, not a digit first."""
    return isinstance(name, str) and len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


def expressions(collector: Collector, tree: Mapping | None) -> tuple[dict[str, Expression], dict[str, Tree]]:
    """Return the values of a mapping and where each key stands."""
    values: dict[str, Expression] = {}
    keys: dict[str, Tree] = {}
    for key, body in tree.entries if tree is not None else ():
        keys[str(key.value)] = key
        try:
            values[str(key.value)] = Expression(body)
        except ExpressionError as error:
            collector.add_error(error, body, f"{key.value}: ")
    return values, keys


class ItemParser:
    """Turns chains of a document into statements; knows which blocks the file has."""

    def __init__(self, collector: Collector, blocks: set[str]) -> None:
        self.collector = collector
        self.add = collector.add
        self.blocks = blocks
        self.source = collector.document.source

    def chain(self, tree: Tree | None, what: str) -> Chain:
        """Return the statements of a list of items."""
        if tree is None:
            return []
        if not isinstance(tree, Sequence):
            self.add("not-a-list", f"{what} must be a list of layers (each line begins with '- ')", tree)
            return []
        return [statement for item in tree.items if (statement := self.item(item)) is not None]

    def item(self, tree: Tree) -> Statement | None:
        if isinstance(tree, Scalar) and isinstance(tree.value, str):
            return self.call(tree.value, tree, None, Mapping.of(tree, []))
        if not isinstance(tree, Mapping):
            self.add("bad-item", "an item of a chain is a layer name or {layer: arguments}", tree)
            return None
        kinds = [entry for entry in tree.entries if entry[0].value not in _BESIDE]
        if len(kinds) > 1:
            kinds = self.without_misspelt(kinds)
        if len(kinds) != 1:
            self.wrong_kinds(tree, [str(key.value) for key, _ in kinds])
            return None
        key, body = kinds[0]
        name = str(key.value)
        self.check_companions(tree, name)
        if name not in KEYWORDS:
            return self.call(name, key, body, tree)
        return getattr(self, f"_{name}")(tree, body)  # type: ignore[no-any-return]

    def without_misspelt(self, kinds: list[tuple[Scalar, Tree]]) -> list[tuple[Scalar, Tree]]:
        """Return the layers among an item's keys; report a key that is none, but nearly one that stands beside them."""
        known = [*REGISTRY, *self.blocks, *KEYWORDS]
        rest = []
        for key, body in kinds:
            close = [] if key.value in known else near(str(key.value), _BESIDE)
            if close:
                self.add(
                    "unknown-key", f"a layer has no key {key.value!r} beside it", key, f"did you mean {close[0]!r}?"
                )
            else:
                rest.append((key, body))
        return rest

    def wrong_kinds(self, tree: Mapping, kinds: list[str]) -> None:
        if kinds:
            self.add("two-types", f"one item is one layer, got {' and '.join(kinds)}", tree,
                     "begin a new item with '- ', or indent the arguments below their layer")  # fmt: skip
        else:
            keys = ", ".join(str(key.value) for key, _ in tree.entries) or "nothing"
            self.add("no-type", f"an item needs a layer, block or keyword; this one has {keys}", tree)

    def check_companions(self, tree: Mapping, kind: str) -> None:
        allowed = COMPANIONS.get(kind, (*SIBLINGS, "branches"))
        for key, _ in tree.entries:
            if key.value in _BESIDE and key.value not in allowed:
                hint = f"allowed: {', '.join(allowed)}"
                self.add("unknown-key", f"{key.value!r} does not go with {kind!r}", key, hint)

    def siblings(self, tree: Mapping) -> Siblings:
        found: dict[str, Any] = {}
        for key in SIBLINGS:
            if (body := tree.get(key)) is not None and (value := self.expression(body, Template)) is not None:
                found["source" if key == "from" else key] = value
        name = found.get("name")
        if name is not None and name.literal and not valid_name(name.value):
            self.add("bad-name", f"a name is letters, digits and underscores, got {name.value!r}", name.tree)
        self.check_choice(found.get("when"), "when", ("always", "train"))
        self.check_choice(found.get("frozen"), "frozen", (True, False, "eval"))
        return Siblings(**found)

    def check_choice(self, value: Expression | None, key: str, choices: tuple[object, ...]) -> None:
        if value is not None and value.literal and value.value not in choices:
            shown = " or ".join(str(choice).lower() for choice in choices)
            self.add("bad-value", f"{key} must be {shown}, got {value.value!r}", value.tree)

    def expression(self, tree: Tree, kind: type[Expression] = Expression) -> Expression | None:
        try:
            return kind(tree)
        except ExpressionError as error:
            self.collector.add_error(error, tree)
            return None

    def mapping(self, tree: Tree | None, what: str) -> Mapping:
        if isinstance(tree, Mapping):
            return tree
        if tree is not None and not (isinstance(tree, Scalar) and tree.value is None):
            hint = "write {argument: value}"
            self.add("not-a-mapping", f"{what} must be a mapping of arguments", tree, hint)
        return Mapping.of(tree, []) if tree is not None else Mapping(1, 1, [])

    # -- layers and blocks ----------------------------------------------------------------------------------------

    def call(self, name: str, key: Tree, body: Tree | None, tree: Mapping) -> Statement | None:
        if name in self.blocks:
            arguments, keys = expressions(self.collector, self.mapping(body, f"block {name!r}"))
            block = Expression(Scalar.of(key, name))
            return BlockCall(tree=key, siblings=self.siblings(tree), block=block, arguments=arguments, keys=keys)
        if name in REGISTRY:
            return self.layer(name, key, body, tree)
        hint = nearest(name, [*REGISTRY, *self.blocks, *KEYWORDS])
        self.add("unknown-layer", f"unknown layer or block {name!r}", key, hint)
        return None

    def layer(self, op: str, key: Tree, body: Tree | None, tree: Mapping) -> LayerCall:
        beside = tree.get("branches")
        if isinstance(body, Sequence) and beside is None:
            body, beside = None, body
        arguments, keys = expressions(self.collector, self.mapping(body, op))
        branches = None if beside is None else self.branches(op, beside)
        call = self.layer_call(op, key, self.siblings(tree), arguments, keys)
        call.branches = branches
        check_call(call, self.collector)
        return call

    def layer_call(
        self, op: str, key: Tree, siblings: Siblings, arguments: dict[str, Expression], keys: dict[str, Tree]
    ) -> LayerCall:
        origin = Origin(source=self.source, line=key.line, column=key.column)
        return LayerCall(tree=key, siblings=siblings, op=op, arguments=arguments, keys=keys, origin=origin)

    def branches(self, op: str, tree: Tree) -> list[tuple[Expression | None, Chain]]:
        most = REGISTRY[op].arity[1]
        if most == 1:
            self.add("bad-branches", f"{op} takes one input, so it has no branches", tree,
                     "add, mul, concat and other layers of several inputs take branches")  # fmt: skip
        if isinstance(tree, Mapping):
            for key, _ in tree.entries:
                if not valid_name(key.value):
                    self.add("bad-name", f"a branch may not be called {key.value!r}", key)
            return [(Expression(key), self.chain(body, f"branch {key.value!r}")) for key, body in tree.entries]
        if not isinstance(tree, Sequence):
            self.add("not-a-list", f"the branches of {op} must be a list of lists of layers, or named lists", tree)
            return []
        return [(None, self.chain(branch, f"a branch of {op}")) for branch in tree.items]

    def _use(self, tree: Mapping, body: Tree) -> Statement | None:
        block = self.expression(body)
        arguments, keys = expressions(self.collector, self.mapping(tree.get("with"), "with"))
        if block is None:
            return None
        if block.literal and block.value not in self.blocks and block.value not in REGISTRY:
            hint = nearest(str(block.value), [*self.blocks, *REGISTRY])
            self.add("unknown-block", f"unknown block or layer {block.value!r}", body, hint)
        return BlockCall(tree=body, siblings=self.siblings(tree), block=block, arguments=arguments, keys=keys)

    # -- flow -----------------------------------------------------------------------------------------------------

    def bound(self, tree: Tree, what: str) -> Expression | None:
        value = self.expression(tree)
        if value is not None and value.names & SHAPE_NAMES:
            shown = " or ".join(sorted(value.names & SHAPE_NAMES))
            hint = "the number of layers must be known before any shape is"
            self.add("shape-in-bound", f"{what} may not depend on {shown}", tree, hint)
        return value

    def loop(self, tree: Mapping, what: str, **parts: Any) -> Loop:
        if tree.get("layers") is None:
            self.add("missing-key", f"{what!r} needs 'layers' beside it", tree)
        let, _ = expressions(self.collector, self.mapping(tree.get("let"), "let"))
        body = self.chain(tree.get("layers"), f"layers of {what!r}")
        return Loop(tree=tree, siblings=self.siblings(tree), let=let, body=body, flat=self.flat(tree), **parts)

    def flat(self, tree: Mapping) -> bool:
        value = tree.get("flat")
        if value is None or (isinstance(value, Scalar) and isinstance(value.value, bool)):
            if isinstance(value, Scalar) and value.value and tree.get("name") is not None:
                self.add("bad-value", "a flat loop has no name: its layers belong to the chain around it", value)
            return isinstance(value, Scalar) and value.value is True
        self.add("bad-value", "flat must be true or false", value)
        return False

    def _repeat(self, tree: Mapping, body: Tree) -> Loop:
        count = self.bound(body, "repeat")
        if count is not None and count.literal and (not isinstance(count.value, int) or isinstance(count.value, bool)):
            self.add("bad-value", f"repeat needs a whole number, got {count.value!r}", body)
        return self.loop(tree, "repeat", count=count)

    def _for(self, tree: Mapping, body: Tree) -> Loop:
        if not isinstance(body, Mapping) or not body.entries:
            self.add("bad-value", "for needs variables with lists, such as for: {width: [64, 128]}", body)
            return self.loop(tree, "for")
        found: dict[str, Expression] = {}
        for key, value in body.entries:
            if not valid_name(key.value) or key.value in (*SHAPE_NAMES, "index"):
                self.add("bad-name", f"a loop variable may not be called {key.value!r}", key)
            elif (expression := self.bound(value, "for")) is not None:
                found[str(key.value)] = expression
        return self.loop(tree, "for", variables=found)

    def _if(self, tree: Mapping, body: Tree) -> Condition | None:
        test = self.expression(body)
        if tree.get("then") is None and tree.get("else") is None:
            self.add("missing-key", "'if' needs 'then' or 'else' beside it", tree)
        then, otherwise = self.chain(tree.get("then"), "then"), self.chain(tree.get("else"), "else")
        empty = Siblings()
        return None if test is None else Condition(tree=tree, siblings=empty, test=test, then=then, otherwise=otherwise)

    def _side(self, tree: Mapping, body: Tree) -> Group:
        return Group(tree=tree, siblings=self.siblings(tree), body=self.chain(body, "side"), side=True)

    def _group(self, tree: Mapping, body: Tree) -> Group:
        return Group(tree=tree, siblings=self.siblings(tree), body=self.chain(body, "group"), side=False)
