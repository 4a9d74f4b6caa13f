"""Arguments of a layer: checked by name and type, then made into the layer."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import msgspec

from cnnprof.errors import LayerError
from cnnprof.layers import REGISTRY, Layer
from cnnprof.readers.collector import Collector, near, nearest
from cnnprof.readers.tree import ExpressionError

if TYPE_CHECKING:
    from cnnprof.readers.statements import LayerCall, Scope

INFERRED = ("in_channels", "in_features", "num_features", "normalized_shape", "embed_dim")
"""Arguments of torch.nn that follow from what arrives, unless a layer declares them."""


@cache
def fields(op: str) -> dict[str, msgspec.structs.FieldInfo]:
    """Return the arguments of a layer by name."""
    return {field.name: field for field in msgspec.structs.fields(REGISTRY[op])}


def check_call(call: LayerCall, collector: Collector) -> bool:
    """Report unknown and missing arguments, literals of a wrong type and, where all are literals, wrong values.

    Returns False where the layer cannot be made whatever its formulas give.
    """
    known = fields(call.op)
    meant = set()
    for name, key in call.keys.items():
        if name not in known:
            meant |= set(near(name, known))
            collector.add("unknown-argument", f"{call.op} has no argument {name!r}", key, _way_out(name, known))
    for name, field in known.items():
        # A misspelt argument is one fault, not two.
        if field.required and name not in call.keys and name not in meant:
            collector.add("missing-argument", f"{call.op} needs {name!r}", call.tree)
    sound = all(name in call.arguments for name in call.keys) and set(call.keys) <= set(known)
    sound = sound and all(name in call.keys for name, field in known.items() if field.required)
    for name, value in call.arguments.items():
        if name in known and value.literal:
            sound &= _literal_fits(call, name, collector)
    if sound and all(value.literal for value in call.arguments.values()):
        try:
            make(call, {})
        except LayerError as error:
            report(call, error, collector)
            return False
    return sound


def _way_out(name: str, known: dict[str, Any]) -> str:
    if name in INFERRED:
        return f"{name} is inferred from what arrives: leave it out"
    return nearest(name, known) or f"it has {', '.join(known) or 'no arguments'}"


def _literal_fits(call: LayerCall, name: str, collector: Collector) -> bool:
    try:
        convert(call, name, call.arguments[name].value)
    except ExpressionError as error:
        collector.add_error(error, call.tree)
        return False
    return True


def convert(call: LayerCall, name: str, value: Any) -> Any:
    """Return ``value`` as the argument's declared type.

    Raises:
        ExpressionError: it is of another type; nothing is coerced.
    """
    try:
        return msgspec.convert(value, fields(call.op)[name].type)
    except msgspec.ValidationError as error:
        reason = str(error).split(" - at ")[0].replace("`", "")
        words = _words(fields(call.op)[name].type)
        if isinstance(value, str) and words:
            reason = f"it takes {' or '.join(map(repr, words))}"
        message = f"{call.op}: {name} is {value!r}: {reason[0].lower()}{reason[1:]}"
        hint = nearest(value.lower(), words) if isinstance(value, str) and words else None
        found = ExpressionError(call.arguments[name].tree, "bad-argument", message, hint=hint)
        if isinstance(value, float) and value.is_integer():
            found.hint = "use // for a division whose result is a whole number"
        raise found from None


def _words(kind: Any) -> list[str]:
    """Return the texts that an argument's type allows."""
    if get_origin(kind) is Literal:
        return [word for word in get_args(kind) if isinstance(word, str)]
    return [word for part in get_args(kind) for word in _words(part)]


def make(call: LayerCall, scope: Scope) -> tuple[dict[str, Any], Layer]:
    """Return the evaluated arguments and the layer they make.

    Raises:
        ExpressionError: a formula fails or gives a wrong type.
        LayerError: the layer refuses a value.
    """
    values = {name: value.evaluate(scope) for name, value in call.arguments.items()}
    key = repr(values)
    made = call.made.get(key)
    if made is None:
        typed = {name: convert(call, name, value) for name, value in values.items()}
        made = call.made[key] = (typed, REGISTRY[call.op](**typed))
    return made


def report(call: LayerCall, error: LayerError, collector: Collector, where: str = "") -> None:
    """Record a layer's refusal at the guilty argument where it names one that was written."""
    written = call.arguments.get(error.argument or "")
    inside = f" ({where})" if where and where != call.op else ""
    collector.add_error(error, written.tree if written else call.tree, f"{call.op}{inside}: ")
