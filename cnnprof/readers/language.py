"""The specification language: from a document tree to statements, every value checked with its place.

Nothing is expanded here; what can be refused without knowing a shape is refused now, all of it at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cnnprof.layers import REGISTRY
from cnnprof.model.graph import Fact
from cnnprof.readers.collector import Collector, nearest
from cnnprof.readers.items import KEYWORDS, ItemParser, expressions, valid_name
from cnnprof.readers.statements import (
    Block,
    Expectation,
    Expression,
    InputSpec,
    Spec,
    Variant,
)  # fmt: skip
from cnnprof.readers.tree import Document, ExpressionError, Mapping, Scalar, Sequence, Tree

VERSION = 1
TOP_KEYS = (
    "cnnprof", "name", "title", "source", "input", "inputs", "params", "variants", "blocks", "let", "layers", "expect",
)  # fmt: skip
BLOCK_KEYS = ("params", "let", "layers", "module", "frozen")
FACT_KEYS = ("of", "at", "value", "source", "convention", "holds", "why")
DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int8", "uint8", "bool")


def parse(document: Document) -> Spec:
    """Return the statements of a document.

    Raises:
        SpecError: everything that is wrong with it as far as can be told before expansion.
    """
    collector = Collector(document)
    spec = _Parser(collector).spec(document.root)
    collector.check()
    return spec


class _Parser:
    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.add = collector.add
        self.blocks: dict[str, Tree] = {}

    def spec(self, root: Tree) -> Spec:
        top = self.mapping(root, "a specification", TOP_KEYS)
        self.version(top, root)
        if top.get("layers") is None:
            self.add("missing-key", "a specification needs 'layers'", root)
        self.blocks = self.block_names(top.get("blocks"))
        params, keys = self.params(top.get("params"))
        items = ItemParser(self.collector, set(self.blocks))
        variants = dict(self.variants(top.get("variants"), params))
        name = self.text(top.get("name"), "name") or "network"
        return Spec(
            name=name,
            title=self.text(top.get("title"), "title"),
            citation=self.text(top.get("source"), "source"),
            inputs=self.inputs(top, root, needed=not all(v.inputs for v in variants.values()) or not variants),
            params=params,
            keys=keys,
            variants=variants,
            blocks={block: self.block(block, tree, items) for block, tree in self.blocks.items()},
            let=expressions(self.collector, self.mapping(top.get("let"), "let"))[0],
            body=items.chain(top.get("layers"), "layers"),
            expect=self.expect(top.get("expect"), name, variants),
        )

    # -- pieces ---------------------------------------------------------------------------------------------------

    def version(self, top: Mapping, root: Tree) -> None:
        tree = top.get("cnnprof")
        if tree is None:
            self.add("missing-key", f"a specification begins with 'cnnprof: {VERSION}', the language version", root)
        elif not isinstance(tree, Scalar) or tree.value != VERSION or isinstance(tree.value, bool):
            shown = repr(tree.value) if isinstance(tree, Scalar) else "something else"
            self.add("language-version", f"this cnnprof reads language version {VERSION}, got {shown}", tree)

    def mapping(self, tree: Tree | None, what: str, allowed: tuple[str, ...] | None = None) -> Mapping:
        if isinstance(tree, Mapping):
            for key, _ in tree.entries:
                if allowed is not None and key.value not in allowed:
                    hint = nearest(str(key.value), allowed) or f"allowed: {', '.join(allowed)}"
                    self.add("unknown-key", f"{what} has no key {key.value!r}", key, hint)
            return tree
        if tree is not None and not (isinstance(tree, Scalar) and tree.value is None):
            self.add("not-a-mapping", f"{what} must be a mapping (key: value)", tree)
        return Mapping(1, 1, [])

    def text(self, tree: Tree | None, what: str) -> str | None:
        if tree is None:
            return None
        if isinstance(tree, Scalar) and isinstance(tree.value, str) and tree.value:
            return tree.value
        self.add("bad-value", f"{what} must be a text", tree)
        return None

    def expression(self, tree: Tree) -> Expression | None:
        try:
            return Expression(tree)
        except ExpressionError as error:
            self.collector.add_error(error, tree)
            return None

    def params(self, tree: Tree | None) -> tuple[dict[str, Expression], dict[str, Tree]]:
        top = self.mapping(tree, "params")
        for key, _ in top.entries:
            if not valid_name(key.value) or key.value in ("in_channels", "in_shape", "index"):
                self.add("bad-name", f"a parameter may not be called {key.value!r}", key)
        return expressions(self.collector, top)

    def inputs(self, top: Mapping, root: Tree, *, needed: bool) -> list[InputSpec]:
        one, many = top.get("input"), top.get("inputs")
        if one is not None and many is not None:
            self.add("two-inputs", "give either 'input' (one) or 'inputs' (several by name), not both", many)
        if one is not None:
            return list(self.input("input", one))
        if many is None:
            if needed:
                self.add("missing-key", "a specification needs 'input', such as input: [3, 224, 224]", root)
            return []
        entries = self.mapping(many, "inputs").entries
        return [spec for key, tree in entries for spec in self.input(str(key.value), tree)]

    def input(self, name: str, tree: Tree) -> Iterator[InputSpec]:
        if not valid_name(name):
            self.add("bad-name", f"an input may not be called {name!r}", tree)
        dtype = "float32"
        if isinstance(tree, Mapping):
            fields = self.mapping(tree, "an input", ("shape", "dtype"))
            dtype = self.text(fields.get("dtype"), "dtype") or dtype
            if dtype not in DTYPES:
                self.add("bad-value", f"unknown dtype {dtype!r}", fields.get("dtype") or tree, nearest(dtype, DTYPES))
            if fields.get("shape") is None:
                self.add("missing-key", f"input {name!r} needs 'shape'", tree)
                return
            tree = fields.get("shape") or tree
        shape = self.expression(tree)
        if shape is not None:
            yield InputSpec(name=name, tree=tree, shape=shape, dtype=dtype)

    def variants(self, tree: Tree | None, params: dict[str, Expression]) -> Iterator[tuple[str, Variant]]:
        for key, body in self.mapping(tree, "variants").entries:
            fields = self.mapping(body, f"variant {key.value!r}")
            inputs = self.inputs(fields, body, needed=False) if fields.get("input") or fields.get("inputs") else None
            own = Mapping.of(body, [entry for entry in fields.entries if entry[0].value not in ("input", "inputs")])
            for name, _ in own.entries:
                if name.value not in params:
                    hint = nearest(str(name.value), params) or f"the file's params are {', '.join(params) or 'none'}"
                    self.add("unknown-param", f"variant {key.value!r} sets {name.value!r}, not a parameter", name, hint)
            values, keys = expressions(self.collector, own)
            yield str(key.value), Variant(tree=key, params=values, keys=keys, inputs=inputs)

    def block_names(self, tree: Tree | None) -> dict[str, Tree]:
        names = {}
        for key, body in self.mapping(tree, "blocks").entries:
            if not valid_name(key.value):
                self.add("bad-name", f"a block may not be called {key.value!r}", key)
            elif key.value in REGISTRY or key.value in KEYWORDS:
                what = "layer" if key.value in REGISTRY else "keyword"
                self.add("bad-name", f"a block may not be called {key.value!r}: that is a {what}", key)
            names[str(key.value)] = body
        return names

    def block(self, name: str, tree: Tree, items: ItemParser) -> Block:
        fields = self.mapping(tree, f"block {name!r}", BLOCK_KEYS)
        if fields.get("layers") is None:
            self.add("missing-key", f"block {name!r} needs 'layers'", tree)
        params, _ = self.params(fields.get("params"))
        let, _ = expressions(self.collector, self.mapping(fields.get("let"), "let"))
        frozen = fields.get("frozen")
        return Block(
            name=name,
            tree=tree,
            params=params,
            let=let,
            body=items.chain(fields.get("layers"), f"block {name!r}"),
            module=self.text(fields.get("module"), "module"),
            frozen=self.expression(frozen) if frozen is not None else None,
        )

    # -- published figures ----------------------------------------------------------------------------------------

    def expect(self, tree: Tree | None, name: str, variants: dict[str, Variant]) -> dict[str, Expectation]:
        top = self.mapping(tree, "expect")
        names = list(variants) or [name]
        if not variants and any(key.value in ("reference", "facts") for key, _ in top.entries):
            return {name: self.expectation(top)}
        for key, _ in top.entries:
            if key.value not in names:
                self.add("unknown-key", f"expect speaks of {key.value!r}, which is not a variant", key,
                         nearest(str(key.value), names))  # fmt: skip
        return {str(key.value): self.expectation(body) for key, body in top.entries}

    def expectation(self, tree: Tree) -> Expectation:
        fields = self.mapping(tree, "expect", ("reference", "facts"))
        facts = fields.get("facts")
        items = facts.items if isinstance(facts, Sequence) else []
        if facts is not None and not isinstance(facts, Sequence):
            self.add("not-a-list", "facts must be a list", facts)
        return Expectation(
            reference=self.text(fields.get("reference"), "reference"),
            facts=tuple(fact for item in items if (fact := self.fact(item)) is not None),
        )

    def fact(self, tree: Tree) -> Fact | None:
        fields = self.mapping(tree, "a fact", FACT_KEYS)
        holds = fields.get("holds")
        if holds is not None and not (isinstance(holds, Scalar) and isinstance(holds.value, bool)):
            self.add("bad-value", "holds must be true or false", holds)
        found: dict[str, Any] = {
            key: self.text(fields.get(key), key) for key in FACT_KEYS if key != "holds" and fields.get(key) is not None
        }
        for key in ("of", "value", "source"):
            if fields.get(key) is None:
                self.add("missing-key", f"a fact needs {key!r}", tree)
        if not all(found.get(key) for key in ("of", "value", "source")):
            return None
        return Fact(**found, holds=holds.value is not False if isinstance(holds, Scalar) else True)
