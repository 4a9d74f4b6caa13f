"""NVIDIA GPUs. What is missing is asked without torch; whatever measures is imported when a network is handed in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cnnprof.devices.cuda.found import missing

if TYPE_CHECKING:
    from cnnprof.devices.base import Network
    from cnnprof.devices.cuda.passes import CudaSubject


def start(device: str, *, tf32: bool) -> None:
    """Make a GPU the one that is computed on, awake, with every choice fixed that its times depend on.

    Args:
        device: ``cuda`` or ``cuda:1``.
        tf32: whether float32 products may be made in TensorFloat-32.

    Raises:
        MissingPackageError: there is no GPU of that number.
    """
    from cnnprof.devices.cuda import context

    context.start(_toolkit(), device, tf32=tf32)


@contextmanager
def kept(device: str) -> Iterator[None]:
    """Put torch's current GPU, its random numbers and what ``start`` fixed back at the end."""
    from cnnprof.devices.cuda import context

    with context.kept(_toolkit(), device):
        yield


def subject(network: Network, request: dict[str, Any]) -> CudaSubject:
    """Return a network as it runs on the GPU ``request["device"]``, where it lies already."""
    from cnnprof.devices.cuda.context import number
    from cnnprof.devices.cuda.passes import CudaSubject

    return CudaSubject(_toolkit(), network, number(request["device"]))


def _toolkit() -> Any:
    import torch

    from cnnprof.devices.cuda.toolkit import Toolkit

    return Toolkit(torch)


__all__ = ["kept", "missing", "start", "subject"]
