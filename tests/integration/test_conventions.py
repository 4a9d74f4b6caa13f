"""What cnnprof says that other tools print is what they print, to the last digit; the tools themselves are asked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import cnnprof
from cnnprof.errors import LayerError
from cnnprof.layers import REGISTRY
from cnnprof.model.plain import to_builtins
from cnnprof.peers import conventions, tools
from tests.helpers.peers import APPLICATIONS, HERE, ask, one_layer

NETWORKS = (
    "alexnet", "vgg16", "resnet50", "mobilenet_v2", "densenet121", "googlenet", "efficientnet_b0", "convnext_tiny",
)  # fmt: skip
FUNCTIONS: list[list[Any]] = [
    *(
        [op, {}, [[3, 4, 5]]]
        for op in ("relu", "relu6", "leakyrelu", "elu", "gelu", "silu", "hardswish", "hardsigmoid")
    ),
    *([op, {}, [[3, 4, 5]]] for op in ("hardtanh", "mish", "selu", "softplus", "sigmoid", "tanh", "flatten")),
    *([op, {"dim": 1}, [[4, 4, 5]]] for op in ("glu", "softmax", "logsoftmax")),
    *([f"{pool}1d", {"kernel_size": 2}, [[3, 8]]] for pool in ("maxpool", "avgpool")),
    *([f"{pool}2d", {"kernel_size": 2}, [[3, 8, 6]]] for pool in ("maxpool", "avgpool")),
    *([f"{pool}3d", {"kernel_size": 2}, [[3, 8, 6, 4]]] for pool in ("maxpool", "avgpool")),
    ["adaptiveavgpool1d", {"output_size": 2}, [[3, 5]]],
    ["adaptiveavgpool2d", {"output_size": [1, 1]}, [[3, 4, 4]]],
    ["adaptiveavgpool3d", {"output_size": 1}, [[3, 4, 4, 4]]],
    ["adaptivemaxpool2d", {"output_size": 2}, [[3, 5, 4]]],
    ["upsample", {"scale_factor": 2.0}, [[3, 4, 4]]],
    ["upsample", {"scale_factor": 2.0, "mode": "bilinear"}, [[3, 4, 4]]],
    ["upsample", {"size": [6, 8], "mode": "bilinear"}, [[3, 4, 4]]],
    ["pixelshuffle", {"upscale_factor": 2}, [[4, 4, 4]]],
    ["localresponsenorm", {"size": 3}, [[6, 4, 4]]],
    ["dropout", {"p": 0.5}, [[3, 4]]],
    ["pad", {"padding": [1, 1]}, [[3, 4]]],
    *([op, {}, [[3, 4], [3, 4]]] for op in ("add", "sub", "mul", "div")),
    ["mean", {"dim": [2]}, [[3, 4]]],
    ["permute", {"dims": [0, 2, 1]}, [[3, 4]]],
]
"""Layers as calls of functions: operator, arguments, input shapes."""


def layers() -> list[list[Any]]:
    """Every example of every layer type that takes one sample, as a module; then ``FUNCTIONS``."""
    found = [
        [op, to_builtins(example.args), [list(shape[1:]) for shape in example.inputs]]
        for op, kind in sorted(REGISTRY.items())
        for example in kind.examples
    ]
    return [*filter(takes_one_sample, found), *([*each, "function"] for each in FUNCTIONS)]


def takes_one_sample(layer: list[Any]) -> bool:
    try:
        cnnprof.analyze(one_layer(*layer))
    except LayerError:
        return False
    return bool(layer[2])


def answers(networks: list[Any], names: tuple[str, ...], *, training: bool = False, beside: Path | None = None) -> Any:
    """Return what the tools say, by network and figure; torchsummary fails where it finds no parameter."""
    questions = [
        {
            "network": each,
            "tools": [name for name in names if name != "torchsummary" or learns(each)],
            "training": training,
        }
        for each in networks
    ]
    said = ask(questions, beside=beside)
    return {
        (str(network), figure): value
        for network, found in zip(networks, said, strict=True)
        for figure, value in found.items()
    }


def learns(network: Any) -> bool:
    """Return whether torchsummary finds a parameter: its total of none is a number without the method it calls."""
    return isinstance(network, str) or conventions(cnnprof.analyze(one_layer(*network)))["torchsummary"].counted > 0


def predictions(networks: list[Any], *, training: bool = False) -> dict[tuple[str, str], int | None]:
    """Return what cnnprof says that they say; None where it does not know."""
    found = {}
    for network in networks:
        model = one_layer(*network) if isinstance(network, list) else network.removeprefix("build:")
        for total in conventions(cnnprof.analyze(model), training=training).totals:
            found[str(network), f"{total.tool} {total.quantity}"] = None if total.unknown else total.counted
    return found


def differences(said: Any, predicted: Any) -> dict[tuple[str, str], Any]:
    """Return every figure in which both differ, failures of the tools included; what is not known is no difference."""
    return {
        key: (predicted.get(key), value)
        for key, value in said.items()
        if isinstance(value, list) or (predicted[key] is not None and predicted[key] != value)
    }


def failures(said: Any) -> dict[tuple[str, str], str]:
    return {key: value[0] for key, value in said.items() if isinstance(value, list)}


def test_every_tool_says_of_a_built_network_what_is_predicted():
    networks = [f"build:{name}" for name in NETWORKS]

    said, predicted = answers(networks, HERE), predictions(networks)

    assert {} == differences(said, predicted)
    assert 13 * 8 == len(said)
    assert None not in predicted.values()


def test_every_tool_says_of_a_network_of_torchvision_what_is_predicted():
    networks = [f"torchvision:{name}" for name in NETWORKS]

    said, predicted = answers(networks, HERE), predictions(networks)

    # A layer of its DenseNet takes a list of tensors, which torchsummary does not survive.
    broken = ("torchvision:densenet121", "torchsummary")
    assert {broken: "AttributeError: 'list' object has no attribute 'size'"} == failures(said)
    assert {broken} == differences(said, predicted).keys()
    assert 13 * 8 == len(said)
    assert None not in predicted.values()


UPSAMPLE = str(["upsample", {"scale_factor": [1.5, 0.7], "mode": "bicubic"}, [[2, 5, 5]]])
ATTENTION = str(["multiheadattention", {"num_heads": 2, "batch_first": True}, [[5, 8]]])
CRASHES = {
    (UPSAMPLE, "calflops"): "TypeError: unsupported operand type(s) for ** or pow(): 'tuple' and 'int'",
    (ATTENTION, "torchprofile"): "AttributeError: 'NoneType' object has no attribute 'lower'",
}


def test_every_tool_says_of_every_layer_in_evaluation_what_is_predicted():
    networks = layers()

    said, predicted = answers(networks, HERE), predictions(networks)

    assert CRASHES == failures(said)
    assert CRASHES.keys() == differences(said, predicted).keys()
    assert len(said) > 2500


def test_every_tool_says_of_every_layer_in_training_what_is_predicted():
    networks = [each for each in layers() if each[0] != "batchnorm1d"]  # torch wants more than one sample

    names = ("FlopCounterMode", "fvcore", "torchprofile", "torchsummary")
    said, predicted = answers(networks, names, training=True), predictions(networks, training=True)

    assert {} == differences(said, predicted)
    assert len(said) > 600


def test_what_nobody_has_found_out_is_listed_here():
    unknown = {
        total.tool: sorted(
            {
                each[0]
                for each in layers()
                for found in conventions(cnnprof.analyze(one_layer(*each))).totals
                if found.tool == total.tool and found.unknown
            }
        )
        for total in conventions(cnnprof.analyze("alexnet")).totals
    }

    rare = ["einsum", "locallyconnected1d", "locallyconnected2d"]
    assert {
        "FlopCounterMode": [*rare, "multiheadattention", "scaleddotproductattention"],
        "fvcore": [*rare, "multiheadattention"],
        "ptflops": [*rare, "multiheadattention"],
        "ptflops (aten)": [*rare, "multiheadattention", "scaleddotproductattention"],
        "thop": rare,
        "ultralytics-thop": [*rare, "multiheadattention"],
        "torchinfo": [],
        "torchprofile": [*rare, "multiheadattention"],
        "calflops": ["convtranspose1d", "convtranspose2d", "convtranspose3d", *rare, "multiheadattention"],
        "DeepSpeed": [*rare, "multiheadattention"],
        "torchsummary": [],
        "Keras": [],
    } == unknown


# Tools in folders of their own: tools/peers FOLDER, CNNPROF_PEERS=FOLDER pytest -m apart


def folder(tool: str) -> Path:
    return Path(os.environ["CNNPROF_PEERS"]) / tool


@pytest.mark.apart
@pytest.mark.parametrize("tool", ["ultralytics-thop", "DeepSpeed"])
def test_tools_apart_say_of_networks_what_is_predicted(tool):
    networks = [f"{kind}:{name}" for kind in ("build", "torchvision") for name in NETWORKS]

    said = answers(networks, (tool,), beside=folder(tool))

    assert {} == differences(said, predictions(networks))
    assert 2 * 16 == len(said)


@pytest.mark.apart
@pytest.mark.parametrize("tool", ["ultralytics-thop", "DeepSpeed"])
def test_tools_apart_say_of_every_layer_what_is_predicted(tool):
    networks = layers()

    said, predicted = answers(networks, (tool,), beside=folder(tool)), predictions(networks)

    crashes = {"ultralytics-thop": {(ATTENTION, tool): "IndexError: tuple index out of range"}, "DeepSpeed": {}}[tool]
    assert crashes == failures(said)
    assert crashes.keys() == differences(said, predicted).keys()
    assert len(said) > 400


KERAS = {"vgg16": 0, "resnet50": 26_560, "mobilenet_v2": 0, "densenet121": 0, "efficientnet_b0": 7, "convnext_tiny": 0}
"""What Keras' own network has beside the zoo's: biases of convolutions before batch norms, a normalising input."""


@pytest.mark.apart
@pytest.mark.parametrize("name", KERAS)
def test_keras_says_of_its_own_networks_what_is_predicted(name):
    (said,) = ask([{"application": APPLICATIONS[name]}], beside=folder("Keras"))

    predicted = conventions(cnnprof.analyze(name))["Keras"].counted

    assert {"Keras params": predicted + KERAS[name]} == said


# The test itself


def test_a_rule_that_is_wrong_is_found():
    said = {("net", "fvcore macs"): 10, ("net", "thop macs"): 11, ("net", "thop params"): ["RuntimeError: no"]}

    found = differences(said, {("net", "fvcore macs"): 9, ("net", "thop macs"): 11})

    assert {("net", "fvcore macs"): (9, 10), ("net", "thop params"): (None, ["RuntimeError: no"])} == found


def test_every_tool_is_asked():
    asked = {*HERE, "ultralytics-thop", "DeepSpeed", "Keras"}

    assert {tool.name for tool in tools()} == asked
