"""Whether the tables are true: every figure beside what PyTorch, other tools and the reference network say.

A check is one function, ``check(case: Case) -> Iterable[Figure]``, in a file of its own and one line in ``CHECKS``.
torch is imported inside functions only.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from cnnprof._version import __version__
from cnnprof.errors import CnnprofError, UsageError
from cnnprof.model.graph import Graph
from cnnprof.model.validation import Figure, Validation
from cnnprof.validator.case import Case

if TYPE_CHECKING:
    Check = Callable[[Case], Iterable[Figure]]

CHECKS: dict[str, str] = {
    "shapes": "cnnprof.validator.shapes:check",
    "parameters": "cnnprof.validator.parameters:check",
    "macs": "cnnprof.validator.work:forward",
    "training": "cnnprof.validator.work:training",
}
"""Name of a check to where it is, in the order they run: the cheap ones first."""


def validate(graph: Graph, *, against: str | None = None, checks: Sequence[str] | None = None) -> Validation:
    """Return every figure of ``graph`` beside the truth.

    Args:
        graph: the network.
        against: the reference network, ``torchvision:resnet50``; by default the one its specification names.
        checks: names of ``CHECKS``; None for all.

    Raises:
        UsageError: an unknown check, or a reference that is not there.
        MissingPackageError: torch, or what the reference needs, is not installed.
    """
    chosen = list(CHECKS) if checks is None else list(checks)
    unknown = [name for name in chosen if name not in CHECKS]
    if unknown:
        raise UsageError(f"there is no check {unknown[0]!r}", hint=f"some of {', '.join(CHECKS)}", code="no-check")
    case = Case(graph, against or graph.reference)
    figures = [figure for name in chosen for figure in _run(name, case)]
    return Validation(
        cnnprof_version=__version__, model=graph.name, against=case.against, versions=case.versions,
        figures=tuple(figures),
    )  # fmt: skip


def _run(name: str, case: Case) -> list[Figure]:
    """Return what a check finds; one that fails costs its own figures only."""
    module, _, function = CHECKS[name].partition(":")
    check: Check = getattr(importlib.import_module(module), function)
    try:
        return list(check(case))
    except CnnprofError as error:
        return [_failed(name, error.message)]
    except Exception as error:  # noqa: BLE001 what torch raises is part of the result
        return [_failed(name, f"{type(error).__name__}: {error}")]


def _failed(name: str, message: str) -> Figure:
    return Figure(
        check=name, what="the check itself", ours=None, theirs=None, verdict="failed", by="torch", note=message
    )
