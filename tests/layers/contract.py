"""What the contract test needs: a layer's claims, what torch does, and the reasons for which they may differ.

A family's differences stand with its references (``tests/layers/references/FAMILY.py``), each with a reason.
"""

from __future__ import annotations

import contextlib
import inspect
import pydoc
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from cnnprof.errors import LayerError
from cnnprof.model.graph import Shape, TensorSpec

if TYPE_CHECKING:
    from cnnprof.layers import Inputs, Layer

TORCH_REFUSALS = (
    ValueError, RuntimeError, TypeError, IndexError, NotImplementedError, AssertionError, ZeroDivisionError,
    OverflowError,
)  # fmt: skip
"""How torch says no. Anything else that escapes is a fault of ours."""

Rule = tuple[re.Pattern[str], str]
OUR_REFUSALS: dict[str, list[Rule]] = {}
TRAINING_REFUSALS: dict[str, list[Rule]] = {}
WARNINGS: list[tuple[str, str]] = []
DEFAULTS: dict[tuple[str, str], str] = {}
MACS: dict[str, tuple[Callable[..., int], str]] = {}
HALF_REFUSALS: dict[str, list[Rule]] = {}
BACKWARD_FAULTS: dict[str, tuple[Callable[..., bool], str]] = {}

INFERRED = {"in_channels", "in_features", "num_features", "num_channels", "device", "dtype"}
"""torch's arguments that a layer never has: they follow from its input, or are the run's."""


def we_refuse(op: str, message: str, reason: str) -> None:
    """Declare that ``op`` refuses, with an error matching ``message``, what torch accepts."""
    OUR_REFUSALS.setdefault(op, []).append((re.compile(message), reason))


def torch_refuses_in_training(op: str, message: str, reason: str) -> None:
    """Declare that torch runs this in evaluation and refuses it in training: an evaluation's figures still hold."""
    TRAINING_REFUSALS.setdefault(op, []).append((re.compile(message), reason))


def torch_warns(message: str, reason: str) -> None:
    """Declare a warning of torch as known (``message`` is a pattern for its beginning)."""
    WARNINGS.append((message, reason))


def torch_refuses_half_precision(op: str, message: str, reason: str) -> None:
    """Declare that torch has this on a CPU in single precision only: what it would keep cannot be compared."""
    HALF_REFUSALS.setdefault(op, []).append((re.compile(message), reason))


def signature_differs(op: str, argument: str, reason: str) -> None:
    """Declare that an argument is not torch's, is missing here, or has another default."""
    DEFAULTS[op, argument] = reason


def flop_counter_is_blind(op: str, macs: Callable[..., int], reason: str) -> None:
    """Declare ``macs(layer, inputs, outputs)`` as the truth where FlopCounterMode is known to be wrong."""
    MACS[op] = (macs, reason)


def backward_is_at_fault(op: str, where: Callable[..., bool], reason: str) -> None:
    """Declare that torch's backward must not run ``where(layer, inputs)``."""
    BACKWARD_FAULTS[op] = (where, reason)


def excused(rules: dict[str, list[Rule]], op: str, message: str) -> bool:
    """Return whether a declared reason covers this refusal."""
    return any(pattern.search(message) for pattern, _ in rules.get(op, ()))


@dataclass
class Facts:
    """Everything that is compared, of one layer in one mode."""

    outputs: Inputs
    parameters: dict[str, Shape]
    buffers: dict[str, TensorSpec]
    flops: int
    storage: str


def specs(shapes: tuple[Shape, ...]) -> Inputs:
    return tuple(TensorSpec(tuple(shape)) for shape in shapes)


def claims(layer: Layer, inputs: Inputs, *, training: bool) -> Facts:
    """Return what the layer says of itself."""
    outputs = layer.outputs(inputs)
    return Facts(
        outputs,
        layer.parameters(inputs),
        layer.buffers(inputs),
        2 * layer.events(inputs, outputs, training=training).macs,
        layer.storage(training=training),
    )


def truth(layer: Layer, inputs: Inputs, *, training: bool) -> Facts:
    """Return what torch does with the built module.

    Raises:
        one of TORCH_REFUSALS: torch will not build or run it.
    """
    torch.manual_seed(0)
    with known_warnings():
        module = layer.build(inputs).train(training)
        parameters = {name: tuple(value.shape) for name, value in module.named_parameters()}
        buffers = {name: spec_of(value) for name, value in module.named_buffers()}
        tensors = [torch.randn(tensor.shape, dtype=getattr(torch, tensor.dtype)) for tensor in inputs]
        outputs, flops, storage = _forward(module, tensors)
    specs_out = tuple(spec_of(output) for output in outputs)
    if layer.op in MACS:
        flops = 2 * MACS[layer.op][0](layer, inputs, specs_out)
    return Facts(specs_out, parameters, buffers, flops, storage)


