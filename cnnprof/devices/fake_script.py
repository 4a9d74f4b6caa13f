"""What the fake device is told: the values of its script, and files that say other ones. No torch."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from cnnprof.errors import UsageError
from cnnprof.model.run import Telemetry

FAULTS = (
    "segfault", "kill", "memory", "hang", "print", "exit", "nan", "inf", "zero", "negative", "sticky", "lost",
)  # fmt: skip
_PAGE = "docs/devices.md has every key, its unit and its default"
_EXAMPLE = f'write keys and values, such as {{"host": true, "macs_per_ns": 50}}, or {{}} for the defaults; {_PAGE}'
_JSON = {list: "a list", str: "text", int: "a number", float: "a number", bool: "a truth value", type(None): "null"}
_ABOVE_0 = {
    "macs_per_ns", "bytes_per_ns", "pinned_bytes_per_ns", "pageable_bytes_per_ns", "load_bytes_per_ns", "threads",
    "cores", "memory_bytes", "cold",
}  # fmt: skip
"""Rates that something is divided by, and what there is at least one of."""
_NULL = {"output_std", "verified"}
_SAID = tuple(name for name in Telemetry.__annotations__ if name != "when")


class Script(NamedTuple):
    """What happens. Times are in nanoseconds."""

    macs_per_ns: float = 100.0
    bytes_per_ns: float = 20.0
    layer_ns: int = 2_000
    """A layer takes this and its multiply-accumulates or its bytes at these rates, whichever takes longer."""
    gap_ns: int = 500
    """Before each layer and after the last."""
    hidden_ns: int = 0
    """Only in a forward without marks: what no layer and no gap explains."""
    inside_ns: int = 100
    outside_ns: int = 1_000
    """What a pair of marks adds, in a layer's interval and between two."""
    planted_ns: dict[str, int] = {}
    """By a layer's name, what it takes besides; ``gap:NAME`` before that layer."""
    noise: tuple[float, ...] = (1.0,)
    """Factors of successive forwards' times, over and over."""
    slow_first: tuple[float, ...] = (1.5, 1.2)
    """Factors of the first ones besides."""
    stolen_ns: dict[str, int] = {}
    """By a forward's number, as text: time in which the thread did not run."""
    others: float = 0.0
    threads: int = 1
    cores: int = 2
    memory_bytes: int = 2**40
    cold: float = 2.0
    """How much longer a layer takes with its weights out of the caches."""
    output_std: float | None = 1.0
    faults: dict[str, str] = {}
    """By a forward's number, as text: segfault, kill, memory, hang, print or exit; nan, inf, zero or negative times;
    sticky: every later call in this process fails too; lost: the device is gone."""
    host: bool = False
    """Whether it stands for the CPU, to which nothing is copied."""
    launch_ns: int = 0
    """What the host takes to launch a layer. Above 0 there are the passes Q, G and F."""
    flushed_ns: int = 0
    """What the first layer takes longer where the cache was overwritten before."""
    copy_ns: int = 10_000
    """What a copy takes besides its bytes."""
    pinned_bytes_per_ns: float = 25.0
    pageable_bytes_per_ns: float = 8.0
    verified: bool | None = True
    """Whether what was copied arrived."""
    overlap: float = 1.0
    """Of the shorter of copying and computing, the part that is hidden when both are done at once."""
    context_ns: int = 200_000_000
    load_bytes_per_ns: float = 8.0
    """At which weights and buffers are loaded."""
    telemetry: dict[str, dict[str, Any]] = {}
    """By the moment, ``before`` or ``after``: what it says of itself, as fields of ``Telemetry``."""


def read(device: str) -> dict[str, Any]:
    """Return what the file of ``fake:FILE`` says; nothing where there is none.

    Raises:
        UsageError: there is no such file, or it says what no script has or can have.
    """
    path = device.partition(":")[2]
    if not path:
        return {}
    found = _loaded(device, path)
    if not isinstance(found, dict):
        raise _refused(f"{device}: a device file is a JSON object, this is {_JSON[type(found)]}", _EXAMPLE)
    unknown = sorted(found.keys() - set(Script._fields))
    if unknown:
        raise _refused(f"{device}: {', '.join(unknown)}: no such key", _known(unknown[0]))
    for problem in _problems(found):
        raise _refused(f"{device}: {problem}", _PAGE)
    return found


def _loaded(device: str, path: str) -> Any:
    try:
        with open(path, encoding="utf-8-sig") as file:  # noqa: PTH123 pathlib costs start-up
            text = file.read()
        return json.loads(text)
    except OSError as error:
        why = error.strerror or error
        raise _refused(
            f"{device}: cannot read the device file {path}: {why}",
            "after fake: comes the path of a JSON file, from the folder you are in; fake alone needs none",
        ) from error
    except json.JSONDecodeError as error:
        what = f"line {error.lineno}, column {error.colno}: {error.msg}" if text.strip() else "the file is empty"
        raise _refused(f"{device}: the device file is no JSON: {what}", _EXAMPLE) from error
    except (UnicodeDecodeError, RecursionError) as error:
        why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else "it is nested too deep"
        raise _refused(f"{device}: the device file is no JSON: {why}", _EXAMPLE) from error


def _refused(message: str, hint: str) -> UsageError:
    return UsageError(message, hint=hint, code="bad-device-file")


def _known(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, Script._fields, n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    return f"{meant}the keys are {', '.join(Script._fields)}; {_PAGE}"


def _problems(found: dict[str, Any]) -> Iterator[str]:
    for name, value in found.items():
        if value is None and name in _NULL:
            continue
        what, fits = _fits(name, value)
        if not fits:
            yield f"{name} must be {what}, got {json.dumps(value)}"


def _fits(name: str, value: Any) -> tuple[str, bool]:
    """Return what a value of this name is, and whether this is one."""
    if name in _NAMED:
        what, fits = _NAMED[name]
        return what, fits(value)
    kind = type(Script._field_defaults[name])
    if kind in _KINDS:
        what, fits = _KINDS[kind]
        return what, fits(value)
    positive = name in _ABOVE_0
    what = f"a {'whole ' if kind is int else ''}number {'above 0' if positive else 'of at least 0'}"
    return what, _is_number(value, kind) and (value > 0 or (value == 0 and not positive))


def _is_number(value: Any, kind: type) -> bool:
    kinds = (int,) if kind is int else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(_is_number(each, float) and each > 0 for each in value)


def _are_faults(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) and each in FAULTS for each in value.values())


def _is_telemetry(value: Any) -> bool:
    return isinstance(value, dict) and all(
        when in ("before", "after") and isinstance(each, dict) and each.keys() <= set(_SAID)
        for when, each in value.items()
    )


_Rule = tuple[str, Callable[[Any], bool]]
_NAMED: dict[str, _Rule] = {
    "faults": (f"an object of forwards and faults, each one of {', '.join(FAULTS)}", _are_faults),
    "telemetry": (f"an object with the objects before and after, each of {', '.join(_SAID)}", _is_telemetry),
    "overlap": ("a number from 0 to 1", lambda value: _is_number(value, float) and 0 <= value <= 1),
    "noise": ("a list of numbers above 0", lambda value: bool(value) and _are_numbers(value)),
}
_KINDS: dict[type, _Rule] = {
    bool: ("true or false", lambda value: isinstance(value, bool)),
    tuple: ("a list of numbers above 0", _are_numbers),
    dict: (
        "an object of whole numbers",
        lambda value: isinstance(value, dict) and all(_is_number(each, int) for each in value.values()),
    ),
}
