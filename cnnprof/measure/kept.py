"""Measuring in a process that has other things to do: torch as a process of its own has it, and then as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext

from cnnprof.devices import cuda


@contextmanager
def torch_kept(device: str) -> Iterator[None]:
    """Have torch as a process of its own has it, and as it was at the end.

    That is, whatever the caller has switched: gradients on, no inference mode, no autocast, no default device. Put back
    are also the number of threads, the default dtype, random numbers, and what torch holds of a GPU.
    """
    import torch

    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    fast = torch.backends.mha.get_fastpath_enabled()
    gpu = cuda.kept(device) if device.startswith("cuda") else nullcontext()
    with torch.random.fork_rng(devices=[]), gpu, _modes_off(device.partition(":")[0]), _no_default_device():
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_default_dtype(dtype)
            torch.backends.mha.set_fastpath_enabled(fast)


@contextmanager
def _modes_off(kind: str) -> Iterator[None]:
    import torch

    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(torch.enable_grad())
        for each in {"cpu", kind}:
            stack.enter_context(torch.autocast(each, enabled=False))
        yield


@contextmanager
def _no_default_device() -> Iterator[None]:
    """Have new tensors on the CPU; without a default, which would be a function mode, unless a ``with`` holds it."""
    import torch

    before = torch.get_default_device()
    if before == torch.device("cpu"):
        yield
        return
    torch.set_default_device(None)
    held = torch.get_default_device() != torch.device("cpu")
    try:
        with torch.device("cpu") if held else nullcontext():
            yield
    finally:
        if not held:
            torch.set_default_device(before)
