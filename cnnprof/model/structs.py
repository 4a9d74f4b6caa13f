"""The part of msgspec that records use, in plain Python, for an interpreter that has torch but not msgspec.

A worker of ``--python`` runs in an environment that was not made for cnnprof. There, and nowhere else, ``plain`` takes
this module for msgspec: it is many times slower. Names, messages and JSON are msgspec's; tests compare the two.
"""

from __future__ import annotations

import json as python_json
import math
from collections.abc import Callable, Iterator
from functools import cache
from inspect import get_annotations
from json.encoder import encode_basestring
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, ClassVar, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
NODEFAULT: Any = type("NODEFAULT", (), {"__repr__": lambda _self: "NODEFAULT"})()


class ValidationError(Exception):
    """JSON that is not of the kind that was asked for."""


class Struct:
    """A frozen record, equal by value. Its fields are its annotations, those of its bases first."""

    __struct_fields__: ClassVar[tuple[str, ...]] = ()
    """In order; those that are given by name only come last."""
    __struct_defaults__: ClassVar[tuple[Any, ...]] = ()
    """Of the last fields, from the first one that has a default."""
    __struct_optional__: ClassVar[dict[str, Any]] = {}
    """Field to default; dicts and lists are copied."""
    _by_name_only: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, *, frozen: bool = True, kw_only: bool = False, gc: bool = True) -> None:
        own = [name for name, kind in get_annotations(cls).items() if not _is_class_variable(kind)]
        cls._by_name_only = (cls._by_name_only - {*own}) | (frozenset(own) if kw_only else frozenset())
        cls.__struct_optional__ = {name: value for name, value in cls.__struct_optional__.items() if name not in own}
        for name in own:
            if name in vars(cls):
                cls.__struct_optional__[name] = vars(cls)[name]
                delattr(cls, name)
        names = dict.fromkeys((*cls.__struct_fields__, *own))
        fields = tuple(sorted(names, key=cls._by_name_only.__contains__))
        first = next((at for at, name in enumerate(fields) if name in cls.__struct_optional__), len(fields))
        cls.__struct_fields__ = fields
        cls.__struct_defaults__ = tuple(cls.__struct_optional__.get(name, NODEFAULT) for name in fields[first:])

    def __init__(self, *args: Any, **named: Any) -> None:
        fields = type(self).__struct_fields__
        given = dict(zip(fields, args, strict=False))
        if len(args) > len(fields) - len(self._by_name_only):
            raise TypeError("Extra positional arguments provided")
        for name in named:
            if name not in fields:
                raise TypeError(f"Unexpected keyword argument {name!r}")
            if name in given:
                raise TypeError(f"Argument {name!r} given by name and position")
        given |= named
        vars(self).update({name: given[name] if name in given else self._default(name) for name in fields})
        if prepare := getattr(self, "__post_init__", None):
            prepare()

    def _default(self, name: str) -> Any:
        if name not in self.__struct_optional__:
            raise TypeError(f"Missing required argument {name!r}")
        value = self.__struct_optional__[name]
        return value.copy() if isinstance(value, dict | list) else value

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"immutable type: {type(self).__name__!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"immutable type: {type(self).__name__!r}")

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if type(self) is type(other) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


def _is_class_variable(kind: Any) -> bool:
    if isinstance(kind, str):
        return kind.removeprefix("typing.").startswith("ClassVar")
    return kind is ClassVar or get_origin(kind) is ClassVar


def _replace(record: Struct, /, **changes: Any) -> Struct:
    for name in changes:
        if name not in record.__struct_fields__:
            raise TypeError(f"`{type(record).__name__}` has no field {name!r}")
    return type(record)(**{**vars(record), **changes})


def _force_setattr(record: Struct, name: str, value: object) -> None:
    vars(record)[name] = value


def to_builtins(value: Any) -> Any:
    """Return records as dicts, and what they hold likewise.

    Raises:
        TypeError: something else than records, dicts, lists, tuples, text, numbers and None.
    """
    if isinstance(value, Struct):
        return {name: to_builtins(each) for name, each in vars(value).items()}
    if isinstance(value, dict):
        return {name: to_builtins(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        items = map(to_builtins, value)
        return list(items) if isinstance(value, list) else tuple(items)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"Encoding objects of type {type(value).__name__} is unsupported")


# To JSON


class _Written(str):
    """A number as it stands in a text."""

    __slots__ = ()


def _encode(value: Any) -> bytes:
    return _text(to_builtins(value), ",", ":").encode()


def _format(data: bytes, *, indent: int) -> bytes:
    value = python_json.loads(data, parse_int=_Written, parse_float=_Written)
    return _text(value, ", " if indent == 0 else ",", ": ", indent).encode()


def _text(value: Any, comma: str, colon: str, indent: int = 0, depth: int = 1) -> str:
    if isinstance(value, dict):
        items = [
            f"{encode_basestring(str(name))}{colon}{_text(each, comma, colon, indent, depth + 1)}"
            for name, each in value.items()
        ]
        return _bracketed("{}", items, comma, indent, depth)
    if isinstance(value, list | tuple):
        return _bracketed("[]", [_text(each, comma, colon, indent, depth + 1) for each in value], comma, indent, depth)
    return _scalar(value)


def _bracketed(brackets: str, items: list[str], comma: str, indent: int, depth: int) -> str:
    if not indent or not items:
        return f"{brackets[0]}{comma.join(items)}{brackets[1]}"
    new_line = "\n" + " " * indent * depth
    return f"{brackets[0]}{new_line}{(comma + new_line).join(items)}{new_line[:-indent]}{brackets[1]}"


def _scalar(value: Any) -> str:
    if isinstance(value, _Written):
        return value
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, float):
        return _number(float(value))
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(int(value))


