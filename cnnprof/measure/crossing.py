"""The calls of a forward that runs on two sides: where each runs, and what of its tensors gets there.

A tensor crosses when something on the other side reads it, once, however many read it there. What is written into one
of both in place is told by torch's own count of versions, and gets to the other before anything reads that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cnnprof.devices.mirrors import Copied, Memory, Mirrors, unsplittable
from cnnprof.readers.imported.calls import MAKERS, MOVING, QUIET, function_name, mapped, staying, tensors_in

if TYPE_CHECKING:
    import torch

_PLACES = ("device", "is_cuda", "is_cpu", "get_device")
"""Questions where a tensor is. The network's own code hears that all is on the host, and makes there what it makes."""
_NO_DEVICE = ("bernoulli",)
"""Makers that cannot be told where."""


class Crossing:
    """The tensors of one forward. Nothing of it may be used after ``forget``."""

    def __init__(self, kept: Mapping[int, Memory], devices: Mapping[bool, torch.device], copied: Copied) -> None:
        """Take what lies on both sides, the device of each (True: the other side), and what copies."""
        import torch

        self._mirrors = Mirrors(devices, copied, kept)
        self._devices = devices
        self._stand_in = torch.empty(0, device=devices[False])
        self.end, self.forget = self._mirrors.end, self._mirrors.forget

    def row(self, function: Callable[..., Any], args: Any, kwargs: Any, *, there: bool) -> Any:
        """Call what is a row, on its side. What it only hands on counts as made there, as the placement has it."""
        result, unchanged = self._call(function, args, kwargs, there=there)
        for asked, given in unchanged:
            if given is result:
                self._mirrors.handed(asked, given)
        return result

    def aside(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call what is no row: where all of its tensors are; on the host where they are not all on the other side."""
        read, name = tensors_in(args, kwargs), function_name(function)
        if not read:
            return function(*args, **kwargs)
        if name in _PLACES:
            return function(self._stand_in, *args[1:], **kwargs)
        if name in QUIET:
            return function(*args, **kwargs)
        if name in MAKERS and name not in _NO_DEVICE:
            return function(*args, **kwargs | {"device": self._devices[False]})
        if name in MOVING:
            return self.moving(function, args, kwargs, there=self._mirrors.there(read[0]))
        there = all(self._mirrors.there(each) for each in read)
        return self._call(function, args, kwargs, there=there)[0]

    def moving(self, function: Callable[..., Any], args: Any, kwargs: Any, *, there: bool) -> Any:
        """Call what would get a tensor to another device, and leave it where it is."""
        if function_name(function) != "to":
            return args[0]
        return self.row(function, *staying(args, kwargs), there=there)

    def on(self, tensor: torch.Tensor, *, there: bool) -> torch.Tensor:
        """Return a tensor as it is on a side, with all that was written into it."""
        return self._mirrors.on(tensor, there=there)

    def _call(
        self, function: Callable[..., Any], args: Any, kwargs: Any, *, there: bool
    ) -> tuple[Any, list[tuple[torch.Tensor, torch.Tensor]]]:
        """Return what a function returns on a side, and what it only read: asked for, and as it was given."""
        brought: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

        def bring(tensor: torch.Tensor) -> torch.Tensor:
            if id(tensor) not in brought:  # attention asks whether its arguments are one tensor
                brought[id(tensor)] = (tensor, self.on(tensor, there=there))
            return brought[id(tensor)][1]

        args, kwargs = mapped(args, bring), mapped(kwargs, bring) if kwargs else kwargs
        before = _versions([given for _, given in brought.values()])
        result = function(*args, **kwargs)
        unchanged = []
        for (asked, given), version in zip(brought.values(), before, strict=True):
            if given._version == version:  # noqa: SLF001 torch's only name for it
                unchanged.append((asked, given))
            else:
                self._mirrors.written(asked, given)
        for each in tensors_in(result):
            self._mirrors.seen(each, there=there)
        return result, unchanged


def _versions(read: Sequence[torch.Tensor]) -> list[int]:
    """Return how often each tensor was written into.

    Raises:
        WorkerError: of one made in torch.inference_mode, of which nobody knows.
    """
    try:
        return [each._version for each in read]  # noqa: SLF001 torch's only name for it
    except RuntimeError as error:
        raise unsplittable("nobody sees what it writes into tensors made in torch.inference_mode()") from error
