"""A function called in a process of its own, which may import, break or hang what it likes. Standard library only.

It answers once (``call``) or again and again (``stream``): then it waits after each answer until it is asked for the
next, so that this process can store what it got, and does nothing at all while the other one measures.

Request and replies are lines of JSON on pipes that nobody else writes to: before anything is imported, the child moves
its standard input and output away and puts nothing and standard error in their places, so that what imported code
prints goes to standard error. The child has a session of its own. It, and whatever it started, is killed when the call
ends, however it ends; and if this process dies first, the child notices and ends itself.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
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

_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "_STATUS_ALLOC_FAILED")
"""What torch says: of the CPU's memory on Linux and on Windows, of a GPU's, and of it for cuBLAS or cuDNN."""

MORE_MEMORY = "try it with more memory, or a smaller network"
"""The hint to whoever's process was killed; who knows more of what it did can name something smaller."""


class RemoteError(Exception):
    """An exception in the child that is none of cnnprof's own: a bug. Its traceback is added as a note."""


class _Job(NamedTuple):
    target: str
    request: Any
    several: bool
    """Whether the function yields answers instead of returning one."""
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
        RemoteError: the function raised anything else, or returned what JSON cannot hold.
        TypeError, ValueError: the request is nothing that JSON can hold; NaN and infinity are not.
    """
    (answer,) = _answers(_job(target, request, several=False, python=python), python, deadline_s)
    return answer


def stream(target: str, request: Any, *, python: str = sys.executable, deadline_s: float) -> Iterator[Any]:
    """Yield what a generator function yields in a fresh process, which goes on only when it is asked for more.

    The process starts with the first ``next()``. Closing this iterator, or an interrupt while it waits, kills the child
    and all that it started.

    Args:
        target: ``module:function`` as for ``call``, but the function yields.
        request: its argument, as JSON can hold it; so must be all that it yields.
        python: the interpreter, as for ``call``.
        deadline_s: seconds that each answer may take, the first one's start of the process included.

    Raises:
        CnnprofError, WorkerError, RemoteError, TypeError, ValueError: as ``call`` does, at any ``next()``; what was
            yielded before is good.
    """
    return _answers(_job(target, request, several=True, python=python), python, deadline_s)


def _job(target: str, request: Any, *, several: bool, python: str) -> _Job:
    return _Job(target, request, several, sys.path if python == sys.executable else [], os.urandom(16).hex())


def _answers(job: _Job, python: str, deadline_s: float) -> Iterator[Any]:
    question = _line(job).encode()
    with _child(python) as child:
        talk = _Talk(child, job.mark, question)
        talk.start()
        yield from talk.answers(deadline_s)
    if not talk.complete:
        raise _death(child.returncode)


def _line(data: Any) -> str:
    try:
        return json.dumps(data, allow_nan=False) + "\n"
    except ValueError as error:
        raise ValueError(f"a worker is sent and sends JSON only, which has no NaN or infinity ({error})") from error


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
        raise WorkerError(
            f"cannot start {python}: {error.strerror or error}", hint="--python is the path of a Python",
            code="worker-died",
        ) from error  # fmt: skip
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
        self.complete = False
        """Whether the child has said all that it had to say."""
        self._replies: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        self._child = child
        self._mark = mark.encode()
        self._question = question

    def run(self) -> None:
        with suppress(OSError, ValueError):  # a child that is dead, or streams that are closed: no reply
            self._send(self._question)
            self._listen(self._child.stdout)
        self._replies.put(None)

    def answers(self, deadline_s: float) -> Iterator[Any]:
        """Yield the child's answers, asking for each but the first; end, incomplete, where it has died."""
        while not self.complete and (reply := self._reply(deadline_s)) is not None:
            if "last" in reply:
                self.complete = True
                self.join(GRACE_S)
            if "error" in reply:
                raise _raised(reply["error"])
            if "answer" in reply:
                yield reply["answer"]
            if not self.complete:
                with suppress(OSError):  # it has died since: no further reply will say so
                    self._send(b"\n")

    def _reply(self, deadline_s: float) -> dict[str, Any] | None:
        try:
            return self._replies.get(timeout=deadline_s)
        except Empty:
            raise _timeout(deadline_s) from None

    def _send(self, data: bytes) -> None:
        if self._child.stdin is not None:
            self._child.stdin.write(data)
            self._child.stdin.flush()  # and stays open: its end tells the child that this process is gone

    def _listen(self, stream: IO[bytes] | None) -> None:
        for line in stream or ():
            if line.startswith(self._mark):
                self._replies.put(json.loads(line[len(self._mark) :]))
            elif sys.stderr is not None:  # printed before the child had moved its output away
                sys.stderr.write(line.decode(errors="replace"))


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
        return WorkerError(message, hint=MORE_MEMORY, code="worker-died")
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
    with os.fdopen(requests, "rb", closefd=False) as pipe:
        line = pipe.readline()
    if not line.endswith(b"\n"):  # the parent was gone before it had asked
        return
    job = _Job(*json.loads(line))
    asked: SimpleQueue[None] = SimpleQueue()
    threading.Thread(target=_heed_parent, args=(requests, asked), daemon=True).start()
    sys.path += [path for path in job.paths if path and path not in sys.path]
    for reply in _lines(job, asked):
        for printed in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # broken, closed or None: whatever imported code left
                printed.flush()
        with os.fdopen(replies, "wb", closefd=False) as pipe:  # which stays open as long as this process lives
            pipe.write(f"{job.mark}{reply}".encode())


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
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: _let_go(nothing, requests, replies))
    return requests, replies


