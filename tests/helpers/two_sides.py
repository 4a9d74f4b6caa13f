"""Two sides on one CPU, told apart: which storage lies on which, so that an operation that mixes them is an error."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cnnprof.model.offload import Direction


class TwoSides(TorchDispatchMode):
    """Follows every operation that torch computes. What is made of nothing is on the host, as on a real one.

    ``copied`` is the only way across, and notes what crossed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.crossed: list[tuple[Direction, int]] = []
        self._sides: dict[int, bool] = {}
        self._alive: list[torch.UntypedStorage] = []

    def own(self, there: torch.nn.Module) -> None:
        """Take the tensors of a module as the other side's."""
        for part in there.modules():
            for each in (*part.parameters(recurse=False), *part.buffers(recurse=False), *tensors(vars(part))):
                self._put(each, there=True)

    def side(self, tensor: torch.Tensor) -> bool:
        """Return whether a tensor is on the other side."""
        return self._sides.get(tensor.untyped_storage()._cdata, False)

    def copied(self, tensor: torch.Tensor, _device: object, into: torch.Tensor | None = None) -> torch.Tensor:
        """Copy a tensor to the side where it is not."""
        there = not self.side(tensor)
        self.crossed.append(("h2d" if there else "d2h", tensor.nbytes))
        if into is not None:
            assert there == self.side(into)
            with torch.utils._python_dispatch._disable_current_modes():
                return into.copy_(tensor)
        found = tensor.clone()
        self._put(found, there=there)
        return found

    def _put(self, tensor: torch.Tensor, *, there: bool) -> None:
        self._alive.append(tensor.untyped_storage())  # an address is used again
        self._sides[tensor.untyped_storage()._cdata] = there

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        read = tensors((args, kwargs or {}))
        sides = {self.side(each) for each in read}
        assert len(sides) < 2, f"{function} is given tensors of both sides"
        result = function(*args, **kwargs or {})
        there = sides == {True} and "device" not in (kwargs or {})
        for each in tensors(result):
            self._put(each, there=there)
        return result


def tensors(value: Any) -> list[torch.Tensor]:
    """Return the tensors in arguments or results."""
    return [each for each in torch.utils._pytree.tree_leaves(value) if isinstance(each, torch.Tensor)]
