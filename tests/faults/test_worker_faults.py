"""What a worker process may do to us (promise 6, FAULTS 15): die, hang, print, fork. Every death here is a real one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from cnnprof import worker
from cnnprof.errors import WorkerError
from tests.helpers.processes import ended, environment

LONG_S = 60.0


def ask_on(job: str, request: object = None, deadline_s: float = LONG_S):
    return worker.stream(f"tests.helpers.jobs:{job}", request, deadline_s=deadline_s)


def first_and_error(job: str, request: object = None, deadline_s: float = LONG_S) -> tuple[str, str, str]:
    """The first answer, then the code and message of the error that comes in place of the second."""
    answers = ask_on("yield_then", [job, request], deadline_s)
    first = next(answers)
    with pytest.raises(WorkerError) as caught:
        next(answers)
    assert [] == list(answers)
    return first, caught.value.code, caught.value.message


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (signal.SIGSEGV, "its process was ended by SIGSEGV"),
        (signal.SIGABRT, "its process was ended by SIGABRT"),
        (signal.SIGKILL, "its process was killed (SIGKILL), as a system does that has no memory left"),
    ],
)
def test_p6_a_signal_costs_what_was_not_yet_answered_and_nothing_else(number, expected):
    assert ("first", "worker-died", expected) == first_and_error("signal_itself", int(number))


@pytest.mark.parametrize("code", [0, 3])
def test_p6_an_exit_without_an_end_is_a_death(code):
    expected = f"its process ended with exit code {code} before it had answered"

    assert ("first", "worker-died", expected) == first_and_error("end", code)


def test_p6_a_process_killed_from_outside_is_a_death():
    answers = ask_on("yield_pids", "")
    worker_pid, _ = next(answers)
    subprocess.run(["kill", "-9", str(worker_pid)], check=True)

    with pytest.raises(WorkerError, match=r"was killed \(SIGKILL\)"):
        next(answers)


def test_p6_a_hang_ends_at_its_deadline_with_all_children(tmp_path):
    pids = tmp_path / "pids"

    expected = ("first", "worker-timeout", "no answer within 3 seconds, so its process was ended")
    assert expected == first_and_error("hang", str(pids), deadline_s=3)
    assert [True, True] == [ended(int(pid)) for pid in pids.read_text().split()]


@pytest.mark.parametrize(
    ("job", "request_", "expected"),
    [
        ("exhaust", None, "not enough memory"),
        ("no_memory_left", None, "not enough memory"),
        ("fail_to_allocate",
         "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4398046511104 bytes. Error code 12",
         "not enough memory: it tried to allocate 4398046511104 bytes"),
        ("fail_to_allocate", "CUDA out of memory. Tried to allocate 20.50 GiB. GPU 0 has a total capacity of 139 GiB",
         "not enough memory: it tried to allocate 20.50 GiB"),
        ("fail_to_allocate", "CUDA error: out of memory", "not enough memory"),
        ("fail_to_allocate", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
         "not enough memory"),
    ],
)  # fmt: skip
def test_p6_running_out_of_memory_is_told_from_other_deaths(job, request_, expected):
    assert ("first", "worker-memory", expected) == first_and_error(job, request_)


def test_p6_another_error_of_torch_is_no_lack_of_memory():
    with pytest.raises(worker.RemoteError, match="RuntimeError: mat1 and mat2 shapes cannot be multiplied"):
        list(ask_on("fail_to_allocate", "mat1 and mat2 shapes cannot be multiplied"))


def test_p6_real_allocations_of_torch_and_python_that_fail_are_lacks_of_memory():
    for job, expected in [
        ("allocate_with_torch", "not enough memory: it tried to allocate 4503599627370496 bytes"),
        ("allocate_with_python", "not enough memory"),
    ]:
        assert ("first", "worker-memory", expected) == first_and_error(job)


def test_p6_garbage_on_standard_output_is_no_harm(capfd):
    assert [0, 1, 2] == list(ask_on("print_garbage", 3))

    out, err = capfd.readouterr()
    assert ("", 3001) == (out, err.count("forged"))


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_p6_a_fork_that_outlives_the_worker_does_not_hide_its_death(number):
    first, code, message = first_and_error("fork_and_die", int(number))

    assert ("first", "worker-died") == (first, code)
    assert number.name in message


def test_p6_a_fork_of_the_worker_cannot_answer_in_its_place():
    assert ["first", "the worker"] == list(ask_on("yield_then", ["fork_and_answer", None]))


def test_p6_the_next_worker_is_unaffected_by_a_death():
    first_and_error("signal_itself", int(signal.SIGSEGV))

    assert [0, 1] == list(ask_on("count", 2))


PARENT = """
from cnnprof import worker
for pids in worker.stream("tests.helpers.jobs:yield_pids", {path!r}, deadline_s=600):
    pass
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_p11_no_process_survives_a_parent_that_ends_in_the_middle_of_a_measurement(tmp_path, number):
    path = tmp_path / "pids"
    program = [sys.executable, "-c", PARENT.format(path=str(path))]
    parent = subprocess.Popen(program, env=environment(), stderr=subprocess.DEVNULL)
    while not path.exists():
        assert parent.poll() is None
        time.sleep(0.01)
    time.sleep(0.2)  # now the child works on its second answer

    parent.send_signal(number)

    assert -number == parent.wait(LONG_S)
    assert [True, True] == [ended(int(pid)) for pid in path.read_text().split()]
