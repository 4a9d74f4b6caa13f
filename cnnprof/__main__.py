"""The program: arguments in, exit code out. The one place where an error of cnnprof becomes a message.

Nothing is imported before ``main`` runs, so that an interrupt during start-up is as quiet as any other.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
TERMINATED = 143


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 done; 1 findings; 2 usage or spec error, output not writable, or a fault of cnnprof; 3 device or package missing;
    4 partial results; 130 and 143 interrupted. ``argv`` is without the program's name; by default the process's own.
    """
    try:
        from cnnprof.cli.streams import Terminated, terminable

        try:
            with terminable():
                return _run(sys.argv[1:] if argv is None else argv)
        except Terminated:
            return TERMINATED
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(argv: Sequence[str]) -> int:
    from cnnprof.cli import streams
    from cnnprof.errors import CnnprofError

    try:
        from cnnprof.cli.root import invoke

        streams.accept_any_text()
        code = invoke(argv)
        streams.flush()
    except CnnprofError as error:
        streams.say(error.render())
        return error.exit_code
    except BrokenPipeError:
        streams.close_quietly(sys.stdout)
        return 0
    except Exception as error:  # noqa: BLE001 whatever it is, the user gets a sentence and a way to see more
        return streams.report_bug(error)
    else:
        return code


if __name__ == "__main__":
    sys.exit(main())
