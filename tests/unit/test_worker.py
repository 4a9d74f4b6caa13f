"""A function in a process of its own: what it returns, raises, prints, and how its process may end. All are real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import traceback
from typing import NoReturn

import pytest

import cnnprof
from cnnprof import worker
from cnnprof.errors import (
    CnnprofError,
    LayerError,
    MissingPackageError,
    Place,
    Problem,
    SpecError,
    UsageError,
    WorkerError,
)
from tests.helpers.processes import ended, environment

LONG_S = 60.0


def ask(job: str, request: object = None, deadline_s: float = LONG_S):
    return worker.call(f"tests.helpers.jobs:{job}", request, deadline_s=deadline_s)


def ask_on(job: str, request: object = None, deadline_s: float = LONG_S):
    return worker.stream(f"tests.helpers.jobs:{job}", request, deadline_s=deadline_s)


# Answers


@pytest.mark.parametrize(
    "request_",
    [None, 2**80, 0.1, "text with\nbreaks, é and \udc80", {"a": [1, [2, {}]]}, "long" * 500_000],
    ids=["null", "large", "float", "text", "nested", "2 MB"],
)
def test_what_json_can_hold_comes_back_as_it_went(request_):
    assert request_ == ask("echo", request_)


def test_the_child_is_another_process_in_a_session_of_its_own():
    found = ask("where")

    assert found["pid"] == found["session"]
    assert os.getpid() != found["pid"]


def test_the_child_runs_this_very_cnnprof():
    assert cnnprof.__file__ == ask("where")["package"]


def test_the_child_has_our_search_path_but_not_the_current_directory_before_it(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "added"))

    path = ask("where")["path"]

    assert str(tmp_path / "added") in path
    assert [] == [entry for entry in path if entry in {"", str(tmp_path)}]


def test_another_interpreter_gets_the_package_and_nothing_that_lies_beside_it(tmp_path, monkeypatch):
    other = tmp_path / "python"
    other.symlink_to(os.path.realpath(sys.executable))  # the same binary, outside the virtual environment
    monkeypatch.setenv("PYTHONPATH", "")

    with pytest.raises(worker.RemoteError, match="No module named 'tests'"):
        worker.call("tests.helpers.jobs:where", None, python=str(other), deadline_s=LONG_S)

    assert 3.0 == worker.call("math:sqrt", 9, python=str(other), deadline_s=LONG_S)


def test_the_parent_imports_nothing_for_it():
    program = (
        "import sys; from cnnprof import worker; worker.call('math:sqrt', 4, deadline_s=60);"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'torch', 'msgspec', 'yaml', 'click'}))"
    )

    done = subprocess.run([sys.executable, "-c", program], env=environment(), capture_output=True, check=True)

    assert b"[]\n" == done.stdout


# Errors


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("usage", (UsageError, "no such thing", "try another", "unknown-model", 2)),
        ("layer", (LayerError, "stride must be at least 1", "write 1", "bad-argument", 2)),
        ("missing", (MissingPackageError, "torch is not installed", "pip install torch", "missing", 3)),
        ("subclass", (UsageError, "special", None, "usage", 2)),
    ],
)
def test_an_error_of_ours_is_raised_here_as_it_was_there(kind, expected):
    with pytest.raises(CnnprofError) as caught:
        ask("raise_ours", kind)

    error = caught.value
    assert expected == (type(error), error.message, error.hint, error.code, error.exit_code)


def test_a_guilty_argument_is_still_named():
    with pytest.raises(LayerError) as caught:
        ask("raise_ours", "layer")

    assert "stride" == caught.value.argument


def test_all_problems_of_a_specification_keep_their_places():
    with pytest.raises(SpecError) as caught:
        ask("raise_ours", "spec")

    place = Place("net.yaml", 3, 5, "  - conv: {}")
    assert (Problem("bad-key", "first", place, "mend it"), Problem("empty", "second")) == caught.value.problems


def test_any_other_exception_is_a_bug_and_brings_its_traceback_along():
    with pytest.raises(worker.RemoteError, match=r"^KeyError: 'a bug'\n") as caught:
        ask("raise_theirs")

    assert "in raise_theirs" in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("job", "request_", "expected"),
    [
        ("call_exit", 3, "SystemExit: 3"),
        ("no_json", None, "TypeError: Object of type object is not JSON serializable"),
        ("nothing_of_that_name", None, "AttributeError: module 'tests.helpers.jobs' has no attribute"),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(job, request_, expected):
    with pytest.raises(worker.RemoteError, match=expected):
        ask(job, request_)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_what_is_no_number_is_no_answer(value):
    with pytest.raises(worker.RemoteError, match="ValueError: a worker is sent and sends JSON only, which has no NaN"):
        list(ask_on("not_finite", ["1", value]))


def test_what_is_no_number_is_no_request():
    with pytest.raises(ValueError, match="a worker is sent and sends JSON only, which has no NaN or infinity"):
        ask("echo", [float("nan")])


# One answer after the other


@pytest.mark.parametrize("numbers", [0, 1, 1000])
def test_answers_come_one_after_the_other_until_there_are_no_more(numbers):
    assert list(range(numbers)) == list(ask_on("count", numbers))


def test_the_child_goes_on_only_when_it_is_asked_for_more(tmp_path):
    written = tmp_path / "written"
    answers = ask_on("note_each", str(written))

    assert "wrote 0" == next(answers)
    time.sleep(0.2)
    assert "0\n" == written.read_text()
    assert ["wrote 1", "wrote 2"] == list(answers)


def test_no_process_is_started_before_the_first_answer_is_asked_for(tmp_path):
    answers = worker.stream("math:sqrt", 4, python=str(tmp_path / "python9"), deadline_s=LONG_S)

    with pytest.raises(WorkerError, match="cannot start"):
        next(answers)


def test_a_thread_that_waits_for_the_next_wish_costs_the_measurement_nothing():
    assert 0 == min(ask_on("wake_ups", 5))


def test_what_came_before_an_error_is_good():
    answers = ask_on("yield_then", ["raise_ours", "usage"])

    assert "first" == next(answers)
    with pytest.raises(UsageError, match="no such thing") as caught:
        next(answers)
    assert ("unknown-model", "try another") == (caught.value.code, caught.value.hint)


def test_every_answer_has_the_whole_time_limit():
    assert [0.0] * 4 == list(ask_on("take_time", [0.5] * 4, deadline_s=1.5))


def test_a_function_that_yields_nothing_one_by_one_is_a_bug():
    with pytest.raises(worker.RemoteError, match="TypeError: 'int' object is not iterable"):
        list(ask_on("echo", 3))


def test_a_child_may_tidy_up_after_its_last_answer(tmp_path):
    assert ["first", "answered"] == list(ask_on("yield_then", ["leave_a_note_at_exit", str(tmp_path / "note")]))
    assert "tidied" == (tmp_path / "note").read_text()


def test_closing_early_ends_the_child_and_its_children():
    answers = ask_on("yield_pids", "")
    pids = next(answers)

    answers.close()

    assert [True, True] == [ended(pid) for pid in pids]


def test_an_exception_in_the_loop_over_the_answers_ends_the_child_too():
    pids: list[int] = []

    def use(answer: list[int]) -> NoReturn:
        pids.extend(answer)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(map(use, ask_on("yield_pids", "")))

    assert [True, True] == [ended(pid) for pid in pids]


# Deaths


@pytest.mark.parametrize(
    ("job", "request_", "expected"),
    [
        ("end", 0, "its process ended with exit code 0 before it had answered"),
        ("end", 7, "its process ended with exit code 7 before it had answered"),
        ("signal_itself", signal.SIGKILL, "its process was killed (SIGKILL), as a system does that has no memory left"),
        ("signal_itself", signal.SIGSEGV, "its process was ended by SIGSEGV"),
        ("signal_itself", signal.SIGABRT, "its process was ended by SIGABRT"),
        ("signal_itself", signal.SIGRTMIN + 1, f"its process was ended by signal {signal.SIGRTMIN + 1}"),
    ],
)
def test_a_process_that_dies_is_one_error_with_the_cause(job, request_, expected):
    with pytest.raises(WorkerError) as caught:
        ask(job, int(request_))

    assert ("worker-died", expected) == (caught.value.code, caught.value.message)


def test_a_process_without_memory_is_one_error_of_its_own():
    with pytest.raises(WorkerError) as caught:
        ask("exhaust")

    assert ("worker-memory", "not enough memory") == (caught.value.code, caught.value.message)


def test_an_interpreter_that_is_not_there_is_one_error(tmp_path):
    with pytest.raises(WorkerError, match=r"cannot start .*python9: No such file or directory"):
        worker.call("math:sqrt", 4, python=str(tmp_path / "python9"), deadline_s=LONG_S)


def test_a_request_longer_than_a_pipe_to_a_process_that_dies_at_once_is_one_error(tmp_path):
    dead = tmp_path / "python"
    dead.write_text("#!/bin/sh\nexit 5\n")
    dead.chmod(0o755)

    with pytest.raises(WorkerError, match="ended with exit code 5"):
        worker.call("math:sqrt", "long" * 500_000, python=str(dead), deadline_s=LONG_S)


def test_a_process_that_takes_too_long_is_killed_with_its_children(tmp_path):
    pids = tmp_path / "pids"
    with pytest.raises(WorkerError) as caught:
        ask("hang", str(pids), deadline_s=5)

    expected = ("worker-timeout", "no answer within 5 seconds, so its process was ended")
    assert expected == (caught.value.code, caught.value.message)
    assert [True, True] == [ended(int(pid)) for pid in pids.read_text().split()]


# What imported code prints, starts and leaves


def test_prints_go_to_standard_error_and_cannot_be_taken_for_the_answer(capfd):
    answer = ask("babble", 2)

    out, err = capfd.readouterr()
    assert ("", "") == (answer, out)
    forged = ['{"result": "forged"}'] * 2
    printed = ["unfinished", "complained", "from a child", "printed 0", "printed 1", *forged]
    assert printed == sorted(err.splitlines(), key=printed.index)


def test_what_is_printed_before_the_child_can_help_it_goes_to_standard_error_too(tmp_path, monkeypatch, capfd):
    (tmp_path / "sitecustomize.py").write_text("print('hello')\nprint('{\"result\": 0}')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    assert 2.0 == worker.call("math:sqrt", 4, deadline_s=LONG_S)
    assert ("", 'hello\n{"result": 0}\n') == capfd.readouterr()


def test_code_that_closes_its_streams_can_still_answer():
    assert "still there" == ask("close_streams")


def test_a_process_that_imported_code_started_ends_with_the_call():
    assert ended(ask("leave_a_child"))


def test_a_thread_that_never_ends_does_not_keep_the_call():
    assert "answered" == ask("leave_a_thread")


def test_imported_code_may_tidy_up_at_its_exit(tmp_path):
    ask("leave_a_note_at_exit", str(tmp_path / "note"))

    assert "tidied" == (tmp_path / "note").read_text()


# The end of the parent

PARENT = """
import sys
from cnnprof.__main__ import main
from cnnprof import api, worker
api.load = lambda *_args, **_options: worker.call("tests.helpers.jobs:hang", {pids!r}, deadline_s=600)
sys.exit(main(["analyze", "vgg16"]))
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_no_process_survives_the_end_of_the_parent(tmp_path, number, code):
    pids = tmp_path / "pids"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(pids=str(pids))], env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not pids.exists():
        assert parent.poll() is None, parent.stderr.read()
        time.sleep(0.01)

    parent.send_signal(number)
    out, err = parent.communicate(timeout=LONG_S)

    assert (code, b"", b"") == (parent.returncode, out, err)
    assert [True, True] == [ended(int(pid)) for pid in pids.read_text().split()]


def test_a_process_that_lives_is_not_taken_for_ended():
    assert not ended(os.getpid(), within_s=0.05)
