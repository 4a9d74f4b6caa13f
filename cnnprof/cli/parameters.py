"""Option values that click cannot read by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cnnprof.errors import CnnprofError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from click.shell_completion import CompletionItem

LARGEST = 2**31 - 1
LIBRARIES = ("torchvision:", "timm:")
"""Whose networks can be named; which ones they have, only importing them would tell."""
DIGITS = 20
"""More digits than these are not read: turning a million digits into a number takes long."""


def numbers(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[int, ...]:
    """Return the whole numbers in ``1,8,32``."""
    parts = [part.strip() for part in value.split(",")]
    if not all(part.isascii() and part.isdigit() and 1 <= int(part[:DIGITS]) <= LARGEST for part in parts):
        raise click.BadParameter(f"{value!r} is no list of whole numbers from 1 to {LARGEST}, such as 1,8,32")
    return tuple(int(part[:DIGITS]) for part in parts)


def names(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Return the names in ``a,b``."""
    found = tuple(part.strip() for part in value.split(",")) if value is not None else None
    if found is not None and not all(found):
        raise click.BadParameter(f"{value!r} has an empty name in it")
    return found


def settings(given: Sequence[str]) -> dict[str, Any]:
    """Return the values of ``--set NAME=VALUE`` options; a value is written as in a specification.

    Raises:
        UsageError: not NAME=VALUE, a name twice, or a formula.
        SpecError: the value is no YAML.
    """
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name or not value.strip():
            raise UsageError(f"--set {text}: a setting is NAME=VALUE", hint="such as --set num_classes=10")
        if name in found:
            raise UsageError(f"--set {name} is given twice")
        found[name] = _value(name, value)
    return found


def _value(name: str, text: str) -> Any:
    from cnnprof.readers.statements import Expression
    from cnnprof.readers.tree import ExpressionError, compose

    try:
        expression = Expression(compose(text, f"--set {name}").root)
    except ExpressionError as error:
        raise UsageError(f"--set {name}: {error.message}", code=error.code) from None
    if not expression.literal:
        raise UsageError(f"--set {name}: a value is needed, not a formula", hint="write the number itself")
    return expression.value


def announce(models: Iterable[str], *, quiet: bool) -> None:
    """Say what is about to be imported and run, for it is the user's own code; a name alone says nothing of that."""
    from cnnprof.cli.streams import say
    from cnnprof.readers import runs_code

    for model in models:
        if runs_code(model) and not quiet:
            say(f"importing {model}, which runs its code")


def complete_model(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names that begin with ``incomplete``, of libraries their prefix, and leave files to the shell."""
    from click.shell_completion import CompletionItem

    from cnnprof.api import zoo

    try:
        names = [name for name in (*zoo(), *LIBRARIES) if name.startswith(incomplete)]
    except CnnprofError:  # a message in the middle of a half-typed line helps nobody
        names = []
    return [*map(CompletionItem, names), CompletionItem(incomplete, type="file")]
