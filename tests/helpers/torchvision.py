"""torchvision's models as an oracle, on meta tensors: nothing is allocated, computed or downloaded."""

from __future__ import annotations

import importlib
import warnings
from functools import cache
from typing import Any, NamedTuple
from unittest import mock

import torch
from torch.utils.flop_counter import FlopCounterMode

_DETECTION = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


class Truth(NamedTuple):
    params: int
    macs: int
    output: tuple[int, ...]
    """One sample, without the batch."""


@cache
def models() -> Any:
    """Return ``torchvision.models``.

    The package registers fake kernels for two detection operators while it is imported. Their schemas come from its
    compiled library, which does not load beside every build of torch; classification needs neither.
    """
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define(f"nms{_DETECTION}")
        library.define(f"qnms{_DETECTION}")
        models.library = library  # type: ignore[attr-defined]  # the schemas live as long as this object
        return importlib.import_module("torchvision.models")


def _regnet_on_cpu() -> Any:
    """Have RegNet's widths and depths computed on the CPU: torchvision does it with tensors, which meta has not."""
    params = models().regnet.BlockParams
    compute = params.from_init_params

    def on_cpu(**arguments: Any) -> Any:
        with torch.device("cpu"):
            return compute(**arguments)

    return mock.patch.object(params, "from_init_params", on_cpu)


def build(name: str, **arguments: Any) -> torch.nn.Module:
    """Return an untrained model on the meta device, in evaluation mode.

    Segmentation networks have their auxiliary head, as those with published weights do.
    """
    factory = getattr(models(), name, None)
    if factory is None:
        factory = getattr(models().segmentation, name)
        arguments = {"weights_backbone": None, "aux_loss": True, **arguments}
    with torch.device("meta"), _regnet_on_cpu(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # GoogLeNet announces another initialisation
        model: torch.nn.Module = factory(weights=None, **arguments)
    return model.eval()


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
    return dict(models().get_model_weights(name).DEFAULT.meta)
