"""The figures that published ones are compared with: of a network, or of one of its layers or blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cnnprof.errors import UsageError
from cnnprof.model.graph import TensorSpec
from cnnprof.published.tallies import TALLIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cnnprof.model.analysis import Analysis, Row

BYTE_UNITS = {"kib": 1024, "mib": 1024**2, "gib": 1024**3, "kb": 10**3, "mb": 10**6, "gb": 10**9}
COUNT_UNITS = {"ki": 1024, "mi": 1024**2}


def quantity(analysis: Analysis, of: str, at: str | None = None) -> int | float | str:
    """Return the figure called ``of``, of the whole network or of the layers or blocks ``at`` (their rows added up).

    Counts bear the names of ``Totals`` and ``Row``; one layer also has those of ``Equivalent``. What is called
    ``X_bytes`` can be had as ``X_kib``, ``X_mib``, ``X_gib`` (powers of 1024) and ``X_kb``, ``X_mb``, ``X_gb`` (of
    1000); any count as ``X_ki``, ``X_mi`` (1024 and its square). Further there are ``output`` (``64x55x55``), ``rf``
    (the receptive field, size/stride/padding), and

    - ``output_elements``, ``output_channels``, ``input_elements``
    - ``weights`` (parameters without biases), ``conv_params``, ``inference_params`` (without layers that run in
      training only), ``state_elements`` and ``state_bytes`` (parameters and all buffers)
    - ``keras_params`` and ``keras_param_bytes`` (parameters and batch norm's running statistics)
    - ``conv_macs``, and ``fused_ops``: operations, each multiply-accumulate one
    - ``fvcore_macs`` and the other ``TALLIES``: work as other tools and tables add it up
    - ``weighted_outputs``: output elements of convolutions and linear layers
    - ``stored_elements``, ``stored_bytes``: the input and all new storage
    - ``received_elements``: values that cross to here from another place

    Args:
        analysis: the network.
        of: name of the figure.
        at: name of a layer or block, or several with ``+`` between them.

    Raises:
        UsageError: there is no such figure, layer or block.
    """
    part = part_of(analysis, at)
    if of in _TEXTS:
        return _TEXTS[of](part)
    stem, _, unit = of.rpartition("_")
    if unit in BYTE_UNITS:
        return count(part, f"{stem}_bytes", of) / BYTE_UNITS[unit]
    if unit in COUNT_UNITS:
        return count(part, stem, of) / COUNT_UNITS[unit]
    return count(part, of, of)


class Part(NamedTuple):
    """The whole network or some of its layers."""

    analysis: Analysis
    rows: tuple[Row, ...]
    last: Row
    """The layer whose output is the part's."""
    output: TensorSpec
    counts: Iterable[object]
    """What has the counts as attributes: the totals, or rows to add up."""


def part_of(analysis: Analysis, at: str | None) -> Part:
    """Return the whole network, or the layers or blocks called ``at``.

    Raises:
        UsageError: there is no such layer or block.
    """
    if at is None:
        edge = list(analysis.outputs.values())[-1]
        last = analysis.row(edge.node)
        return Part(analysis, analysis.rows, last, last.outputs[edge.output], (analysis.totals,))
    parts = [_named(analysis, name.strip()) for name in at.split("+")]
    rows = tuple(row for part in parts for row in part.rows)
    counts = (*rows, rows[0].equivalent) if len(rows) == 1 else rows
    return Part(analysis, rows, parts[-1].last, parts[-1].output, counts)


def _named(analysis: Analysis, name: str) -> Part:
    last = next((container.last for container in analysis.containers if container.path == name), name)
    rows = tuple(row for row in analysis.rows if row.name == name or row.name.startswith(f"{name}."))
    if not rows:
        raise UsageError(
            f"a fact speaks of {name!r}, but {analysis.model} has no such layer or block",
            hint=_nearest(name, [row.name for row in analysis.rows]),
            code="unknown-layer",
        )
    (*_, final) = (row for row in rows if row.name == last) if len(rows) > 1 else rows
    return Part(analysis, rows, final, final.outputs[0], rows)


def count(part: Part, name: str, asked: str) -> int:
    """Return a whole number of a part; ``asked`` is what an error names.

    Raises:
        UsageError: nothing is counted under that name.
    """
    if name in _DERIVED:
        return _DERIVED[name](part)
    if name in TALLIES:
        return TALLIES[name].total(part.rows)
    values = [getattr(holder, name, None) for holder in part.counts] if not name.startswith("_") else []
    numbers = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    if not numbers:
        names = [*_DERIVED, *TALLIES, *_TEXTS, *(known for holder in part.counts for known in dir(holder))]
        raise UsageError(
            f"a fact speaks of {asked!r}, which is not counted", hint=_nearest(name, names), code="unknown-quantity"
        )
    return sum(numbers)


def _convolutions(part: Part) -> list[Row]:
    return [row for row in part.rows if row.op.startswith("conv")]


def _weighted_outputs(part: Part) -> int:
    works = [row for row in part.rows if row.when == "always" and (row.op.startswith("conv") or row.op == "linear")]
    return sum(tensor.numel for row in works for tensor in row.outputs)


def _received(part: Part) -> int:
    names = {row.name for row in part.rows}
    return sum(transfer.elements for transfer in part.analysis.transfers if transfer.reader in names)


def _input_elements(part: Part) -> int:
    return sum(TensorSpec(spec.shape).numel for spec in part.analysis.inputs)


def _sum(part: Part, field: str) -> int:
    return sum(getattr(row, field) for row in part.rows)


def _output(part: Part) -> str:
    return "x".join(str(size) for size in part.output.shape[1:])


def _output_channels(part: Part) -> int:
    if len(part.output.shape) < 2:  # noqa: PLR2004 a batch and channels
        raise UsageError("a fact speaks of output_channels, but the output has none", code="unknown-quantity")
    return part.output.shape[1]


_TEXTS: dict[str, Callable[[Part], str]] = {"output": _output, "rf": lambda part: str(part.last.receptive_field)}
TEXTS = {"output": "output", "rf": "receptive field"}
"""What is no number, and what it is called."""
_DERIVED: dict[str, Callable[[Part], int]] = {
    "output_elements": lambda part: part.output.numel,
    "output_channels": _output_channels,
    "input_elements": _input_elements,
    "weights": lambda part: _sum(part, "params") - _sum(part, "bias_params"),
    "conv_params": lambda part: sum(row.params for row in _convolutions(part)),
    "keras_params": lambda part: _sum(part, "params") + _sum(part, "statistics"),
    "keras_param_bytes": lambda part: _sum(part, "param_bytes") + 4 * _sum(part, "statistics"),
    "state_elements": lambda part: _sum(part, "params") + _sum(part, "buffers"),
    "state_bytes": lambda part: _sum(part, "param_bytes") + _sum(part, "buffer_bytes"),
    "inference_params": lambda part: sum(row.params for row in part.rows if row.when == "always"),
    "conv_macs": lambda part: sum(row.macs for row in _convolutions(part)),
    "fused_ops": lambda part: _sum(part, "ops") - _sum(part, "macs"),
    "weighted_outputs": _weighted_outputs,
    "stored_elements": lambda part: _input_elements(part) + _sum(part, "activations"),
    "stored_bytes": lambda part: part.analysis.totals.input_bytes + _sum(part, "activation_bytes"),
    "received_elements": _received,
}


def _nearest(word: str, choices: list[str]) -> str | None:
    import difflib

    found = difflib.get_close_matches(word, choices, n=1)
    return f"did you mean {found[0]!r}?" if found else None
