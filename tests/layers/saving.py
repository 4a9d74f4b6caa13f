"""What torch's autograd really keeps of a training forward, and which gradients its backward allocates."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from cnnprof.errors import LayerError
from cnnprof.layers.backward import Needs, Saved
from tests.layers import contract

if TYPE_CHECKING:
    from cnnprof.layers import Inputs, Layer
    from cnnprof.model.graph import Shape


class Kept(NamedTuple):
    """Inputs and outputs by name, and the bytes of every other storage that is no parameter's either."""

    shared: set[str]
    own: list[int]


class Forward(NamedTuple):
    """One training forward. ``tensors`` are the inputs as the module got them, copies of the ``leaves``."""

    leaves: list[torch.Tensor]
    tensors: list[torch.Tensor]
    outputs: tuple[torch.Tensor, ...]
    states: list[torch.Tensor]
    packed: list[torch.Tensor]
    """What autograd keeps. They are held here, so that no two storages can have had one address."""

    def name(self, tensor: torch.Tensor) -> str | None:
        """Return whose storage a tensor lies in; an output that overwrites or shows an input bears the input's name."""
        owners = {"state": self.states, "input": self.tensors, "output": self.outputs}
        for kind, several in owners.items():
            for index, owner in enumerate(several):
                if place(owner) == place(tensor):
                    return kind if kind == "state" else f"{kind} {index}"
        return None


def place(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def needs_of(layer: Layer, inputs: Inputs) -> Iterator[Needs]:
    """Yield every combination of what may require gradients, where anything does."""
    parameters = (False, True) if layer.parameters(inputs) else (False,)
    for which in itertools.product((False, True), repeat=len(inputs)):
        for trained in parameters:
            needs = Needs(which, trained)
            if needs.any:
                yield needs


def forward(layer: Layer, inputs: Inputs, needs: Needs) -> Forward:
    """Run the built module in training mode, watching what is packed for the backward."""
    torch.manual_seed(0)
    dtype = getattr(torch, inputs[0].dtype) if inputs else torch.float32
    module = layer.build(inputs).train().to(dtype).requires_grad_(needs.parameters)
    leaves = [
        torch.randn(tensor.shape, dtype=dtype, requires_grad=asked)
        for tensor, asked in zip(inputs, needs.inputs, strict=True)
    ]
    tensors = [leaf.clone() for leaf in leaves]  # a leaf may not be overwritten
    packed: list[torch.Tensor] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        packed.append(tensor.detach())  # a tensor that its own history holds would never be freed
        return packed[-1]

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), contract.known_warnings():
        result = module(*tensors)
    outputs = result if isinstance(result, tuple) else (result,)
    return Forward(leaves, tensors, outputs, [*module.parameters(), *module.buffers()], packed)


def truth(run: Forward) -> Kept:
    """Return what torch keeps; what has no elements is left out."""
    own = {place(tensor): tensor.untyped_storage().nbytes() for tensor in run.packed if run.name(tensor) is None}
    shared = {run.name(tensor) for tensor in run.packed} - {None, "state"}
    return Kept({str(name) for name in shared}, sorted(size for size in own.values() if size))


def claim(saved: tuple[Saved, ...], run: Forward) -> Kept:
    """Return what a layer says, in the same words."""
    tensors = {"input": run.tensors, "output": run.outputs}
    shared = {str(run.name(tensors[entry.what][entry.at])) for entry in saved if entry.what != "own"}
    return Kept(shared - {"state"}, sorted(entry.tensor.nbytes for entry in saved if entry.tensor))


def gradients_by_torch(layer: Layer, inputs: Inputs) -> dict[int, str]:
    """Return which input's gradient lies in the output's; an input without a gradient is left out."""
    run = forward(layer, inputs, Needs((True,) * len(inputs), bool(layer.parameters(inputs))))
    outputs = [output for output in run.outputs if output.requires_grad]
    arriving = [torch.randn_like(output) for output in outputs]
    gradients = torch.autograd.grad(outputs, run.leaves, arriving, allow_unused=True) if inputs else ()
    there = {place(tensor) for tensor in arriving}
    return {
        index: "view" if place(gradient) in there else "new"
        for index, gradient in enumerate(gradients)
        if gradient is not None
    }


def check(kind: type[Layer], args: dict[str, Any], shapes: tuple[Shape, ...], dtype: str = "float32") -> int:
    """Compare a layer with torch for everything that may require gradients; return for how many combinations.

    What the layer or torch refuses in single precision is the contract test's to judge.

    Raises:
        AssertionError: what is kept differs, or where a gradient lies.
    """
    described = f"{kind.op} {args} on {shapes}, {dtype}"
    inputs = tuple(tensor.__class__(tensor.shape, dtype) for tensor in contract.specs(shapes))
    made, _ = contract.outcome(lambda: (layer := kind(**args), layer.outputs(inputs)), LayerError)
    if made is None:
        return 0
    layer, outputs = made
    count = 0
    for needs in needs_of(layer, inputs):
        run, refused = contract.outcome(lambda needs=needs: forward(layer, inputs, needs), contract.TORCH_REFUSALS)
        if refused:
            known = dtype == "float32" or contract.excused(contract.HALF_REFUSALS, layer.op, str(refused))
            assert known, f"torch refuses {described}: {refused}"
            return 0
        saved = layer.saved(inputs, outputs, needs)
        theirs, ours = truth(run), claim(saved, run)
        assert theirs == ours, f"{described}, {needs}: torch keeps {theirs}, the layer says {ours}"
        count += 1
    at_fault, _ = contract.BACKWARD_FAULTS.get(layer.op, (lambda *_: False, ""))
    found = {} if at_fault(layer, inputs) else gradients_by_torch(layer, inputs)
    lies = {index: layer.gradients(inputs, index) for index in found}
    assert found == lies, f"gradients of {described}: torch {found}, the layer says {lies}"
    return count
