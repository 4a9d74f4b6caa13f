"""What torch's optimizers keep between steps, and what their step makes and forgets.

After torch.optim.SGD and torch.optim.Adam with their default arguments (no weight decay, no amsgrad), by which a tensor
of parameters has, besides its gradient: nothing (sgd), a momentum buffer (momentum), or two moments (adam).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, get_args

from cnnprof.layers.backward import Device
from cnnprof.model.memory import Optimizer

OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)
_STATES: dict[Optimizer, int] = {"sgd": 0, "momentum": 1, "adam": 2}
_STEP_BYTES = 4


class OptimizerMemory(NamedTuple):
    """Bytes of an optimizer: its state, and the temporaries of a step one parameter at a time, or all together."""

    state: int
    temporary: int
    foreach_temporary: int


def optimizer_memory(optimizer: Optimizer, parameters: Sequence[int], device: Device) -> OptimizerMemory:
    """Return what an optimizer of these trainable ``parameters`` needs; ``parameters``: bytes of each, in order.

    Adam counts its steps in a float of the host per tensor. Its denominator √v / c + ε is made in two tensors of the
    parameter's size, one parameter after the other, while that of the one before is still there; with ``foreach=True``
    in one tensor for every parameter at a time.
    """
    state = _STATES[optimizer] * sum(parameters)
    if optimizer != "adam":
        return OptimizerMemory(state, 0, 0)
    steps = _STEP_BYTES * len(parameters) if device == "cpu" else 0
    temporary = max((before + 2 * size for before, size in pairwise((0, *parameters))), default=0)
    return OptimizerMemory(state + steps, temporary, sum(parameters))
