"""How a command's end becomes an exit code and a message."""

from __future__ import annotations

import io
import signal
import sys

import pytest

from cnnprof.__main__ import main
from cnnprof.cli import root


@pytest.fixture(autouse=True)
def fake_command(monkeypatch):
    """``cnnprof end HOW``, and an environment without our variables."""
    monkeypatch.setitem(root.COMMANDS, "end", ("tests.unit.cli.fakes:end", "End in a way."))
    monkeypatch.delenv("CNNPROF_TRACEBACK", raising=False)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("well", 0),
        ("without-a-value", 0),
        ("with-findings", 1),
        ("usage", 2),
        ("spec", 2),
        ("output", 2),
        ("bug", 2),
        ("memory", 2),
        ("recursion", 2),
        ("missing", 3),
        ("partially", 4),
        ("click-exit", 4),
        ("interrupt", 130),
        ("terminate", 143),
        ("pipe", 0),
    ],
)
def test_every_way_to_end_has_its_exit_code(how, expected):
    assert expected == main(["end", how])


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("usage", "error[usage] no such thing\n  hint: try another\n"),
        ("output", "error[output] the disk is full\n"),
        ("missing", "error[missing] torch is missing\n  hint: pip install 'cnnprof[torch]'\n"),
        ("interrupt", ""),
        ("terminate", ""),
        ("pipe", ""),
        ("memory", "error[memory] not enough memory\n  hint: try a smaller network or batch\n"),
        ("with-findings", ""),
    ],
)
def test_an_error_is_a_sentence_and_a_way_out_on_standard_error(how, expected, capsys):
    main(["end", how])

    assert ("", expected) == capsys.readouterr()


def test_all_problems_of_a_specification_are_printed_with_their_places(capsys):
    main(["end", "spec"])

    one = "a.yaml:2:3: error[unknown-key] no key 'nmae'\n    nmae: x\n    ^\n  hint: did you mean 'name'?\n"
    assert one * 2 == capsys.readouterr().err


def test_an_unexpected_error_is_one_line_that_says_it_is_a_bug_and_how_to_see_more(capsys):
    main(["end", "bug"])

    expected = (
        "error[bug] this is a bug of cnnprof: ZeroDivisionError: division by zero\n"
        "  hint: CNNPROF_TRACEBACK=1 shows where; please report it with the command you typed\n"
    )
    assert expected == capsys.readouterr().err


def test_the_traceback_of_a_bug_is_shown_on_request(capsys, monkeypatch):
    monkeypatch.setenv("CNNPROF_TRACEBACK", "1")

    main(["end", "bug"])

    assert capsys.readouterr().err.startswith("Traceback (most recent call last):\n")


def test_the_users_own_mistakes_never_show_a_traceback(capsys, monkeypatch):
    monkeypatch.setenv("CNNPROF_TRACEBACK", "1")

    main(["end", "usage"])

    assert "Traceback" not in capsys.readouterr().err


def test_a_name_in_a_message_cannot_act_in_the_terminal(capsys):
    main(["end", "escape"])

    assert "error[usage] a layer called \\x1b[31mred\\u202e\\udcff\n" == capsys.readouterr().err


def test_text_that_the_terminal_cannot_show_is_escaped_instead_of_failing(monkeypatch):
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)

    assert 0 == main(["end", "print"])
    assert b"\\xd7 \\udcff\n" == stdout.buffer.getvalue()


def test_a_signal_handler_of_the_embedding_program_is_restored():
    before = signal.getsignal(signal.SIGTERM)

    main(["end", "terminate"])

    assert before is signal.getsignal(signal.SIGTERM)


def test_without_arguments_those_of_the_process_are_read(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["cnnprof", "end", "partially"])

    assert 4 == main()


# Standard output that fails


class FullDisk(io.StringIO):
    """A stream whose disk is full."""

    def flush(self):
        raise OSError(28, "No space left on device")


class ClosedPipe(io.StringIO):
    """A pipe whose reader is gone."""

    def flush(self):
        raise BrokenPipeError(32, "Broken pipe")


def test_a_full_disk_behind_standard_output_is_an_output_error(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", FullDisk())

    assert 2 == main(["end", "full"])
    expected = "error[output] cannot write to standard output: No space left on device\n"
    assert expected == capsys.readouterr().err


def test_a_closed_pipe_is_silent_and_keeps_the_exit_code(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", ClosedPipe())

    assert 4 == main(["end", "partially"])
    assert "" == capsys.readouterr().err


def test_a_closed_standard_output_is_no_traceback(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", None)

    assert 2 == main(["completion", "zsh"])
    assert capsys.readouterr().err.startswith("error[output] standard output is closed\n")


def test_a_closed_standard_error_keeps_the_exit_code(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)

    assert 3 == main(["end", "missing"])


# What click refuses


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["analize"], "error[usage] no command 'analize'; did you mean 'analyze'?\n  hint: see cnnprof --help\n"),
        (["qqq"], "error[usage] no command 'qqq'\n  hint: see cnnprof --help\n"),
        (["end"], "error[usage] end: Missing argument 'HOW'\n  hint: see cnnprof end --help\n"),
        (["init", "a", "b"], "error[usage] init: Got unexpected extra argument (b)\n  hint: see cnnprof init --help\n"),
    ],
)
def test_a_wrong_command_line_is_one_sentence_and_where_help_is(argv, expected, capsys):
    assert 2 == main(argv)
    assert ("", expected) == capsys.readouterr()


def test_an_unknown_option_names_the_nearest_one(capsys):
    assert 2 == main(["doctor", "--import-trch"])
    assert "--import-torch" in capsys.readouterr().err


def test_the_program_alone_prints_its_help(capsys):
    assert 0 == main([])
    assert capsys.readouterr().out.startswith("Usage: cnnprof [OPTIONS] [COMMAND]")


def test_the_version_is_printed(capsys):
    from cnnprof._version import __version__

    assert 0 == main(["--version"])
    assert f"cnnprof {__version__}\n" == capsys.readouterr().out
