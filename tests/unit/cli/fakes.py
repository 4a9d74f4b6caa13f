"""Commands that end in every way a command can end."""

from __future__ import annotations

import os
import signal
import sys

import click

from cnnprof.cli.streams import emit
from cnnprof.errors import MissingPackageError, OutputError, Place, Problem, SpecError, UsageError


@click.command
@click.argument("how")
def end(how: str) -> int:
    """End in a way."""
    return ENDS[how]()


def _raise(error: BaseException):
    def do() -> int:
        raise error

    return do


def _terminate() -> int:
    os.kill(os.getpid(), signal.SIGTERM)
    return 0


def _print(text: str):
    def do() -> int:
        emit(text)
        return 0

    return do


PROBLEM = Problem("unknown-key", "no key 'nmae'", Place("a.yaml", 2, 3, "  nmae: x"), "did you mean 'name'?")
ENDS = {
    "well": lambda: 0,
    "with-findings": lambda: 1,
    "partially": lambda: 4,
    "without-a-value": lambda: None,
    "usage": _raise(UsageError("no such thing", hint="try another")),
    "spec": _raise(SpecError([PROBLEM, PROBLEM])),
    "output": _raise(OutputError("the disk is full")),
    "missing": _raise(MissingPackageError("torch is missing", hint="pip install 'cnnprof[torch]'")),
    "bug": _raise(ZeroDivisionError("division\nby zero")),
    "memory": _raise(MemoryError()),
    "recursion": _raise(RecursionError("maximum recursion depth exceeded")),
    "interrupt": _raise(KeyboardInterrupt()),
    "pipe": _raise(BrokenPipeError()),
    "terminate": _terminate,
    "click-exit": lambda: click.get_current_context().exit(4),
    "escape": _raise(UsageError("a layer called \x1b[31mred\u202e\udcff")),
    "print": _print("\N{MULTIPLICATION SIGN} \udcff"),
    "full": lambda: sys.stdout.write("buffered") and 0,
}
