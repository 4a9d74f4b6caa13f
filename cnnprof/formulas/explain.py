"""One layer's row derived step by step, as a teacher would write it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cnnprof.errors import UsageError
from cnnprof.formulas import FIELD, Formulas, formulas
from cnnprof.formulas.case import Case, elements, plain
from cnnprof.formulas.cells import TIMES
from cnnprof.formulas.traced import Traced, written
from cnnprof.formulas.words import about_weight, dimension_names, words
from cnnprof.model.analysis import Analysis, Row
from cnnprof.model.explanation import Explanation, Section, Step
from cnnprof.report.columns import LAYER_COLUMNS, View

_SHOWN = 5
"""Layers named in an error."""


def explain(analysis: Analysis, layer: str) -> Explanation:
    """Return the derivation of the row of ``layer``, a full name or the unambiguous end of one.

    Raises:
        UsageError: no layer, or more than one, answers to the name.
    """
    at = _find(analysis, layer)
    row = analysis.rows[at]
    return Explanation(
        model=analysis.model,
        source=analysis.source,
        layer=row.name,
        op=row.op,
        args=row.args,
        origin=row.origin,
        batch=analysis.batch,
        dtype=analysis.dtype,
        sections=tuple(_Teacher(analysis, row, formulas(analysis)[at]).sections()),
    )


def _find(analysis: Analysis, wanted: str) -> int:
    names = [row.name for row in analysis.rows]
    if wanted in names:
        return names.index(wanted)
    found = [name for name in names if name.endswith(f".{wanted}")]
    if len(found) == 1:
        return names.index(found[0])
    if found:
        raise UsageError(
            f"{len(found)} layers of {analysis.model} end in {wanted!r}", hint=f"say which: {_some(found)}"
        )
    raise UsageError(f"{analysis.model} has no layer {wanted!r}", hint=_nearest(wanted, names))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" … {names[-1]}" if len(names) > _SHOWN else "")


def _nearest(wanted: str, names: Sequence[str]) -> str:
    from difflib import get_close_matches

    ends = {name.rsplit(".", 1)[-1]: name for name in reversed(names)}
    close = get_close_matches(wanted, [*names, *ends], n=3, cutoff=0.5)
    near = dict.fromkeys(ends.get(name, name) if name not in names else name for name in close)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else f"its layers are {_some(names)}"


class _Teacher:
    """Writes the sections about one row."""

    def __init__(self, analysis: Analysis, row: Row, texts: Formulas) -> None:
        self.analysis = analysis
        self.row = row
        self.texts = texts
        self.view = View(analysis)
        self.case = Case(row, analysis)

    def sections(self) -> Iterator[Section]:
        """Yield the sections that have something to say."""
        parts: dict[str, Iterable[Step]] = {"What arrives": self._arriving()}
        if self.row.known:
            parts |= {
                "Output size": self._output(),
                "Weights": self._weights(),
                "Work": self._work(),
                "Memory": self._memory(),
                "Receptive field": self._field(),
                "A training step": self._training(),
                "As a matrix": self._matrix(),
            }
        else:
            parts["What is known"] = [_told("counts", "unknown", f"nobody registered the operator {self.row.op!r}")]
        for title, steps in parts.items():
            if found := tuple(steps):
                yield Section(title=title, steps=found)

    def _column(self, name: str) -> Step:
        """Return a cell of the table as a step."""
        column = LAYER_COLUMNS[name]
        cell: Any = column.cell(self.row, self.view)
        text, _, why = self.texts[name].partition(": ")
        unit = "fraction" if column.column.unit.startswith("fraction") else column.column.unit.split(", ")[0]
        said = why or words(name, self.case)
        return Step(name=column.column.title, value=cell, formula=text, unit=unit, about=said)

    def _columns(self, *names: str) -> Iterator[Step]:
        """Yield those cells that are not empty or 0."""
        return (self._column(name) for name in names if LAYER_COLUMNS[name].cell(self.row, self.view))

    def _arriving(self) -> Iterator[Step]:
        for edge, tensor, traced in zip(self.row.edges, self.row.inputs, self.case.inputs, strict=True):
            name = edge.node if not edge.output else f"{edge.node}, output {edge.output}"
            about = f"{TIMES.strip().join(map(str, tensor.shape))} {tensor.dtype}"
            yield _computed(name, traced.numel, "elements", about)

    def _output(self) -> Iterator[Step]:
        several = len(self.row.outputs) > 1
        for at, tensor in enumerate(self.case.computed):
            before = f"output {at}, " if several else ""
            named = zip(dimension_names(self.case.layer, len(tensor.shape)), tensor.shape, strict=True)
            for name, size in named:
                if name != "batch" or size > 1:
                    yield _computed(before + name, size, "", words(name, self.case))
            yield _computed(f"{before}elements", self.case.outputs[at].numel, "elements")
        yield from self._cut()

    def _cut(self) -> Iterator[Step]:
        cuts = self.row.window_cut or ()
        parts = self.texts.get("window_cut", "").split(TIMES)
        named = dimension_names(self.case.layer, len(cuts) + 2)[2:]
        for name, cut, part in zip(named, cuts, parts, strict=False):
            if cut:
                yield Step(name=f"{name} cut off", value=cut, formula=part, about="at the far edge, never read")

    def _weights(self) -> Iterator[Step]:
        layer, row = plain(self.row), self.row
        for name, shape in self.case.weights.items():
            yield _computed(name, elements(shape), "", about_weight(name, layer, shape))
        if self.case.weights:
            yield self._column("params")
            yield from self._columns("frozen_params")
        for name, tensor in self.case.buffers.items():
            yield _computed(name, Traced(1) if not tensor.shape else tensor.numel, "", f"buffer, {tensor.dtype}")
        if self.case.buffers and row.share is None:
            yield self._column("buffers")

    def _work(self) -> Iterator[Step]:
        if self.row.macs:
            yield from self._columns("macs", "flops", "useful_macs", "useful_share", "macs_share")
        yield from self._columns("muls", "adds", "cmps", "exps", "divs")
        yield self._column("ops")

    def _memory(self) -> Iterator[Step]:
        yield self._column("activation_bytes")
        yield from self._columns("param_bytes", "buffer_bytes", "read_bytes", "write_bytes", "intensity")

    def _field(self) -> Iterator[Step]:
        field, text = self.row.receptive_field, self.texts.get(FIELD)
        if field is None or text is None:
            return
        parts = text.split(TIMES)
        axes = list(zip(parts, field.axes, strict=False))
        for part, axis in axes:
            where = f"axis {axis.axis} of {axis.input}: " if len(axes) > 1 else ""
            if axis.size is None:
                yield _told(f"{where}field", "global", "every unit depends on all of the input")
                continue
            also = " (and through another path everything)" if axis.is_global else ""
            most = "the largest of units that differ" if not axis.uniform else "input elements that one unit sees"
            size, stride, padding = _parts(part)
            yield Step(name=f"{where}size", value=axis.size, formula=size, about=most + also)
            step = axis.stride or 0 if axis.stride_divisor == 1 else (axis.stride or 0) / axis.stride_divisor
            yield Step(name=f"{where}stride", value=step, formula=stride, about="how far the next unit's field lies")
            yield Step(
                name=f"{where}padding", value=axis.padding or 0, formula=padding,
                about="how far the first unit's field begins before the input",
            )  # fmt: skip

    def _training(self) -> Iterator[Step]:
        if self.row.training_macs:
            yield self._column("training_macs")
            yield self._column("input_grad_macs")
            yield self._column("weight_grad_macs")
            yield self._column("training_flops")

    def _matrix(self) -> Iterator[Step]:
        return self._columns("dense_params", "toeplitz_rows", "toeplitz_columns", "toeplitz_nonzeros")


def _parts(text: str) -> list[str]:
    """Return the formulas of size, stride and padding of an axis that is not seen as a whole."""
    beside = re.fullmatch(r"global \(local (.*)\)", text)
    named = (beside[1] if beside else text).removeprefix("up to ").split("; ")
    return [part.partition(" ")[2] for part in named]


def _computed(name: str, value: int, unit: str, about: str = "") -> Step:
    return Step(name=name, value=int(value), formula=written(value), unit=unit, about=about)


def _told(name: str, value: str, about: str) -> Step:
    return Step(name=name, value=value, about=about)
