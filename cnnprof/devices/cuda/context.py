"""The GPU that is computed on: chosen, awake, and with every choice fixed that times depend on."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from cnnprof.devices.cuda.toolkit import Toolkit
from cnnprof.errors import MissingPackageError


def number(device: str) -> int:
    """Return the number in ``cuda:1``; of ``cuda`` it is 0."""
    return int(device.partition(":")[2] or 0)


def start(toolkit: Toolkit, device: str, *, tf32: bool) -> None:
    """Choose a GPU, wake it, and fix how products of float32 are made and that cuDNN tries no algorithms out.

    torch alone would make convolutions in TensorFloat-32 and matrix products not. cuDNN's trials would take the
    algorithm that was fastest by chance, another one in each process.

    Raises:
        MissingPackageError: there is no GPU of that number.
    """
    index, count = number(device), toolkit.cuda.device_count()
    if index >= count:
        known = ", ".join(f"cuda:{each}" for each in range(count)) or "none"
        raise MissingPackageError(
            f"--device {device} needs a GPU of that number; torch finds {known}",
            hint="cnnprof doctor --import-torch shows them; CUDA_VISIBLE_DEVICES may hide some",
            code="missing-device",
        )
    context_ns(toolkit, index)
    toolkit.cuda.set_device(index)
    _set(toolkit.torch.backends, (tf32, tf32), tries_out=False)


@cache
def context_ns(toolkit: Toolkit, index: int) -> int | None:
    """Wake a GPU and return the time that it took until it answered; None where this process had one awake before."""
    if toolkit.cuda.is_initialized():
        return None
    began = toolkit.wall_ns()
    toolkit.cuda.init()
    toolkit.cuda.set_device(index)
    toolkit.finish()
    return toolkit.wall_ns() - began


def precision(toolkit: Toolkit) -> dict[str, Any]:
    """Return whether products of float32 are made in TensorFloat-32, and whether cuDNN tries algorithms out."""
    backends = toolkit.torch.backends
    return {
        "tf32": {"matmul": backends.cuda.matmul.allow_tf32, "conv": backends.cudnn.allow_tf32},
        "cudnn_benchmark": backends.cudnn.benchmark,
    }


def _set(backends: Any, tf32: tuple[bool, bool], *, tries_out: bool) -> None:
    # By torch's older names: they set the newer ones too, while parts of torch (2.13: torch.compile's) read the older
    # ones only and fail where the newer ones were set.
    backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32 = tf32
    backends.cudnn.benchmark = tries_out


@contextmanager
def kept(toolkit: Toolkit, device: str) -> Iterator[None]:
    """Put torch's current GPU, its random numbers and what ``start`` fixes back at the end.

    What earlier networks left lies in cycles, which Python alone would keep, with their graphs' memory, until any later
    time: a measured peak would be without it, or the memory missing.
    """
    _give_back(toolkit.cuda)
    cuda = toolkit.cuda
    restore, current = _restoring(toolkit.torch.backends), cuda.current_device() if cuda.is_initialized() else None
    asleep = current is None  # then it has drawn nothing yet, and is not woken for that
    with toolkit.torch.random.fork_rng(devices=[] if asleep else [number(device)]):
        try:
            yield
        finally:
            restore()
            _give_back(cuda)
            if current is not None:
                cuda.set_device(current)


def _give_back(cuda: Any) -> None:
    """Free the GPU's memory that nobody uses any more."""
    gc.collect()
    with suppress(RuntimeError):  # a GPU that failed takes nothing more, and was said to
        cuda.empty_cache()


def _restoring(backends: Any) -> Callable[[], None]:
    """Return what puts back how products are made."""
    tries_out = backends.cudnn.benchmark
    try:
        tf32 = backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32
    except RuntimeError:  # set by torch's newer names
        matmul, conv = backends.cuda.matmul.fp32_precision, backends.cudnn.conv.fp32_precision
    else:
        return lambda: _set(backends, tf32, tries_out=tries_out)

    def restore() -> None:
        backends.cuda.matmul.fp32_precision, backends.cudnn.conv.fp32_precision = matmul, conv
        backends.cudnn.benchmark = tries_out

    return restore
