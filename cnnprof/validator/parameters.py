"""Parameters, biases and buffers against those of the built module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from cnnprof.model.validation import Figure, compared
from cnnprof.validator.case import Case

if TYPE_CHECKING:
    import torch


def check(case: Case) -> Iterator[Figure]:
    """Yield trainable and frozen parameters, biases, buffers and their bytes, with the first layer that has others."""
    totals, module = case.analysis.totals, case.on_meta
    parameters, buffers = dict(module.named_parameters()), list(module.buffers())
    trained = [each for each in parameters.values() if each.requires_grad]
    frozen = [each for each in parameters.values() if not each.requires_grad]
    biases = [each for name, each in parameters.items() if name.endswith("bias")]
    first = _first(case)
    for what, ours, theirs in (
        ("trainable parameters", totals.trainable_params, _elements(trained)),
        ("frozen parameters", totals.frozen_params, _elements(frozen)),
        ("biases", totals.bias_params, _elements(biases)),
        ("buffer elements", totals.buffers, _elements(buffers)),
        ("bytes of the parameters", totals.param_bytes, sum(each.nbytes for each in parameters.values())),
        ("bytes of the buffers", totals.buffer_bytes, sum(each.nbytes for each in buffers)),
    ):
        yield compared("parameters", what, ours, theirs, layer=first)


def _elements(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _first(case: Case) -> str | None:
    """Return the first layer whose own parameters and buffers are other than its row says."""
    for row in case.analysis.rows:
        layer = case.part(row.name)
        held = sum(tensor.numel() for tensor in (*layer.parameters(), *layer.buffers()))
        if row.share is None and held != row.params + row.buffers:
            return row.name
    return None
