"""A GPU is chosen and all that times depend on is fixed; and what fails is said once, with its code."""

from __future__ import annotations

import pytest

from cnnprof.devices.cuda import context
from cnnprof.devices.cuda.failures import explained
from cnnprof.devices.cuda.toolkit import Toolkit
from cnnprof.errors import CnnprofError, MissingPackageError
from tests.helpers.gpu import Machine


@pytest.mark.parametrize("tf32", [False, True])
def test_products_of_float32_are_made_as_asked_for_and_no_algorithm_is_tried_out(tf32):
    machine = Machine()

    context.start(machine.toolkit, "cuda", tf32=tf32)

    assert {"tf32": {"matmul": tf32, "conv": tf32}, "cudnn_benchmark": False} == context.precision(machine.toolkit)


def test_the_gpu_of_the_number_is_the_one_that_is_used():
    machine = Machine()
    machine.devices = 2

    context.start(machine.toolkit, "cuda:1", tf32=False)
    assert 1 == machine.chosen


def test_of_several_gpus_the_one_that_is_asked_for_is_used_each_time():
    machine = Machine()
    machine.devices = 2

    for index in (0, 1, 0, 1):
        context.start(machine.toolkit, f"cuda:{index}", tf32=False)
        assert index == machine.chosen


@pytest.mark.parametrize(("devices", "known"), [(2, "cuda:0, cuda:1"), (0, "none")])
def test_a_gpu_that_is_not_there_is_missing(devices, known):
    machine = Machine()
    machine.devices = devices

    with pytest.raises(MissingPackageError) as caught:
        context.start(machine.toolkit, "cuda:7", tf32=False)
    assert f"--device cuda:7 needs a GPU of that number; torch finds {known}" == caught.value.message
    assert "missing-device" == caught.value.code


def test_afterwards_torch_is_what_it_was():
    machine = Machine()
    machine.devices, machine.awake = 2, True
    before = context.precision(machine.toolkit)

    with context.kept(machine.toolkit, "cuda:1"):
        context.start(machine.toolkit, "cuda:1", tf32=True)

    assert before == context.precision(machine.toolkit)
    assert 0 == machine.chosen


@pytest.mark.parametrize("names", ["older", "newer"])
def test_how_the_real_torch_makes_products_is_put_back_by_whichever_names_it_was_set(names):
    import torch

    toolkit, backends = Toolkit(torch), torch.backends

    def said() -> tuple[str, str]:
        return backends.cuda.matmul.fp32_precision, backends.cudnn.conv.fp32_precision

    with context.kept(toolkit, "cuda"):
        if names == "older":
            backends.cuda.matmul.allow_tf32 = backends.cudnn.allow_tf32 = True
        else:
            backends.cuda.matmul.fp32_precision = backends.cudnn.conv.fp32_precision = "tf32"
        with context.kept(toolkit, "cuda"):
            context._set(backends, (False, False), tries_out=False)
            assert "tf32" not in said()
        assert ("tf32", "tf32") == said()


def test_the_time_until_a_gpu_answers_is_taken_once():
    machine = Machine(awake_ns=3_000_000)
    toolkit = machine.toolkit

    assert [3_000_000] * 2 == [context.context_ns(toolkit, 0) for _ in range(2)]


# What fails

ASSERT = "CUDA error: device-side assert triggered\nCUDA kernel errors might be reported at some other call"


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (ASSERT, "device-failed",
         "the device failed, and takes nothing more from this process: CUDA error: device-side assert triggered"),
        ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", "device-failed",
         "the device failed, and takes nothing more from this process: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        ("CUDA error: CUDA-capable device(s) is/are busy or unavailable", "device-lost",
         "the device is gone: CUDA error: CUDA-capable device(s) is/are busy or unavailable"),
        ("CUDA error: unknown error", "device-lost", "the device is gone: CUDA error: unknown error"),
        ("Found no NVIDIA driver on your system. Please check", "missing-device",
         "the GPU cannot be used: Found no NVIDIA driver on your system. Please check"),
        ("The NVIDIA driver on your system is too old (found version 11040).", "missing-device",
         "the GPU cannot be used: The NVIDIA driver on your system is too old (found version 11040)."),
        ("CUDA error: no kernel image is available\nSearch for `cudaErrorNoKernelImageForDevice'", "missing-device",
         "this torch was built without code for this GPU: CUDA error: no kernel image is available"),
    ],
)  # fmt: skip
def test_a_gpu_that_fails_is_one_line_with_a_code_and_what_to_do(text, code, message):
    """FAULTS 17, 18, 19."""
    with pytest.raises(CnnprofError) as caught, explained():
        raise RuntimeError(text)
    assert (code, message) == (caught.value.code, caught.value.message)
    assert caught.value.hint


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        ValueError("CUDA error: not torch's"),
    ],
)
def test_missing_memory_and_errors_of_the_network_pass_as_they_are(error):
    """FAULTS 16: what they become is said where any device's are."""
    with pytest.raises(type(error)) as caught, explained():
        raise error
    assert error is caught.value