def _number(value: float) -> str:
    """Return the shortest digits, as Python finds them, in msgspec's way: 1e16, 0.00001, and null for no number."""
    if not math.isfinite(value):
        return "null"
    digits, _, exponent = repr(value).partition("e")
    if not exponent:
        return digits
    if int(exponent) != -5:  # noqa: PLR2004 the one power that msgspec still writes out and Python does not
        return f"{digits}e{int(exponent)}"
    sign = "-" * (value < 0)
    return f"{sign}0.0000{digits.removeprefix('-').replace('.', '')}"


# From JSON


def _decode(data: bytes | str, *, type: type[T]) -> T:  # noqa: A002 msgspec's name
    try:
        value = python_json.loads(data, parse_constant=_refuse, parse_float=_finite)
    except ValueError as error:
        raise ValidationError(f"JSON is malformed: {error}") from error
    found: T = convert(value, type)
    return found


def _refuse(word: str) -> NoReturn:
    raise ValidationError(f"JSON is malformed: {word} is no number")


def _finite(digits: str) -> float:
    if math.isinf(value := float(digits)):
        raise ValidationError("Number out of range")
    return value


def convert(value: Any, kind: Any, where: str = "$") -> Any:
    """Return what JSON gave as a ``kind``: a record, a ``Literal``, a union, any nesting of tuples, lists and dicts.

    Raises:
        ValidationError: it is none, and ``where`` that is.
    """
    origin = get_origin(kind)
    if kind is Any:
        return value
    if origin in _CONVERTERS:
        return _CONVERTERS[origin](value, kind, where)
    if issubclass(kind, Struct):
        return _record(value, kind, where)
    if hasattr(kind, "_fields"):
        return kind(*_fixed(value, tuple(get_type_hints(kind).values()), where))
    if kind is float and type(value) is int:
        return float(value)
    return value if type(value) is kind else _differs(value, kind.__name__, where)


_JSON_NAMES: dict[type, str] = {NoneType: "null", list: "array", dict: "object"}


def _differs(value: Any, expected: str, where: str) -> NoReturn:
    came = _JSON_NAMES.get(type(value), type(value).__name__)
    raise ValidationError(f"Expected `{expected}`, got `{came}`{_at(where)}")


def _at(where: str) -> str:
    return "" if where == "$" else f" - at `{where}`"


def _record(value: Any, kind: Any, where: str) -> Any:
    if not isinstance(value, dict):
        _differs(value, "object", where)
    kinds = _field_types(kind)
    for name in kind.__struct_fields__:
        if name not in value and name not in kind.__struct_optional__:
            raise ValidationError(f"Object missing required field `{name}`{_at(where)}")
    return kind(**{name: convert(value[name], kinds[name], f"{where}.{name}") for name in kinds if name in value})


@cache
def _field_types(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {name: hints[name] for name in kind.__struct_fields__}


def _one_of(value: Any, kind: Any, where: str) -> Any:
    parts = [part for part in get_args(kind) if part is not NoneType]
    if value is None and len(parts) < len(get_args(kind)):
        return None
    if len(parts) == 1:
        return convert(value, parts[0], where)
    for part in sorted(parts, key=lambda part: part is float):  # whole numbers stay whole
        try:
            return convert(value, part, where)
        except ValidationError:
            continue
    return _differs(value, str(kind), where)


def _word(value: Any, kind: Any, where: str) -> Any:
    found = any(type(value) is type(each) and value == each for each in get_args(kind))
    return value if found else _differs(value, str(kind), where)


def _tuple(value: Any, kind: Any, where: str) -> tuple[Any, ...]:
    kinds = get_args(kind)
    if kinds[-1] is ...:
        return tuple(_items(value, kinds[0], where))
    return _fixed(value, kinds, where)


def _fixed(value: Any, kinds: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if not isinstance(value, list) or len(value) != len(kinds):
        _differs(value, f"array of length {len(kinds)}", where)
    return tuple(
        convert(each, part, f"{where}[{at}]") for at, (each, part) in enumerate(zip(value, kinds, strict=True))
    )


def _items(value: Any, kind: Any, where: str) -> Iterator[Any]:
    if not isinstance(value, list):
        _differs(value, "array", where)
    return (convert(each, kind, f"{where}[{at}]") for at, each in enumerate(value))


def _list(value: Any, kind: Any, where: str) -> list[Any]:
    return list(_items(value, get_args(kind)[0], where))


def _dict(value: Any, kind: Any, where: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        _differs(value, "object", where)
    names, values = get_args(kind)
    return {convert(name, names, where): convert(each, values, f"{where}[...]") for name, each in value.items()}


_CONVERTERS: dict[Any, Callable[[Any, Any, str], Any]] = {
    Union: _one_of,
    UnionType: _one_of,
    Literal: _word,
    tuple: _tuple,
    list: _list,
    dict: _dict,
}

structs = SimpleNamespace(replace=_replace, force_setattr=_force_setattr)
json = SimpleNamespace(encode=_encode, decode=_decode, format=_format)
