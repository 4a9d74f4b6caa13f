"""The comparison of what is kept can fail: layers that lie are caught."""

from __future__ import annotations

import pytest

from cnnprof.layers.backward import kept, kept_input, kept_output
from cnnprof.model.graph import TensorSpec
from tests.layers import saving
from tests.layers.test_contract_itself import lying

SHAPES = ((2, 3),)


@pytest.mark.parametrize(
    "lie",
    [
        (),
        (kept_input(),),
        (kept_output(), kept_input()),
        (kept_output(), kept(TensorSpec((1,)))),
    ],
    ids=str,
)
def test_a_layer_that_keeps_something_else_than_torch_is_caught(lie):
    with pytest.raises(AssertionError, match=r"relu .*torch keeps Kept\(shared=\{'output 0'\}, own=\[\]\)"):
        saving.check(lying("relu", saved=lie), {}, SHAPES)


def test_a_mask_of_another_size_is_caught():
    with pytest.raises(AssertionError, match=r"own=\[24\]\), the layer says .*own=\[6\]"):
        saving.check(lying("dropout", saved=(kept(TensorSpec((2, 3), "bool")),)), {}, SHAPES)


def test_a_gradient_that_lies_elsewhere_is_caught():
    with pytest.raises(AssertionError, match=r"gradients of relu .*torch \{0: 'new'\}, the layer says \{0: 'view'\}"):
        saving.check(lying("relu", gradients="view"), {}, SHAPES)


def test_an_operator_that_torch_lacks_in_half_precision_must_be_declared():
    undeclared = lying("avgpool3d")
    undeclared.op = "undeclared"

    with pytest.raises(AssertionError, match=r"torch refuses undeclared .*bfloat16"):
        saving.check(undeclared, {"kernel_size": 2}, ((1, 1, 2, 2, 2),), "bfloat16")


def test_what_is_overwritten_is_told_from_a_copy_of_it():
    assert 1 == saving.check(lying("relu", saved=(kept_input(),)), {"inplace": True}, SHAPES)

    with pytest.raises(AssertionError, match=r"own=\[24\]"):
        saving.check(lying("silu", saved=(kept_input(),)), {"inplace": True}, SHAPES)
