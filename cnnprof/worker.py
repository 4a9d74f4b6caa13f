"""One function called in a process of its own, which may import, break or hang what it likes. Standard library only.

Request and reply are lines of JSON on pipes that nobody else writes to: before anything is imported, the child moves
its standard input and output away and puts nothing and standard error in their places, so that what imported code
prints goes to standard error. The child has a session of its own. It, and whatever it started, is killed when the call
ends, however it ends; and if this process dies first, the child notices and ends itself.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from cnnprof import errors
from cnnprof.errors import CnnprofError, Place, Problem, SpecError, WorkerError

if TYPE_CHECKING:
    import subprocess

GRACE_S = 2.0
"""How long a child that has answered may take to end by itself: temporary files of imported code go away then."""
_START = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("cnnprof", sys.argv[1])
package = importlib.util.module_from_spec(spec)
sys.modules["cnnprof"] = package
spec.loader.exec_module(package)
from cnnprof.worker import serve
serve()
"""
"""What the child runs: this very cnnprof, without anything else that is installed beside it."""


class RemoteError(Exception):
    """An exception in the child that is none of cnnprof's own: a bug. Its traceback is added as a note."""


class _Job(NamedTuple):
    target: str
    request: Any
    paths: list[str]
    mark: str


def call(target: str, request: Any, *, python: str = sys.executable, deadline_s: float) -> Any:
    """Return what a function returns when it is called in a fresh process.

    Args:
        target: ``module:function``, importable in the child; the function takes the request.
        request: its argument, as JSON can hold it; so must be what it returns.
        python: the interpreter. The same one gets this process's search path too. Nothing is imported from the
            current directory unless the function sees to that.
        deadline_s: seconds until the child and all that it started are killed.

    Raises:
        CnnprofError: whatever of them the function raised, with message, hint and code.
        WorkerError: the child died, ended without an answer, ran out of memory (``worker-died``, ``worker-memory``) or
            took too long (``worker-timeout``).
        RemoteError: the function raised anything else.
        TypeError: the request is nothing that JSON can hold.
    """
    job = _Job(target, request, sys.path if python == sys.executable else [], os.urandom(16).hex())
    question = json.dumps(job).encode() + b"\n"
    with _child(python) as child:
        talk = _Talk(child, job.mark, question)
        talk.start()
        talk.answered.wait(deadline_s)
        late = not talk.answered.is_set()
        if not late:
            talk.join(GRACE_S)
    if talk.reply is not None:
        return _result(talk.reply)
    raise _timeout(deadline_s) if late else _death(child.returncode)


