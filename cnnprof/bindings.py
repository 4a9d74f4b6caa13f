"""What results can do beyond their data: become a data frame, or text. Plain data knows no renderers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnprof.model.analysis import Analysis

if TYPE_CHECKING:
    import pandas as pd

    from cnnprof.model.explanation import Explanation


def bind() -> None:
    """Give results their methods; what those need is imported when they are called."""
    Analysis.to_frame = _to_frame  # type: ignore[method-assign]
    Analysis._repr_html_ = _repr_html  # type: ignore[method-assign]
    Analysis.__rich__ = _rich  # type: ignore[method-assign]


def bind_explanation() -> None:
    """Give explanations their text; few commands need even their class."""
    from cnnprof.model.explanation import Explanation

    Explanation.__str__ = _explanation_text  # type: ignore[assignment,method-assign]


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
