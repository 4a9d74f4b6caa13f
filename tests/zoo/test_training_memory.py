"""The memory of training steps of real models, as torch's own tracker sees it on fake tensors."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

import cnnprof
from tests.helpers import torchvision

BATCH = 4
UNINITIALISED = {"googlenet": {"init_weights": False}}
"""Their initialisation looks at values, which fake tensors have not."""
OPTIMIZERS = {
    "sgd": lambda parameters, foreach: torch.optim.SGD(parameters, foreach=foreach),
    "momentum": lambda parameters, foreach: torch.optim.SGD(parameters, momentum=0.9, foreach=foreach),
    "adam": lambda parameters, foreach: torch.optim.Adam(parameters, foreach=foreach),
}


def peak(name: str, optimizer: str, *, frozen: tuple[str, ...] = (), foreach: bool = False) -> int:
    """Return the most bytes that are there at once in the second of two steps."""
    factory = getattr(torchvision.models(), name)
    with FakeTensorMode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = factory(weights=None, **UNINITIALISED.get(name, {})).train()
        for path, module in model.named_modules():
            if frozen and path.startswith(frozen):
                _freeze(module)
        step = OPTIMIZERS[optimizer](model.parameters(), foreach)
        images = torch.randn(BATCH, 3, 224, 224)
        tracker = MemTracker()
        tracker.track_external(model, step, images)
        with tracker:
            for turn in range(2):
                _train(model, step, images)
                if turn == 0:
                    tracker.reset_mod_stats()
        (found,) = tracker.get_tracker_snapshot("peak").values()
    return found["Total"]


def _freeze(module: torch.nn.Module) -> None:
    """Make buffers of a module's parameters: the same to autograd, and the tracker hooks every parameter there is."""
    for name, parameter in list(module.named_parameters(recurse=False)):
        delattr(module, name)
        module.register_buffer(name, parameter.detach())


def _train(model: torch.nn.Module, step: torch.optim.Optimizer, images: torch.Tensor) -> None:
    outputs: Any = model(images)
    sum(each.sum() for each in (outputs if isinstance(outputs, tuple) else (outputs,))).backward()
    del outputs
    step.step()
    step.zero_grad(set_to_none=True)


def error(ours: int, theirs: int) -> float:
    return (ours - theirs) / theirs


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        ("alexnet", "adam"), ("vgg11", "sgd"), ("vgg11_bn", "momentum"), ("resnet18", "sgd"), ("resnet18", "adam"),
        ("resnet50", "adam"), ("squeezenet1_0", "momentum"), ("googlenet", "sgd"), ("mobilenet_v3_small", "adam"),
        ("shufflenet_v2_x1_0", "sgd"),
    ],
)  # fmt: skip
def test_a_training_step_needs_the_memory_that_torchs_tracker_sees(name, optimizer):
    ours = cnnprof.analyze(name, batch=BATCH, training=optimizer).training

    assert abs(error(ours.peak_bytes, peak(name, optimizer))) < 0.005


def test_a_frozen_prefix_saves_the_memory_that_torchs_tracker_sees():
    frozen = ("conv1", "bn1", "layer1", "layer2", "layer3")
    ours = cnnprof.analyze("resnet18", batch=BATCH, training="adam", freeze=[f"{name}*" for name in frozen]).training

    assert abs(error(ours.peak_bytes, peak("resnet18", "adam", frozen=frozen))) < 0.005


def test_adam_on_all_parameters_together_needs_the_memory_that_torchs_tracker_sees():
    ours = cnnprof.analyze("vgg11", batch=BATCH, training="adam").training

    assert abs(error(ours.foreach_peak_bytes, peak("vgg11", "adam", foreach=True))) < 0.005


def test_resnet50_at_batch_32_trains_with_adam_in_2928_mib():
    ours = cnnprof.analyze("resnet50", batch=32, training="adam").training

    # MemTracker, torch 2.13, second step: weights, buffers, gradients, activations, temporaries, Adam; no input batch.
    assert ("97.49", "0.20", "7.82", "2603.33", "24.50", "194.99", "2928.32") == tuple(
        f"{size / 2**20:.2f}"
        for size in (
            ours.param_bytes, ours.buffer_bytes, ours.gradient_bytes, ours.activation_bytes, ours.live_gradient_bytes,
            ours.optimizer_state_bytes, ours.peak_bytes - ours.input_bytes,
        )
    )  # fmt: skip
