"""What a worker is asked to do in tests: behave, misbehave, die."""

from __future__ import annotations

import atexit
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from cnnprof.errors import LayerError, MissingPackageError, Place, Problem, SpecError, UsageError


def echo(request: Any) -> Any:
    return request


def where(_request: None) -> dict[str, Any]:
    import cnnprof

    return {
        "pid": os.getpid(),
        "session": os.getsid(0),
        "package": cnnprof.__file__,
        "path": sys.path,
        "modules": sorted(sys.modules),
    }


def raise_ours(kind: str) -> NoReturn:
    place = Place("net.yaml", 3, 5, "  - conv: {}")
    raise {
        "usage": UsageError("no such thing", hint="try another", code="unknown-model"),
        "spec": SpecError([Problem("bad-key", "first", place, "mend it"), Problem("empty", "second")]),
        "layer": LayerError("stride must be at least 1", argument="stride", hint="write 1"),
        "missing": MissingPackageError("torch is not installed", hint="pip install torch"),
        "subclass": type("Special", (UsageError,), {})("special"),
    }[kind]


def raise_theirs(_request: None) -> NoReturn:
    raise KeyError("a bug")


def call_exit(code: int) -> NoReturn:
    sys.exit(code)


def exhaust(_request: None) -> NoReturn:
    raise MemoryError


def end(code: int) -> NoReturn:
    os._exit(code)


def signal_itself(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)


def babble(lines: int) -> str:
    """Print to Python's streams, to the descriptors and from a child; read standard input."""
    for line in range(lines):
        sys.stdout.write(f"printed {line}\n")
        os.write(1, b'{"result": "forged"}\n')
    sys.stderr.write("complained\n")
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    os.write(1, b"unfinished")
    return sys.stdin.read()


def close_streams(_request: None) -> str:
    sys.stdout.close()
    sys.stderr.close()
    os.close(1)
    os.close(2)
    return "still there"


def hang(pids: str | None) -> NoReturn:
    """Write the numbers of this process and of a child into a file, then wait for ever, deaf to polite signals."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if pids is not None:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        Path(f"{pids}.new").write_text(f"{os.getpid()} {child.pid}")
        Path(f"{pids}.new").rename(pids)
    while True:
        time.sleep(60)


def leave_a_child(_request: None) -> int:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid


def leave_a_thread(_request: None) -> str:
    threading.Thread(target=time.sleep, args=(600,)).start()
    return "answered"


def leave_a_note_at_exit(path: str) -> str:
    def tidy() -> None:
        time.sleep(0.2)
        Path(path).write_text("tidied")

    atexit.register(tidy)
    return "answered"


def no_json(_request: None) -> object:
    return object()


# Generators, each answer asked for


def count(numbers: int) -> Iterator[int]:
    yield from range(numbers)


def note_each(path: str) -> Iterator[str]:
    """Write a line into a file before each answer."""
    for index in range(3):
        with Path(path).open("a") as file:
            file.write(f"{index}\n")
        yield f"wrote {index}"


def take_time(waits_s: list[float]) -> Iterator[float]:
    for wait_s in waits_s:
        time.sleep(wait_s)
        yield 0.0


def yield_then(after: list[Any]) -> Iterator[Any]:
    """Yield an answer, then do what another job does."""
    name, request = after
    yield "first"
    yield globals()[name](request)


def yield_pids(path: str) -> Iterator[list[int]]:
    """Yield the numbers of this process and of a child, for ever; be deaf to polite signals."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    while True:
        if path:
            Path(f"{path}.new").write_text(f"{os.getpid()} {child.pid}")
            Path(f"{path}.new").rename(path)
        yield [os.getpid(), child.pid]
        if path:
            time.sleep(600)


def fork_and_die(number: int) -> NoReturn:
    """Die while a fork of this process lives on, holding what it inherited."""
    if os.fork() == 0:
        time.sleep(600)
    os.kill(os.getpid(), number)
    time.sleep(600)
    raise AssertionError


def fork_and_answer(_request: None) -> str:
    return "the fork" if os.fork() == 0 else "the worker"


def print_garbage(lines: int) -> Iterator[int]:
    os.write(1, b'{"answer": "forged"}\n')
    for line in range(lines):
        os.write(1, b'{"answer": "forged", "last": true}\n' * 1000)
        yield line
    os.write(1, b"\xff\x00 no text")


def fail_to_allocate(message: str) -> NoReturn:
    raise RuntimeError(message)


def no_memory_left(_request: None) -> NoReturn:
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


def not_finite(values: list[str]) -> Iterator[float]:
    yield from map(float, values)


def wake_ups(rounds: int) -> Iterator[int]:
    """Yield how often the other threads of this process, and any of its parent, had the CPU while this one worked."""
    threads = [*Path("/proc/self/task").iterdir(), *Path(f"/proc/{os.getppid()}/task").iterdir()]
    others = [path / "status" for path in threads if path.name != str(threading.get_native_id())]
    for _ in range(rounds):
        time.sleep(0.1)  # until they have gone to sleep
        before = sum(map(_times_on_cpu, others))
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
        yield sum(map(_times_on_cpu, others)) - before


def _times_on_cpu(status: Path) -> int:
    return sum(int(line.split()[1]) for line in status.read_text().splitlines() if "ctxt_switches" in line)


def allocate_with_torch(_request: None) -> NoReturn:
    import torch

    torch.empty(2**50, dtype=torch.float32)
    raise AssertionError("4 PiB were there")


def allocate_with_python(_request: None) -> NoReturn:
    bytearray(2**52)
    raise AssertionError("4 PiB were there")