def _forward(module: torch.nn.Module, tensors: list[torch.Tensor]) -> tuple[tuple[torch.Tensor, ...], int, str]:
    versions = [tensor._version for tensor in tensors]
    # The fused attention of a CPU is one operator that FlopCounterMode does not know; its matrix products it does.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        result = module(*tensors)
    outputs = result if isinstance(result, tuple) else (result,)
    written = versions != [tensor._version for tensor in tensors]
    storage = _storage(outputs, [*tensors, *module.parameters()], written=written)
    return outputs, counter.get_total_flops(), storage


def _storage(outputs: tuple[torch.Tensor, ...], earlier: list[torch.Tensor], *, written: bool) -> str:
    """Return "view" where the outputs lie in memory that was there before, "inplace" where that was also written to."""
    there = {tensor.untyped_storage().data_ptr() for tensor in earlier}
    shared = {output.untyped_storage().data_ptr() in there for output in outputs}
    # Not asserted: an AssertionError is one of torch's ways to refuse.
    if len(shared) > 1 or (written and not any(shared)):
        pytest.fail(f"outputs that share memory: {shared}; inputs overwritten: {written}")
    if not any(shared):
        return "new"
    return "inplace" if written else "view"


def spec_of(tensor: torch.Tensor) -> TensorSpec:
    return TensorSpec(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))


@contextlib.contextmanager
def known_warnings() -> Iterator[None]:
    """Silence the declared warnings of torch, and no others."""
    with warnings.catch_warnings():
        for message, _ in WARNINGS:
            warnings.filterwarnings("ignore", message)
        yield


def unchecked(kind: type[Layer], args: dict[str, Any]) -> Layer:
    """Return the layer with our checks left out, so that torch can be asked about refused arguments."""
    body = {"__post_init__": lambda _: None, "__module__": kind.__module__}
    return type(kind)(kind.__name__, (kind,), body, frozen=True)(**args)


def outcome(
    action: Callable[[], Any], kinds: type[Exception] | tuple[type[Exception], ...]
) -> tuple[Any, Exception | None]:
    """Return what an action returns, and the error of one of these kinds that it ends in instead."""
    try:
        return action(), None
    except kinds as error:
        return None, error


def check(kind: type[Layer], args: dict[str, Any], shapes: tuple[Shape, ...]) -> bool:
    """Compare a layer with torch in both modes; return whether both accepted.

    Raises:
        AssertionError: one accepts what the other refuses, or a figure differs.
    """
    inputs = specs(shapes)
    described = f"{kind.op} {args} on {shapes}"
    layer, refused = outcome(lambda: kind(**args), LayerError)
    if layer:
        _, refused = outcome(lambda: layer.outputs(inputs), LayerError)
    if refused:
        _check_torch_refuses_too(layer or unchecked(kind, args), inputs, refused, described)
        return False
    for training in (False, True):
        _check_mode(layer, inputs, described, training=training)
    return True


def _check_torch_refuses_too(layer: Layer, inputs: Inputs, ours: Exception, described: str) -> None:
    _, theirs = outcome(lambda: truth(layer, inputs, training=False), TORCH_REFUSALS)
    assert theirs or excused(OUR_REFUSALS, layer.op, str(ours)), f"only we refuse {described}: {ours}"


def _check_mode(layer: Layer, inputs: Inputs, described: str, *, training: bool) -> None:
    theirs, refused = outcome(lambda: truth(layer, inputs, training=training), TORCH_REFUSALS)
    if refused:
        known = training and excused(TRAINING_REFUSALS, layer.op, str(refused))
        assert known, f"only torch refuses {described}, training={training}: {refused}"
        return
    assert theirs == claims(layer, inputs, training=training), f"{described}, training={training}"


def torch_class(kind: type[Layer]) -> Any:
    """Return torch's own class or function of a layer: ``torch_name`` or the torch.nn module of that name; or None."""
    if kind.torch_name is not None:
        return pydoc.locate(kind.torch_name)
    named = {name.lower(): value for name, value in vars(torch.nn).items() if inspect.isclass(value)}
    found = named.get(kind.op)
    return found if found is not None and issubclass(found, torch.nn.Module) else None
