"""The text of a specification from a file or standard input: bounded, regular, UTF-8, printable.

Nothing but the named file is ever opened, and nothing that could block, act or never end: the kind is asked of the
open descriptor, so that a file swapped between a check and its use cannot slip through.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from functools import lru_cache
from typing import BinaryIO, NoReturn

from cnnprof.errors import Place, Problem, SpecError, UsageError

MOST_BYTES = 1 << 20
"""A specification is at most 1 MiB."""
STDIN = "<stdin>"

# A FIFO without a writer must not block, a child must not inherit the descriptor, a terminal must not become ours.
# Windows lacks these flags and needs O_BINARY for the bytes as they are.
_FLAGS = os.O_RDONLY
for _flag in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
    _FLAGS |= getattr(os, _flag, 0)

_KINDS = (
    (stat.S_ISDIR, "file-directory", "is a directory"),
    (stat.S_ISFIFO, "file-fifo", "is a named pipe"),
    (stat.S_ISCHR, "file-device", "is a device"),
    (stat.S_ISBLK, "file-device", "is a device"),
)
_FAILURES = {
    errno.ENOENT: ("file-missing", "there is no such file"),
    errno.ENOTDIR: ("file-missing", "there is no such file: a part of its path is not a directory"),
    errno.ENAMETOOLONG: ("file-missing", "there is no such file: the name is longer than the system allows"),
    errno.ELOOP: ("file-loop", "is a loop of symbolic links"),
    errno.ENXIO: ("file-socket", "is a socket or a device that is not there"),
    errno.EACCES: ("file-unreadable", "may not be read by you"),
    errno.EPERM: ("file-unreadable", "may not be read by you"),
}
LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_text(path: str) -> str:
    """Return the text of a file, or of standard input for ``-``, without a byte order mark.

    Raises:
        UsageError: there is no such file, or it is none that a specification can be in (code ``file-…``).
        SpecError: its content is too long, empty, not UTF-8 or not printable.
    """
    return decode(_read_stdin() if path == "-" else _read_file(path), STDIN if path == "-" else path)


def decode(data: bytes, source: str) -> str:
    """Return the bytes of ``source`` as text.

    Raises:
        SpecError: too long, empty, not UTF-8, or with characters that YAML forbids.
    """
    if len(data) > MOST_BYTES:
        refuse("file-too-long", f"longer than {MOST_BYTES:,} bytes (1 MiB)", source)
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        message = f"not UTF-8: byte 0x{data[error.start]:02x}"
        place = _at(data[: error.start].decode(), error.start, source)
        raise SpecError([Problem("not-utf8", message, place, "save the file as UTF-8")]) from None
    if not text.strip():
        refuse("empty", "there is nothing in it", source)
    check_characters(text, source)
    return text


def check_characters(text: str, source: str) -> None:
    """Refuse what YAML forbids: NUL, other control characters, lone surrogates.

    Raises:
        SpecError: the first such character, with its place.
    """
    found = _FORBIDDEN.search(text)
    if found is None:
        return
    number = ord(found.group())
    code, name = ("nul-byte", "a NUL") if number == 0 else ("control-character", f"the character U+{number:04X}")
    message = f"{name} may not stand in a specification"
    raise SpecError([Problem(code, message, _at(text, found.start(), source))])


def split_lines(text: str) -> list[str]:
    """Return the lines as YAML counts them: besides CR and LF, U+0085, U+2028 and U+2029 end one."""
    return LINE_BREAK.split(text)


def shown(path: str) -> str:
    """Return a file name as it can be printed anywhere: undecodable bytes, controls and bidi marks escaped."""
    return path if path.isprintable() else "".join(map(_escaped, path))


def refuse(code: str, message: str, source: str, hint: str | None = None) -> NoReturn:
    """Raise SpecError about a text as a whole."""
    raise SpecError([Problem(code, message, Place(shown(source)), hint)])


def _escaped(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode()


def _at(text: str, offset: int, source: str) -> Place:
    before = split_lines(text[:offset])
    line = split_lines(text)[len(before) - 1]
    return Place(shown(source), len(before), len(before[-1]) + 1, line)


def _read_stdin() -> bytes:
    if sys.stdin is None:
        raise UsageError("standard input is closed", code="file-unreadable")
    try:
        return _read_once(sys.stdin.buffer)
    except OSError as error:
        _refuse_file(STDIN, error)


@lru_cache(maxsize=1)
def _read_once(stream: BinaryIO) -> bytes:
    """Read a stream; it can be read once only, so whoever asks again (a second input size) gets the same bytes."""
    return stream.read(MOST_BYTES + 1)


def _read_file(path: str) -> bytes:
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        _refuse_file(path, error)
    except ValueError:  # a NUL in the name
        raise UsageError(f"'{shown(path)}': there is no such file", code="file-missing") from None
    try:
        _check_kind(path, os.fstat(descriptor).st_mode)
        return _read_bounded(descriptor)
    except OSError as error:
        _refuse_file(path, error)
    finally:
        os.close(descriptor)


def _check_kind(path: str, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    code, what = next((kind[1:] for kind in _KINDS if kind[0](mode)), ("file-device", "is no regular file"))
    raise UsageError(
        f"'{shown(path)}' {what}", hint="a specification is a regular file, or - for standard input", code=code
    )


def _read_bounded(descriptor: int) -> bytes:
    """Read at most one byte more than allowed: a file that grows while it is read ends too."""
    parts = []
    left = MOST_BYTES + 1
    while left and (part := os.read(descriptor, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _refuse_file(path: str, error: OSError) -> NoReturn:
    unknown = ("file-unreadable", f"cannot be read: {error.strerror or error}")
    code, what = _FAILURES.get(error.errno or 0, unknown)
    joint = ": " if what.startswith("there") else " "
    raise UsageError(f"'{shown(path)}'{joint}{what}", code=code) from None
