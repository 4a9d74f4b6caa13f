"""torchvision's models as an oracle, on meta tensors: nothing is allocated, computed or downloaded."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from cnnprof.readers.torchvision import build, models, split

__all__ = ["Truth", "build", "models", "published", "torchsummary_outputs", "truth"]


class Truth(NamedTuple):
    params: int
    macs: int
    output: tuple[int, ...]
    """One sample, without the batch."""


def truth(name: str, shape: tuple[int, ...], **arguments: Any) -> Truth:
    """Return parameters, MACs and the output's shape of one image."""
    model = build(name, **arguments)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        output = model(torch.empty(1, *shape, device="meta"))
    if isinstance(output, dict):
        output = output["out"]
    params = sum(parameter.numel() for parameter in model.parameters())
    return Truth(params, counter.get_total_flops() // 2, tuple(output.shape[1:]))


def torchsummary_outputs(name: str, shape: tuple[int, ...]) -> int:
    """Return the output elements that torchsummary adds up: of every module but the whole and plain sequences."""
    model = build(name)
    total = 0

    def hook(_module: torch.nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel()

    for module in model.modules():
        if not isinstance(module, (torch.nn.Sequential, torch.nn.ModuleList)) and module is not model:
            module.register_forward_hook(hook)
    with torch.no_grad():
        model(torch.empty(1, *shape, device="meta"))
    return total


def published(name: str) -> dict[str, Any]:
    """Return the metadata of a model's default weights: ``num_params``, ``_ops`` (billions of MACs) and more."""
    return dict(models().get_model_weights(split(name)[0]).DEFAULT.meta)
