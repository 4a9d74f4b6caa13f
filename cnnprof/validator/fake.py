"""Networks on fake tensors: a CPU's operators by sizes alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from cnnprof.validator.case import Case


@contextmanager
def fake_tensors() -> Iterator[None]:
    """Make every tensor that is made inside a fake one."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        yield


def on_fakes(module: torch.nn.Module) -> torch.nn.Module:
    """Give a module from the meta device fake parameters and buffers on a CPU, inside ``fake_tensors``; return it."""
    import torch

    return off_meta(module, lambda tensor: torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu"))


def off_meta(module: torch.nn.Module, make: Callable[[torch.Tensor], torch.Tensor]) -> torch.nn.Module:
    """Replace what a module has on the meta device by what ``make`` makes of it; return the module.

    torch's own ways from device to device lead to no fake tensors. What is shared stays shared.
    """
    import torch

    made: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):  # noqa: SLF001 setattr would register anew
            for name, tensor in tensors.items():
                if tensor is not None and tensor.is_meta:
                    if id(tensor) not in made:
                        value = make(tensor)
                        if isinstance(tensor, torch.nn.Parameter):
                            value = torch.nn.Parameter(value, requires_grad=tensor.requires_grad)
                        made[id(tensor)] = (tensor, value)  # the old one is held, so that no other gets its id
                    tensors[name] = made[id(tensor)][1]
    return module


def fake_inputs(case: Case, batch: int) -> list[torch.Tensor]:
    """Return the inputs of a network, inside ``fake_tensors``; fakes have no values."""
    import torch

    return [torch.empty(batch, *each.shape, dtype=getattr(torch, each.dtype)) for each in case.graph.inputs]