@contextmanager
def _child(python: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a child; kill it with all its children at the end, and take it away."""
    import subprocess

    command = [python, "-P", "-c", _START, str(Path(__file__).with_name("__init__.py"))]
    try:
        child = subprocess.Popen(  # noqa: S603 our own program in an interpreter that the user chose
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise WorkerError(f"cannot start {python}: {error.strerror or error}", code="worker-died") from error
    try:
        yield child
    finally:
        _kill(child)
        for stream in (child.stdin, child.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()


def _kill(child: subprocess.Popen[bytes]) -> None:
    # Before it is waited for: until then its number cannot belong to another process.
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    child.wait()


class _Talk(threading.Thread):
    """Writes the request and reads until the child closes its side; waiting for a thread works on every system."""

    def __init__(self, child: subprocess.Popen[bytes], mark: str, question: bytes) -> None:
        super().__init__(daemon=True)
        self.answered = threading.Event()
        """Set with the reply, or when there can be none any more."""
        self.reply: dict[str, Any] | None = None
        self._child = child
        self._mark = mark.encode()
        self._question = question

    def run(self) -> None:
        with suppress(OSError, ValueError):  # a child that is dead, or streams that are closed: no reply
            self._ask(self._child.stdin)
            self._listen(self._child.stdout)
        self.answered.set()

    def _ask(self, stream: IO[bytes] | None) -> None:
        if stream is not None:
            stream.write(self._question)
            stream.flush()  # and stays open: its end tells the child that this process is gone

    def _listen(self, stream: IO[bytes] | None) -> None:
        for line in stream or ():
            if line.startswith(self._mark):
                self.reply = json.loads(line[len(self._mark) :])
                self.answered.set()
            elif sys.stderr is not None:  # printed before the child had moved its output away
                sys.stderr.write(line.decode(errors="replace"))


def _result(reply: dict[str, Any]) -> Any:
    if "error" in reply:
        raise _raised(reply["error"])
    return reply["result"]


def _raised(error: dict[str, Any]) -> Exception:
    if "bug" in error:
        found = RemoteError(error["bug"])
        found.add_note(error["traceback"])
        return found
    if "problems" in error:
        return SpecError(_problem(*each) for each in error["problems"])
    kind: Callable[..., CnnprofError] = getattr(errors, error["kind"])
    return kind(error["message"], **error["named"])


def _problem(code: str, message: str, place: list[Any] | None, hint: str | None) -> Problem:
    return Problem(code, message, None if place is None else Place(*place), hint)


def _timeout(deadline_s: float) -> WorkerError:
    return WorkerError(
        f"no answer within {deadline_s:g} seconds, so its process was ended",
        hint="code that waits for a network, a lock or the keyboard never ends here",
        code="worker-timeout",
    )


def _death(code: int) -> WorkerError:
    if code >= 0:
        ending = f"ended with exit code {code} before it had answered"
        return WorkerError(f"its process {ending}", hint="something in it called exit", code="worker-died")
    if -code == getattr(signal, "SIGKILL", None):
        message = "its process was killed (SIGKILL), as a system does that has no memory left"
        return WorkerError(message, hint="try it with more memory, or a smaller network", code="worker-died")
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return WorkerError(
        f"its process was ended by {name}",
        hint="a crash of compiled code; -X faulthandler on the same code in Python shows where",
        code="worker-died",
    )


# In the child


def serve() -> None:
    """Answer one request. The child's main program."""
    requests, replies = _own_streams()
    with os.fdopen(requests, "rb", closefd=False) as stream:
        job = _Job(*json.loads(stream.readline()))
    threading.Thread(target=_end_with_parent, args=(requests,), daemon=True).start()
    sys.path += [path for path in job.paths if path and path not in sys.path]
    reply = _answer(job)
    for printed in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # broken, closed or None: whatever imported code left
            printed.flush()
    with os.fdopen(replies, "wb", closefd=False) as stream:  # whose end is the end of this process
        stream.write(f"{job.mark}{reply}\n".encode())


def _own_streams() -> tuple[int, int]:
    """Return the pipes as descriptors that nothing inherits; reads now find nothing, and prints go to the errors."""
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # no standard error
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
    os.close(nothing)
    return requests, replies


def _end_with_parent(requests: int) -> None:
    os.read(requests, 1)  # returns when the other end is closed, and nobody but the parent holds it
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _answer(job: _Job) -> str:
    """Return the reply as one line."""
    try:
        module, _, function = job.target.partition(":")
        return json.dumps({"result": getattr(importlib.import_module(module), function)(job.request)})
    except CnnprofError as error:
        found = _plain(error)
    except MemoryError:
        found = _plain(WorkerError("not enough memory", hint="try a smaller network", code="worker-memory"))
    except BaseException as error:  # noqa: BLE001 an exit or an interrupt that imported code raises is an answer too
        import traceback

        text = "".join(traceback.format_exception(error))
        found = {"bug": f"{type(error).__name__}: {error}", "traceback": text}
    return json.dumps({"error": found})


def _plain(error: CnnprofError) -> dict[str, Any]:
    if isinstance(error, SpecError):
        return {"problems": error.problems}
    argument = getattr(error, "argument", None)
    named = {"hint": error.hint, "code": error.code} | ({"argument": argument} if argument is not None else {})
    kind = next(each.__name__ for each in type(error).__mro__ if hasattr(errors, each.__name__))
    return {"kind": kind, "message": error.message, "named": named}
