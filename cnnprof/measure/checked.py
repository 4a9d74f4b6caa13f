"""Whether a network that is split over two devices still computes what it computes whole. Runs in a worker.

No bookkeeping follows all that code can do with tensors that share memory. What a split returns is therefore compared
with what the network returns by itself, before anything of it is timed.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from cnnprof.devices.cuda.failures import explained, is_out_of_memory
from cnnprof.devices.mirrors import unsplittable
from cnnprof.errors import CnnprofError, WorkerError
from cnnprof.measure.given import Given, tensors

if TYPE_CHECKING:
    import torch

TIMES = 2
"""Forwards in a row that are compared: what one leaves behind, the next one reads."""
_TOLERANCES = {"float64": 1e-6, "float32": 1e-2, "float16": 5e-2, "bfloat16": 2e-1}
"""On two kinds of device: the norm of the difference by that of the value. Sums in another order, TF32 and rounding
between layers stay far below; what was missed in place is of the size of the value itself."""

Returned = list["torch.Tensor"]
"""The tensors that successive forwards return, all in one list."""


def expected(module: torch.nn.Module, given: Given) -> Returned:
    """Return what a network returns, which stays as it is.

    Raises:
        WorkerError: it returns something else the next time (``split-unchecked``).
    """
    first, second = (_returned(copy.deepcopy(module), given) for _ in range(2))
    if not first:
        raise _unchecked("it returns no tensors that anybody could compare")
    if _difference(first, second, exact=True) is not None:
        raise _unchecked("it computes something else each time, whole as it is")
    return first


def check(split: torch.nn.Module, given: Given, wanted: Returned, *, exact: bool) -> None:
    """Check that a split network returns what is expected of it.

    Args:
        split: the network.
        given: what it is called with; it stays as it is.
        wanted: what ``expected`` returned.
        exact: to the last bit: both of its sides are the same kind of device.

    Raises:
        WorkerError: it returns something else, or fails where the whole does not (``split-differs``).
    """
    try:
        with explained():
            found = _returned(split, given)
    except CnnprofError:
        raise
    except Exception as error:
        if isinstance(error, RuntimeError) and is_out_of_memory(error):
            raise
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise unsplittable(f"it fails, and whole it does not ({line})") from error
    why = _difference(wanted, found, exact=exact)
    if why is not None:
        raise unsplittable(f"it computes something else than whole: {why}")


def _unchecked(why: str) -> WorkerError:
    return WorkerError(
        f"a split of it cannot be checked: {why}",
        hint="what is drawn at random in a forward can be drawn once, in __init__",
        code="split-unchecked",
    )


def _returned(module: torch.nn.Module, given: Given) -> Returned:
    """Return what forwards in a row return, on inputs that are theirs alone."""
    import torch

    with torch.no_grad():
        args = [each.clone() for each in given.args]
        kwargs = {name: each.clone() for name, each in given.kwargs.items()}
        found: list[Any] = []
        for _ in range(TIMES):
            found += [each.clone() for each in tensors(module(*args, **kwargs))]
    return found


def _difference(wanted: Returned, found: Returned, *, exact: bool) -> str | None:
    """Return in which way tensors are others; None: they are the same."""
    if len(wanted) != len(found):
        return f"it returns {len(found) // TIMES} tensors instead of {len(wanted) // TIMES}"
    for first, second in zip(wanted, found, strict=True):
        if (first.shape, first.dtype) != (second.shape, second.dtype):
            return f"it returns {_kind(second)} instead of {_kind(first)}"
        off = _off(first.to_dense(), second.to_dense())
        tolerance = 0.0 if exact else _TOLERANCES.get(str(first.dtype).removeprefix("torch."), 0.0)
        if not off <= tolerance:
            return f"what it returns is {off:.2g} of its size off"
    return None


def _kind(tensor: torch.Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def _off(wanted: torch.Tensor, found: torch.Tensor) -> float:
    """Return ‖found − wanted‖ ÷ ‖wanted‖; what is not finite has to be the same."""
    import torch

    if torch.equal(wanted, found):
        return 0.0
    wide = torch.complex128 if wanted.is_complex() else torch.float64
    first, second = wanted.to(wide), found.to(wide)
    same = (first == second) | (first.isnan() & second.isnan())
    apart = torch.where(same, 0, second - first).norm()
    size = torch.where(torch.isfinite(first), first, 0).norm()
    return 0.0 if bool(same.all()) else float(apart / size)
