"""cnnprof: what a convolutional network costs, from one declarative specification.

``cnnprof.analyze("vgg16")`` counts; ``cnnprof.build`` makes the real module; ``cnnprof.profile`` measures it;
``cnnprof.zoo()`` lists the networks; ``cnnprof.load`` gives the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnprof._version import __version__

if TYPE_CHECKING:
    from cnnprof.api import (
        ZooEntry,
        analyze,
        build,
        claims,
        conventions,
        errata,
        explain,
        load,
        transfer_learning,
        validate,
        zoo,
        zoo_entries,
    )
    from cnnprof.api.profiling import profile
    from cnnprof.errors import CnnprofError, LayerError, SpecError, UsageError
    from cnnprof.model.analysis import Analysis
    from cnnprof.model.claims import Claim, Erratum, Ledger
    from cnnprof.model.conventions import Conventions
    from cnnprof.model.explanation import Explanation
    from cnnprof.model.graph import Graph
    from cnnprof.model.run import Run
    from cnnprof.model.transfer_learning import TransferLearning
    from cnnprof.model.validation import Figure, Validation
    from cnnprof.stored import load_run, runs

_HOMES = {
    "analyze": "cnnprof.api", "load": "cnnprof.api", "zoo": "cnnprof.api", "zoo_entries": "cnnprof.api",
    "ZooEntry": "cnnprof.api", "build": "cnnprof.api", "claims": "cnnprof.api", "errata": "cnnprof.api",
    "conventions": "cnnprof.api", "Conventions": "cnnprof.model.conventions",
    "explain": "cnnprof.api", "Explanation": "cnnprof.model.explanation",
    "Claim": "cnnprof.model.claims", "Erratum": "cnnprof.model.claims", "Ledger": "cnnprof.model.claims",
    "transfer_learning": "cnnprof.api", "TransferLearning": "cnnprof.model.transfer_learning",
    "profile": "cnnprof.api.profiling", "Run": "cnnprof.model.run",
    "validate": "cnnprof.api", "Figure": "cnnprof.model.validation", "Validation": "cnnprof.model.validation",
    "Analysis": "cnnprof.model.analysis", "Graph": "cnnprof.model.graph",
    "load_run": "cnnprof.stored", "runs": "cnnprof.stored",
    "CnnprofError": "cnnprof.errors", "LayerError": "cnnprof.errors", "SpecError": "cnnprof.errors",
    "UsageError": "cnnprof.errors",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import cnnprof`` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'cnnprof' has no attribute {name!r}")
    import importlib

    importlib.import_module("cnnprof.api")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


__all__ = [
    "Analysis", "Claim", "CnnprofError", "Conventions", "Erratum", "Explanation", "Figure", "Graph", "LayerError",
    "Ledger", "Run", "SpecError", "TransferLearning", "UsageError", "Validation", "ZooEntry", "__version__", "analyze",
    "build", "claims", "conventions", "errata", "explain", "load", "load_run", "profile", "runs",
    "transfer_learning", "validate", "zoo", "zoo_entries",
]  # fmt: skip
