"""Standard output carries data, standard error carries talk; neither ever ends in a traceback."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

from cnnprof.errors import OutputError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import TextIO

TRACEBACK = "CNNPROF_TRACEBACK"
"""Environment variable: set to 1, an unexpected error shows where it happened."""


class Terminated(BaseException):
    """SIGTERM arrived. Not an Exception, so that nothing but ``main`` catches it while cleaning up still runs."""


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM raise ``Terminated``, so that half-written files are removed before the program ends."""

    def raise_terminated(_number: int, _frame: FrameType | None) -> NoReturn:
        raise Terminated

    try:
        before = signal.signal(signal.SIGTERM, raise_terminated)
    except ValueError:  # not in the main thread: whoever embeds cnnprof keeps the signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def accept_any_text() -> None:
    """Print what an encoding lacks as an escape instead of failing on it (ASCII terminals, undecodable file names)."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Print talk on standard error, what could act in a terminal escaped; where nobody can listen, say nothing."""
    if sys.stderr is None:
        return
    with suppress(OSError):
        print("".join(map(_shown, text)), file=sys.stderr, flush=True)  # noqa: T201 the one place of it


def _shown(char: str) -> str:
    # Names from a network or a command line may hold escape sequences and marks that turn text around.
    return char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode()


def emit(text: str) -> None:
    """Print data on standard output. A reader that has seen enough (``| head``) is no error.

    Raises:
        OutputError: standard output is closed or its disk is full.
    """
    if sys.stdout is None:
        raise OutputError("standard output is closed", hint="use -o FILE, or leave standard output open")
    with _writing(sys.stdout):
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()


def flush() -> None:
    """Send what is left in the buffer of standard output; the same errors as ``emit``."""
    if sys.stdout is not None:
        with _writing(sys.stdout):
            sys.stdout.flush()


@contextmanager
def _writing(stream: TextIO) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        close_quietly(stream)
    except OSError as error:
        close_quietly(stream)
        raise OutputError(f"cannot write to standard output: {error.strerror}") from error


def close_quietly(stream: TextIO | None) -> None:
    """Point a broken stream at nothing: the interpreter would try to flush it again on its way out, and complain."""
    if stream is None:
        return
    with suppress(OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)


def report_bug(error: Exception) -> int:
    """Say that cnnprof itself failed, in one line, and return the exit code of it."""
    if os.environ.get(TRACEBACK):
        import traceback

        say("".join(traceback.format_exception(error)).rstrip())
    if isinstance(error, MemoryError):
        say(Problem("memory", "not enough memory", None, "try a smaller network or batch").render())
        return 2
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    hint = f"{TRACEBACK}=1 shows where; please report it with the command you typed"
    say(Problem("bug", f"this is a bug of cnnprof: {reason}", None, hint).render())
    return 2
