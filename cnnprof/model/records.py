"""Records as JSON that keeps every name exact, and records from JSON that somebody else may have written.

``plain.to_json`` is quicker, and refuses what is no Unicode: names from a command line can hold lone surrogates.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any, NoReturn, TypeVar

import msgspec

T = TypeVar("T")

LARGEST = 10**38
"""Every whole number is below it: sums and products of several still have a ratio that is a float."""
_LONG = re.compile(r"\d{39}")


def encode(record: object) -> str:
    """Return plain data as one line of JSON in ASCII; a number that is not finite becomes null, as JSON has none."""
    return json.dumps(_finite(msgspec.to_builtins(record)), separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def decode(text: str, kind: type[T]) -> T:
    """Return the record that ``encode`` wrote, of this version or another: fields that are not known are left out.

    Raises:
        ValueError: no JSON, or not of this kind.
    """
    return _convert(_parse(text), kind)


def decode_exactly(value: Any, kind: type[T]) -> T:
    """Return the record that is made of what ``parse`` returned, all of it.

    Raises:
        ValueError: not of this kind, or with a key that the record does not have; the message says where.
    """
    found = _convert(value, kind)
    stranger = _stranger(value, msgspec.to_builtins(found))
    if stranger:
        raise ValueError(f"there is no key {stranger}")
    return found


def _convert(value: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(str(error).replace("`", "")) from error


def _stranger(given: Any, kept: Any) -> str | None:
    """Return the path of the first key that was given and not kept, such as ``parts[0].setting.device``."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            inside = _stranger(value, kept[key]) if key in kept else ""
            if inside is not None:
                return _joined(key, inside)
    elif isinstance(given, list) and isinstance(kept, list | tuple):
        for index, (value, other) in enumerate(zip(given, kept, strict=True)):
            inside = _stranger(value, other)
            if inside is not None:
                return _joined(f"[{index}]", inside)
    return None


def _joined(first: str, rest: str) -> str:
    return f"{first}.{rest}" if rest and not rest.startswith("[") else f"{first}{rest}"


def parse(text: str) -> Any:
    """Return dicts, lists, text and finite numbers.

    Raises:
        ValueError: no JSON, a key twice, a number that is not finite or beyond ``LARGEST``, or nested too deep.
    """
    return _parse(text, strict=True)


def _parse(text: str, *, strict: bool = False) -> Any:
    hook = _unique if strict else None
    try:
        found = json.loads(text, object_pairs_hook=hook, parse_constant=_refuse, parse_float=_float)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    where = _beyond(found) if _LONG.search(text) else None  # only where there are so many digits is it looked for
    if where is not None:
        raise ValueError(f"{where or 'it'} is a whole number of more than 38 digits")
    return found


def _beyond(value: Any) -> str | None:
    """Return the path of the first whole number that is too large, such as ``parts[0].setting.batch``."""
    if isinstance(value, int):
        return None if abs(value) < LARGEST else ""
    if isinstance(value, dict):
        return _first((str(key), _beyond(each)) for key, each in value.items())
    if isinstance(value, list):
        return _first((f"[{index}]", _beyond(each)) for index, each in enumerate(value))
    return None


def _first(found: Iterable[tuple[str, str | None]]) -> str | None:
    return next((_joined(step, inside) for step, inside in found if inside is not None), None)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)} is there twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _float(digits: str) -> float:
    found = float(digits)
    if not math.isfinite(found):
        raise ValueError(f"{digits[:20]} is too large for a number")
    return found
