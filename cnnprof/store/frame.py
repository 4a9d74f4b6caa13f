"""Results as pandas data frames. The one home of pandas, which takes half a second to import."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cnnprof.model.analysis import Equivalent, Events

if TYPE_CHECKING:
    import pandas as pd

    from cnnprof.model.analysis import Analysis, Row
    from cnnprof.model.graph import TensorSpec
    from cnnprof.model.profile import LayerTime, Profile
    from cnnprof.model.run import Part


def to_frame(analysis: Analysis) -> pd.DataFrame:
    """Return one row per layer; columns bear the names of ``--columns``, and those of a row's other fields.

    Counts are exact integers; where one is unknown it is missing, and its column has pandas' nullable ``Int64``.
    ``input`` and ``output`` are tuples of shapes, the batch first.
    """
    import pandas as pd

    records = [_record(row, analysis) for row in analysis.rows]
    names = list(dict.fromkeys(name for record in records for name in record))
    return pd.DataFrame({name: _series([record[name] for record in records]) for name in names})


def run_to_frame(parts: Sequence[tuple[Part, Profile]]) -> pd.DataFrame:
    """Return one row per layer of each part: what was measured, and what is counted of the layer.

    Columns bear the names of ``--columns``. Times are in seconds: ``time_s`` and its spread, ``cpu_time_s``, ``hot_s``,
    ``cold_s``; where a layer was not told apart they are missing. ``below_resolution`` says that all that is known of a
    time is that it is less than ``resolution_s``.
    """
    import pandas as pd

    records = [
        _about(part, profile) | _measured(time) | _rates(time, counted, part, profile) | counted
        for part, profile in parts
        for time, counted in _layers(part, profile)
    ]
    names = list(dict.fromkeys(name for record in records for name in record))
    return pd.DataFrame({name: _column(name, [record.get(name) for record in records]) for name in names})


def _column(name: str, values: list[Any]) -> pd.Series[Any]:
    """Return a column; one of seconds has numbers, even where none was measured."""
    import pandas as pd

    return pd.Series(values, dtype="float64") if name.endswith("_s") else _series(values)


def _layers(part: Part, profile: Profile) -> Iterator[tuple[LayerTime, dict[str, Any]]]:
    """Yield each layer's times with its counts; none of what was marked and is no row of the analysis."""
    analysis = part.analysis
    counted = {} if analysis is None else {row.name: _record(row, analysis) for row in analysis.rows}
    return ((time, counted.get(time.name, {})) for time in profile.layers)


def _about(part: Part, profile: Profile) -> dict[str, Any]:
    setting = part.setting
    return {
        "model": part.model, "device": setting.device, "batch": setting.batch, "dtype": setting.arithmetic,
        "layout": setting.layout, "threads": profile.threads, "mode": setting.mode, "protocol": profile.protocol,
    }  # fmt: skip


def _measured(time: LayerTime) -> dict[str, Any]:
    found: dict[str, Any] = {"name": time.name}
    for prefix, estimate in (("", time.time), ("cpu_", time.cpu_time)):
        found[f"{prefix}time_s"] = None if estimate is None else estimate.median_s
    for name in ("mad_s", "low_s", "high_s", "min_s", "n", "dirty", "bimodal"):
        found[name] = None if time.time is None else getattr(time.time, name)
    found |= {
        "launch_gap_s": time.launch_gap_s,
        "kernel": time.kernel,
        "launches": time.launches,
        "calls": time.calls,
        "below_resolution": time.below_resolution,
        "resolution_s": time.resolution_s,
    }
    for name in ("hot", "cold"):
        alone = getattr(time, name)
        found[f"{name}_s"] = None if alone is None else alone.median_s
    return found


def _rates(time: LayerTime, counted: dict[str, Any], part: Part, profile: Profile) -> dict[str, Any]:
    """Return what follows from a time; nothing where it is below resolution, of which the share alone is known."""
    found = time.time
    names = ("interval", "time_share", "gflops_per_s", "gigabytes_per_s", "images_per_s")
    rates: dict[str, Any] = dict.fromkeys(names)
    if found is not None and profile.ledger is not None:
        rates["time_share"] = found.median_s / profile.ledger.rows_s
    flops, read, written = (counted.get(name) for name in ("flops", "read_bytes", "write_bytes"))
    moved = None if read is None or written is None else read + written
    if found is not None and not time.below_resolution:
        rates["interval"] = found.interval
        rates["gflops_per_s"] = flops / 1e9 / found.median_s if flops else None
        rates["gigabytes_per_s"] = moved / 1e9 / found.median_s if moved else None
        rates["images_per_s"] = part.setting.batch / found.median_s
    return rates | {"moved_bytes": moved}


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
