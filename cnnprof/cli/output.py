"""Where results go: ``-o FILE`` and standard output. A file is complete or untouched, never half-written.

Targets are checked before any work. A file is written beside its target, flushed to the disk and renamed over it; where
that fails, the old file is as it was and the data goes to standard output as a last resort.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cnnprof.cli.streams import emit, say
from cnnprof.errors import CnnprofError, OutputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cnnprof.report.base import Screen

STDOUT = "-"
_NAMES_OF_STDOUT = ("-", "/dev/stdout")
"""Opening /dev/stdout anew would cut off what the shell has redirected it to."""


class Target(NamedTuple):
    """One place a result goes to, and in which format. ``path`` None is standard output."""

    path: Path | None
    format: str


def targets(
    outputs: Sequence[str], chosen: str | None, suffixes: Mapping[str, str], default: str = "table"
) -> list[Target]:
    """Return the checked targets of ``-o`` options; without any, standard output.

    Args:
        outputs: the values of ``-o``; ``-`` is standard output.
        chosen: the value of ``--format``: for standard output and for files whose suffix says nothing.
        suffixes: ``.csv`` to ``csv`` and so on.
        default: the format of standard output where none is chosen.

    Raises:
        UsageError: a format cannot be told, would go nowhere, or one file is named twice.
        OutputError: a file cannot be written where it should.
    """
    found = [_target(output, chosen, suffixes, default) for output in outputs or [STDOUT]]
    names = [os.path.realpath(target.path) if target.path else STDOUT for target in found]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"-o {name} is given twice")
    if chosen and all(target.format != chosen for target in found):
        raise UsageError(
            f"--format {chosen} goes nowhere: the suffix of every -o file says another format",
            hint="add -o - to print it as well",
        )
    for target in found:
        if target.path is not None:
            check(target.path)
    return found


def _target(output: str, chosen: str | None, suffixes: Mapping[str, str], default: str) -> Target:
    if output in _NAMES_OF_STDOUT:
        return Target(None, chosen or default)
    if not output:
        raise UsageError("-o needs a file name, got an empty one")
    named = suffixes.get(Path(output).suffix.lower(), chosen)
    if named is None:
        known = ", ".join(sorted(suffixes))
        raise UsageError(f"-o {output}: its suffix names no format", hint=f"use one of {known}, or add --format")
    return Target(Path(output), named)


def check(path: Path) -> None:
    """Raise OutputError unless ``path`` can be written, without touching it."""
    try:
        problem = _obstacle(path)
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError up to Python 3.12
        raise _refused(path, getattr(error, "strerror", None) or "its symbolic links go in a circle") from error
    if problem:
        raise _refused(path, problem)


def _obstacle(path: Path) -> str | None:
    if path.is_dir():
        return "it is a directory"
    target = path.resolve() if _is_replaceable(path) else path
    if not target.parent.is_dir():
        return f"there is no directory {target.parent}"
    if target.exists() and not os.access(target, os.W_OK):
        return "the file is write-protected"
    if _is_replaceable(path) and not os.access(target.parent, os.W_OK | os.X_OK):
        return f"the directory {target.parent} is not writable"
    return None


def _is_replaceable(path: Path) -> bool:
    # A device or a pipe (/dev/null, /dev/fd/3, a FIFO) is written into; renaming over it would destroy it.
    return not path.exists() or path.is_file()


def _refused(path: Path, reason: str) -> OutputError:
    return OutputError(f"cannot write {path}: {reason}", hint="choose another file with -o")


def write(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, all of it or nothing; an old file keeps its permissions.

    Raises:
        OutputError: the disk is full, failing or read-only; whatever was there before is untouched.
    """
    try:
        if _is_replaceable(path):
            _replace(path.resolve(), data)
        else:
            path.write_bytes(data)
    except (OSError, RuntimeError) as error:
        raise _refused(path, getattr(error, "strerror", None) or str(error)) from error


def _replace(target: Path, data: bytes) -> None:
    beside = target.with_name(f".cnnprof-{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        _write_through(beside, data, target)
        beside.replace(target)
    finally:
        # After success there is nothing left to remove; after an error or an interrupt, the half-written file.
        with suppress(OSError):
            beside.unlink()
    _sync_directory(target.parent)


def _write_through(beside: Path, data: bytes, target: Path) -> None:
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        if target.exists():
            _adopt_permissions(descriptor, target)
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _adopt_permissions(descriptor: int, target: Path) -> None:
    old = target.stat()
    if hasattr(os, "fchown"):
        with suppress(OSError):  # only root may give files away
            os.fchown(descriptor, old.st_uid, old.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def _sync_directory(folder: Path) -> None:
    # The rename itself must reach the disk too. Systems without directory descriptors do that on their own.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def screen(target: Target) -> Screen:
    """Return what the target can show; a file has any width and no colour."""
    from cnnprof.report.base import Screen
    from cnnprof.report.screen import screen_of

    return Screen() if target.path is not None or sys.stdout is None else screen_of(sys.stdout)


def deliver(found: Sequence[Target], render: Callable[[Target], str], *, quiet: bool = False) -> int:
    """Render a result once per target and write it; one failing target never costs the others. Return the exit code.

    Args:
        found: what ``targets`` returned.
        render: returns the result as text for a target.
        quiet: do not name the files written.
    """
    code = 0
    for target in found:
        text = render(target)
        try:
            _deliver(target, text, quiet=quiet)
        except OutputError as error:
            say(error.render())
            code = error.exit_code
            if target.path is not None and Target(None, target.format) not in found:
                _last_resort(text)
    return code


def _deliver(target: Target, text: str, *, quiet: bool) -> None:
    if target.path is None:
        emit(text)
        return
    ended = text if text.endswith("\n") else text + "\n"
    write(target.path, ended.encode("utf-8", "backslashreplace"))
    if not quiet:
        say(f"wrote {target.path}")


def _last_resort(text: str) -> None:
    say("the result goes to standard output instead:")
    with suppress(CnnprofError):  # standard output may be on the same full disk; that was said above
        emit(text)
