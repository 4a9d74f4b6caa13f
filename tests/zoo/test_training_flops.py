"""A training step of real models, counted by torch's FlopCounterMode on meta tensors."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import cnnprof
from cnnprof.model.analysis import Totals
from tests.helpers import torchvision

UNGROUPED = [
    "alexnet", "vgg11", "vgg16_bn", "googlenet", "inception_v3", "resnet18", "resnet50", "wide_resnet50_2",
    "densenet121", "squeezenet1_0", "fcn_resnet50",
]  # fmt: skip
"""FlopCounterMode counts the backward of a grouped convolution as if it had no groups."""
SIZES = {"inception_v3": (3, 299, 299), "fcn_resnet50": (3, 64, 64)}


def counted_by_torch(name: str, *frozen: str) -> tuple[int, int]:
    """Return the FLOPs of one training step: of the forward, and of the backward of all outputs' sum.

    ``frozen``: beginnings of the names of parameters that require no gradient.
    """
    model = torchvision.build(name).train()
    for parameter, tensor in model.named_parameters():
        tensor.requires_grad_(not parameter.startswith(frozen))
    with FlopCounterMode(display=False) as forward:
        outputs = model(torch.empty(2, *SIZES.get(name, (3, 224, 224)), device="meta"))
    if isinstance(outputs, dict):
        outputs = tuple(outputs.values())
    with FlopCounterMode(display=False) as backward:
        sum(each.sum() for each in (outputs if isinstance(outputs, tuple) else (outputs,))).backward()
    return forward.get_total_flops(), backward.get_total_flops()


def split(totals: Totals) -> tuple[int, int]:
    return 2 * totals.training_macs, 2 * (totals.input_grad_macs + totals.weight_grad_macs)


@pytest.mark.parametrize("name", UNGROUPED)
def test_a_training_step_takes_the_flops_that_torch_counts(name):
    size = SIZES.get(name)

    assert counted_by_torch(name) == split(cnnprof.analyze(name, batch=2, input=size).totals)


@pytest.mark.parametrize(("frozen", "glob"), [
    (("conv1", "bn1", "layer1", "layer2"), ["conv1*", "bn1*", "layer1*", "layer2*"]),
    (("layer2", "layer3"), ["layer2*", "layer3*"]),
    (("conv1", "bn1", "layer"), ["conv1*", "bn1*", "layer*"]),
])  # fmt: skip
def test_a_training_step_with_frozen_parts_takes_the_flops_that_torch_counts(frozen, glob):
    assert counted_by_torch("resnet18", *frozen) == split(cnnprof.analyze("resnet18", batch=2, freeze=glob).totals)


def test_a_training_step_takes_2_93_forwards_of_resnet18_and_2_97_of_resnet50():
    ratios = {name: cnnprof.analyze(name).totals for name in ("resnet18", "resnet50")}

    assert {"resnet18": 2.9349, "resnet50": 2.9711} == {
        name: round(totals.training_flops / totals.flops, 4) for name, totals in ratios.items()
    }
