"""What a worker is asked to do in tests: behave, misbehave, die."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
import time
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