def _let_go(nothing: int, *pipes: int) -> None:
    """A copy of this process must neither answer in its place nor, by holding the pipe, hide that it has died."""
    for pipe in pipes:
        os.dup2(nothing, pipe, inheritable=False)  # not closed: the number must not come to mean another file


def _heed_parent(requests: int, asked: SimpleQueue[None]) -> None:
    """Hand on each wish for a further answer. Blocked, it costs the work beside it nothing."""
    while os.read(requests, 1):
        asked.put(None)
    # The other end is closed, and nobody but the parent held it.
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _lines(job: _Job, asked: SimpleQueue[None]) -> Iterator[str]:
    """Yield the replies as lines; the last one, and no other, has ``last``."""
    replies = _replies(job, asked)
    complete = False
    while not complete:
        try:
            reply = next(replies)
            line = _line(reply)
        except BaseException as error:  # noqa: BLE001 an exit or an interrupt that imported code raises is an answer too
            reply = {"error": _told(error), "last": True}
            line = _line(reply)
        complete = "last" in reply
        yield line


def _replies(job: _Job, asked: SimpleQueue[None]) -> Iterator[dict[str, Any]]:
    module, _, function = job.target.partition(":")
    found = getattr(importlib.import_module(module), function)(job.request)
    if not job.several:
        yield {"answer": found, "last": True}
        return
    for answer in found:
        yield {"answer": answer}
        asked.get()
    yield {"last": True}


def _told(error: BaseException) -> dict[str, Any]:
    if isinstance(error, CnnprofError):
        return _plain(error)
    if is_out_of_memory(error):
        return _plain(out_of_memory(error))
    import traceback

    text = "".join(traceback.format_exception(error))
    return {"bug": f"{type(error).__name__}: {error}", "traceback": text}


def out_of_memory(error: BaseException) -> WorkerError:
    """Return what is said of such an error."""
    size = re.search(r"tried to allocate (\d[\d.]* \w+)", str(error), re.IGNORECASE)
    message = f"not enough memory: it tried to allocate {size[1]}" if size else "not enough memory"
    return WorkerError(message, hint="try a smaller network", code="worker-memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether Python, the system, torch's allocator of the CPU or one of its devices had no more to give."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, RuntimeError):  # which torch's OutOfMemoryError is
        return any(sign in str(error) for sign in _OUT_OF_MEMORY)
    return isinstance(error, MemoryError)


def _plain(error: CnnprofError) -> dict[str, Any]:
    if isinstance(error, SpecError):
        return {"problems": error.problems}
    argument = getattr(error, "argument", None)
    named = {"hint": error.hint, "code": error.code} | ({"argument": argument} if argument is not None else {})
    kind = next(each.__name__ for each in type(error).__mro__ if hasattr(errors, each.__name__))
    return {"kind": kind, "message": error.message, "named": named}
