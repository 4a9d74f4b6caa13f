"""The formula behind every cell: ``3·3·3·64 + 64`` behind 1,792.

A layer's own arithmetic is run on numbers that remember how they were computed (``traced.py``), one column at a time
(``cells.py``); receptive fields follow the network once more (``fields.py``). It costs nothing where nobody asks.
"""

from __future__ import annotations

from typing import Any

from cnnprof.formulas.case import Case, plain
from cnnprof.formulas.cells import CELLS
from cnnprof.formulas.fields import FieldFormulas
from cnnprof.layers.base import Pads
from cnnprof.model.analysis import Analysis, Row
from cnnprof.model.graph import Edge

__all__ = ["CELLS", "FIELD", "formulas"]

FIELD = "rf"
"""The column of the receptive field, whose formula follows from other rows."""
Formulas = dict[str, str]


def formulas(analysis: Analysis) -> tuple[Formulas, ...]:
    """Return, for every row, the formula of each of its cells by the column's id.

    An empty cell has none, and neither has any count of an operator that nobody registered.
    """
    writer = _Writer(analysis)
    return tuple(writer.row(row) for row in analysis.rows)


class _Writer:
    """Writes rows in order; the same question, as the blocks of a deep network repeat it, is asked once."""

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis
        self._fields = FieldFormulas(analysis)
        self._zeros: dict[Edge, Pads] = {}
        self._known: dict[Any, Formulas] = {}

    def row(self, row: Row) -> Formulas:
        """Return the formulas of a row."""
        if not row.known:
            self._fields.lose(row)
            return {}
        layer = plain(row)
        zeros = self._zeros.get(row.edges[0]) if row.edges else None
        put_in = layer.zeros(row.inputs)
        if put_in is not None:
            self._zeros[Edge(row.name)] = put_in
        field = self._fields.follow(row, layer)
        found = self._cells(row, zeros)
        return found if field is None else found | {FIELD: field}

    def _cells(self, row: Row, zeros: Pads | None) -> Formulas:
        # Everything a formula may depend on besides the network; of the edges, which are equal.
        firsts: dict[Edge, int] = {}
        same = [firsts.setdefault(edge, at) for at, edge in enumerate(row.edges)]
        counts = (
            row.params,
            row.macs,
            row.input_grad_macs,
            row.weight_grad_macs,
            row.storage,
            row.torchsummary_outputs,
        )
        state = (row.share is None, row.frozen, row.when, zeros)
        key = (row.op, repr(row.args), row.inputs, tuple(same), counts, state)
        if key not in self._known:
            self._known[key] = cells(Case(row, self._analysis, zeros))
        return self._known[key]


def cells(case: Case) -> Formulas:
    """Return the formulas of one layer's cells, but for the receptive field."""
    found = {name: formula(case) for name, formula in CELLS.items()}
    return {name: text for name, text in found.items() if text is not None}
