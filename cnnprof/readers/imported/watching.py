"""Telling a recorder of every function and module of torch that is called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cnnprof.readers.imported.growth import current, plain

if TYPE_CHECKING:
    import torch

    from cnnprof.readers.imported.recorder import Recorder


@contextmanager
def watching(recorder: Recorder) -> Iterator[None]:
    """Have every call of a module noted, and functions too."""
    import torch

    ordinary = torch.nn.Module.__call__

    def called(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        with recorder.inside(module):
            result = ordinary(module, *args, **kwargs)
            with torch._C.DisableTorchFunction():  # noqa: SLF001 torch's only name for it
                recorder.left(module, args, kwargs, result)
            return result

    torch.nn.Module.__call__ = called
    try:
        with _mode(recorder), torch.no_grad():
            yield
    finally:
        torch.nn.Module.__call__ = ordinary


def _mode(recorder: Recorder) -> Any:
    from torch.overrides import TorchFunctionMode

    growth = current()

    class Mode(TorchFunctionMode):  # type: ignore[misc] # torch is not followed
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if growth is None:
                return recorder.call(function, args, kwargs or {})
            args, kwargs = plain(args), plain(kwargs or {})
            return growth.note(function, args, kwargs, recorder.call(function, args, kwargs))

    return Mode()
