"""A specification after parsing and before expansion: statements whose values may still be formulas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from cnnprof.readers import formula as formulas
from cnnprof.readers.arithmetic import FormulaError
from cnnprof.readers.tree import ExpressionError, Scalar, Sequence, Tree
from cnnprof.readers.tree import Mapping as MappingTree

if TYPE_CHECKING:
    from cnnprof.layers import Layer
    from cnnprof.model.graph import Fact, Origin

_LONGEST_SHOWN = 60
Scope = Mapping[str, formulas.Value]


def _wrong_formula(tree: Tree, text: str, error: FormulaError, offset: int) -> ExpressionError:
    shown = text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"
    message = f"formula '{shown}': {error.message}"
    return ExpressionError(tree, error.code, message, hint=error.hint, offset=offset + error.offset)


class Expression:
    """A value of the specification: a literal, a formula, or a list or mapping of them."""

    __slots__ = ("_formula", "_items", "literal", "names", "tree", "value")

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.names: frozenset[str] = frozenset()
        self.value: Any = None
        self.literal = True
        self._formula: formulas.Formula | None = None
        self._items: list[Expression] = []
        if isinstance(tree, Scalar):
            self._scalar(tree)
        elif isinstance(tree, Sequence):
            self._items = [Expression(item) for item in tree.items]
            self.names = frozenset().union(*(item.names for item in self._items))
        else:
            raise ExpressionError(
                tree, "bad-value", "a value is a number, a text, true, false, null, a formula or a list of them"
            )
        self.literal = self._formula is None and all(item.literal for item in self._items)
        if self.literal and self._items:
            self.value = [item.value for item in self._items]
        elif isinstance(tree, Sequence) and not self._items:
            self.value = []

    def _scalar(self, tree: Scalar) -> None:
        self.value = tree.value
        if isinstance(tree.value, str) and tree.value.startswith("="):
            try:
                self._formula = formulas.parse(tree.value[1:])
            except FormulaError as error:
                raise _wrong_formula(tree, tree.value, error, 1) from None
            self.names = self._formula.names

    def evaluate(self, scope: Scope) -> Any:
        """Return the value, formulas evaluated in ``scope``.

        Raises:
            ExpressionError: a formula fails.
        """
        if self.literal:
            return self.value
        if self._formula is None:
            return [item.evaluate(scope) for item in self._items]
        try:
            return self._formula.evaluate(scope)
        except FormulaError as error:
            raise _wrong_formula(self.tree, f"={self._formula.text}", error, 1) from None


class Template(Expression):
    """A text beside a layer that may have formulas as pieces: ``conv{=stage + 1}_{=index + 1}``."""

    __slots__ = ("_pieces",)

    def __init__(self, tree: Tree) -> None:
        super().__init__(tree)
        self._pieces: list[str | formulas.Formula] = []
        if isinstance(self.value, str) and self._formula is None and "{=" in self.value:
            self._split(self.value)
        elif isinstance(tree, Sequence):
            self._items = [Template(item) for item in tree.items]
            self.names = frozenset().union(*(item.names for item in self._items))
            self.literal = all(item.literal for item in self._items)

    def _split(self, text: str) -> None:
        for index, piece in enumerate(re.split(r"\{=([^{}]*)\}", text)):
            try:
                self._pieces.append(formulas.parse(piece) if index % 2 else piece)
            except FormulaError as error:
                raise _wrong_formula(self.tree, f"{{={piece}}}", error, text.find(f"{{={piece}}}") + 2) from None
        self.names = frozenset().union(*(p.names for p in self._pieces if not isinstance(p, str)))
        self.literal = False

    def evaluate(self, scope: Scope) -> Any:
        if not self._pieces:
            return super().evaluate(scope)
        return "".join(piece if isinstance(piece, str) else self._piece(piece, scope) for piece in self._pieces)

    def _piece(self, formula: formulas.Formula, scope: Scope) -> str:
        try:
            value = formula.evaluate(scope)
        except FormulaError as error:
            whole = f"{{={formula.text}}}"
            raise _wrong_formula(self.tree, whole, error, str(self.value).find(whole) + 2) from None
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            message = f"a name takes whole numbers and texts, formula '{formula.text}' gives {value!r}"
            raise ExpressionError(self.tree, "bad-name", message)
        return str(value)


class Siblings(msgspec.Struct, kw_only=True):
    """The keys that may stand beside a layer, block or group."""

    name: Expression | None = None
    source: Expression | None = None
    """The ``from`` key."""
    output: Expression | None = None
    frozen: Expression | None = None
    when: Expression | None = None
    share: Expression | None = None
    place: Expression | None = None


class Statement(msgspec.Struct, kw_only=True):
    """One item of a chain."""

    tree: Tree
    siblings: Siblings


Chain = list[Statement]


class LayerCall(Statement, kw_only=True):
    """A layer with its arguments; ``branches`` feed it where they are given."""

    op: str
    arguments: dict[str, Expression]
    keys: dict[str, Tree]
    branches: list[tuple[Expression | None, Chain]] | None = None
    """Chains that feed the layer, each with its name where it has one."""
    origin: Origin
    made: dict[str, tuple[dict[str, Any], Layer]] = {}
    """Layers already made from these arguments, by the values of their formulas."""


class BlockCall(Statement, kw_only=True):
    """A use of a block; in a ``use`` item ``block`` may be a formula, and may name a layer."""

    block: Expression
    arguments: dict[str, Expression]
    keys: dict[str, Tree]
    layers: dict[str, LayerCall | None] = {}
    """The layers this item turned out to name; None where the arguments do not fit."""


class Loop(Statement, kw_only=True):
    """``repeat`` (no variables) or ``for`` (variables zipped)."""

    count: Expression | None = None
    variables: dict[str, Expression] = {}
    let: dict[str, Expression] = {}
    flat: bool = False
    """True: rounds put nothing into the path; their layers belong to the chain around the loop."""
    body: Chain


class Condition(Statement, kw_only=True):
    """``if`` / ``then`` / ``else``."""

    test: Expression
    then: Chain
    otherwise: Chain


class Group(Statement, kw_only=True):
    """``group``, or ``side`` whose result does not go on."""

    body: Chain
    side: bool


class Block(msgspec.Struct, kw_only=True):
    """A named chain with parameters."""

    name: str
    tree: Tree
    params: dict[str, Expression]
    let: dict[str, Expression]
    body: Chain
    module: str | None = None
    frozen: Expression | None = None


class InputSpec(msgspec.Struct, kw_only=True):
    """One network input; a size may be ``*``."""

    name: str
    tree: Tree
    shape: Expression
    dtype: str = "float32"


class Variant(msgspec.Struct, kw_only=True):
    """What one member of a family changes."""

    tree: MappingTree | Scalar
    params: dict[str, Expression]
    keys: dict[str, Tree]
    inputs: list[InputSpec] | None = None


class Expectation(msgspec.Struct, kw_only=True):
    """The published figures of one network."""

    reference: str | None = None
    facts: tuple[Fact, ...] = ()


class Spec(msgspec.Struct, kw_only=True):
    """A whole file."""

    name: str
    title: str | None
    citation: str | None
    inputs: list[InputSpec]
    params: dict[str, Expression]
    keys: dict[str, Tree]
    variants: dict[str, Variant]
    blocks: dict[str, Block]
    let: dict[str, Expression]
    """Intermediates of the main chain, which may speak of the network's input."""
    body: Chain
    expect: dict[str, Expectation]
