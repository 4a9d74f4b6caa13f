"""Text from a file or standard input: regular, bounded, UTF-8, printable; each refusal has its own code."""

from __future__ import annotations

import io
import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnprof.errors import SpecError, UsageError
from cnnprof.readers import source
from cnnprof.readers.source import MOST_BYTES, check_characters, decode, read_text, shown


@pytest.fixture
def spec(tmp_path):
    """Write bytes to a file and return its path."""

    def write(data: bytes) -> str:
        path = tmp_path / "net.yaml"
        path.write_bytes(data)
        return str(path)

    return write


def refused_file(path: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read_text(path)
    return caught.value


def refused_text(data: bytes) -> SpecError:
    with pytest.raises(SpecError) as caught:
        decode(data, "net.yaml")
    return caught.value


def give_stdin(monkeypatch, raw: io.RawIOBase) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(raw)))


class Endless(io.RawIOBase):
    """Standard input that never ends; counts what was taken from it."""

    taken = 0

    def readable(self):
        return True

    def readinto(self, buffer):
        buffer[:] = b"a" * len(buffer)
        self.taken += len(buffer)
        return len(buffer)


class Broken(io.RawIOBase):
    def readable(self):
        return True

    def readinto(self, _buffer):
        raise IsADirectoryError(21, "Is a directory")


# What is read


def test_a_file_is_read_as_it_is(spec):
    assert "a: 1\nb: é\n" == read_text(spec("a: 1\nb: é\n".encode()))


def test_a_byte_order_mark_is_left_out(spec):
    assert "a: 1" == read_text(spec(b"\xef\xbb\xbfa: 1"))


def test_windows_line_ends_are_kept_for_the_parser(spec):
    assert "a: 1\r\nb: 2\r\n" == read_text(spec(b"a: 1\r\nb: 2\r\n"))


def test_a_symbolic_link_to_a_file_is_followed(spec, tmp_path):
    link = tmp_path / "link.yaml"
    link.symlink_to(spec(b"a: 1"))

    assert "a: 1" == read_text(str(link))


def test_a_file_of_exactly_one_mebibyte_is_read(spec):
    assert MOST_BYTES == len(read_text(spec(b"#" * MOST_BYTES)))


def test_a_dash_is_standard_input(monkeypatch):
    give_stdin(monkeypatch, io.BytesIO(b"a: 1\n"))

    assert "a: 1\n" == read_text("-")


def test_the_descriptor_is_closed_after_reading_and_after_refusing(spec, tmp_path):
    before = len(list(Path("/dev/fd").iterdir()))
    read_text(spec(b"a: 1"))
    refused_file(str(tmp_path))

    assert before == len(list(Path("/dev/fd").iterdir()))


# Which files are refused


def test_a_missing_file_is_refused(tmp_path):
    error = refused_file(str(tmp_path / "no.yaml"))

    assert ("file-missing", f"'{tmp_path}/no.yaml': there is no such file") == (error.code, error.message)


def test_a_path_through_a_file_is_a_missing_file(spec):
    assert "file-missing" == refused_file(spec(b"a: 1") + "/net.yaml").code


def test_a_name_too_long_for_the_system_is_a_missing_file():
    assert "file-missing" == refused_file("x" * 5000).code


def test_a_name_with_a_nul_is_a_missing_file():
    error = refused_file("net\0.yaml")

    assert ("file-missing", "'net\\x00.yaml': there is no such file") == (error.code, error.message)


def test_a_directory_is_refused(tmp_path):
    error = refused_file(str(tmp_path))

    assert ("file-directory", f"'{tmp_path}' is a directory") == (error.code, error.message)
    assert "a specification is a regular file, or - for standard input" == error.hint


def test_a_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    assert "file-fifo" == refused_file(str(tmp_path / "pipe")).code


def test_a_device_is_refused():
    assert ("file-device", "'/dev/zero' is a device") == (
        refused_file("/dev/zero").code,
        refused_file("/dev/zero").message,
    )


def test_a_socket_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("net.yaml")

        assert "file-socket" == refused_file("net.yaml").code


def test_a_loop_of_symbolic_links_is_refused(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")

    assert "file-loop" == refused_file(str(tmp_path / "a")).code


def test_a_file_without_permission_is_refused(spec, monkeypatch):
    def forbidden(_path, _flags):
        raise PermissionError(13, "Permission denied")

    path = spec(b"a: 1")
    monkeypatch.setattr(os, "open", forbidden)

    assert ("file-unreadable", f"'{path}' may not be read by you") == (
        refused_file(path).code,
        refused_file(path).message,
    )


def test_a_failure_while_reading_is_told_in_the_systems_words(spec, monkeypatch):
    def broken(_descriptor, _count):
        raise OSError(5, "Input/output error")

    path = spec(b"a: 1")
    monkeypatch.setattr(os, "read", broken)

    assert f"'{path}' cannot be read: Input/output error" == refused_file(path).message


def test_an_unheard_of_kind_of_file_is_refused(spec, monkeypatch):
    path = spec(b"a: 1")
    monkeypatch.setattr(source.stat, "S_ISREG", lambda _mode: False)

    assert f"'{path}' is no regular file" == refused_file(path).message


def test_a_closed_standard_input_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)

    assert "file-unreadable" == refused_file("-").code


