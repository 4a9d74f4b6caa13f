"""A process counts as alive while it is the same process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from cnnprof.store.owner import SILENCE_S, is_alive, this_process


def test_this_process_is_alive():
    assert is_alive(this_process(), 0)
    assert f"process {os.getpid()} on {os.uname().nodename}" == str(this_process())


def test_a_process_that_ended_is_gone_even_before_its_parent_noticed():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    fields = Path(f"/proc/{child.pid}/stat").read_text().split()
    owner = this_process()._replace(pid=child.pid, started=int(fields[21]))

    assert is_alive(owner, 0)
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(owner, 0)
    child.wait()
    assert not is_alive(owner, 0)


def test_a_later_process_of_the_same_number_is_another_one():
    now = this_process()

    assert not is_alive(now._replace(started=now.started - 1), 0)


def test_nobody_lives_through_a_boot():
    assert not is_alive(this_process()._replace(boot="another"), time.time())


def test_a_process_on_another_machine_is_alive_while_it_writes():
    there = this_process()._replace(host="elsewhere", boot="another")

    assert is_alive(there, time.time() - SILENCE_S + 60)
    assert not is_alive(there, time.time() - SILENCE_S - 60)
