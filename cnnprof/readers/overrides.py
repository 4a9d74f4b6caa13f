"""What the user changes about a specification without editing it: ``--set`` and ``--input``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cnnprof.errors import UsageError
from cnnprof.model.graph import DTYPE_BYTES
from cnnprof.model.plain import Plain

MOST_DIMENSIONS = 8


class Overrides(Plain, frozen=True, kw_only=True):
    """``params`` by name; ``inputs`` by name, the only input under the name None; ``dtypes`` of inputs likewise.

    ``free``: the size of axes that the specification leaves open and ``inputs`` does not name; None: an error.
    """

    params: dict[str, Any] = {}
    inputs: dict[str | None, tuple[int, ...]] = {}
    dtypes: dict[str | None, str] = {}
    free: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What is changed, for the notes of a result."""
        inputs = ["--input" if name is None else f"--input {name}" for name in self.inputs]
        return (*(f"--set {name}" for name in self.params), *inputs)


def parse_shape(text: str) -> tuple[int, ...]:
    """Return the sizes in ``3x224x224`` (× works too).

    Raises:
        UsageError: anything else.
    """
    parts = re.split(r"[x×X]", text.strip())
    if not all(part.isascii() and part.isdigit() for part in parts) or len(parts) > MOST_DIMENSIONS:
        raise UsageError(f"an input size is written 3x224x224 (channels first), got {text!r}", code="bad-input")
    return checked(tuple(int(part[:20]) for part in parts), text)


def checked(shape: tuple[int, ...], shown: object) -> tuple[int, ...]:
    """Return ``shape`` if every size is positive and within 32 bits.

    Raises:
        UsageError: one is not.
    """
    if not shape or any(isinstance(size, bool) or not isinstance(size, int) or not 1 <= size < 2**31 for size in shape):
        raise UsageError(f"every input size is a whole number from 1 to 2^31 − 1, got {shown!r}", code="bad-input")
    return shape


def parse_inputs(given: str | Sequence[int] | Mapping[str, Any] | None) -> dict[str | None, tuple[int, ...]]:
    """Return the sizes by input name of ``3x224x224``, ``a=3x224x224,b=10:int64``, a sequence or a mapping.

    Raises:
        UsageError: a size is not one.
    """
    return {name: _shape(value) for name, value in _by_name(given).items()}


def parse_dtypes(given: str | Sequence[int] | Mapping[str, Any] | None) -> dict[str | None, str]:
    """Return the dtypes by input name: what stands behind a colon, ``10:int64``; without one, nothing.

    Raises:
        UsageError: there is no such dtype.
    """
    written = {
        name: value.partition(":")[2].strip()
        for name, value in _by_name(given).items()
        if isinstance(value, str) and ":" in value
    }
    for dtype in written.values():
        if dtype not in DTYPE_BYTES:
            raise UsageError(
                f"an input has no dtype {dtype!r}", hint=f"one of {', '.join(DTYPE_BYTES)}", code="bad-input"
            )
    return written


def _by_name(given: str | Sequence[int] | Mapping[str, Any] | None) -> dict[str | None, Any]:
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return {name: value for name, value in given.items()}  # noqa: C416 a name may be None in what is returned
    if isinstance(given, str) and "=" in given:
        parts = (part.partition("=") for part in given.split(","))
        return {name.strip(): shape for name, _, shape in parts}
    return {None: given}


def _shape(value: Any) -> tuple[int, ...]:
    if not isinstance(value, str):
        return checked(tuple(value), value)
    shape, _, _ = value.partition(":")  # the dtype is parse_dtypes' concern
    return parse_shape(shape)
