"""What torch raises where a GPU fails, as one of cnnprof's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cnnprof.devices.base import failed_device, lost_device
from cnnprof.errors import CnnprofError, MissingPackageError

_OUT_OF_MEMORY = ("out of memory", "allocate memory")
"""Of the GPU; of the host, which is asked for pinned memory."""
_NO_CODE = "no kernel image"
_UNUSABLE = ("NVIDIA driver", "No CUDA GPUs are available", "CUDA driver initialization failed")
_LOST = ("unavailable", "no CUDA-capable device", "GPU is lost", "CUDA error: unknown error", "CUDA unknown error")
_FAILED = ("CUDA error", "CUDNN_STATUS_", "cuDNN error", "CUBLAS_STATUS_", "CUDA driver error")


@contextmanager
def explained() -> Iterator[None]:
    """Turn what torch raises where a GPU fails into one clear error.

    A GPU that failed answers nothing more in this process. Memory that is not there, and errors of the network's own
    code, pass as they are.

    Raises:
        MissingPackageError: CUDA cannot be used at all, or torch has no code for this GPU (``missing-device``).
        WorkerError: it failed while it computed (``device-failed``), or is gone (``device-lost``).
    """
    try:
        yield
    except RuntimeError as error:
        found = _meant(str(error))
        if found is None:
            raise
        raise found from error


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether memory was missing, which torch's OutOfMemoryError is not the only error for."""
    return _has(str(error), _OUT_OF_MEMORY)


def _meant(text: str) -> CnnprofError | None:
    line = (text.strip().splitlines() or [""])[0]  # torch adds advice in further lines
    if _has(line, _OUT_OF_MEMORY):
        return None
    if _NO_CODE in line:
        return MissingPackageError(
            f"this torch was built without code for this GPU: {line}",
            hint="another build of the same torch may have it: https://pytorch.org/get-started/locally",
            code="missing-device",
        )
    if _has(line, _UNUSABLE):
        return MissingPackageError(
            f"the GPU cannot be used: {line}", hint="cnnprof doctor --import-torch", code="missing-device"
        )
    if _has(line, _LOST):
        return lost_device(line)
    return failed_device(line) if _has(line, _FAILED) else None


def _has(line: str, signs: tuple[str, ...]) -> bool:
    return any(sign in line for sign in signs)
