"""The ledger of a network: every published figure, whether it is reproduced, and by what else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnprof._version import __version__
from cnnprof.model.claims import Ledger
from cnnprof.published.check import check
from cnnprof.published.family import Family
from cnnprof.published.search import explained

if TYPE_CHECKING:
    from cnnprof.model.analysis import Analysis


def ledger(analysis: Analysis) -> Ledger:
    """Return the ledger of a network; empty where nothing was published, or where arguments changed the network.

    Raises:
        UsageError: as for ``check``.
    """
    family = Family(analysis)
    return Ledger(
        cnnprof_version=__version__,
        model=analysis.model,
        source=analysis.source,
        claims=tuple(explained(claim, family) for claim in check(analysis)),
    )
