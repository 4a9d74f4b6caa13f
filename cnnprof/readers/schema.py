"""The JSON Schema of specifications, for editors: generated from the layer registry and the words of the language.

Valid as draft-07 and as 2020-12: only keywords that mean the same in both, definitions under ``definitions``, nothing
beside a ``$ref``. It knows no file's blocks, so any other name with arguments passes as a block; ``cnnprof analyze``
knows better.
"""

from __future__ import annotations

from typing import Any

from cnnprof.layers import REGISTRY, Layer
from cnnprof.readers import items, language
from cnnprof.readers.argument_schema import FORMULA, Schema, arguments_schema, description, one_of, required_arguments

DRAFT = "http://json-schema.org/draft-07/schema#"
TITLE = "cnnprof specification"
NAME = r"^[^\s\d.,:=\[\]{}][^\s.,:=\[\]{}]*$"
"""A name: not a digit first, no character that means something in paths, formulas or patterns."""
TEXT: Schema = {"type": "string", "minLength": 1}
NOTHING: Schema = {"type": "null"}


def json_schema() -> Schema:
    """Return the JSON Schema of a specification as plain data."""
    return {
        "$schema": DRAFT,
        "title": TITLE,
        "description": f"A convolutional network, language version {language.VERSION}.",
        "type": "object",
        "properties": _closed(_top(), language.TOP_KEYS),
        "required": ["cnnprof", "layers"],
        "additionalProperties": False,
        "definitions": _definitions(),
    }


def _closed(schemas: dict[str, Schema], keys: tuple[str, ...]) -> dict[str, Schema]:
    """Return the schemas in the language's order.

    Raises:
        ValueError: the language and this file name different keys.
    """
    if set(schemas) != set(keys):
        raise ValueError(f"schema.py and the language disagree about {sorted(set(schemas) ^ set(keys))}")
    return {key: schemas[key] for key in keys}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _described(text: str, schema: Schema) -> Schema:
    # draft-07 ignores what stands beside a $ref.
    return {"description": text, **(schema if "$ref" not in schema else {"allOf": [schema]})}


def _named(schema: Schema, *, least: int = 0) -> Schema:
    return {
        "type": "object",
        "propertyNames": {"pattern": NAME},
        "additionalProperties": schema,
        "minProperties": least,
    }


def _or_nothing(schema: Schema) -> Schema:
    return {"anyOf": [schema, NOTHING]}


def _top() -> dict[str, Schema]:
    return {
        "cnnprof": {"const": language.VERSION, "description": "Version of the language."},
        "name": _described("The network's name; of a file with variants, the family's.", TEXT),
        "title": _described("A line for people.", TEXT),
        "source": _described("Where the network comes from.", TEXT),
        "input": _described("One sample, channels first, without the batch: [3, 224, 224].", _ref("shape")),
        "inputs": _described("Several inputs by name.", _named(_ref("input"), least=1)),
        "params": _described("Values that formulas read and --set changes; null: must be given.", _ref("values")),
        "variants": _described("The members of a family: what each changes.", _or_nothing(_named(_ref("variant")))),
        "blocks": _described("Named chains with parameters.", _or_nothing(_named(_ref("block")))),
        "let": _described("Intermediates of 'layers', in order; in_shape is the input's.", _ref("values")),
        "layers": _described("The network: a chain of layers, blocks, loops and conditions.", _ref("chain")),
        "expect": _described("Published figures, and the real model that must agree.", _expect()),
    }


def _expect() -> Schema:
    plain = {"type": "object", "properties": _expectation(), "additionalProperties": False, "minProperties": 1}
    return one_of([plain, _or_nothing(_named(_ref("expectation")))])


def _expectation() -> dict[str, Schema]:
    return {"reference": TEXT, "facts": {"type": "array", "items": _ref("fact")}}


def _definitions() -> dict[str, Schema]:
    return {
        "formula": {"type": "string", "pattern": "^=", "description": "A formula: =width * 2."},
        "value": one_of([{"type": ["string", "number", "boolean", "null"]}, {"type": "array", "items": _ref("value")}]),
        "values": _or_nothing(_named(_ref("value"))),
        "size": one_of([{"type": "integer", "minimum": 1}, {"const": "*"}, FORMULA]),
        "shape": one_of([{"type": "array", "items": _ref("size"), "minItems": 1, "maxItems": 8}, FORMULA]),
        "input": one_of([_ref("shape"), _input()]),
        "variant": _or_nothing(_variant()),
        "block": _block(),
        "expectation": {"type": "object", "properties": _expectation(), "additionalProperties": False},
        "fact": _fact(),
        "chain": {"type": "array", "items": _ref("item")},
        "branches": one_of([{"type": "array", "items": _ref("chain")}, _named(_ref("chain"))]),
        "item": one_of([*_bare_names(), _item()]),
        **{f"layer_{op}": arguments_schema(kind) for op, kind in sorted(REGISTRY.items())},
    }


def _input() -> Schema:
    properties = {"shape": _ref("shape"), "dtype": {"enum": list(language.DTYPES), "default": "float32"}}
    return {"type": "object", "properties": properties, "required": ["shape"], "additionalProperties": False}


def _variant() -> Schema:
    properties = {"input": _ref("shape"), "inputs": _named(_ref("input"), least=1)}
    return {**_named(_ref("value")), "properties": properties}


