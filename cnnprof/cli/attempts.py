"""Several models in one command: one that fails never costs the results of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar

from cnnprof.cli.streams import report_bug, say
from cnnprof.errors import CnnprofError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

PARTIAL = 4
FAILED = 2


class Attempts:
    """Calls functions, prints their errors (the same one once), and knows the exit code of it all."""

    def __init__(self) -> None:
        self.codes: set[int] = set()
        self._said: set[str] = set()

    def __call__(self, model: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Return what ``function`` returns; None where it fails. ``model`` is named where the error does not."""
        try:
            return function(*args, **kwargs)
        except CnnprofError as error:
            self.codes.add(error.exit_code)
            self._say(error.render(), model)
        except Exception as error:  # noqa: BLE001 a bug that one model shows is no reason to lose the others
            self.codes.add(report_bug(error))
        return None

    def _say(self, text: str, model: str) -> None:
        said = text if model in text or model == "-" else f"{model}: {text}"
        if said not in self._said:
            self._said.add(said)
            say(said)

    def exit_code(self, *, any_result: bool) -> int:
        """Return 0 where nothing failed, 4 for partial results, and for none the errors' code."""
        if not self.codes:
            return 0
        if any_result:
            return PARTIAL
        return self.codes.pop() if len(self.codes) == 1 else FAILED
