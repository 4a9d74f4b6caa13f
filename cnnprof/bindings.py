"""What results can do beyond their data: become a data frame, or text. Plain data knows no renderers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cnnprof.errors import UsageError
from cnnprof.model.analysis import Analysis

if TYPE_CHECKING:
    import pandas as pd

    from cnnprof.model.explanation import Explanation
    from cnnprof.model.offload import Offload
    from cnnprof.model.profile import Ledger, Profile
    from cnnprof.model.run import Part, Run


def bind() -> None:
    """Give results their methods; what those need is imported when they are called."""
    Analysis.to_frame = _to_frame  # type: ignore[method-assign]
    Analysis._repr_html_ = _repr_html  # type: ignore[method-assign]
    Analysis.__rich__ = _rich  # type: ignore[method-assign]


def bind_explanation() -> None:
    """Give explanations their text; few commands need even their class."""
    from cnnprof.model.explanation import Explanation

    Explanation.__str__ = _explanation_text  # type: ignore[assignment,method-assign]


def bind_run(
    summarise: Callable[..., Profile], samples: Callable[..., Any], offloads: Callable[..., tuple[Offload, ...]]
) -> None:
    """Give runs their methods, out of rooms on this tier.

    Args:
        summarise: of ``measure.summary``.
        samples: of ``measure.samples``.
        offloads: of ``offload``.
    """
    from cnnprof.model.run import Part, Run

    def ledger(part: Part) -> Ledger | None:
        """Where the time of a forward goes; None where layers were not told apart, or a pass is missing."""
        return summarise(part).ledger

    def only_ledger(run: Run) -> Ledger | None:
        """Where the time of a forward goes, of a run with one part."""
        if len(run.parts) != 1:
            raise UsageError(
                f"a run of {len(run.parts)} parts has as many ledgers", hint="run.parts[0].ledger", code="several-parts"
            )
        return ledger(run.parts[0])

    def figures(run: Run) -> list[tuple[Part, Profile]]:
        return [(part, summarise(part, budget_s=run.budget_s, interval=run.interval)) for part in run.parts]

    def beside(run: Run) -> tuple[Offload, ...]:
        """Whether a device pays beside the host, for each network and setting that both were measured with."""
        if len({part.setting.device for part in run.parts}) == 1:
            return ()
        walls = [tuple(each.wall_ns for each in samples(part, "E").used) for part in run.parts]
        return offloads((*pair, times) for pair, times in zip(figures(run), walls, strict=True))

    Part.ledger = property(ledger)  # type: ignore[method-assign,assignment]
    Run.ledger = property(only_ledger)  # type: ignore[method-assign,assignment]
    Run.offloads = property(beside)  # type: ignore[method-assign,assignment]
    Run.to_frame = lambda run: _run_to_frame(figures(run))  # type: ignore[assignment,method-assign]
    Run._repr_html_ = lambda run: _report_to_html(figures(run), run.offloads)  # type: ignore[assignment,method-assign]
    Run.__rich__ = lambda run: _rich_report(figures(run), run.offloads)  # type: ignore[assignment,method-assign]


def _run_to_frame(parts: list[tuple[Part, Profile]]) -> pd.DataFrame:
    from cnnprof.store.frame import run_to_frame

    return run_to_frame(parts)


def _report_to_html(parts: list[tuple[Part, Profile]], offloads: tuple[Offload, ...]) -> str:
    from cnnprof.report.notebook import report_to_html
    from cnnprof.report.profile import profile_report

    return report_to_html(profile_report(parts, offloads=offloads))


def _rich_report(parts: list[tuple[Part, Profile]], offloads: tuple[Offload, ...]) -> Any:
    from cnnprof.report.profile import profile_report
    from cnnprof.report.terminal import Renderable

    return Renderable(lambda screen: profile_report(parts, screen=screen, offloads=offloads))


def _to_frame(self: Analysis) -> pd.DataFrame:
    """Return one row per layer as a data frame."""
    from cnnprof.store.frame import to_frame

    return to_frame(self)


def _repr_html(self: Analysis) -> str:
    from cnnprof.report.notebook import to_html

    return to_html(self)


def _rich(self: Analysis) -> Any:
    from cnnprof.report.terminal import renderable

    return renderable(self)


def _explanation_text(self: Explanation) -> str:
    """Return the derivation as it is printed."""
    from cnnprof.report.base import Report
    from cnnprof.report.derivation import derivation_table
    from cnnprof.report.plain import render

    return render(Report(derivation_table(self)))