def test_a_directory_as_standard_input_is_refused(monkeypatch):
    give_stdin(monkeypatch, Broken())

    assert "'<stdin>' cannot be read: Is a directory" == refused_file("-").message


# Which contents are refused


def test_a_longer_file_is_refused(spec):
    with pytest.raises(SpecError) as caught:
        read_text(spec(b"#" * (MOST_BYTES + 1)))

    assert ("file-too-long", "longer than 1,048,576 bytes (1 MiB)") == (caught.value.code, caught.value.message)


def test_an_endless_standard_input_is_left_after_one_mebibyte(monkeypatch):
    endless = Endless()
    give_stdin(monkeypatch, endless)

    with pytest.raises(SpecError) as caught:
        read_text("-")

    assert "file-too-long" == caught.value.code
    assert endless.taken < MOST_BYTES + 200_000


def test_a_file_that_grows_while_it_is_read_is_left_after_one_byte_more(spec, monkeypatch):
    taken = []

    def growing(_descriptor, count):
        taken.append(min(count, 1000))
        return b"#" * taken[-1]

    path = spec(b"a: 1")
    monkeypatch.setattr(os, "read", growing)

    with pytest.raises(SpecError):
        read_text(path)
    assert MOST_BYTES + 1 == sum(taken)


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b" \n\t\r\n"])
def test_an_empty_file_is_refused(data):
    assert ("empty", "net.yaml: error[empty] there is nothing in it") == (
        refused_text(data).code,
        str(refused_text(data)),
    )


def test_a_byte_that_is_not_utf8_is_refused_with_its_place():
    assert (
        "net.yaml:2:5: error[not-utf8] not UTF-8: byte 0xff\n  b: é\n      ^\n  hint: save the file as UTF-8"
    ) == str(refused_text("a: 1\nb: é".encode() + b"\xff\n"))


def test_utf16_is_refused():
    assert "not-utf8" == refused_text("a: 1".encode("utf-16")).code


def test_a_surrogate_written_as_utf8_is_refused():
    assert "not-utf8" == refused_text(b"a: \xed\xa0\x80").code


def test_a_nul_is_refused_with_its_place():
    error = refused_text(b"a: 1\nb: \0")

    assert ("nul-byte", "a NUL may not stand in a specification") == (error.code, error.message)
    assert "net.yaml:2:4" == str(error.problems[0].place)


@pytest.mark.parametrize("char", ["\x01", "\x1b", "\x7f", "\x9b", "\ufffe"])
def test_a_control_character_is_refused(char):
    error = refused_text(f"a: {char}".encode())

    assert "control-character" == error.code
    assert f"the character U+{ord(char):04X} may not stand in a specification" == error.message


def test_what_is_said_of_a_bad_byte_never_prints_it():
    assert "\x1b" not in str(refused_text(b"a: \x1b[31m"))


@pytest.mark.parametrize("char", ["\t", "\x85", "\xa0", "é", "\u2028", "😀"])
def test_other_characters_are_kept(char):
    assert f"a: {char}b" == decode(f"a: {char}b".encode(), "net.yaml")


def test_lines_are_counted_as_yaml_counts_them():
    with pytest.raises(SpecError) as caught:
        check_characters("a\r\nb\rc\u2028d\x00", "net.yaml")

    assert "net.yaml:4:2" == str(caught.value.problems[0].place)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_text_or_an_error_with_a_code(data):
    try:
        text = decode(data, "net.yaml")
    except SpecError as error:
        found = error
    else:
        assert data.removeprefix(b"\xef\xbb\xbf") == text.encode()
        return
    assert found.code in ("empty", "not-utf8", "nul-byte", "control-character")
    assert str(found).encode()


# Names


def test_an_undecodable_file_name_can_be_printed(tmp_path):
    path = Path(os.fsdecode(bytes(tmp_path) + b"/net\xff\x1b.yaml"))

    refused_file(str(path)).render().encode()
    path.write_bytes(b"a: \0")
    with pytest.raises(SpecError) as caught:
        read_text(str(path))
    assert f"{tmp_path}/net\\udcff\\x1b.yaml:1:4" == str(caught.value.problems[0].place)


@pytest.mark.parametrize(
    ("name", "expected"), [("net.yaml", "net.yaml"), ("é", "é"), ("a\nb", "a\\nb"), ("\u202e", "\\u202e")]
)
def test_a_file_name_is_shown_without_what_could_act_in_a_terminal(name, expected):
    assert expected == shown(name)
