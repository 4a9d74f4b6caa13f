"""What a network needs of memory at once: the peak of an inference, and that of a training step. Plain data."""

from __future__ import annotations

from typing import Literal

from cnnprof.model.graph import TensorSpec
from cnnprof.model.plain import Plain

Optimizer = Literal["sgd", "momentum", "adam"]
Phase = Literal["forward", "backward", "optimizer"]
What = Literal["input", "output", "saved", "forgotten", "gradient", "weight gradient"]


class Alive(Plain, frozen=True, kw_only=True):
    """A tensor that is there at the peak."""

    layer: str
    """The layer that made it, or the network input."""
    what: What
    """``forgotten``: made beside an output and gone with the layer. ``saved``: kept for the backward though nobody's
    output, as a dropout's mask. ``gradient``: of the output."""
    tensor: TensorSpec
    bytes: int


class InferenceMemory(Plain, frozen=True, kw_only=True):
    """The most memory a forward needs at once: a tensor dies after its last reader, inputs are held to the end."""

    peak_bytes: int
    """Weights, buffers and the tensors alive at the peak."""
    param_bytes: int
    buffer_bytes: int
    tensor_bytes: int
    """The tensors alive at the peak, the inputs among them."""
    layer: str | None
    """The layer that runs at the peak; None where there is none."""
    alive: tuple[Alive, ...]
    """The tensors alive at the peak, in the order they were made."""


class TrainingMemory(Plain, frozen=True, kw_only=True):
    """The most memory one steady training step needs at once, by what it is for; the parts add up to the peak."""

    optimizer: Optimizer
    device: Literal["cpu", "cuda"]
    """Whose operators run: what they keep for the backward differs."""
    peak_bytes: int
    param_bytes: int
    buffer_bytes: int
    input_bytes: int
    """The input batch."""
    optimizer_state_bytes: int
    gradient_bytes: int
    """Gradients of parameters that are there at the peak."""
    activation_bytes: int
    """Tensors that are in use or kept for the backward at the peak, the input batch aside."""
    live_gradient_bytes: int
    """Gradients of activations that are there at the peak."""
    temporary_bytes: int
    """What the optimizer's step makes and forgets."""
    saved_bytes: int
    """Everything kept for the backward when the forward is over, the input batch aside; not a part of the sum."""
    foreach_peak_bytes: int
    """The peak where the optimizer updates all parameters together (``foreach=True``, torch's default on a GPU)."""
    phase: Phase
    """When the peak is."""
    layer: str | None
    """The layer that runs at the peak; None in the optimizer's step."""
    alive: tuple[Alive, ...]
    """The tensors alive at the peak, in the order they were made, but for parameters and the optimizer's."""


class Fit(Plain, frozen=True, kw_only=True):
    """The largest batch that fits into a memory."""

    limit_bytes: int
    batch: int
    """0: not even one sample fits."""
    peak_bytes: int | None
    """The peak at that batch; None where there is none."""
    next_peak_bytes: int | None
    """The peak at one sample more, which does not fit; None where that is more than can be counted."""
    is_all: bool = False
    """True: every batch fits that cnnprof analyses (2^31 − 1); there is nothing that grows with it."""
