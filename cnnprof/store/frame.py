"""Results as pandas data frames. The one home of pandas, which takes half a second to import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnprof.model.analysis import Equivalent, Events

if TYPE_CHECKING:
    import pandas as pd

    from cnnprof.model.analysis import Analysis, Row
    from cnnprof.model.graph import TensorSpec


def to_frame(analysis: Analysis) -> pd.DataFrame:
    """Return one row per layer; columns bear the names of ``--columns``, and those of a row's other fields.

    Counts are exact integers; where one is unknown it is missing, and its column has pandas' nullable ``Int64``.
    ``input`` and ``output`` are tuples of shapes, the batch first.
    """
    import pandas as pd

    records = [_record(row, analysis) for row in analysis.rows]
    names = list(dict.fromkeys(name for record in records for name in record))
    return pd.DataFrame({name: _series([record[name] for record in records]) for name in names})


def _record(row: Row, analysis: Analysis) -> dict[str, Any]:
    found = row.to_dict()
    for name in ("origin", "edges", "inputs", "outputs"):
        del found[name]
    parts = (("events", Events), ("equivalent", Equivalent))
    for name, kind in parts:
        found |= found.pop(name) or dict.fromkeys(kind.__struct_fields__)
    found |= {"input": _shapes(row.inputs), "output": _shapes(row.outputs)}
    found["source"] = None if row.origin is None else str(row.origin)
    del found["receptive_field"]
    found["rf"] = None if row.receptive_field is None else str(row.receptive_field)
    for of in ("macs", "params"):
        whole = getattr(analysis.totals, of)
        found[f"{of}_share"] = getattr(row, of) / whole if whole and row.known else None
    found["useful_share"] = row.useful_macs / row.macs if row.macs else None
    return found


def _shapes(tensors: tuple[TensorSpec, ...]) -> tuple[tuple[int, ...], ...]:
    return tuple(tensor.shape for tensor in tensors)


def _series(values: list[Any]) -> pd.Series[Any]:
    """Return a column that loses no digit: a plain column of integers and None would become floats."""
    import pandas as pd

    whole = [value for value in values if value is not None]
    counts = bool(whole) and all(isinstance(value, int) and not isinstance(value, bool) for value in whole)
    if not counts or len(whole) == len(values):
        return pd.Series(values)
    fits = max(map(abs, whole)) < 2**63
    return pd.Series(values, dtype="Int64" if fits else "object")
