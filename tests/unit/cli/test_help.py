"""Every command is listed with one line, and has help of its own, without loading what it needs to work."""

from __future__ import annotations

import re

import pytest

from cnnprof.__main__ import main
from cnnprof.cli.root import COMMANDS, cli


def help_of(capsys, *argv: str) -> str:
    assert 0 == main([*argv, "--help"])
    return capsys.readouterr().out


def first_line(text: str) -> str:
    """The first paragraph after the usage, as one line."""
    return " ".join(text.split("\n\n")[1].split())


def test_the_list_of_commands_is_complete(capsys):
    listed = re.findall(r"^  ([a-z-]+)  +\S", help_of(capsys).split("Commands:")[1], re.MULTILINE)

    expected = [
        "analyze", "claims", "conventions", "explain", "profile", "transfer", "validate", "runs", "zoo", "init",
        "schema", "doctor", "completion",
    ]  # fmt: skip

    assert expected == listed == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_that_begins_with_its_line_in_the_list(command, capsys):
    text = help_of(capsys, command)

    assert text.startswith(f"Usage: cnnprof {command} ")
    assert COMMANDS[command][1] == first_line(text)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_line_of_the_list_fits_into_80_columns(command):
    assert len(COMMANDS[command][1]) <= 64


def options() -> list:
    found = []
    for name in COMMANDS:
        command = cli.get_command(None, name)
        for each in [command, *getattr(command, "commands", {}).values()]:
            found += [(f"{name} {parameter.opts[0]}", parameter) for parameter in each.params]
    return [pytest.param(parameter, id=name) for name, parameter in found if parameter.param_type_name == "option"]


@pytest.mark.parametrize("option", options())
def test_every_option_says_what_it_does(option):
    assert option.help.endswith((".", ")"))


def test_short_help_works_for_commands_inside_commands(capsys):
    assert 0 == main(["zoo", "show", "-h"])
    assert "Print the specification that describes NAME." in capsys.readouterr().out


@pytest.mark.parametrize(("shell", "expected"), [("bash", "complete -o nosort -F"), ("zsh", "#compdef cnnprof"),
                                                 ("fish", "function _cnnprof_completion")])  # fmt: skip
def test_a_completion_script_is_printed_for_each_shell(shell, expected, capsys):
    assert 0 == main(["completion", shell])
    assert expected in capsys.readouterr().out


def completions(capsys, monkeypatch, words: str) -> list[str]:
    """What the shell is offered for a half-typed command line."""
    monkeypatch.setenv("_CNNPROF_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    main([])
    lines = [line.split(",") for line in capsys.readouterr().out.splitlines()]
    return [value for kind, value in lines if kind == "plain"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("cnnprof sch", ["schema"]),
        ("cnnprof analyze --lay", ["--layout"]),
        ("cnnprof analyze vgg16 --layout h", ["hwc"]),
        ("cnnprof analyze vgg1", ["vgg11", "vgg13", "vgg16"]),
        ("cnnprof analyze torch", ["torchvision:"]),
        ("cnnprof validate ti", ["timm:"]),
    ],
)
def test_commands_options_values_and_models_are_completed(words, expected, capsys, monkeypatch):
    assert set(expected) <= set(completions(capsys, monkeypatch, words))


def test_files_are_left_to_the_shell(capsys, monkeypatch):
    completions(capsys, monkeypatch, "cnnprof analyze net.ya")
    main([])

    assert "file,net.ya\n" == capsys.readouterr().out


def test_a_missing_zoo_completes_to_nothing_instead_of_a_message(capsys, monkeypatch):
    from cnnprof import zoo_files
    from cnnprof.errors import CnnprofError

    def no_zoo():
        raise CnnprofError("the zoo's specifications are missing", code="no-zoo")

    monkeypatch.setattr(zoo_files, "root", no_zoo)

    assert [] == completions(capsys, monkeypatch, "cnnprof analyze vgg1")
