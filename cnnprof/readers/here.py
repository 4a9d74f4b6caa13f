"""Where an item stands: what its formulas see, what ``from`` sees, what the surroundings say."""

from __future__ import annotations

from typing import Any, NamedTuple

from cnnprof.model.graph import TensorSpec
from cnnprof.readers.items import valid_name
from cnnprof.readers.scopes import Names, Scope
from cnnprof.readers.statements import Expression, Siblings
from cnnprof.readers.tree import ExpressionError


class Inherited(NamedTuple):
    """What a block or group says for all layers inside it."""

    frozen: Any = False
    when: str = "always"
    place: str | None = None


class Here(NamedTuple):
    """The scope of formulas, the names of the chain, and what is inherited."""

    scope: Scope
    names: Names
    inherited: Inherited = Inherited()

    def see(self, tensors: list[TensorSpec] | None) -> None:
        """Let formulas see what arrives, without the batch: ``in_shape``, ``in_channels``. Several values have none."""
        if tensors is not None and len(tensors) == 1 and len(tensors[0].shape) > 1:
            shape = tensors[0].shape[1:]
            self.scope["in_shape"], self.scope["in_channels"] = list(shape), shape[0]
        else:
            self.scope.pop("in_shape", None)
            self.scope.pop("in_channels", None)

    def text(self, expression: Expression | None, key: str) -> str | None:
        """Return the text of a key beside a layer.

        Raises:
            ExpressionError: it is not a text, or not a valid name.
        """
        if expression is None:
            return None
        value = expression.evaluate(self.scope)
        if not isinstance(value, str) or not value or (key in ("name", "output") and not valid_name(value)):
            message = f"{key} must be letters, digits and underscores, not a digit first, got {value!r}"
            raise ExpressionError(expression.tree, "bad-name", message)
        return value

    def inherit(self, siblings: Siblings) -> Inherited:
        """Return what holds for a layer or inside a block: its own keys first, then what comes from outside.

        Raises:
            ExpressionError: a key has a value it cannot have.
        """
        if siblings.frozen is None and siblings.when is None and siblings.place is None:
            return self.inherited
        frozen, when, place = self.inherited
        if siblings.frozen is not None:
            frozen = _choice(siblings.frozen, "frozen", (True, False, "eval"), self.scope)
        if siblings.when is not None and when != "train":
            when = _choice(siblings.when, "when", ("always", "train"), self.scope)
        return Inherited(frozen, when, self.text(siblings.place, "place") or place)


def known(expression: Expression, scope: Scope, *, failed: bool) -> bool:
    """Return whether a formula can be evaluated; after a failure, what follows from shapes can not."""
    if expression.names & scope.lost:
        return False
    return not failed or (expression.names <= scope.keys() and not expression.names & scope.shaped)


def bind(inner: Scope, name: str, expression: Expression, scope: Scope, *, failed: bool) -> None:
    """Give ``name`` its value in ``inner``, evaluated in ``scope``; remember whether it follows from a shape."""
    if not known(expression, scope, failed=failed):
        inner.pop(name, None)
        inner.lost |= {name}
        return
    inner.lost -= {name}
    inner[name] = expression.evaluate(scope)
    inner.shaped = inner.shaped | {name} if expression.names & scope.shaped else inner.shaped - {name}


def _choice(expression: Expression, key: str, choices: tuple[Any, ...], scope: Scope) -> Any:
    value = expression.evaluate(scope)
    if value not in choices:
        shown = ", ".join(str(choice).lower() for choice in choices)
        raise ExpressionError(expression.tree, "bad-value", f"{key} must be one of {shown}, got {value!r}")
    return value
