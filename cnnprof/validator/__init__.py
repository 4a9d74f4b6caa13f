"""Whether the tables are true: every figure beside what PyTorch, other tools and the reference network say.

A check is one function, ``check(case: Case) -> Iterable[Figure]``, in a file of its own and one line in ``CHECKS``.
torch is imported inside functions only.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from cnnprof._version import __version__
from cnnprof.errors import CnnprofError, MissingPackageError, UsageError
from cnnprof.model.graph import Graph
from cnnprof.model.validation import Figure, Validation
from cnnprof.validator.case import Case

if TYPE_CHECKING:
    from cnnprof.validator.case import Claims

    Check = Callable[[Case], Iterable[Figure]]

CHECKS: dict[str, str] = {
    "shapes": "cnnprof.validator.shapes:check",
    "parameters": "cnnprof.validator.parameters:check",
    "macs": "cnnprof.validator.work:forward",
    "training": "cnnprof.validator.work:training",
    "useful": "cnnprof.validator.geometry:useful",
    "receptive": "cnnprof.validator.geometry:receptive",
    "memory": "cnnprof.validator.memory:check",
    "reference": "cnnprof.validator.reference:check",
    "fvcore": "cnnprof.validator.fvcore:check",
    "facts": "cnnprof.validator.facts:check",
    "network": "cnnprof.validator.against:check",
}
"""Name of a check to where it is, in the order they run: the cheap ones first."""
WITHOUT_TORCH = ("facts", "network")
"""Checks that count and compare only."""
LIBRARIES = ("torchvision",)
"""Whose networks can be a reference, ``torchvision:resnet50``."""
WITH_REFERENCE = ("reference", "memory")
"""Checks that ask such a network."""
PACKAGES = ("fvcore", *LIBRARIES)
"""What is asked besides torch, by the first word of a figure's ``by``."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C arrived while a network was validated; ``partial`` is what was compared until then."""

    def __init__(self, partial: Validation) -> None:
        super().__init__()
        self.partial = partial


def validate(
    graph: Graph,
    *,
    against: str | Graph | None = None,
    checks: str | Sequence[str] | None = None,
    claims: Claims | None = None,
) -> Validation:
    """Return every figure of ``graph`` beside the truth.

    Args:
        graph: the network.
        against: the reference network, ``torchvision:resnet50``; by default the one its specification names. Another
            graph is compared layer by layer.
        checks: names of ``CHECKS``; None for all, but against another graph for ``network`` only.
        claims: returns the published figures of an analysis, each with whether it is reproduced.

    Raises:
        UsageError: an unknown check, one that has nothing to compare with, or none that asks ``against``.
        MissingPackageError: torch is not installed; what else is missing fails its own check.
        Interrupted: Ctrl-C.
    """
    other = against if isinstance(against, Graph) else None
    case = Case(graph, against if isinstance(against, str) else _reference(graph), other, claims)
    chosen = _chosen((checks,) if isinstance(checks, str) else checks, case)
    _check_asked(against, chosen)
    if set(chosen) - set(WITHOUT_TORCH):
        _check_torch()
    figures: list[Figure] = []
    try:
        for name in chosen:
            figures += _run(name, case)
    except KeyboardInterrupt as stop:
        raise Interrupted(_validation(case, chosen, figures)) from stop
    return _validation(case, chosen, figures)


def _reference(graph: Graph) -> str | None:
    """Return what the specification names; with another value for a parameter this is another network."""
    return None if any(each.startswith("--set") for each in graph.overridden) else graph.reference


def _chosen(checks: Sequence[str] | None, case: Case) -> list[str]:
    if checks is None:
        return ["network"] if case.other is not None else [name for name in CHECKS if name != "network"]
    unknown = [name for name in checks if name not in CHECKS]
    if unknown:
        raise UsageError(f"there is no check {unknown[0]!r}", hint=f"some of {', '.join(CHECKS)}", code="no-check")
    if "network" in checks and case.other is None:
        raise UsageError("the check 'network' needs another network", hint="--against MODEL", code="no-check")
    return [name for name in CHECKS if name in checks]


def _check_asked(against: str | Graph | None, chosen: Sequence[str]) -> None:
    """Raise UsageError where somebody named a reference that no check looks at: all would seem equal to it."""
    asking = ("network",) if isinstance(against, Graph) else WITH_REFERENCE
    name = against.name if isinstance(against, Graph) else against
    if against is not None and not set(asking) & set(chosen):
        raise UsageError(
            f"none of these checks compares with {name}", hint=f"add {asking[0]} to --checks", code="no-check"
        )


def check_reference(name: str) -> None:
    """Do nothing where ``torchvision:NAME`` can be made, or its library is missing: then its checks fail and say so.

    Raises:
        UsageError: the library has no such network, or refuses its arguments.
    """
    from cnnprof.validator.reference import reference

    try:
        reference(name)
    except MissingPackageError:
        pass
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} cannot be made: {error}", code="unknown-model") from error


def _check_torch() -> None:
    try:
        importlib.import_module("torch")
    except ImportError as error:
        raise MissingPackageError(
            f"validating needs PyTorch, and importing it fails: {error}", hint="pip install 'cnnprof[torch]'"
        ) from error


def _validation(case: Case, chosen: Sequence[str], figures: Sequence[Figure]) -> Validation:
    from importlib.metadata import version

    asked = {figure.by.partition(":")[0] for figure in figures if figure.verdict != "failed"}
    names = [*(["torch"] if set(chosen) - set(WITHOUT_TORCH) else []), *(each for each in PACKAGES if each in asked)]
    return Validation(
        cnnprof_version=__version__,
        model=case.graph.name,
        against=case.against if case.other is None else case.other.name,
        versions={name: version(name) for name in names},
        overridden=case.graph.overridden,
        figures=tuple(figures),
    )


def _run(name: str, case: Case) -> list[Figure]:
    """Return what a check finds; where it fails, what it had found until then."""
    module, _, function = CHECKS[name].partition(":")
    check: Check = getattr(importlib.import_module(module), function)
    figures: list[Figure] = []
    try:
        for figure in check(case):
            figures.append(figure)  # noqa: PERF402 one by one: the next may fail
    except CnnprofError as error:
        figures.append(_failed(name, f"{error.message} ({error.hint})" if error.hint else error.message, case))
    except Exception as error:  # noqa: BLE001 what torch raises is part of the result
        figures.append(_failed(name, f"{type(error).__name__}: {error}", case))
    return figures


def _failed(name: str, message: str, case: Case) -> Figure:
    asked = {"reference": case.against, "fvcore": "fvcore", "facts": "the specification"}.get(name) or "torch"
    return Figure(check=name, what="the check itself", ours=None, theirs=None, verdict="failed", by=asked, note=message)
