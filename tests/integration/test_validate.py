"""Validation with the real torch: a right network passes, and each lie of a layer is found at that layer."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import cnnprof
from cnnprof import validator
from cnnprof.layers import REGISTRY
from cnnprof.layers.conv import Conv2d
from cnnprof.layers.norm import BatchNorm2d
from cnnprof.model.graph import Edge, Graph, Input, Node, TensorSpec
from cnnprof.model.plain import replace
from cnnprof.model.validation import Figure, Validation, compared
from tests.helpers.processes import cnnprof as run

ARGS = {"out_channels": 4, "kernel_size": 3, "padding": 1}


class TooManyParameters(Conv2d, frozen=True):
    """A convolution that says it has one parameter more."""

    def parameters(self, inputs):
        return super().parameters(inputs) | {"more": (1,)}


class TooFewMacs(Conv2d, frozen=True):
    """A convolution that says it multiplies half as often."""

    def events(self, inputs, outputs, *, training=False):
        found = super().events(inputs, outputs, training=training)
        return replace(found, macs=found.macs // 2)


class NoGradients(Conv2d, frozen=True):
    """A convolution that says its backward multiplies nothing."""

    def products(self, inputs, outputs):  # noqa: ARG002 the contract
        return ()


class WrongShape(Conv2d, frozen=True):
    """A convolution that says its output is one row lower."""

    def outputs(self, inputs):
        (tensor,) = super().outputs(inputs)
        return (replace(tensor, shape=(*tensor.shape[:2], tensor.shape[2] - 1, tensor.shape[3])),)


class TooManyBuffers(BatchNorm2d, frozen=True):
    """A norm that says it has a buffer more."""

    def buffers(self, inputs):
        return super().buffers(inputs) | {"more": TensorSpec((1,), "float32")}


class NoNorm(BatchNorm2d, frozen=True):
    """A norm that torch does not have."""

    def build(self, inputs):  # noqa: ARG002 the contract
        from torch import nn

        return nn.Identity()


class Busy(BatchNorm2d, frozen=True):
    """A norm that multiplies and accumulates in secret."""

    def build(self, inputs):
        from torch import nn

        return nn.Sequential(nn.Conv2d(inputs[0].shape[1], inputs[0].shape[1], 1, bias=False), super().build(inputs))


class Broken(Conv2d, frozen=True):
    """A convolution that breaks when it runs."""

    def build(self, inputs):  # noqa: ARG002 the contract
        import torch

        class Raises(torch.nn.Module):
            def forward(self, _value):
                raise RuntimeError("it broke")

        return Raises()


LIES: dict[str, tuple[type, str, str]] = {
    "toomanyparameters": (TooManyParameters, "parameters", "trainable parameters"),
    "toomanybuffers": (TooManyBuffers, "parameters", "buffer elements"),
    "wrongshape": (WrongShape, "shapes", "layers with these output shapes"),
    "toofewmacs": (TooFewMacs, "macs", "FLOPs of a forward"),
    "nogradients": (NoGradients, "training", "FLOPs of the backward"),
    "batchnorm2d": (NoNorm, "fvcore", "MACs of batch_norm"),
    "busy": (Busy, "fvcore", "MACs of busy"),
}
"""Name of a layer that lies: its class, the check that finds it, and the figure that is wrong."""


def network(op: str) -> Graph:
    args = ARGS if issubclass(REGISTRY[op], Conv2d) else {}
    nodes = (
        Node(name="first", op="conv2d", args=ARGS, inputs=(Edge("x"),)),
        Node(name="relu", op="relu", inputs=(Edge("first"),)),
        Node(name="lies", op=op, args=args, inputs=(Edge("relu"),)),
        Node(name="last", op="sigmoid", inputs=(Edge("lies"),)),
    )
    inputs = (Input(name="x", shape=(3, 8, 8)),)
    return Graph(name="liar", source="liar", inputs=inputs, nodes=nodes, outputs={"output": Edge("last")})


@pytest.fixture
def lie(monkeypatch):
    """Register a lying layer, and return the network with it."""

    def register(op: str, kind: type) -> Graph:
        monkeypatch.setitem(REGISTRY, op, kind)
        monkeypatch.setattr(kind, "op", op)
        return network(op)

    return register


def found(validation: Validation, what: str) -> Figure:
    (figure,) = [each for each in validation.figures if each.what == what]
    return figure


@pytest.mark.parametrize("op", LIES)
def test_a_layer_that_lies_is_found_by_its_check_and_located(op, lie):
    kind, check, what = LIES[op]
    validation = cnnprof.validate(lie(op, kind), checks=[check])
    figure = found(validation, what)

    assert ("differs", False) == (figure.verdict, validation.ok)
    assert "lies" == figure.layer
    assert figure.ours != figure.theirs


@pytest.mark.parametrize("check", sorted({check for _, check, _ in LIES.values()}))
def test_without_a_lie_the_same_checks_find_nothing(check):
    assert () == cnnprof.validate(network("conv2d"), checks=[check]).broken


def test_a_layer_that_breaks_costs_the_checks_that_run_it_only(lie):
    validation = cnnprof.validate(lie("broken", Broken), checks=["shapes", "parameters", "macs"])

    assert ["failed", "differs", "failed"] == [
        next(each.verdict for each in validation.figures if each.check == check)
        for check in ("shapes", "parameters", "macs")
    ]
    assert "RuntimeError: it broke" == validation.figures[0].note


def test_a_check_that_breaks_half_way_keeps_what_it_had_found(monkeypatch):
    def breaking(_case: object) -> Iterator[Figure]:
        yield compared("macs", "FLOPs of a forward", 1, 1)
        raise RuntimeError("it broke")

    monkeypatch.setattr("cnnprof.validator.work.forward", breaking)
    found = cnnprof.validate("lenet5", checks="macs").figures

    assert [("equal", None), ("failed", "RuntimeError: it broke")] == [(each.verdict, each.note) for each in found]


def test_a_check_that_fails_names_whom_it_asked(monkeypatch):
    def breaking(_case: object) -> Iterator[Figure]:
        raise RuntimeError("it broke")
        yield

    for name in ("shapes:check", "reference:check", "fvcore:check", "facts:check"):
        monkeypatch.setattr(f"cnnprof.validator.{name.replace(':', '.')}", breaking)
    found = cnnprof.validate("resnet18", checks=["shapes", "reference", "fvcore", "facts"]).figures

    assert ["torch", "torchvision:resnet18", "fvcore", "the specification"] == [figure.by for figure in found]


@pytest.mark.parametrize(
    "model", ["lenet5", "resnet20", "inception_module", "INPUT 3x16x16 -> [CONV3-8 -> RELU]*2 -> POOL2 -> FC-10"]
)
def test_a_right_network_passes_every_check(model):
    validation = cnnprof.validate(model)

    assert () == validation.broken
    assert set(validator.CHECKS) >= {figure.check for figure in validation.figures} >= {"shapes", "macs", "fvcore"}
    assert {"torch", "fvcore"} <= validation.versions.keys()


def test_a_network_that_trains_otherwise_than_it_infers_passes(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(
        "cnnprof: 1\nname: two\ninput: [3, '*', '*']\nlayers:\n"
        "  - conv2d: {out_channels: 8, kernel_size: 3, groups: 1}\n"
        "  - side:\n      - {adaptiveavgpool2d: {output_size: 1}, when: train}\n      - {flatten: {}, when: train}\n"
        "      - {linear: {out_features: 10}, when: train, output: aux}\n"
        "  - {conv2d: {out_channels: 16, kernel_size: 3, groups: 4}, frozen: true}\n"
        "  - batchnorm2d\n  - dropout\n  - adaptiveavgpool2d: {output_size: 1}\n  - flatten\n"
        "  - linear: {out_features: 10}\n"
    )
    validation = cnnprof.validate(str(path))

    assert () == validation.broken
    assert ("--input 3x64x64",) == validation.overridden


def test_an_interrupt_keeps_the_checks_that_were_made(monkeypatch):
    def stop(_case: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cnnprof.validator.work.forward", stop)

    with pytest.raises(KeyboardInterrupt) as stopped:
        cnnprof.validate("lenet5")

    partial = stopped.value.partial  # type: ignore[attr-defined]
    assert {"shapes", "parameters"} == {figure.check for figure in partial.figures}


def test_the_command_says_equal_in_json_and_exits_with_0():
    done = run("validate", "lenet5", "--checks", "shapes,parameters,macs,fvcore", "-f", "json")

    (table,) = json.loads(done.out)["tables"]
    assert (0, "") == (done.code, done.err)
    assert {"equal"} == {row["verdict"] for row in table["rows"]}
    assert 833_040 * 2 == next(row["theirs"] for row in table["rows"] if row["check"] == "macs")


def test_the_command_exits_with_1_where_a_specification_claims_what_is_not_so(tmp_path):
    (tmp_path / "net.yaml").write_text(
        "cnnprof: 1\nname: net\ninput: [3, 8, 8]\nlayers: [conv2d: {out_channels: 4, kernel_size: 3}]\n"
        'expect:\n  facts: [{of: params, value: "113", source: wrong}]\n'
    )
    done = run("validate", "net.yaml", "--checks", "parameters,facts", cwd=tmp_path)

    assert (1, "") == (done.code, done.err)
    assert "net, 7 figures: 6 equal, 1 differs" == done.out.splitlines()[0]
    assert "params (wrong): the specification is wrong about it: is said to hold, but does not" in done.out


def test_the_lie_about_work_is_one():
    inputs = (TensorSpec((1, 4, 8, 8)),)

    counts = [layer.events(inputs, layer.outputs(inputs)).macs for layer in (Conv2d(**ARGS), TooFewMacs(**ARGS))]
    assert [9_216, 4_608] == counts
