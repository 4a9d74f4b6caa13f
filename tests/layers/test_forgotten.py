"""What a layer makes beside its output in evaluation, and forgets, against what torch allocates on fake tensors."""

from __future__ import annotations

import pytest
import torch

from cnnprof.layers import REGISTRY
from cnnprof.validator.fake import fake_tensors, on_fakes
from cnnprof.validator.memory import Network, inference_peak
from tests.layers import contract

STEPS = {
    "locallyconnected1d", "locallyconnected2d", "lppool1d", "lppool2d", "lppool3d", "multiheadattention", "rmsnorm",
    "scaleddotproductattention",
}  # fmt: skip
"""Computed in steps, whose results in between are taken for workspace."""
CASES = [(op, example.args, example.inputs) for op, kind in sorted(REGISTRY.items()) for example in kind.examples]


def allocated(op: str, args: dict, shapes: tuple) -> int:
    """Return the bytes at the peak besides inputs, parameters and buffers."""
    with contract.known_warnings(), torch.device("meta"):
        module = REGISTRY[op](**args).build(contract.specs(shapes))
    with fake_tensors():
        network = Network(on_fakes(module), [torch.empty(shape) for shape in shapes])
        there = [*network.module.parameters(), *network.module.buffers(), *network.inputs]
        return inference_peak(network) - sum(tensor.nbytes for tensor in there)


def claimed(op: str, args: dict, shapes: tuple) -> int:
    layer, inputs = REGISTRY[op](**args), contract.specs(shapes)
    outputs = layer.outputs(inputs)
    made = outputs if layer.storage() == "new" else ()
    return sum(tensor.nbytes for tensor in (*made, *layer.forgets(inputs, outputs)))


@pytest.mark.parametrize(("op", "args", "shapes"), [case for case in CASES if case[0] not in STEPS], ids=str)
def test_an_inference_of_a_layer_allocates_what_it_makes_and_forgets(op, args, shapes):
    assert allocated(op, args, shapes) == claimed(op, args, shapes)


@pytest.mark.parametrize(("op", "args", "shapes"), [case for case in CASES if case[0] in STEPS], ids=str)
def test_what_runs_in_steps_claims_its_output_only_and_no_more_than_torch_allocates(op, args, shapes):
    layer, inputs = REGISTRY[op](**args), contract.specs(shapes)

    assert () == layer.forgets(inputs, layer.outputs(inputs))
    assert claimed(op, args, shapes) <= allocated(op, args, shapes)


def test_max_pooling_forgets_8_bytes_per_output_unless_it_hands_them_out():
    inputs = contract.specs(((1, 64, 4, 4),))
    alone, both = (REGISTRY["maxpool2d"](kernel_size=2, return_indices=indices) for indices in (False, True))

    assert [8 * 64 * 4] == [tensor.nbytes for tensor in alone.forgets(inputs, alone.outputs(inputs))]
    assert () == both.forgets(inputs, both.outputs(inputs))
