"""Transfer learning with real networks, row N21 of the decks: head only, last layers, all."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import cnnprof
from tests.helpers import torchvision


def in_torch(name: str, classes: int, trained: tuple[str, ...]) -> tuple[int, int, int]:
    """Return trainable and frozen parameters, and the FLOPs of the backward of one image."""
    model = torchvision.build(name, num_classes=classes).train()
    for parameter, tensor in model.named_parameters():
        tensor.requires_grad_(parameter.startswith(trained))
    sizes = {True: 0, False: 0}
    for tensor in model.parameters():
        sizes[tensor.requires_grad] += tensor.numel()
    output = model(torch.empty(2, 3, 224, 224, device="meta"))
    with FlopCounterMode(display=False) as counter:
        output.sum().backward()
    return sizes[True], sizes[False], counter.get_total_flops()


@pytest.mark.parametrize(
    ("name", "strategy", "last", "trained"),
    [
        ("vgg16", "head only", 3, ("classifier.6",)),
        ("vgg16", "last layers", 3, ("classifier",)),
        ("vgg16", "all", 3, ("",)),
        ("alexnet", "last layers", 3, ("classifier",)),
        ("resnet50", "head only", 3, ("fc",)),
        ("resnet50", "last layers", 7, ("layer4.1", "layer4.2", "fc")),
        ("resnet50", "all", 3, ("",)),
    ],
)
def test_a_strategy_trains_the_parameters_and_takes_the_gradients_of_the_real_model(name, strategy, last, trained):
    totals = cnnprof.transfer_learning(name, classes=10, last=last, batch=2)[strategy].analysis.totals

    assert in_torch(name, 10, trained) == (
        totals.trainable_params,
        totals.frozen_params,
        2 * (totals.input_grad_macs + totals.weight_grad_macs),
    )


def test_a_new_head_on_resnet50_trains_20_490_parameters_for_a_third_of_the_work():
    found = cnnprof.transfer_learning("resnet50", classes=10, batch=32)
    head, everything = found["head only"].analysis, found["all"].analysis

    assert (20_490, 23_508_032) == (head.totals.trainable_params, head.totals.frozen_params)
    assert 0.337 == round(head.totals.training_flops / everything.totals.training_flops, 3)


def test_training_the_head_only_needs_a_seventh_of_the_memory_of_training_all_of_resnet50():
    found = cnnprof.transfer_learning("resnet50", classes=10, batch=32, fits="16GiB")
    peaks = {each.name: each.analysis.training.peak_bytes for each in found.strategies}
    batches = {each.name: each.analysis.fit.batch for each in found.strategies}

    assert peaks["head only"] < peaks["last layers"] < peaks["all"]
    assert 7 == round(peaks["all"] / peaks["head only"])
    assert batches["head only"] > 8 * batches["all"]
