"""The GPU that tests make up has the names and arguments of torch's own."""

from __future__ import annotations

import inspect

import pytest
import torch

from tests.helpers.gpu import Event, Graph, Machine, Stream, Tensor


def test_every_name_of_the_made_up_cuda_is_one_of_torch_s():
    assert [] == [name for name in vars(Machine().torch.cuda) if not hasattr(torch.cuda, name)]


@pytest.mark.parametrize(
    ("made", "real"), [(Event, torch.cuda.Event), (Stream, torch.cuda.Stream), (Graph, torch.cuda.CUDAGraph)]
)
def test_every_method_of_its_objects_is_one_of_torch_s(made, real):
    assert [] == [name for name in vars(made) if not name.startswith("_") and not hasattr(real, name)]


def test_every_method_of_its_tensors_is_one_of_torch_s():
    assert [] == [name for name in vars(Tensor) if not name.startswith("_") and not hasattr(torch.Tensor, name)]


@pytest.mark.parametrize(
    ("real", "arguments"),
    [
        (torch.cuda.Event.__new__, {"enable_timing"}),
        (torch.cuda.Event.record, {"stream"}),
        (torch.cuda.graph.__init__, {"cuda_graph", "stream"}),
        (torch.cuda._sleep, {"cycles"}),
        (torch.cuda.get_device_properties, {"device"}),
        (torch.random.fork_rng, {"devices"}),
        (torch.profiler.profile.__init__, {"activities", "acc_events"}),
    ],
)
def test_what_is_called_takes_these_arguments(real, arguments):
    assert arguments <= inspect.signature(real).parameters.keys()


def test_what_is_used_of_a_gpu_s_properties_is_known_to_torch():
    used = {"name", "major", "minor", "total_memory", "multi_processor_count", "L2_cache_size", "uuid"}

    assert used <= vars(Machine().properties).keys()
    properties = getattr(torch._C, "_CudaDeviceProperties", None)  # in builds for CUDA
    assert properties is None or [] == [name for name in used if not hasattr(properties, name)]
