"""JSON Schema of a layer's arguments, from its declared types, defaults and docstring."""

from __future__ import annotations

import inspect
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from cnnprof.layers import Layer
from cnnprof.model.plain import to_builtins

Schema = dict[str, Any]

FORMULA: Schema = {"$ref": "#/definitions/formula"}
_SCALARS = {bool: "boolean", int: "integer", float: "number", str: "string", NoneType: "null"}


def arguments_schema(kind: type[Layer]) -> Schema:
    """Return the schema of the mapping of arguments of a layer type; what it does not declare is refused."""
    fields = msgspec.structs.fields(kind)
    schema: Schema = {
        "type": "object",
        "description": description(kind),
        "properties": {field.name: argument_schema(field) for field in fields},
        "additionalProperties": False,
    }
    required = required_arguments(kind)
    return {**schema, "required": required} if required else schema


def required_arguments(kind: type[Layer]) -> list[str]:
    """Return the arguments that have no default."""
    return [field.name for field in msgspec.structs.fields(kind) if field.required]


def description(kind: type[Layer]) -> str:
    """Return the docstring in one line per paragraph, without the marks of code."""
    paragraphs = (inspect.getdoc(kind) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs).replace("``", "")


def argument_schema(field: msgspec.structs.FieldInfo) -> Schema:
    """Return the schema of one argument: its type, or a formula wherever a value is due."""
    schema = one_of([*_alternatives(field.type), FORMULA])
    default = field.default if field.default is not msgspec.NODEFAULT else None
    return schema if default is None else {**schema, "default": to_builtins(default)}


def _alternatives(kind: Any) -> list[Schema]:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return [schema for part in get_args(kind) for schema in _alternatives(part)]
    if origin is Literal:
        return [{"enum": list(get_args(kind))}]
    if origin in (tuple, list):
        (item, *_) = get_args(kind)
        return [{"type": "array", "items": one_of([*_alternatives(item), FORMULA])}]
    if kind not in _SCALARS:
        raise TypeError(f"a layer's argument of type {kind} has no JSON Schema; give it one in argument_schema.py")
    return [{"type": _SCALARS[kind]}]


def one_of(schemas: list[Schema]) -> Schema:
    """Return the schema of what fits any of several."""
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