def _block() -> Schema:
    parts = {
        "params": _ref("values"),
        "let": _ref("values"),
        "layers": _ref("chain"),
        "module": _described("Makes the block a container, as an nn.Module of that name is.", TEXT),
        "frozen": _siblings()["frozen"],
    }
    properties = _closed(parts, language.BLOCK_KEYS)
    return {"type": "object", "properties": properties, "required": ["layers"], "additionalProperties": False}


def _fact() -> Schema:
    parts = {
        "of": _described("The quantity, by the name of the result's attribute: params, macs …", TEXT),
        "at": _described("A layer; without it, the whole network.", TEXT),
        "value": _described("What was printed, as text: its last digit is its tolerance.", TEXT),
        "source": _described("Where it was printed.", TEXT),
        "convention": _described("How it was counted.", TEXT),
        "holds": {"type": "boolean", "default": True, "description": "false: the figure is wrong."},
        "why": _described("Why it is wrong, or needs a convention.", TEXT),
    }
    properties = _closed(parts, language.FACT_KEYS)
    required = ["of", "value", "source"]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


# -- items of a chain -------------------------------------------------------------------------------------------------


def _bare_names() -> list[Schema]:
    needy = sorted(op for op, kind in REGISTRY.items() if required_arguments(kind))
    return [
        {"enum": sorted(set(REGISTRY) - set(needy)), "description": "A layer without arguments."},
        {"type": "string", "pattern": NAME, "not": {"enum": [*needy, *items.KEYWORDS]}},
    ]


def _item() -> Schema:
    layers = {op: _layer(op, kind) for op, kind in sorted(REGISTRY.items())}
    return {
        "type": "object",
        "description": "A layer, a block, a loop, a condition, a side chain or a group, and what stands beside it.",
        "properties": {**layers, **_closed(_keywords(), items.KEYWORDS), **_siblings(), **_companions()},
        "propertyNames": {"pattern": NAME},
        "additionalProperties": _ref("values"),
        "minProperties": 1,
        "allOf": [*map(_beside_keyword, items.KEYWORDS), *map(_beside_layer, layers)],
    }


def _layer(op: str, kind: type[Layer]) -> Schema:
    ways = [_ref(f"layer_{op}")]
    if kind.arity[1] != 1:
        ways.append({"type": "array", "items": _ref("chain"), "description": "Its branches."})
    if not required_arguments(kind):
        ways.append(NOTHING)
    return {"description": description(kind), **one_of(ways)} if len(ways) > 1 else ways[0]


def _keywords() -> dict[str, Schema]:
    variables = one_of([{"type": "array", "items": _ref("value")}, FORMULA])
    return {
        "use": _described("A block or layer whose name is computed; its arguments stand under 'with'.", TEXT),
        "repeat": {"description": "How often 'layers' repeat.", **one_of([_integer(0), FORMULA])},
        "for": _described("Loop variables, each with a list; the lists are gone through side by side.",
                          _named(variables, least=1)),
        "if": {"description": "A condition for 'then' and 'else'.", **one_of([{"type": "boolean"}, FORMULA])},
        "side": _described("A chain beside the current value, which it leaves unchanged.", _ref("chain")),
        "group": _described("Layers in a row that share what stands beside the group.", _ref("chain")),
    }  # fmt: skip


def _integer(least: int) -> Schema:
    return {"type": "integer", "minimum": least}


def _siblings() -> dict[str, Schema]:
    parts = {
        "name": _described("Its name instead of the type's.", TEXT),
        "from": {"description": "What it reads instead of the value before it.",
                 **one_of([TEXT, {"type": "array", "items": TEXT, "minItems": 1}])},
        "output": _described("Makes it an output of the network, under this name.", TEXT),
        "frozen": {"description": "true: its parameters are not trained; eval: its statistics stand still too.",
                   **one_of([{"enum": [True, False, "eval"]}, FORMULA])},
        "when": {"description": "train: it works in training only; its parameters always count.",
                 **one_of([{"enum": ["always", "train"]}, FORMULA])},
        "share": _described("The earlier layer whose weights it uses.", TEXT),
        "place": _described("The device it is assigned to.", TEXT),
    }  # fmt: skip
    return _closed(parts, items.SIBLINGS)


def _companions() -> dict[str, Schema]:
    return {
        "with": _described("Arguments of the block or layer under 'use'.", _ref("values")),
        "layers": _described("The chain a loop repeats.", _ref("chain")),
        "let": _described("Intermediate values, in order, afresh in every round.", _ref("values")),
        "flat": {
            "type": "boolean",
            "description": "true: the loop puts nothing into the path; names inside must differ.",
        },
        "then": _described("The chain where the condition holds.", _ref("chain")),
        "else": _described("The chain where it does not.", _ref("chain")),
        "branches": _described("Chains that feed a layer of several inputs.", _ref("branches")),
    }


def _beside_keyword(keyword: str) -> Schema:
    needs: dict[str, Any] = {"repeat": {"required": ["layers"]}, "for": {"required": ["layers"]}}
    needs["if"] = {"anyOf": [{"required": ["then"]}, {"required": ["else"]}]}
    beside = {"propertyNames": {"enum": [keyword, *items.COMPANIONS[keyword]]}}
    return {"if": {"required": [keyword]}, "then": {**beside, **needs.get(keyword, {})}}


def _beside_layer(op: str) -> Schema:
    allowed = [op, *items.SIBLINGS, "branches"]
    return {"if": {"required": [op]}, "then": {"propertyNames": {"enum": allowed}}}
