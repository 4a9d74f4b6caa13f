"""Every error cnnprof raises on purpose: what is wrong, where, what came, what to do.

Standard library only. The command line turns these into one message and an exit code; nothing else may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Place(NamedTuple):
    """A position in a text: 1-based line and column of ``source`` (a file name, ``<stdin>`` or ``<pattern>``)."""

    source: str
    line: int | None = None
    column: int | None = None
    text: str | None = None
    """The source line itself, so that a caret can be drawn under the column."""

    def __str__(self) -> str:
        parts = [self.source, self.line, self.column]
        return ":".join(str(part) for part in parts if part is not None)


class Problem(NamedTuple):
    """One finding about a text: a stable code, a sentence, a place and the way out."""

    code: str
    message: str
    place: Place | None = None
    hint: str | None = None

    def render(self) -> str:
        """Return the finding as printed: position, code and sentence, the source line with a caret, the hint."""
        where = f"{self.place}: " if self.place else ""
        lines = [f"{where}error[{self.code}] {self.message}"]
        lines += _caret(self.place)
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


def _caret(place: Place | None) -> list[str]:
    if place is None or place.text is None or place.column is None:
        return []
    # A window of the line around the column: a 1 MiB line must not flood the terminal.
    start = max(0, place.column - 60)
    shown = "".join(char if char.isprintable() else " " for char in place.text[start : start + 100])
    return [f"  {shown}", "  " + " " * (place.column - 1 - start) + "^"]


class CnnprofError(Exception):
    """The base of all errors meant for the user. ``exit_code`` is what the command line returns."""

    exit_code = 2
    code = "error"

    def __init__(self, message: str, *, hint: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.code
        if hint:
            self.add_note(f"hint: {hint}")  # which a traceback shows below the message

    def render(self) -> str:
        """Return the text for standard error."""
        return Problem(self.code, self.message, None, self.hint).render()


class UsageError(CnnprofError):
    """A wrong argument or a name that nothing answers to."""

    code = "usage"


class SpecError(CnnprofError):
    """A specification that cannot be read: all its problems at once."""

    code = "spec"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = tuple(problems)
        first = self.problems[0]
        super().__init__(first.message, hint=first.hint, code=first.code)

    def __str__(self) -> str:
        return self.render()

    def render(self) -> str:
        return "\n".join(problem.render() for problem in self.problems)


class LayerError(CnnprofError):
    """A layer refuses its arguments or inputs. It knows no place; whoever read the layer adds it.

    ``argument`` names the guilty argument where there is one.
    """

    code = "bad-argument"

    def __init__(
        self, message: str, *, argument: str | None = None, hint: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.argument = argument


class OutputError(CnnprofError):
    """A result could not be written; whatever was there before is untouched."""

    code = "output"


class StoreError(CnnprofError):
    """The store of runs could not be read or written; what was committed before is as it was."""

    code = "store"


class MissingPackageError(CnnprofError):
    """A package or device that this command needs is not there."""

    exit_code = 3
    code = "missing"


class WorkerError(CnnprofError):
    """A process that worked for this one died, gave no answer, or took too long; the message names the cause."""

    code = "worker-died"
