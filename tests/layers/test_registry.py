"""The one list of layer types."""

from __future__ import annotations

import pytest

from cnnprof.errors import LayerError
from cnnprof.layers import REGISTRY, Layer, of, register
from cnnprof.model.graph import Edge, Node


class Toy(Layer, frozen=True):
    """A layer of no use: any shape in and out."""

    size: int = 1


def test_a_node_behaves_as_its_operator_with_its_arguments():
    node = Node(name="conv1", op="conv2d", args={"out_channels": 8, "kernel_size": 3}, inputs=(Edge("input"),))

    assert REGISTRY["conv2d"](out_channels=8, kernel_size=3) == of(node)


def test_an_operator_that_nobody_registered_has_no_behaviour():
    with pytest.raises(KeyError, match="hologram"):
        of(Node(name="x", op="hologram", inputs=()))


def test_a_registered_layer_knows_its_name_and_can_be_found(monkeypatch):
    monkeypatch.setattr("cnnprof.layers.registry.REGISTRY", known := {})
    register("toy")(Toy)

    assert ({"toy": Toy}, "toy") == (known, Toy.op)


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(ValueError, match=r"layer 'conv2d' is already registered by cnnprof\.layers\.conv"):
        register("conv2d")(Toy)


def test_a_layer_without_a_module_says_so():
    with pytest.raises(LayerError, match="cannot be built as a torch module"):
        Toy().build(())
